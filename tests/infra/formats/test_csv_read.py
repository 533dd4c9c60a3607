"""A CSV file in batches is the file: any batch and block size gives the same rows, types and broken lines as reading it whole."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core.sections import Data, Source
from homeostat.errors import DataError
from homeostat.infra.formats.csv_read import csv_batches, sniff_delimiter
from homeostat.infra.sources import read, sniff

if TYPE_CHECKING:
    from homeostat.infra.formats.reads import SourceRead

SECTION = Source(source="x.csv")


def batches(content: bytes, rows: int = 1000, block: int = 1000, section: Source = SECTION) -> list[SourceRead]:
    return list(csv_batches(io.BytesIO(content), section, "x.csv", rows, block))


def joined(reads: list[SourceRead]) -> tuple[pl.DataFrame, pl.DataFrame]:
    return pl.concat([each.frame for each in reads]), pl.concat([each.broken for each in reads])


CELLS = st.sampled_from(["", "1", "22", "2.5", "x", "2024-01-31", '"q"', '"a,b"', '"two\nlines"', '"', 'a"b', "true", '""', "é", "\0"])
TABLES = st.builds(
    lambda rows, end: "a,b" + end + "".join(row + end for row in rows),
    st.lists(st.lists(CELLS, min_size=1, max_size=3).map(",".join), max_size=15),
    st.sampled_from(["\n", "\r\n", "\r"]),
)


@settings(max_examples=300)
@given(TABLES, st.integers(1, 5), st.integers(1, 60), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_batches_of_any_size_are_the_whole(text: str, rows: int, block: int, encoding: str) -> None:
    content = text.encode(encoding)
    try:
        whole, broken = joined(batches(content, 10_000, 1 << 20))
    except DataError as error:
        with pytest.raises(DataError, match=error.code):
            batches(content, rows, block)
        return
    found = batches(content, rows, block)
    frame, told = joined(found)
    assert frame.equals(whole, null_equal=True)
    assert frame.schema == whole.schema
    assert told.equals(broken)
    assert all(each.frame.height <= rows for each in found)
    assert len({tuple(each.frame.schema.items()) for each in found}) == 1
    assert not any(each.notes for each in found[1:])


def test_a_type_is_that_of_the_whole_file_in_each_batch() -> None:
    content = b"a,b,c\n" + b"1,2024-01-01,\n" * 50 + b"x,2024-01-01,2.5\n"
    found = batches(content, 10, 40)
    assert len(found) > 5
    assert {each.frame.schema["a"] for each in found} == {pl.String()}
    assert {each.frame.schema["b"] for each in found} == {pl.Date()}
    assert {each.frame.schema["c"] for each in found} == {pl.Float64()}
    assert "column 'a' stays text: nearly all its values are of the type integer; line 52 is" in found[0].notes[0]


def test_three_hundred_columns() -> None:
    width = 300
    header = ",".join(f"c{i}" for i in range(width))
    body = "".join(",".join(str(i * row) for i in range(width)) + "\n" for row in range(50))
    frame, broken = joined(batches((header + "\n" + body + "1,2\n").encode(), 7, 5000))
    assert frame.shape == (50, width + 2)
    assert frame["c299"].to_list() == [299 * row for row in range(50)]
    assert broken["_reason"].to_list() == ["got 2 fields, expected 300"]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("name;price\nx;1,50\ny,z;2,75\n", ";"),
        ("a\tb,c\n1\t2\n3\t4\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ('"a,b,c";d\n1;2\n3;4\n', ";"),
        ("Date, from;value\n2024-01-01;1\n2024-01-02;2\n", ";"),
        ("a\n1;2\n", ","),
        ("", ","),
    ],
)
def test_sniffing(text: str, delimiter: str) -> None:
    assert sniff_delimiter(text) == delimiter


def test_a_german_file() -> None:
    content = 'Straße;Preis;am\r\n"Müller; Sohn";1,50;31.01.2024\r\nJäger;-2;01.02.2024\r\n'.encode("cp1252")
    (found,) = batches(content, section=Source(source="x.csv", decimal=","))
    assert found.frame.drop("_source", "_line").to_dict(as_series=False) == {
        "Straße": ["Müller; Sohn", "Jäger"],
        "Preis": [1.5, -2.0],
        "am": ["31.01.2024", "01.02.2024"],
    }
    assert found.encoding == "cp1252"
    assert found.notes[0] == "its bytes are not UTF-8 and were read as cp1252; if letters look wrong, name the encoding in data.encoding"
    assert found.notes[1].startswith("column 'am' stays text: dates written as 31.01.2024")


def test_nul_bytes_stay_and_are_told() -> None:
    (found,) = batches(b"a,b\n1\0,2\n3,4\n")
    assert found.frame["a"].to_list() == ["1\0", "3"]
    assert "there are NUL bytes in its values" in found.notes


def test_several_null_texts() -> None:
    section = Source(source="x.csv", null_values=("", "NA", "-"))
    (found,) = batches(b"a,b\nNA,-\n,1\n2,3\n", section=section)
    assert found.frame.select("a", "b").rows() == [(None, None), (None, 1), (2, 3)]


def test_rows_of_empty_values_are_rows_with_tabs_too() -> None:
    (found,) = batches(b"a\tb\n1\t2\n\t\n\n", section=Source(source="x.csv", delimiter="\t"))
    assert found.frame.select("a", "b", "_line").rows() == [(1, 2, 2), (None, None, 3)]


@pytest.mark.parametrize("delimiter", ['"', "\n"])
def test_a_delimiter_that_cannot_be_one(delimiter: str) -> None:
    with pytest.raises(DataError, match="cannot separate"):
        batches(b"a,b\n", section=Source(source="x.csv", delimiter=delimiter))


def test_the_named_encoding_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("a;ł\n1;2024-05-01\n".encode("cp1250"))
    found = read(path, Data(source="x.csv", encoding="cp1250"))
    assert found.frame.columns[:2] == ["a", "ł"]
    assert found.frame["ł"].to_list() == [date(2024, 5, 1)]
    assert sniff(path, "cp1250") == ";"
