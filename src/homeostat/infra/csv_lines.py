"""CSV lines to fields, strictly: every line of the file ends up in a row or among the broken ones, none in both, none in neither."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

QUOTE = '"'


@dataclass(frozen=True, slots=True)
class CsvTable:
    """Parsed text. ``columns`` holds the fields column by column, as texts; ``lines`` the line each row starts at, counted from 1.

    ``broken`` lists (line, raw text, reason). ``header_fault`` says why the header cannot be parsed, if it cannot.
    """

    header: list[str]
    header_line: int
    columns: list[pl.Series]
    lines: list[int]
    broken: list[tuple[int, str, str]]
    header_fault: str = ""


def split_lines(text: str) -> list[str]:
    """The lines of a text, whatever its line ends; the last line end makes no line of its own."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def parse(lines: list[str], delimiter: str) -> CsvTable | None:
    """Split lines into fields by RFC 4180 (quotes by doubling, line ends inside quotes); None when there is no header.

    A line with too many or too few fields or with a broken quote is broken, and reading goes on with the next line: an unclosed quote
    costs one line, not the rest of the file. Blank lines are passed over, except in a file of one column, where they are
    empty values.

    Source: RFC 4180, section 2.
    """
    start = next((i for i, line in enumerate(lines) if line.strip()), None)
    if start is None:
        return None
    quoted = any(QUOTE in line for line in lines)
    ends = _record_ends(lines) if quoted else []
    header, after, fault = _record(lines, start, ends, delimiter)
    if header is None:
        return CsvTable([], start + 1, [], [], [], fault)
    rows = _quoted_rows(lines, after, ends, len(header), delimiter) if quoted else _plain_rows(lines, after, len(header), delimiter)
    return CsvTable(header, start + 1, *rows)


_Rows = tuple[list["pl.Series"], list[int], list[tuple[int, str, str]]]


def _plain_rows(lines: list[str], after: int, width: int, delimiter: str) -> _Rows:
    """Columns, line numbers and broken lines where no line has a quote: each line is a record, all are split at once."""
    import polars as pl

    text = pl.Series(lines[after:], dtype=pl.String)
    number = pl.int_range(after + 1, len(lines) + 1, dtype=pl.Int64, eager=True)
    fields = text.str.count_matches(delimiter, literal=True) + 1
    filled = text.str.strip_chars() != "" if width > 1 else pl.repeat(True, text.len(), eager=True)
    good, bad = filled & (fields == width), filled & (fields != width)
    columns = text.filter(good).str.split_exact(delimiter, width - 1).struct.unnest().get_columns()
    broken = [
        (line, raw, f"got {got} fields, expected {width}")
        for line, raw, got in zip(number.filter(bad), text.filter(bad), fields.filter(bad), strict=True)
    ]
    return columns, number.filter(good).to_list(), broken


def _quoted_rows(lines: list[str], after: int, ends: list[int], width: int, delimiter: str) -> _Rows:
    """The same where quotes may hide delimiters and line ends: record by record."""
    import polars as pl

    rows: list[list[str]] = []
    numbers: list[int] = []
    broken: list[tuple[int, str, str]] = []
    at = after
    while at < len(lines):
        if not lines[at].strip() and width > 1:
            at += 1
            continue
        fields, after, fault = _record(lines, at, ends, delimiter)
        if fields is not None and len(fields) == width:
            rows.append(fields)
            numbers.append(at + 1)
            at = after
            continue
        broken.append((at + 1, lines[at], fault or f"got {len(fields or [])} fields, expected {width}"))
        at += 1
    columns = zip(*rows, strict=True) if rows else [[]] * width
    return [pl.Series(column, dtype=pl.String) for column in columns], numbers, broken


def _record_ends(lines: list[str]) -> list[int]:
    """For each line the line after a record that starts there: the next one, or, with a quote left open, after the line that closes it.

    -1 where no later line closes the quote.
    """
    ends = [0] * len(lines)
    closing = -1  # the nearest later line with an odd number of quotes
    for i in range(len(lines) - 1, -1, -1):
        if lines[i].count(QUOTE) % 2 == 0:
            ends[i] = i + 1
        else:
            ends[i] = closing + 1 if closing >= 0 else -1
            closing = i
    return ends


def _record(lines: list[str], at: int, ends: list[int], delimiter: str) -> tuple[list[str] | None, int, str]:
    """The fields of the record at a line, the line after it, and why there are no fields if there are none."""
    if QUOTE not in lines[at]:
        return lines[at].split(delimiter), at + 1, ""
    alone, fault = _fields(lines[at : at + 1], delimiter)
    if alone is not None or ends[at] == at + 1:
        return alone, at + 1, fault  # a quote inside an unquoted field, as in 5" pipe, opens nothing
    if ends[at] < 0:
        return None, at + 1, "a quote is opened and never closed"
    found, fault = _fields(lines[at : ends[at]], delimiter)
    return found, ends[at], fault


def _fields(lines: list[str], delimiter: str) -> tuple[list[str] | None, str]:
    # The csv module keeps line ends inside quotes only if it is given them.
    text = [line + "\n" for line in lines[:-1]] + lines[-1:]
    try:
        found = list(csv.reader(text, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return None, str(error)
    return (found[0], "") if len(found) == 1 else (None, "a quote is opened and never closed")
