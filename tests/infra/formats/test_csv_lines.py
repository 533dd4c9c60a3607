"""Lines to fields: the same rows and broken lines as the strict way over the whole file, wherever blocks are cut."""

from __future__ import annotations

import csv
import io

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from homeostat.infra.formats import csv_lines
from homeostat.infra.formats.csv_lines import QUOTE, parse_block, read_header, split_record

Told = tuple[list[tuple[str, ...]], list[int], list[tuple[int, str]]]


def oracle(lines: list[str], width: int, delimiter: str = ",") -> Told:
    """The rule, record by record, with the csv module: a line alone, or with all lines up to the next one with an odd number of quotes."""

    def fields_of(some: list[str]) -> list[str] | None:
        try:
            found = list(csv.reader([line + "\n" for line in some[:-1]] + some[-1:], delimiter=delimiter, strict=True))
        except csv.Error:
            return None
        return found[0] if len(found) == 1 else None

    rows: list[tuple[str, ...]] = []
    starts: list[int] = []
    broken: list[tuple[int, str]] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if width > 1 and not line.strip() and delimiter not in line:
            at += 1
            continue
        after = at + 1
        fields = [""] if line == "" else fields_of([line])
        if fields is None and line.count(QUOTE) % 2:
            closing = next((i for i in range(at + 1, len(lines)) if lines[i].count(QUOTE) % 2), None)
            if closing is not None:
                fields, after = fields_of(lines[at : closing + 1]), closing + 1
        if fields is not None and len(fields) == width:
            rows.append(tuple(fields))
            starts.append(at + 1)
            at = after
        else:
            broken.append((at + 1, line))
            at += 1
    return rows, starts, broken


def in_blocks(text: str, width: int, size: int, delimiter: str = ",") -> Told:
    """What ``parse_block`` makes of the text, given to it in blocks of about ``size`` bytes of whole lines."""
    content = text.encode()
    rows: list[tuple[str, ...]] = []
    starts: list[int] = []
    broken: list[tuple[int, str]] = []
    held, first, at = b"", 1, 0
    while at < len(content):
        end = content.find(b"\n", min(at + size, len(content) - 1)) + 1
        block = held + content[at:end]
        at = end
        found = parse_block(block, first, width, delimiter, last=at == len(content))
        if found.regular:
            again = parse_block(block, first, width, delimiter, last=at == len(content), regular=True)
            assert again.fields.equals(found.fields)
            assert again.lines.equals(found.lines)
            assert (again.broken, again.used) == (found.broken, found.used) == ([], len(block))
        rows += found.fields.rows()
        starts += found.lines.to_list()
        broken += [(line, raw) for line, raw, reason in found.broken if reason]
        first += block.count(b"\n", 0, found.used)
        held = block[found.used :]
    assert held == b""
    return rows, starts, broken


LINES = st.lists(st.text(st.sampled_from('ab,"; \t'), max_size=9), min_size=1, max_size=9)
PIECES = st.sampled_from(['"', '""', ",", "a", '"a"', '"a,b"', "\n", '"a\nb"', ' "', "x,y\n", '"x",""\n'])
TEXTS = st.lists(PIECES, max_size=25).map("".join).map(lambda text: text.split("\n"))


@settings(max_examples=600)
@given(LINES | TEXTS, st.integers(1, 3), st.integers(1, 30), st.sampled_from(",;\t"))
@example(['"a', 'b",5"x', 'c"'], 2, 1, ",")
@example(["\t\t", " ", ""], 3, 1, "\t")
def test_blocks_of_any_size_give_what_the_strict_way_gives(lines: list[str], width: int, size: int, delimiter: str) -> None:
    text = "".join(line + "\n" for line in lines)
    assert in_blocks(text, width, size, delimiter) == oracle(lines, width, delimiter)


@given(st.lists(st.text(st.sampled_from('ab¦"'), max_size=8), min_size=1, max_size=6), st.integers(1, 3), st.integers(1, 20))
def test_a_delimiter_that_is_not_ascii(lines: list[str], width: int, size: int) -> None:
    assert in_blocks("".join(line + "\n" for line in lines), width, size, "¦") == oracle(lines, width, "¦")


def test_a_block_without_an_odd_line_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    regular = [
        text for text in (b"a,b\n", b'"a,b",c\n1,""\n', b"a\n", b"a,b\n\n", b'"a\nb",c\n', b'a,b"c\n', b"a,b,c\n", b"") if _is_regular(text)
    ]
    assert regular == [b"a,b\n", b'"a,b",c\n1,""\n']
    monkeypatch.setattr(pl, "read_lines", None)
    assert parse_block(b'"a,b",c\n', 7, 2, ",", last=True, regular=True).fields.rows() == [("a,b", "c")]


def _is_regular(text: bytes) -> bool:
    return parse_block(text, 1, 2, ",", last=True).regular


FIELDS = st.text(st.sampled_from('ab,"\n 1\0é'), max_size=5)


@settings(max_examples=200)
@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(FIELDS, min_size=n, max_size=n), min_size=2, max_size=6)))
def test_what_the_csv_module_writes_is_read_back(rows: list[list[str]]) -> None:
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    text = file.getvalue().encode()
    header = read_header(text, ",", last=True)
    assert header is not None
    assert header.names == rows[0]
    found = parse_block(text[header.used :], header.line + header.lines, len(rows[0]), ",", last=True)
    assert [list(row) for row in found.fields.rows()] == rows[1:]
    assert found.broken == []


@settings(max_examples=300)
@given(TEXTS, st.integers(1, 3))
def test_every_line_is_in_a_row_or_broken(lines: list[str], width: int) -> None:
    rows, starts, broken = in_blocks("".join(line + "\n" for line in lines), width, 1000)
    accounted = {line for line, _ in broken}
    for row, start in zip(rows, starts, strict=True):
        inside = sum(field.count("\n") for field in row)
        accounted.update(range(start, start + inside + 1))
    blank = {i for i, line in enumerate(lines, 1) if not line.strip()}
    assert accounted | blank == set(range(1, len(lines) + 1))
    assert sum(1 + sum(field.count("\n") for field in row) for row in rows) + len(broken) == len(accounted)


@given(st.text(st.sampled_from('a,"\n'), max_size=30))
def test_a_record_is_split_as_the_csv_module_splits_it(text: str) -> None:
    try:
        expected = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error:
        expected = []
    fields, fault = split_record(text, ",")
    if fields is None:
        assert fault
        assert len(expected) != 1 or "\n" in text
    elif text:
        assert expected == [fields]


def test_reasons() -> None:
    text = b'1,2\n1,"x\n1,"x"y\n1,2,3\n'
    found = parse_block(text, 5, 2, ",", last=True)
    assert found.broken == [
        (6, '1,"x', "a quote is opened and never closed"),
        (7, '1,"x"y', "',' expected after a closing quote"),
        (8, "1,2,3", "got 3 fields, expected 2"),
    ]


@pytest.mark.parametrize("size", [10, 100, 1000, 10_000])
def test_a_quote_is_not_looked_after_for_ever(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(csv_lines, "LONGEST_RECORD", 500)
    near = 'a,"' + "x\n" * 100 + '"\n'  # 204 bytes: a record
    far = 'b,"' + "y,y\n" * 200 + 'c"\n'  # too far: the line is broken, those after it are rows
    rows, starts, broken = in_blocks(near + far, 2, size)
    assert rows[0] == ("a", "x\n" * 100)
    assert rows[1:] == [("y", "y")] * 199
    assert starts[:2] == [1, 103]
    assert [raw for _, raw in broken] == ['b,"y,y', 'c"']


def test_a_header_over_several_lines_and_after_blank_ones() -> None:
    text = b'\n \na,"b\nc",d\n1,2,3\n'
    header = read_header(text, ",", last=False)
    assert header is not None
    assert (header.names, header.line, header.lines) == (["a", "b\nc", "d"], 3, 2)
    assert text[header.used :] == b"1,2,3\n"
    assert read_header(text[:8], ",", last=False) is None
    assert read_header(b"\n\n", ",", last=True) is None
    for bad in (b'a,"b\n1,2\n', b'a,"b"c\n', b'a,"b\nc"d\n'):
        header = read_header(bad, ",", last=True)
        assert header is not None
        assert header.fault


def test_columns_are_text() -> None:
    found = parse_block(b'1,"2"\n"x\ny",\n', 1, 2, ",", last=True)
    assert found.fields.schema == {"0": pl.String, "1": pl.String}
    assert found.fields.rows() == [("1", "2"), ("x\ny", "")]
