"""What an Arrow stream would be when unpacked, read from its headers before anything is unpacked.

Every buffer says its own size, compressed ones that of their content, so that a small body that would become a large table is refused
without memory for it.
Source: https://arrow.apache.org/docs/format/Columnar.html, "IPC Streaming Format" and "Compression"; format/Message.fbs; and
https://flatbuffers.dev/internals/ for the tables that headers are written in.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_CONTINUES = 0xFFFFFFFF
_DICTIONARY, _RECORDS = 2, 3
_PREFIX = 8  # of a compressed buffer: the size of its content, or -1


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Rows of all record batches, and bytes of all buffers."""

    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class _Table:
    """A flatbuffers table: its fields are found through a table of offsets before it."""

    content: bytes
    at: int

    @staticmethod
    def root(content: bytes) -> _Table:
        return _Table(content, struct.unpack_from("<I", content)[0])

    def place(self, field: int) -> int:
        """Where a field stands; 0: it is not there."""
        offsets = self.at - int(struct.unpack_from("<i", self.content, self.at)[0])
        if offsets < 0:
            raise ValueError("a table without its offsets")
        size: int = struct.unpack_from("<H", self.content, offsets)[0]
        entry = 4 + 2 * field
        offset: int = struct.unpack_from("<H", self.content, offsets + entry)[0] if entry < size else 0
        return self.at + offset if offset else 0

    def number(self, field: int, form: str) -> int:
        place = self.place(field)
        return int(struct.unpack_from(form, self.content, place)[0]) if place else 0

    def table(self, field: int) -> _Table | None:
        place = self.place(field)
        return _Table(self.content, place + struct.unpack_from("<I", self.content, place)[0]) if place else None

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """A list of structures of two 64-bit numbers."""
        place = self.place(field)
        if not place:
            return
        start = place + struct.unpack_from("<I", self.content, place)[0]
        count: int = struct.unpack_from("<I", self.content, start)[0]
        end = start + 4 + 16 * count
        if end > len(self.content):
            raise ValueError("a list beyond its message")
        yield from struct.iter_unpack("<qq", self.content[start + 4 : end])


def unpacked(stream: bytes) -> Unpacked:
    """Rows and bytes that a stream would be.

    Raises:
        ValueError: it is not an Arrow stream, or its parts do not lie within it.
    """
    rows = size = 0
    try:
        for header, body in _messages(stream):
            kind = header.number(1, "<B")
            part = header.table(2)
            batch = part.table(1) if kind == _DICTIONARY and part is not None else part if kind == _RECORDS else None
            if batch is None:
                continue
            length, columns = batch.number(0, "<q"), [each for each, _ in batch.pairs(1)]
            if length < 0 or min(columns, default=0) < 0:
                raise ValueError("a batch of negative length")
            rows += length if kind == _RECORDS else 0
            size += _size(batch, body) + sum(columns) // 8  # a column of nulls has no buffers
    except struct.error as cut:
        raise ValueError(f"a message is cut short: {cut}") from cut
    return Unpacked(rows, size)


def _messages(stream: bytes) -> Iterator[tuple[_Table, memoryview]]:
    """The header and the body of each message."""
    at, view = 0, memoryview(stream)
    while at < len(stream):
        begins, length = struct.unpack_from("<Ii", stream, at)
        if begins != _CONTINUES:
            raise ValueError("a message does not begin as one")
        at += 8
        if length == 0:
            return
        if length < 0 or at + length > len(stream):
            raise ValueError("a header beyond the stream")
        header = _Table.root(stream[at : at + length])
        at += length
        body = header.number(3, "<q")
        if body < 0 or at + body > len(stream):
            raise ValueError("a body beyond the stream")
        yield header, view[at : at + body]
        at += body


def _size(batch: _Table, body: memoryview) -> int:
    """The bytes of a batch's buffers, unpacked."""
    compressed, size = batch.place(3) != 0, 0
    for offset, length in batch.pairs(2):
        if offset < 0 or length < 0 or offset + length > len(body):
            raise ValueError("a buffer beyond its message")
        own = length
        if compressed and length:
            said = struct.unpack_from("<q", body, offset)[0]
            own = length - _PREFIX if said == -1 else said
        if own < 0:
            raise ValueError("a buffer of negative size")
        size += own
    return size
