"""Requests of every kind, good and bad, as the bytes that go over the wire, and what each must be answered."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from benchmarks.serving.model import NAME
from benchmarks.serving.rows import NUMBERS, Row

PREDICT, INFER = "/predict", f"/v2/models/{NAME}/infer"
LARGE = 100_000_000
DEEP = 20_000


@dataclass(frozen=True, slots=True)
class Request:
    """One request and its answer: ``statuses`` that may come, and where there is one the ``row`` and ``field`` that must be named.

    ``parts`` are written one after the other, and no further when the answer is there. ``half_closed``: our side of the connection is
    closed after them. ``ends``: the server may close the connection, with or without an answer where ``silent``.
    """

    kind: str
    parts: Sequence[bytes]
    statuses: Sequence[int]
    row: int | None = None
    field: str | None = None
    half_closed: bool = False
    ends: bool = False
    silent: bool = False


def message(path: str, body: bytes, *headers: str, method: str = "POST", kind: str = "application/json") -> bytes:
    """A whole HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"content-type: {kind}", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _row_with(
    kind: str, change: Callable[[Row, str], str | bytes], statuses: Sequence[int], *, row: bool = True, field: bool = True
) -> Callable[..., Request]:
    """Rows of which one has one number changed; ``row``, ``field``: the answer must name it."""

    def make(draw: random.Random, rows: Sequence[Row]) -> Request:
        some = [draw.choice(rows) for _ in range(draw.choice((1, 1, 1, 5)))]
        at, name = draw.randrange(len(some)), draw.choice(NUMBERS[:-2])
        texts = [json.dumps(row).encode() for row in some]
        changed = change(some[at], name)
        texts[at] = changed if isinstance(changed, bytes) else changed.encode()
        body = texts[0] if len(texts) == 1 else b"[" + b",".join(texts) + b"]"
        return Request(kind, [message(PREDICT, body)], statuses, at if row else None, name if field else None)

    return make


def _as(text: str) -> Callable[[Row, str], str]:
    """The row with this text as the value of the field."""
    return lambda row, field: json.dumps({**row, field: "@"}).replace('"@"', text)


def _good(draw: random.Random, rows: Sequence[Row]) -> Request:
    some = [draw.choice(rows) for _ in range(draw.choice((1, 1, 1, 3, 40)))]
    return Request("good", [message(PREDICT, json.dumps(some[0] if len(some) == 1 else some).encode())], (200,))


def _tensors(row: Row) -> list[dict[str, Any]]:
    kinds = {bool: "BOOL", str: "BYTES"}
    return [{"name": k, "shape": [1], "datatype": kinds.get(type(v), "FP64"), "data": [v]} for k, v in row.items()]


def _v2(kind: str, change: Callable[[list[dict[str, Any]]], Any], statuses: Sequence[int], path: str = INFER) -> Callable[..., Request]:
    def make(draw: random.Random, rows: Sequence[Row]) -> Request:
        tensors = _tensors(draw.choice(rows))
        return Request(kind, [message(path, json.dumps({"inputs": change(tensors)}).encode())], statuses)

    return make


def _fixed(
    kind: str, parts: Callable[[Row], Sequence[bytes]], statuses: Sequence[int], **about: Any
) -> Callable[[random.Random, Sequence[Row]], Request]:
    return lambda draw, rows: Request(kind, parts(draw.choice(rows)), statuses, **about)


def _body(row: Row) -> bytes:
    return json.dumps(row).encode()


def _large(_: Row) -> Sequence[bytes]:
    """A body that says it has 100 MB."""
    head = f"POST {PREDICT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {LARGE}\r\n\r\n".encode()
    return [head, *[b" " * 65_536] * (LARGE // 65_536)]


def _endless(_: Row) -> Sequence[bytes]:
    """A chunked body that does not say that it has 100 MB."""
    head = f"POST {PREDICT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    return [head, *[b"10000\r\n" + b" " * 65_536 + b"\r\n"] * (LARGE // 65_536)]


def _halves(row: Row) -> Sequence[bytes]:
    whole = message(PREDICT, _body(row))
    return [whole[: len(whole) // 2]]


def _twice(row: Row, field: str) -> str:
    return json.dumps(row)[:-1] + f', "{field}": 1}}'


def _without(row: Row, field: str) -> str:
    return json.dumps({name: value for name, value in row.items() if name != field})


def _latin(row: Row, field: str) -> bytes:
    return json.dumps({**row, field: "@"}).encode().replace(b"@", b"\xff\xfe")


def _other_model(row: Row) -> bytes:
    return json.dumps({"temp": 0.3, "hr": 8, "season": "spring", "holiday": False}).encode()


BAD = (400, 422)
GZIP = "content-encoding: gzip"
_UNKNOWN = f"/v2/models/{NAME}/versions/999/infer"

KINDS: Mapping[str, tuple[int, Callable[[random.Random, Sequence[Row]], Request]]] = MappingProxyType(
    {
        "good": (60, _good),
        "good v2": (10, _v2("good v2", lambda tensors: tensors, (200,))),
        "NaN": (4, _row_with("NaN", _as("NaN"), BAD, row=False, field=False)),
        "Infinity": (4, _row_with("Infinity", _as("-Infinity"), BAD, row=False, field=False)),
        "1e400": (4, _row_with("1e400", _as("1e400"), BAD, row=False, field=False)),
        "number as text": (4, _row_with("number as text", _as('"12.5"'), (422,))),
        "list for number": (4, _row_with("list for number", _as("[1, 2]"), (422,))),
        "object for number": (4, _row_with("object for number", _as('{"a": 1}'), (422,))),
        "integer of 400 digits": (4, _row_with("integer of 400 digits", _as("9" * 400), BAD, row=False, field=False)),
        "missing field": (4, _row_with("missing field", _without, (422,))),
        "extra field": (4, _row_with("extra field", lambda row, _: json.dumps({**row, "surplus": 1}), (422,), field=False)),
        "field twice": (4, _row_with("field twice", _twice, BAD, row=False)),
        "no UTF-8": (4, _row_with("no UTF-8", _latin, (400,), row=False, field=False)),
        "deep lists": (1, _fixed("deep lists", lambda _: [message(PREDICT, b"[" * DEEP + b"]" * DEEP)], BAD)),
        "deep objects": (1, _fixed("deep objects", lambda _: [message(PREDICT, b'{"a":' * DEEP + b"1" + b"}" * DEEP)], BAD)),
        "another model's rows": (
            4,
            _fixed("another model's rows", lambda row: [message(PREDICT, _other_model(row))], (422,), row=0, field="age"),
        ),
        "rows of numbers": (2, _fixed("rows of numbers", lambda _: [message(PREDICT, b"[[1, 2, 3]]")], (422,), row=0, field="")),
        "no rows": (2, _fixed("no rows", lambda _: [message(PREDICT, b"[]")], (422,))),
        "empty": (2, _fixed("empty", lambda _: [message(PREDICT, b"")], (400,))),
        "cut": (2, _fixed("cut", lambda row: [message(PREDICT, _body(row)[:-9])], (400,))),
        "content type": (2, _fixed("content type", lambda row: [message(PREDICT, _body(row), kind="text/plain")], (415,))),
        "compressed": (2, _fixed("compressed", lambda row: [message(PREDICT, _body(row), GZIP)], (400, 415))),
        "method": (2, _fixed("method", lambda _: [message(PREDICT, b"", method="PUT")], (405,))),
        "no such path": (2, _fixed("no such path", lambda row: [message("/predictions", _body(row))], (404,))),
        "unknown version": (2, _v2("unknown version", lambda tensors: tensors, (404,), _UNKNOWN)),
        "unknown model": (2, _v2("unknown model", lambda tensors: tensors, (404,), "/v2/models/other/infer")),
        "wrong shape": (2, _v2("wrong shape", lambda tensors: [{**each, "shape": [3]} for each in tensors], (400, 422))),
        "shape of two columns": (2, _v2("shape of two columns", lambda t: [{**each, "shape": [1, 2], "data": [1, 2]} for each in t], BAD)),
        "tensor twice": (2, _v2("tensor twice", lambda tensors: [*tensors, tensors[0]], BAD)),
        "no tensors": (2, _v2("no tensors", lambda _: [], BAD)),
        "no HTTP": (
            1,
            _fixed("no HTTP", lambda _: [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"], (400,), ends=True, silent=True),
        ),
        "two lengths": (
            1,
            _fixed("two lengths", lambda row: [message(PREDICT, _body(row), "content-length: 7")], (400,), ends=True),
        ),
        "length and chunks": (
            1,
            _fixed("length and chunks", lambda row: [message(PREDICT, _body(row), "transfer-encoding: chunked")], (400,), ends=True),
        ),
        "half-closed, whole": (
            1,
            _fixed("half-closed, whole", lambda row: [message(PREDICT, _body(row))], (200,), half_closed=True, ends=True, silent=True),
        ),
        "half-closed, cut": (1, _fixed("half-closed, cut", _halves, (400, 408), half_closed=True, ends=True, silent=True)),
    }
)
"""Of each kind its weight, and how it is made."""

RARE: Mapping[str, Callable[[random.Random, Sequence[Row]], Request]] = MappingProxyType(
    {
        "100 MB": _fixed("100 MB", _large, (413,), ends=True),
        "100 MB in chunks": _fixed("100 MB in chunks", _endless, (413,), ends=True),
        "slow client": _fixed("slow client", _halves, (408,), ends=True),
        "slow head": _fixed("slow head", lambda _: [f"POST {PREDICT} HTTP/1.1\r\nhost: loc".encode()], (408,), ends=True, silent=True),
    }
)
"""What costs seconds each: asked now and then, beside the others."""
