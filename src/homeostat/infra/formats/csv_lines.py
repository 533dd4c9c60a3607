"""CSV lines to fields, strictly: every line of a block ends up in a row or among the broken ones, none in both, none in neither."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

QUOTE = '"'
LONGEST_RECORD = 1 << 20
"""A quote that is not closed within so many bytes is taken for one that is never closed."""
_NEVER = "a quote is opened and never closed"
_FAR = f"a quote is opened and not closed within {LONGEST_RECORD >> 20} MiB"
_BLANKS = re.compile(rb"(?:[^\S\n]*\n)*")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of one block: ``fields`` has a text column ``0``, ``1``, ... for each field; ``lines`` says where each row starts, from 1.

    ``broken`` lists (line, raw text, reason). ``used`` counts the bytes of the block that they came from; what follows is the start of
    a record that the next block ends. ``regular``: each line is a row of its own, and nothing has to be looked for a second time.
    """

    fields: pl.DataFrame
    lines: pl.Series
    broken: list[tuple[int, str, str]]
    used: int
    regular: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """The first record: its fields, or why it has none; the line it is at; the bytes and lines up to its end."""

    names: list[str]
    fault: str
    line: int
    used: int
    lines: int


def split_record(text: str, delimiter: str) -> tuple[list[str] | None, str]:
    """The fields of one record, or None and why it cannot be split.

    A quote at the start of a field opens it, a doubled one inside it is a quote, the one that closes it is followed by a delimiter or
    the end. A quote further on in a field that starts without one is a character like any other, as in ``5" pipe``.

    Source: RFC 4180, section 2.
    """
    fields: list[str] = []
    at = 0
    while True:
        if text.startswith(QUOTE, at):
            match = _QUOTED.match(text, at)
            if match is None:
                return None, _NEVER
            at = match.end()
            if at < len(text) and text[at] != delimiter:
                return None, f"{delimiter!r} expected after a closing quote"
            fields.append(match[1].replace('""', QUOTE))
        else:
            end = text.find(delimiter, at)
            value = text[at : end if end >= 0 else len(text)]
            if "\n" in value:
                return None, _NEVER
            fields.append(value)
            at += len(value)
        if at == len(text):
            return fields, ""
        at += 1


def read_header(text: bytes, delimiter: str, *, last: bool) -> Header | None:
    """The first record that is not blank; None if the text does not hold it whole and more follows, or if there is none."""
    match = _BLANKS.match(text)
    at = match.end() if match else 0
    if at == len(text):
        return None
    line = text.count(b"\n", 0, at) + 1
    ends = at
    parts: list[str] = []
    fault = ""
    while (end := text.find(b"\n", ends)) >= 0:
        parts.append(text[ends:end].decode())
        ends = end + 1
        odd = parts[-1].count(QUOTE) % 2 == 1
        if len(parts) == 1 or odd:  # the line alone, or with all lines up to the one that closes its quote
            names, fault = split_record("\n".join(parts), delimiter)
            if names is not None or len(parts) > 1 or not odd:
                return Header(names or [], fault, line, ends, len(parts))
        if ends - at > LONGEST_RECORD:
            return Header([], _FAR, line, ends, len(parts))
    return Header([], fault or _NEVER, line, ends, len(parts)) if last else None


def parse_block(text: bytes, first: int, width: int, delimiter: str, *, last: bool, regular: bool = False) -> Rows:
    r"""Split whole lines into fields.

    A line with too many or too few fields or with a broken quote is broken, and reading goes on with the next line: an unclosed quote
    costs one line, not the rest of the file. Blank lines are passed over, except in a file of one column, where they are
    empty values.

    Args:
        text: lines as UTF-8, each ended by ``\n``.
        first: the number of the first of them in the file, from 1.
        width: how many fields a row has.
        delimiter: one character.
        last: whether the file ends here; if not, a record that the text does not end is left for the next call (see ``Rows.used``).
        regular: what was said of this very text before.
    """
    import polars as pl

    if regular:
        fields = _at_once(text, width, delimiter, quoted=QUOTE.encode() in text)
        if fields.height == text.count(b"\n"):
            return Rows(fields, _numbers(fields.height, first), [], len(text), regular=True)
    lines = pl.read_lines(text).to_series()
    if QUOTE.encode() not in text:
        return _plain(text, lines, first, width, delimiter)
    return _quoted(text, lines, first, width, delimiter, last=last)


def _plain(text: bytes, lines: pl.Series, first: int, width: int, delimiter: str) -> Rows:
    """Where no line has a quote each line is a record, and all are split at once."""
    good, broken = _judged(lines, lines.str.count_matches(delimiter, literal=True) + 1, first, width, delimiter)
    numbers = _numbers(lines.len(), first)
    if good.all():
        regular = lines.len() > 0 and width > 1 and delimiter.isascii()
        return Rows(_split(text, lines, width, delimiter), numbers, broken, len(text), regular)
    kept = lines.filter(good)
    return Rows(_split(None, kept, width, delimiter), numbers.filter(good), broken, len(text))


def _numbers(lines: int, first: int) -> pl.Series:
    import polars as pl

    return pl.int_range(first, first + lines, dtype=pl.Int64, eager=True)


def _judged(lines: pl.Series, fields: pl.Series, first: int, width: int, delimiter: str) -> tuple[pl.Series, list[tuple[int, str, str]]]:
    """Which lines are rows, and the others with their reasons; blank lines are neither."""
    good = fields == width
    wrong = (~good).arg_true()
    broken = []
    for at, line, got in zip(wrong, lines.gather(wrong), fields.gather(wrong), strict=True):
        if line.strip() or delimiter in line:
            broken.append((first + at, line, f"got {got} fields, expected {width}"))
    return good, broken


def _split(text: bytes | None, lines: pl.Series, width: int, delimiter: str, *, quoted: bool = False) -> pl.DataFrame:
    """The fields of lines that all have ``width`` of them, and whose quotes, if they may have any, are all well formed.

    Args:
        text: the same lines in one piece, if they lie so.
        lines: the lines.
        width: how many fields each has.
        delimiter: one character; with quotes it must be ASCII.
        quoted: whether there may be quotes.
    """
    import polars as pl

    names = [str(i) for i in range(width)]
    if width == 1:
        inside = lines.str.slice(1).str.head(-1).str.replace_all('""', QUOTE, literal=True)
        return pl.DataFrame({"0": inside.zip_with(lines.str.starts_with(QUOTE), lines) if quoted else lines})
    if lines.len() and delimiter.isascii() and (quoted or text is not None):
        whole = text if text is not None else ("\n".join(lines.to_list()) + "\n").encode()
        found = _at_once(whole, width, delimiter, quoted=quoted)
        if found.height == lines.len():
            return found
    if not lines.len():
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    if quoted and delimiter.isascii():
        rows = [split_record(line, delimiter)[0] for line in lines]
        return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    frame = lines.str.split_exact(delimiter, width - 1).struct.unnest()
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _at_once(text: bytes, width: int, delimiter: str, *, quoted: bool) -> pl.DataFrame:
    """The fields of lines that each are a row, and whose quotes, if they may have any, are all well formed."""
    import polars as pl

    schema = dict.fromkeys(map(str, range(width)), pl.String)
    quote = QUOTE if quoted else None
    return pl.read_csv(text, has_header=False, separator=delimiter, quote_char=quote, schema=schema, empty_string_is_null=False)


def _quoted(text: bytes, lines: pl.Series, first: int, width: int, delimiter: str, *, last: bool) -> Rows:
    """Where quotes may hide delimiters and line ends: lines that are whole records are split at once, the others one by one."""
    import polars as pl

    has = lines.str.contains(QUOTE, literal=True)
    clean = ~has | lines.str.contains(_well_formed(delimiter)) if delimiter.isascii() else ~has
    walk = _walk(lines, (~clean).arg_true().to_list(), width, delimiter, last=last)
    single = clean.clone()
    if walk.swallowed:
        single = single.scatter(walk.swallowed, False)
    end = lines.len() if walk.open is None else walk.open
    lines, single, numbers = lines.head(end), single.head(end), _numbers(lines.len(), first).head(end)
    used = len(text) if walk.open is None else int(lines.str.len_bytes().sum()) + end
    outside = lines.filter(single)
    fields = outside.str.replace_all(r'"[^"]*"', "").str.count_matches(delimiter, literal=True) + 1
    good, broken = _judged(outside, fields, 0, width, delimiter)
    at = numbers.filter(single)
    broken = [(at[i], line, reason) for i, line, reason in broken] + [(first + i, lines[i], reason) for i, reason in walk.broken]
    whole = text[:used] if good.all() and outside.len() == lines.len() else None
    frame = _split(whole, outside.filter(good), width, delimiter, quoted=True)
    number = at.filter(good)
    if walk.rows:
        columns = {str(i): pl.Series(values, dtype=pl.String) for i, values in enumerate(zip(*walk.rows, strict=True))}
        found = pl.DataFrame(columns).with_columns(pl.Series("line", [first + i for i in walk.starts], dtype=pl.Int64))
        frame = pl.concat([frame.with_columns(number.alias("line")), found]).sort("line")
        frame, number = frame.drop("line"), frame["line"]
    regular = whole is not None and walk.open is None and width > 1 and delimiter.isascii()
    return Rows(frame, number, sorted(broken), used, regular)


def _well_formed(delimiter: str) -> str:
    """Lines whose quotes all enclose whole fields."""
    mark = f"\\x{{{ord(delimiter):x}}}"
    each = f'(?:"(?:[^"]|"")*"|[^"{mark}]*)'
    return f"^{each}(?:{mark}{each})*$"


@dataclass(slots=True)
class _Walk:
    """What was found at lines that must be looked at one by one, all as indices of lines.

    ``swallowed``: lines that are within a record that starts above. ``open``: the line of a record that the lines do not end.
    """

    starts: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    broken: list[tuple[int, str]] = field(default_factory=list)
    swallowed: list[int] = field(default_factory=list)
    open: int | None = None


def _walk(lines: pl.Series, doubtful: list[int], width: int, delimiter: str, *, last: bool) -> _Walk:
    walk = _Walk()
    texts = lines.gather(doubtful).to_list()
    odd = [at for at, line in zip(doubtful, texts, strict=True) if line.count(QUOTE) % 2]
    after = 0
    for at, line in zip(doubtful, texts, strict=True):
        if at < after:
            continue
        fields, fault = split_record(line, delimiter)
        if fields is None and line.count(QUOTE) % 2:
            place = bisect_right(odd, at)
            closing = odd[place] if place < len(odd) else None
            span = lines[at : lines.len() if closing is None else closing + 1]
            near = int(span.str.len_bytes().sum()) + span.len() <= LONGEST_RECORD
            if closing is None and near and not last:
                walk.open = at
                break
            if closing is not None and near:
                fields, fault = split_record("\n".join(span.to_list()), delimiter)
                if fields is not None and len(fields) == width:
                    walk.swallowed.extend(range(at + 1, closing + 1))
                    after = closing + 1
            else:
                fault = _NEVER if near else _FAR
        if fields is not None and len(fields) == width:
            walk.starts.append(at)
            walk.rows.append(fields)
        else:
            walk.broken.append((at, fault or f"got {len(fields or [])} fields, expected {width}"))
    return walk
