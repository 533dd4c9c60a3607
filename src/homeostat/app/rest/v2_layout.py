"""One-row requests of the V2 protocol in a form that was seen before: cut out at the places of their values, not parsed as a whole.

A caller sends the same names, shapes and datatypes again and again, and only the values change. What a request has between its values is
kept when it was parsed once; a body that is equal there becomes the JSON object of its row, which the decoder then judges as any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from homeostat.app.rest.v2_tensors import VALUES

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.app.rest.v2_tensors import Inference

MOST_BYTES = 16 << 10
"""Longer bodies are always parsed."""
KEPT = 256
"""Forms: a caller who tells a null by another datatype has one for each combination."""
_OPENS = (b'"data":[', b'"data": [')
_SEPARATOR = b",\n"  # no value in a layout has a line break, so that joined values match one by one
_ID = re.compile(rb'\{"id": ?"([^"\\\x00-\x1f]*)", ?')
_NUMBER, _WHOLE, _TEXT = rb"(?:-?\d[\d.eE+-]*|null)", rb"(?:-?\d+|null)", rb'(?:"[^"\\\x00-\x1f]*"|null)'
_PATTERNS = {float: _NUMBER, int: _WHOLE, bool: b"(?:true|false|null)", str: _TEXT}

Found = tuple[bytes, str | None, tuple[str, ...] | None]
Between = tuple[bytes, ...]
"""What a body has before its first value, and after each of them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What becomes of a body's values: they must fit all together, ``template`` makes the row of them, ``wanted`` are the outputs."""

    fits: Callable[[bytes], Any]
    template: bytes
    wanted: tuple[str, ...] | None

    def row(self, values: list[bytes]) -> bytes | None:
        """The row as a JSON object; None: the values are not plain ones of their datatypes."""
        return self.template % tuple(values) if self.fits(_SEPARATOR.join(values)) else None


class Layouts:
    """Forms of requests that were seen, so many of the newest."""

    def __init__(self) -> None:
        self._kept: dict[Between, Layout] = {}

    def find(self, body: bytes) -> Found | None:
        """The row of a body as a JSON object, the request's own id and the outputs it wants; None: the body must be parsed."""
        if len(body) > MOST_BYTES:
            return None
        asked, between, values = _cut(body)
        layout = self._kept.get(between)
        row = None if layout is None else layout.row(values)
        return None if layout is None or row is None else (row, asked, layout.wanted)

    def learn(self, body: bytes, asked: Inference, wanted: tuple[str, ...] | None) -> None:
        """Keep the form of a body that was parsed, if it is a plain one."""
        if len(body) > MOST_BYTES or body.count(b'"data"') != len(asked.inputs):
            return
        own, between, values = _cut(body)
        if own != asked.id or len(values) != len(asked.inputs):
            return
        layout = _layout(values, asked, wanted)
        if layout is not None:
            if len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[between] = layout


def _cut(body: bytes) -> tuple[str | None, Between, list[bytes]]:
    """The request's own id, what stands between its values, and these; what is no value but cut as one fits no layout."""
    head, *parts = body.split(_OPENS[0])
    if not parts:
        head, *parts = body.split(_OPENS[1])
    asked, head = _without_id(head)
    values, between = [], [head]
    for part in parts:
        value, _, tail = part.partition(b"]")
        values.append(value)
        between.append(tail)
    return asked, tuple(between), values


def _without_id(head: bytes) -> tuple[str | None, bytes]:
    """A request's own id and what its head is without it."""
    found = _ID.match(head)
    if found is None:
        return None, head
    try:
        return found[1].decode(), b"{" + head[found.end() :]
    except UnicodeDecodeError:
        return None, head


def _layout(values: list[bytes], asked: Inference, wanted: tuple[str, ...] | None) -> Layout | None:
    """The form of a body that was cut into these values; None where it is not plain: more rows than one, nested data, parameters."""
    if asked.parameters is not None or any(each.parameters is not None for each in (*asked.inputs, *(asked.outputs or ()))):
        return None
    names = [msgspec.json.encode(each.name).replace(b"%", b"%%") for each in asked.inputs]
    layout = Layout(
        re.compile(_SEPARATOR.join(_PATTERNS[VALUES[each.datatype][0]] for each in asked.inputs)).fullmatch,
        b"{" + b",".join(name + b":%b" for name in names) + b"}",
        wanted,
    )
    row = layout.row(values)
    return layout if row is not None and _same(row, asked) else None


def _same(row: bytes, asked: Inference) -> bool:
    """Whether the row is what the parsed request says."""
    try:
        return bool(msgspec.json.decode(row) == {each.name: each.data[0] for each in asked.inputs if each.data and len(each.data) == 1})
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
