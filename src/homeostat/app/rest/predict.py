"""``POST /predict``: rows of named fields in, one answer per row out.

The body is one row (an object), a list of rows, or ``{"rows": [...]}``.
"""

from __future__ import annotations

import json
from random import getrandbits
from typing import TYPE_CHECKING, Any

import msgspec

from homeostat.app.rest.protocol import Reply, json_reply
from homeostat.app.rest.rows import ticket_of
from homeostat.app.rest.ticket import Ticket
from homeostat.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.app.rest.service import Live, Service, Slot
    from homeostat.app.rest.ticket import Form
    from homeostat.graph.decode import Read

SHAPES = 'an object of named fields, a list of them, or {"rows": [...]}'
_decode = msgspec.json.Decoder().decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Told(msgspec.Struct, omit_defaults=True):
    """The answer to one row, under the id by which it is logged."""

    id: str
    prediction: float | str
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    lower: float | None = None
    upper: float | None = None
    version: int | None = None


class Predicted(msgspec.Struct):
    """The answer to a request."""

    model: str
    version: int | None
    request: str
    predictions: list[Told]


def begin(service: Service, body: bytes, started: float) -> Ticket:
    """The ticket of a body.

    Raises:
        RequestError: anything about the request that is not right.
    """
    ticket = quick_ticket(service, body, reply, started)
    return ticket or ticket_of(service, parse_rows(body, service.serving().main.manifest.accepted()), reply, started)


def quick_ticket(service: Service, body: bytes, form: Form, started: float, slot: Slot | None = None) -> Ticket | None:
    """The ticket of a body that is right at first sight, an object or a list of them; None: it needs a second look.

    ``slot`` is the version that the caller asked for, as in ``ticket_of``.
    """
    found = _fast(service.serving(), body, service.limits.max_rows, slot) if service.shield is None else None
    return None if found is None else Ticket(*found, form, started)


def reply(ticket: Ticket) -> Reply:
    """``{"model", "version", "request", "predictions": [{"id", "prediction", ...}]}``.

    Where the rows were answered by several versions, ``version`` is null and each prediction has its own.
    """
    whole = None if ticket.parts else ticket.slot.version
    return json_reply(Predicted(ticket.slot.model, whole, ticket.request, told_rows(ticket)))


def told_rows(ticket: Ticket) -> list[Told]:
    """What is told of each row of an answered ticket."""
    told = [
        Told(name, each.prediction, each.probability, each.probabilities, each.lower, each.upper)
        for name, each in zip(ticket.ids, ticket.answers, strict=True)
    ]
    versions = ticket.versions
    if versions is not None:
        for each, version in zip(told, versions, strict=True):
            each.version = version
    return told


def _fast(live: Live, body: bytes, most: int, asked: Slot | None) -> tuple[Slot, list[Read], list[msgspec.Raw]] | None:
    """The rows of a body that is right at first sight: an object, or a list of them for one slot. None: it needs a second look."""
    slot = asked or (live.arms[live.router.first] if live.router.plain else None)
    try:
        if body[:1] == b"{":
            slot = slot or live.arms[live.router.arm(_decode(body), f"{getrandbits(64):x}")]
            one = slot.predictor.read_json(body) if slot.enricher is None else None
            return None if one is None else (slot, [one], [_line(body)])
        if slot is not None:
            rows = _decode_list(body)
        else:
            return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if slot.enricher is not None:
        return None
    read = [one for row in rows if (one := slot.predictor.read_json(row)) is not None]
    return (slot, read, [_line(bytes(row)) for row in rows]) if 0 < len(rows) <= most and len(read) == len(rows) else None


def _line(row: bytes) -> msgspec.Raw:
    """A JSON object as a log of one line each can hold it: a line break stands only between its parts."""
    return msgspec.Raw(row.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in row or b"\r" in row else row)


def decode_json(body: bytes) -> Any:
    """The body as JSON.

    Raises:
        RequestError: HS501 (400), not JSON (NaN and Infinity are not), not UTF-8, or nested too deep.
    """
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError("HS501", f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise RequestError("HS501", "the body is not allowed: it is nested too deep") from error


def parse_rows(body: bytes, accepted: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a body; what is in them is for the decoder to judge.

    Raises:
        RequestError: HS501, not one of the three shapes, or an object that names a field twice; HS502, a row that is no object.
    """
    rows = parse_values(body, accepted)
    for at, row in enumerate(rows):
        if not isinstance(row, dict):
            raise no_object(row, at)
    return rows


def parse_values(body: bytes, accepted: Sequence[str]) -> list[Any]:
    """As ``parse_rows``, and what stands where a row should may be any value."""
    value = decode_json(body)
    wrapped = isinstance(value, dict) and isinstance(value.get("rows"), list) and "rows" not in accepted
    if wrapped and len(value) > 1:
        others = sorted(name for name in value if name != "rows")
        raise RequestError("HS501", f'got {others[:5]} beside "rows"; allowed: {SHAPES}', status=422)
    rows = value["rows"] if wrapped else [value] if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise RequestError("HS501", f"got {_json_kind(value)}; allowed: {SHAPES}", status=422)
    _refuse_duplicates(body, [row for row in rows if isinstance(row, dict)], wrapped=wrapped)
    return rows


def no_object(value: Any, row: int) -> RequestError:
    """What is said of a row that is no object of named fields."""
    field: dict[str, object] = {"row": row, "field": "", "got": _json_kind(value), "allowed": "an object of named fields"}
    message = f"got {_json_kind(value)}; allowed: an object of named fields"
    return RequestError("HS502", message, status=422, fields=(field,), place=f"row {row}")


def _json_kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _refuse_duplicates(body: bytes, rows: list[dict[str, Any]], *, wrapped: bool) -> None:
    """An object that names a field twice has lost a value while parsing; which one was meant nobody knows.

    Each name in the body comes with a colon, so more colons than the rows explain are a reason to look closely.
    """
    explained = sum(map(len, rows)) + wrapped
    colons = body.count(b":")
    if colons != explained:
        explained += sum(
            name.count(":") + (value.count(":") if isinstance(value, str) else 0) for row in rows for name, value in row.items()
        )
    if colons != explained or b"\\u003" in body:
        refuse_twice(body)


def refuse_twice(body: bytes) -> None:
    """Refuse JSON that has an object which names a field twice.

    Raises:
        RequestError: HS501 (400).
    """
    json.loads(body, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]  # add is None
        field: dict[str, object] = {"field": twice, "got": "the field twice", "allowed": "each field once"}
        raise RequestError("HS501", f"got field {twice[:80]!r} twice in one object; allowed: once", fields=(field,))
    return value
