"""Source files: every line is a row or a broken line, types change no value, and each fault is one coded line."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

import homeostat
from homeostat.core.sections import Data
from homeostat.errors import DataError
from homeostat.infra.sources import list_files, read, sha256_file, sniff

BIKE = Path(homeostat.__file__).parent / "data" / "bike_hourly.csv"
SECTION = Data(source="x.csv")


def _write(folder: Path, content: str | bytes, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_row_names_its_file_as_the_source_does(tmp_path: Path) -> None:
    root = tmp_path / "project"
    for folder in (root, tmp_path / "elsewhere" / "a", tmp_path / "elsewhere" / "b"):
        folder.mkdir(parents=True)
        _write(folder, "a,b\n1,2\n")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    named = {
        source: [read(path, SECTION, root).frame["_source"][0] for path in list_files(root, Data(source=source))]
        for source in ("x.csv", "linked", "../elsewhere/a/x.csv", str(tmp_path / "elsewhere"))
    }
    assert named == {
        "x.csv": ["x.csv"],
        "linked": ["linked/a/x.csv", "linked/b/x.csv"],
        "../elsewhere/a/x.csv": ["../elsewhere/a/x.csv"],
        str(tmp_path / "elsewhere"): [f"{tmp_path}/elsewhere/{each}/x.csv" for each in "ab"],
    }


def test_the_bundled_file_reads_as_polars_reads_it() -> None:
    found = read(BIKE, Data(source=BIKE.name))
    expected = pl.read_csv(BIKE, try_parse_dates=True, infer_schema_length=None)
    assert found.frame.drop("_source", "_line").equals(expected)
    assert found.frame["_source"].unique().to_list() == ["bike_hourly.csv"]
    assert found.frame["_line"].to_list() == list(range(2, 17_381))
    assert found.broken.is_empty()


def test_types_change_no_value(tmp_path: Path) -> None:
    text = (
        "whole,real,flag,day,moment,zip,phone,long,german,name,empty,nan\n"
        "1,1.50,true,2024-01-31,2024-01-31 10:00,00123,+49,12345678901234567890,31.01.2024,x,,NaN\n"
        '-2,1e3,False,2024-02-01,2024-02-01T11:00:00.5,10115,49,1,01.02.2024,"y, z",,2.5\n'
    )
    frame = read(_write(tmp_path, text), SECTION).frame
    assert frame.drop("_source", "_line", "nan").to_dict(as_series=False) == {
        "whole": [1, -2],
        "real": [1.5, 1000.0],
        "flag": [True, False],
        "day": [date(2024, 1, 31), date(2024, 2, 1)],
        "moment": [datetime(2024, 1, 31, 10), datetime(2024, 2, 1, 11, 0, 0, 500_000)],
        "zip": ["00123", "10115"],
        "phone": ["+49", "49"],
        "long": ["12345678901234567890", "1"],
        "german": ["31.01.2024", "01.02.2024"],
        "name": ["x", "y, z"],
        "empty": [None, None],
    }
    assert frame["nan"].is_nan().to_list() == [True, False]
    assert frame.schema["empty"] == pl.String


def test_one_bad_value_late_in_the_file_keeps_the_column_text(tmp_path: Path) -> None:
    text = "a\n" + "1\n" * 3_000 + "oops\n"
    frame = read(_write(tmp_path, text), SECTION).frame
    assert frame.schema["a"] == pl.String
    assert frame["a"].to_list()[-2:] == ["1", "oops"]


def test_broken_lines_are_handed_back_and_the_rest_is_read(tmp_path: Path) -> None:
    text = 'a,b,c\n1,2,3\n4,5\n6,7,8,9\n10,"open,12\n13,14,15\n16,5" pipe,17\n18,"x"y,19\n\n20,"two\nlines",21\n'
    found = read(_write(tmp_path, text), SECTION)
    assert found.frame.drop("_source").rows() == [
        (1, "2", 3, 2),
        (13, "14", 15, 6),
        (16, '5" pipe', 17, 7),
        (20, "two\nlines", 21, 10),
    ]
    assert [(line, raw) for line, raw, _ in found.broken.rows()] == [(3, "4,5"), (4, "6,7,8,9"), (5, '10,"open,12'), (8, '18,"x"y,19')]
    reasons = found.broken["_reason"].to_list()
    assert reasons[:2] == ["got 2 fields, expected 3", "got 4 fields, expected 3"]
    assert all(reasons)


def test_an_unclosed_quote_costs_one_line_not_the_file(tmp_path: Path) -> None:
    text = 'a,b\n1,"x\n' + "2,y\n" * 100
    found = read(_write(tmp_path, text), SECTION)
    assert found.frame.height == 100
    assert found.broken.rows() == [(2, '1,"x', "a quote is opened and never closed")]


def test_nulls_delimiter_bom_and_line_ends(tmp_path: Path) -> None:
    path = _write(tmp_path, b"\xef\xbb\xbfa;b\r\n1;unknown\r\n;x\r\n")
    frame = read(path, Data(source="x.csv", delimiter=";", null_values=("", "unknown"))).frame
    assert frame.drop("_source").to_dict(as_series=False) == {"a": [1, None], "b": [None, "x"], "_line": [2, 3]}
    assert sniff(path) == ";"


def test_one_column_with_an_empty_value_and_unnamed_columns(tmp_path: Path) -> None:
    assert read(_write(tmp_path, "a\n1\n\n3\n"), SECTION).frame["a"].to_list() == [1, None, 3]
    assert read(_write(tmp_path, ",a\n0,5\n"), SECTION).frame.columns == ["column_1", "a", "_source", "_line"]


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ("", "HS202", "x.csv: the file is empty"),
        ("\n\n", "HS202", "x.csv: the file is empty"),
        ("a,b\n", "HS202", "x.csv: the file holds no rows"),
        ("a,b,a\n1,2,3\n", "HS205", "x.csv:1: got the column 'a' twice"),
        ("a,_line\n1,2\n", "HS205", "x.csv:1: got a column '_line'"),
        ('a,"b\n1,2\n', "HS205", "x.csv:1: the header cannot be parsed"),
    ],
)
def test_bad_csv_files(tmp_path: Path, content: str | bytes, code: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(_write(tmp_path, content), SECTION)
    assert caught.value.code == code
    assert words in caught.value.line()
    assert str(tmp_path) not in caught.value.line()


def test_a_file_of_broken_lines_only_is_not_empty(tmp_path: Path) -> None:
    found = read(_write(tmp_path, "a,b\n1\n"), SECTION)
    assert (found.frame.height, found.broken.height) == (0, 1)


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.parquet"
    path.parent.mkdir()
    pl.DataFrame({"a": [5, 6]}).write_parquet(path)
    assert read(path, SECTION, tmp_path).frame.rows() == [(5, "deep/x.parquet", 1), (6, "deep/x.parquet", 2)]
    damaged = _write(tmp_path, path.read_bytes()[:-20], "y.parquet")
    for bad, code in ((damaged, "HS209"), (_write(tmp_path, "a,b\n", "z.parquet"), "HS209"), (tmp_path / "no.parquet", "HS201")):
        with pytest.raises(DataError) as caught:
            read(bad, SECTION)
        assert caught.value.code == code
        assert "\n" not in caught.value.line()
    pl.DataFrame({"a": []}).write_parquet(path)
    with pytest.raises(DataError, match="HS202"):
        read(path, SECTION)


def test_files_that_are_not_there_or_of_no_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="HS201"):
        read(tmp_path / "no.csv", SECTION)
    with pytest.raises(DataError, match="HS209"):
        read(_write(tmp_path, "x", "x.xlsx"), SECTION)
    with pytest.raises(DataError, match="HS201"):
        sha256_file(tmp_path / "no.csv")
    with pytest.raises(DataError, match="HS201"):
        sniff(tmp_path / "no.csv")


def test_list_files(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "sub/c.CSV", "notes.txt", ".hidden/d.csv", "sub/.e.csv"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        _write(tmp_path, "a\n1\n", f"data/{name}")

    def listed(source: str) -> list[str]:
        return [path.relative_to(tmp_path).as_posix() for path in list_files(tmp_path, Data(source=source))]

    assert listed("data/b.csv") == ["data/b.csv"]
    assert listed("data") == ["data/a.parquet", "data/b.csv", "data/sub/c.CSV"]
    assert listed("data/*.csv") == ["data/b.csv"]
    assert listed("data/**/*.[cC]*") == ["data/b.csv", "data/sub/c.CSV"]
    assert listed(str(tmp_path / "data" / "b.csv")) == ["data/b.csv"]
    assert listed(str(tmp_path / "data" / "*.csv")) == ["data/b.csv"]
    assert listed("data/.hidden") == ["data/.hidden/d.csv"]
    for source, code in (("no.csv", "HS201"), ("data/*.json", "HS201"), ("data/notes.txt", "HS209")):
        with pytest.raises(DataError) as caught:
            listed(source)
        assert caught.value.code == code
        assert str(tmp_path) not in caught.value.line()


def test_sha256_file() -> None:
    assert sha256_file(BIKE) == hashlib.sha256(BIKE.read_bytes()).hexdigest()
