"""Parquet files made of the pages of others: columns added to row groups, files laid end to end. Only footers are written anew.

Source: Apache Parquet, "File Format" and ``parquet.thrift`` (FileMetaData, SchemaElement, RowGroup, ColumnChunk, ColumnMetaData).
"""

from __future__ import annotations

import io
import os
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from homeostat.errors import DataError
from homeostat.infra.formats.compact import I16, I32, I64, LIST, STRUCT, Struct, Typed, read_struct, write_struct

MAGIC = b"PAR1"
_TAIL = 8  # the footer's length in four bytes, then the magic
_STEP = 8 << 20
# Field numbers of parquet.thrift.
_VERSION, _SCHEMA, _ROWS, _GROUPS, _NOTES, _WRITER, _ORDERS, _ENCRYPTED = range(1, 9)
_TYPE, _NAME, _CHILDREN = 1, 4, 5
_INT96 = 3
_CHUNKS, _BYTES, _GROUP_ROWS, _START, _COMPRESSED, _ORDINAL = 1, 2, 3, 5, 6, 7
_FILE, _CHUNK_START, _META = 1, 2, 3
_META_BYTES, _META_COMPRESSED = 6, 7
_DATA, _INDEX, _DICTIONARY = 9, 10, 11
_BLOOM = (14, 15)


@dataclass(frozen=True, slots=True, eq=False)
class Footer:
    """What a Parquet file says of itself; ``bytes`` is how many stand before the footer, ``name`` what errors call the file."""

    fields: Struct
    bytes: int
    name: str

    @property
    def layout(self) -> list[Struct]:
        """The schema as Parquet has it: files of equal layouts can be laid end to end."""
        found: list[Struct] = self.fields[_SCHEMA].value
        return found

    @property
    def groups(self) -> list[Struct]:
        """The row groups."""
        found: list[Struct] = self.fields[_GROUPS].value
        return found

    @property
    def group_rows(self) -> tuple[int, ...]:
        """How many rows each row group has."""
        return tuple(int(group[_GROUP_ROWS].value) for group in self.groups)

    @property
    def copied(self) -> bool:
        """Whether the pages can be copied: they are in this file, not encrypted, and of types that all readers take for the same."""
        chunks = (chunk for group in self.groups for chunk in group[_CHUNKS].value)
        old = any(_TYPE in element and element[_TYPE].value == _INT96 for element in self.layout)
        return _ENCRYPTED not in self.fields and not old and all(_FILE not in chunk and _META in chunk for chunk in chunks)


def read_footer(path: Path) -> Footer:
    """A file's footer.

    Raises:
        DataError: HS209, the file is no Parquet file, or is damaged.
    """
    with path.open("rb") as file:
        return _footer(file, path.name)


def join(paths: Sequence[Path], out: IO[bytes]) -> int:
    """Write the rows of the files, in order, as one file, and return their number; the row groups stay as they are.

    Args:
        paths: at least one file; all have one layout. The first one's metadata become those of the whole.
        out: an empty file.

    Raises:
        DataError: HS209, a file is damaged or of another layout than the first.
    """
    out.write(MAGIC)
    first: Footer | None = None
    groups: list[Struct] = []
    for path in paths:
        with path.open("rb") as file:
            footer = _footer(file, path.name)
            first = first or footer
            if footer.layout != first.layout:
                raise DataError("HS209", "a part has another schema than the first one", place=path.name, next_step="run it again")
            for group in footer.groups:
                groups.append(_copied(group, range(len(group[_CHUNKS].value)), file, out, len(groups)))
    if first is None:
        raise ValueError("no file, so no schema to write")
    return _finish(out, first.fields, groups)


def widen(source: tuple[Path, Footer], groups: range, without: Container[str], more: Sequence[bytes], like: bytes, out: IO[bytes]) -> int:
    """Write some row groups of a file with further columns, and return the number of rows.

    Args:
        source: the file, and its footer.
        groups: which of its row groups.
        without: columns that are left out.
        more: for each of these row groups a Parquet file with its further columns, in one row group.
        like: a Parquet file without rows that has all the columns of the result: its metadata are taken.
        out: an empty file.

    Raises:
        DataError: HS209, the file is damaged.
    """
    out.write(MAGIC)
    made: list[Struct] = []
    path, footer = source
    with path.open("rb") as file:
        fields = [field for field in _fields(footer.layout) if field.name not in without]
        leaves = [leaf for field in fields for leaf in field.leaves]
        elements = [element for field in fields for element in field.elements]
        count = len(fields)
        for at, content in zip(groups, more, strict=True):
            added = _footer(io.BytesIO(content), "prediction")
            group = _copied(footer.groups[at], leaves, file, out, len(made))
            other = _copied(added.groups[0], range(len(added.layout) - 1), io.BytesIO(content), out, len(made))
            made.append(_beside(group, other))
            if at == groups[0]:
                elements += added.layout[1:]
                count += len(added.layout) - 1
    pattern = _footer(io.BytesIO(like), "prediction").fields
    root = footer.layout[0] | {_CHILDREN: Typed(I32, count)}
    schema = Typed(LIST, [root, *elements], STRUCT)
    kept = {number: pattern[number] for number in (_VERSION, _NOTES, _WRITER, _ORDERS) if number in pattern}
    return _finish(out, kept | {_SCHEMA: schema}, made)


@dataclass(frozen=True, slots=True)
class _Field:
    """A column of the table: its schema elements, and the places of its leaves among the chunks of a row group."""

    name: str
    elements: list[Struct]
    leaves: range


def _fields(layout: Sequence[Struct]) -> Iterator[_Field]:
    at, leaf = 1, 0
    while at < len(layout):
        end = _end(layout, at)
        elements = list(layout[at:end])
        leaves = sum(not _children(each) for each in elements)
        yield _Field(elements[0][_NAME].value.decode(), elements, range(leaf, leaf + leaves))
        at, leaf = end, leaf + leaves


def _end(layout: Sequence[Struct], at: int) -> int:
    """Where the element after this one and all that it holds stands."""
    end = at + 1
    for _ in range(_children(layout[at])):
        end = _end(layout, end)
    return end


def _children(element: Struct) -> int:
    return int(element[_CHILDREN].value) if _CHILDREN in element else 0


def _footer(file: IO[bytes], name: str) -> Footer:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _TAIL))
    tail = file.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    start = end - _TAIL - length
    if tail[4:] != MAGIC or start < len(MAGIC):
        raise DataError("HS209", "not a Parquet file, or a damaged one", place=name, next_step="deliver the file again")
    file.seek(start)
    try:
        return Footer(read_struct(file.read(length)), start, name)
    except ValueError as error:
        raise DataError("HS209", f"its footer is damaged: {error}", place=name, next_step="deliver the file again") from error


def _copied(group: Struct, leaves: Sequence[int], source: IO[bytes], out: IO[bytes], ordinal: int) -> Struct:
    """Copy some chunks of a row group and return how the new one is described; indexes of pages are not taken along."""
    start = out.tell()
    chunks = []
    for leaf in leaves:
        meta: Struct = group[_CHUNKS].value[leaf][_META].value
        first = min(int(meta[number].value) for number in (_DATA, _DICTIONARY) if number in meta and meta[number].value > 0)
        shift = out.tell() - first
        _copy(source, first, int(meta[_META_COMPRESSED].value), out)
        moved = {number: field for number, field in meta.items() if number not in _BLOOM}
        for number in (_DATA, _INDEX, _DICTIONARY):
            if number in moved and moved[number].value > 0:
                moved[number] = Typed(I64, moved[number].value + shift)
        chunks.append({_CHUNK_START: Typed(I64, 0), _META: Typed(STRUCT, moved)})
    return _described(chunks, int(group[_GROUP_ROWS].value), start, ordinal)


def _beside(group: Struct, other: Struct) -> Struct:
    chunks = [*group[_CHUNKS].value, *other[_CHUNKS].value]
    return _described(chunks, group[_GROUP_ROWS].value, group[_START].value, group[_ORDINAL].value)


def _described(chunks: list[Struct], rows: int, start: int, ordinal: int) -> Struct:
    sizes = [sum(int(chunk[_META].value[number].value) for chunk in chunks) for number in (_META_BYTES, _META_COMPRESSED)]
    return {
        _CHUNKS: Typed(LIST, chunks, STRUCT),
        _BYTES: Typed(I64, sizes[0]),
        _GROUP_ROWS: Typed(I64, rows),
        _START: Typed(I64, start),
        _COMPRESSED: Typed(I64, sizes[1]),
        _ORDINAL: Typed(I16, min(ordinal, 32_767)),
    }


def _finish(out: IO[bytes], fields: Struct, groups: list[Struct]) -> int:
    rows = sum(int(group[_GROUP_ROWS].value) for group in groups)
    packed = write_struct(fields | {_ROWS: Typed(I64, rows), _GROUPS: Typed(LIST, groups, STRUCT)})
    out.write(packed + len(packed).to_bytes(4, "little") + MAGIC)
    return rows


def _copy(source: IO[bytes], start: int, count: int, target: IO[bytes]) -> None:
    source.seek(start)
    while count > 0:
        block = source.read(min(_STEP, count))
        if not block:
            raise DataError("HS209", "the file is shorter than its footer says", place=str(getattr(source, "name", "")))
        target.write(block)
        count -= len(block)
