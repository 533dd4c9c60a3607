"""JSON lines as typed batches: numbers are read from their text, so none is rounded; what is nested becomes its JSON text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

from homeostat.infra.formats.column_types import TypeFold
from homeostat.infra.formats.reads import SourceRead, broken_frame, check_names, no_rows, sliced, with_provenance
from homeostat.infra.formats.text import BLOCK, settle_encoding, text_blocks

if TYPE_CHECKING:
    import msgspec
    import polars as pl

    from homeostat.core.casts import LogicalType
    from homeostat.core.sections import Source

_JsonKind = Literal["string", "number", "boolean", "nested"]
# A text that says a number is a text all the same: it was written in quotes. JSON has no dates, so texts may be some.
_CAN_BE: dict[_JsonKind, tuple[LogicalType, ...]] = {
    "string": ("date", "timestamp"),
    "number": ("integer", "number"),
    "boolean": ("boolean",),
    "nested": (),
}
_KIND_OF: dict[str, _JsonKind] = {'"': "string", "t": "boolean", "f": "boolean", "[": "nested", "{": "nested"}


def json_batches(file: BinaryIO, section: Source, name: str, rows: int, block: int = BLOCK) -> Iterator[SourceRead]:
    """The rows of a JSON lines file in batches with one schema, its columns in the order in which they first appear.

    Each line is an object; a key that a line does not have is null in it; of a key that a line has twice the last counts. A line that
    is no JSON object is broken, a blank line is passed over.

    Args:
        file: the file, which can be read twice.
        section: encoding and null texts.
        name: what ``_source`` shall say.
        rows: how many rows a batch has at most.
        block: how many bytes are parsed at once.

    Raises:
        DataError: HS202, no rows; HS205, an encoding that does not fit, a reserved name.
    """
    encoding = settle_encoding(file, name, section.encoding)
    fold = TypeFold()
    columns: dict[str, None] = {}
    nulls = frozenset(section.null_values)
    kept: list[_Parsed] | None = []
    found = 0
    for number, parsed in enumerate(_parsed(file, encoding, name, block, nulls), 1):
        columns.update(dict.fromkeys(parsed.frame.columns))
        for column, kinds in parsed.kinds.items():
            for kind in kinds:
                fold.restrict(column, _CAN_BE[kind])
        fold.add(parsed.frame, parsed.lines)
        found += parsed.lines.len() + len(parsed.broken)
        kept = [*kept, parsed] if kept is not None and number == 1 else None
    if not found:
        raise no_rows(name)
    check_names(list(columns), name)
    notes = fold.notes
    for parsed in kept if kept is not None else _parsed(file, encoding, name, block, nulls):
        frame = with_provenance(fold.cast(parsed.whole(list(columns))), name, parsed.lines)
        yield from sliced(SourceRead(frame, broken_frame(parsed.broken), encoding.removesuffix("-sig"), tuple(notes)), rows)
        notes = []


@dataclass(frozen=True, slots=True, eq=False)
class _Parsed:
    """A block's objects: texts column by column, what kinds of JSON values a column has, and the broken lines."""

    frame: pl.DataFrame
    kinds: dict[str, set[_JsonKind]]
    lines: pl.Series
    broken: list[tuple[int, str, str]]

    def whole(self, columns: list[str]) -> pl.DataFrame:
        """The frame with all columns of the file, null where the block has no value."""
        import polars as pl

        missing = [pl.lit(None, dtype=pl.String).alias(column) for column in columns if column not in self.frame.columns]
        return self.lines.to_frame().hstack(self.frame).with_columns(missing).select(columns)


def _parsed(file: BinaryIO, encoding: str, name: str, block: int, nulls: frozenset[str]) -> Iterator[_Parsed]:
    first = 1
    for piece in text_blocks(file, encoding, name, block):
        found = _block(piece.text, first, nulls)
        if found.lines.len() or found.broken:
            yield found
        first += piece.text.count(b"\n")


def _block(text: bytes, first: int, nulls: frozenset[str]) -> _Parsed:
    import msgspec
    import polars as pl

    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    objects: list[dict[str, msgspec.Raw]] = []
    lines: list[int] = []
    broken: list[tuple[int, str, str]] = []
    for number, line in enumerate(text.split(b"\n")[:-1], first):
        if not line.strip():
            continue
        try:
            values = decode(line)
        except msgspec.MsgspecError as error:
            broken.append((number, line.decode(), f"not a JSON object: {error}"))
            continue
        objects.append({key or "column_0": raw for key, raw in values.items()} if "" in values else values)
        lines.append(number)
    texts, kinds = {}, {}
    for name, raws in _columns(objects):
        texts[name], kinds[name] = _texts(name, raws, nulls)
    return _Parsed(pl.DataFrame(texts), kinds, pl.Series("_line", lines, dtype=pl.Int64), broken)


def _columns(objects: list[dict[str, msgspec.Raw]]) -> Iterator[tuple[str, Iterable[msgspec.Raw | bytes]]]:
    """The values of the objects column by column, in the order in which the keys first appear."""
    shapes = dict.fromkeys(map(tuple, objects))
    if len(shapes) == 1:  # nearly always so, and then no key is looked up
        yield from zip(next(iter(shapes)), zip(*(each.values() for each in objects), strict=True), strict=True)
        return
    for name in dict.fromkeys(key for shape in shapes for key in shape):
        yield name, [each.get(name, b"null") for each in objects]


def _texts(name: str, raws: Iterable[msgspec.Raw | bytes], nulls: frozenset[str]) -> tuple[pl.Series, set[_JsonKind]]:
    """The values as texts: those of strings, numbers and what is nested as they are written; and the kinds of values there are."""
    import msgspec
    import polars as pl

    values = pl.Series(name, list(map(bytes, raws)), dtype=pl.Binary).cast(pl.String)
    start = values.str.head(1)
    quoted = start == '"'
    bare = values.str.strip_prefix('"').str.strip_suffix('"').zip_with(quoted, values)
    escaped = (quoted & values.str.contains("\\", literal=True)).arg_true()
    if len(escaped):
        bare = bare.scatter(escaped, [msgspec.json.decode(value, type=str) for value in values[escaped]])
    there = (start != "n") & ~(quoted & bare.is_in(list(nulls)))
    kinds = {_KIND_OF.get(mark, "number") for mark in start.filter(there).unique()}
    return pl.select(pl.when(there).then(bare).alias(name)).to_series(), kinds
