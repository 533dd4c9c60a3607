"""Label files: read as texts, strictly; written whole and never over one that may hold labels."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from homeostat.errors import DataError, ProjectError
from homeostat.infra.label_files import read_texts, write_labels


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_as_texts_with_lines(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "l.csv"
    text = '\ufeffid,_line,note,y\r\n007,2,"two\nlines, quoted",yes\r\n\r\n1.50,3,,\r\n'
    path.write_bytes(text.replace(",", delimiter).replace(f"lines{delimiter}", "lines,").encode())
    assert read_texts(path).rows() == [("007", "2", "two\nlines, quoted", "yes", 2), ("1.50", "3", None, None, 5)]


def test_parquet_is_read_as_texts(tmp_path: Path) -> None:
    pl.DataFrame({"id": [7, 8], "day": [date(2024, 1, 1), None], "y": [1.0, 2.5]}).write_parquet(tmp_path / "l.parquet")
    assert read_texts(tmp_path / "l.parquet").rows() == [("7", "2024-01-01", "1", 1), ("8", None, "2.5", 2)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("l.csv", b"a,y\n1\n", "HS205] l.csv:2: got 1 fields, expected 2"),
        ("l.csv", b'a,y\n1,2\n"3,4\n', "HS205] l.csv:3: cannot be parsed"),
        ("l.csv", b"a,y\n\xff,1\n", "HS205] l.csv:2: the file is not UTF-8"),
        ("l.csv", b"a,a\n1,2\n", "HS205] l.csv:1: got the column 'a'"),
        ("l.csv", b"a,_given\n1,2\n", "HS205] l.csv:1: got the column '_given'"),
        ("l.csv", b"a,y\n", "HS202] l.csv: the file holds no rows"),
        ("l.csv", b"", "HS202] l.csv: the file holds no rows"),
        ("l.parquet", b"no", "HS209] l.parquet: not a Parquet file"),
        ("l.xlsx", b"", "HS209] l.xlsx: got the suffix '.xlsx'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        read_texts(tmp_path / name)
    assert said in str(error.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="HS201"):
        read_texts(tmp_path / "gone.csv")


@pytest.mark.parametrize("name", ["q.csv", "q.parquet"])
def test_what_is_written_is_read_back_and_never_overwritten(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"_source": ["a"], "_line": [2], "x": ['say "hi",\nyou']})
    write_labels(frame, tmp_path / name)
    assert read_texts(tmp_path / name).drop("_given").rows() == [("a", "2", 'say "hi",\nyou')]
    with pytest.raises(ProjectError, match="HS607"):
        write_labels(frame, tmp_path / name)
    with pytest.raises(DataError, match="HS209"):
        write_labels(frame, tmp_path / "q.txt")
    with pytest.raises(ProjectError, match="HS602"):
        write_labels(frame, tmp_path / "gone" / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
