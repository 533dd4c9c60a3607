"""A CSV file as typed batches: one pass finds what each column can be over the whole file, a second one reads it so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from homeostat.errors import DataError
from homeostat.infra.formats.column_types import TypeFold
from homeostat.infra.formats.csv_lines import QUOTE, Rows, parse_block, read_header
from homeostat.infra.formats.reads import SourceRead, broken_frame, check_names, no_rows, sliced, with_provenance
from homeostat.infra.formats.text import BLOCK, SAMPLE, settle_encoding, text_blocks

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.sections import Source

DELIMITERS = (",", ";", "\t", "|")
SNIFFED = 20


def csv_batches(file: BinaryIO, section: Source, name: str, rows: int, block: int = BLOCK) -> Iterator[SourceRead]:
    """The rows of a CSV file in batches with one schema; all batches together are the same whatever their size.

    Args:
        file: the file, which can be read twice.
        section: delimiter, decimal mark, encoding and null texts.
        name: what ``_source`` shall say.
        rows: how many rows a batch has at most.
        block: how many bytes are parsed at once.

    Raises:
        DataError: HS202, no rows; HS205, an encoding that does not fit, a header that cannot be parsed, a doubled or reserved name.
    """
    encoding = settle_encoding(file, name, section.encoding)
    layout = _layout(file, section, name, encoding, block)
    fold = TypeFold(section.decimal)
    kept: list[Rows] | None = []
    number = found = 0
    zeros = False
    for number, (parsed, zero) in enumerate(_parsed(file, layout), 1):
        fold.add(parsed.fields, parsed.lines)
        found += parsed.fields.height + len(parsed.broken)
        zeros |= zero
        kept = [*kept, parsed] if kept is not None and number == 1 else None
    if not found:
        raise no_rows(name)
    notes = [*layout.notes, *fold.notes, *(["there are NUL bytes in its values"] if zeros else [])]
    for parsed in kept if kept is not None else (each for each, _ in _parsed(file, layout)):
        frame = with_provenance(fold.cast(parsed.fields), name, parsed.lines)
        yield from sliced(SourceRead(frame, broken_frame(parsed.broken), layout.shown_encoding, tuple(notes)), rows)
        notes = []


def sniff_delimiter(text: str) -> str:
    r"""Of comma, semicolon, tab and bar the one that splits the most of the first lines as it splits the header; a comma if none does.

    >>> sniff_delimiter("name;price\nx;1,50\ny;2,75")
    ';'
    """
    lines = [_outside_quotes(line) for line in text.splitlines() if line.strip()][: SNIFFED + 1]
    if not lines:
        return ","

    def fitness(delimiter: str) -> tuple[float, int]:
        count = lines[0].count(delimiter)
        return (sum(line.count(delimiter) == count for line in lines) / len(lines) if count else 0.0, count)

    best = max(DELIMITERS, key=fitness)
    return best if lines[0].count(best) else ","


def head_text(file: BinaryIO, encoding: str) -> str:
    """The first lines of a file, as far as whole ones lie within ``SAMPLE`` bytes."""
    file.seek(0)
    sample = file.read(SAMPLE)
    file.seek(0)
    text = sample.decode(encoding, errors="ignore")
    return text.rpartition("\n")[0] or text


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the file is read: found once, used in both passes. ``regular`` has the blocks without an odd line."""

    columns: list[str]
    delimiter: str
    encoding: str
    nulls: list[str]
    name: str
    block: int
    notes: tuple[str, ...]
    regular: set[tuple[int, int]] = field(default_factory=set)

    @property
    def shown_encoding(self) -> str:
        return "utf-8" if self.encoding == "utf-8-sig" else self.encoding


def _layout(file: BinaryIO, section: Source, name: str, encoding: str, block: int) -> _Layout:
    delimiter = section.delimiter or sniff_delimiter(head_text(file, encoding))
    if delimiter in {QUOTE, "\n", "\r"}:
        raise DataError("HS205", f"data.delimiter is {delimiter!r}, which cannot separate fields", place=name, next_step="such as , or ;")
    held = b""
    for piece in text_blocks(file, encoding, name, block):
        held += piece.text
        header = read_header(held, delimiter, last=piece.last)
        if header is not None:
            if header.fault:
                raise DataError("HS205", f"the header cannot be parsed: {header.fault}", place=f"{name}:{header.line}")
            columns = [column or f"column_{i + 1}" for i, column in enumerate(header.names)]
            check_names(columns, f"{name}:{header.line}")
            guessed = not section.encoding and not encoding.startswith("utf-")
            note = f"its bytes are not UTF-8 and were read as {encoding}; if letters look wrong, name the encoding in data.encoding"
            return _Layout(columns, delimiter, encoding, list(section.null_values), name, block, (note,) if guessed else ())
    raise DataError("HS202", "the file is empty", place=name, next_step="deliver a file with a header and rows")


def _parsed(file: BinaryIO, layout: _Layout) -> Iterator[tuple[Rows, bool]]:
    """The rows of each block, as text with nulls, and whether the block has NUL bytes."""
    held, first, begun = b"", 1, False
    for piece in text_blocks(file, layout.encoding, layout.name, layout.block):
        text = held + piece.text
        if not begun:
            header = read_header(text, layout.delimiter, last=piece.last)
            if header is None:
                held = text
                continue
            begun, first, text = True, header.line + header.lines, text[header.used :]
        block = first, len(text)
        rows = parse_block(text, first, len(layout.columns), layout.delimiter, last=piece.last, regular=block in layout.regular)
        held = text[rows.used :]
        if rows.regular:
            layout.regular.add(block)
        first += text.count(b"\n", 0, rows.used)
        if rows.lines.len() or rows.broken:
            yield Rows(_named(rows.fields, layout), rows.lines, rows.broken, rows.used), b"\0" in text


def _named(fields: pl.DataFrame, layout: _Layout) -> pl.DataFrame:
    import polars as pl

    frame = fields.clone()
    frame.columns = layout.columns
    if not layout.nulls:
        return frame
    if len(layout.nulls) == 1:
        null = layout.nulls[0]
        return frame.lazy().select(pl.when(pl.col(name) != null).then(pl.col(name)).alias(name) for name in frame.columns).collect()
    return frame.lazy().select(pl.when(~pl.col(name).is_in(layout.nulls)).then(pl.col(name)) for name in frame.columns).collect()


def _outside_quotes(line: str) -> str:
    return "".join(line.split(QUOTE)[::2]) if QUOTE in line else line
