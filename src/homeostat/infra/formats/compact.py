"""Thrift's compact protocol, as far as a Parquet footer needs it: structures as mappings from field numbers to typed values.

A value keeps its wire type beside it, so what was read is written again byte for byte, fields that this program knows nothing of too.

Source: Apache Thrift, "Thrift Compact protocol encoding" (doc/specs/thrift-compact-protocol.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
Struct = dict[int, "Typed"]
_DEEPEST = 32
"""A footer nests six deep; bytes that nest without end are none."""


@dataclass(slots=True)
class Typed:
    """A value with its wire type; of a list ``inner`` is the type of its elements, of a map the two types of its entries."""

    type: int
    value: Any
    inner: int = 0


def read_struct(content: bytes) -> Struct:
    """The structure that the bytes hold.

    Raises:
        ValueError: they hold none.
    """
    try:
        return _Reader(content).struct(0)
    except IndexError as short:
        raise ValueError("the bytes end within a value") from short


def write_struct(fields: Struct) -> bytes:
    """The bytes of a structure."""
    out = bytearray()
    _put_struct(out, fields)
    return bytes(out)


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def struct(self, depth: int) -> Struct:
        if depth > _DEEPEST:
            raise ValueError("the bytes nest too deep")
        found: Struct = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            found[number] = self._typed(head & 15, depth)
        return found

    def _typed(self, kind: int, depth: int) -> Typed:
        if kind in (TRUE, FALSE):
            return Typed(kind, kind == TRUE)
        if kind in (LIST, SET):
            head = self._byte()
            count, inner = head >> 4, head & 15
            if count == 15:
                count = self._varint()
            return Typed(kind, [self._value(inner, depth) for _ in range(count)], inner)
        if kind == MAP:
            count = self._varint()
            inner = self._byte() if count else 0
            return Typed(kind, [(self._value(inner >> 4, depth), self._value(inner & 15, depth)) for _ in range(count)], inner)
        return Typed(kind, self._value(kind, depth))

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (TRUE, FALSE, BYTE):
            return self._byte()
        if kind in (I16, I32, I64):
            return self._integer()
        if kind == DOUBLE:
            return self._take(8)
        if kind == BINARY:
            return self._take(self._varint())
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind in (LIST, SET, MAP):
            return self._typed(kind, depth + 1)
        raise ValueError(f"there is no type {kind}")

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _take(self, count: int) -> bytes:
        taken = self._content[self._at : self._at + count]
        if len(taken) < count:
            raise ValueError("the bytes end within a value")
        self._at += count
        return taken

    def _varint(self) -> int:
        found = shift = 0
        while (byte := self._byte()) & 0x80:
            found |= (byte & 0x7F) << shift
            shift += 7
        return found | byte << shift

    def _integer(self) -> int:
        raw = self._varint()
        return raw >> 1 ^ -(raw & 1)


def _put_struct(out: bytearray, fields: Struct) -> None:
    before = 0
    for number, field in sorted(fields.items()):
        step = number - before
        if 0 < step <= 15:
            out.append(step << 4 | field.type)
        else:
            out.append(field.type)
            _put_integer(out, number)
        _put_typed(out, field)
        before = number
    out.append(0)


def _put_typed(out: bytearray, field: Typed) -> None:
    if field.type in (LIST, SET):
        count = len(field.value)
        out.append(min(count, 15) << 4 | field.inner)
        if count >= 15:
            _put_varint(out, count)
        for each in field.value:
            _put_value(out, field.inner, each)
    elif field.type == MAP:
        _put_varint(out, len(field.value))
        if field.value:
            out.append(field.inner)
        for key, value in field.value:
            _put_value(out, field.inner >> 4, key)
            _put_value(out, field.inner & 15, value)
    elif field.type not in (TRUE, FALSE):  # a flag is in its type
        _put_value(out, field.type, field.value)


def _put_value(out: bytearray, kind: int, value: Any) -> None:
    puts: dict[int, Callable[[bytearray, Any], None]] = {
        **dict.fromkeys((TRUE, FALSE, BYTE), bytearray.append),
        **dict.fromkeys((I16, I32, I64), _put_integer),
        **dict.fromkeys((LIST, SET, MAP), _put_typed),
        DOUBLE: bytearray.extend,
        BINARY: _put_binary,
        STRUCT: _put_struct,
    }
    puts[kind](out, value)


def _put_binary(out: bytearray, value: bytes) -> None:
    _put_varint(out, len(value))
    out += value


def _put_integer(out: bytearray, value: int) -> None:
    _put_varint(out, value << 1 if value >= 0 else (-value << 1) - 1)


def _put_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
