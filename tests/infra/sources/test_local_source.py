"""Files as a source, and what holds for every source: opening by address, patience, transformations, no secret in any text."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
import pytest

from homeostat.core.sections import Source
from homeostat.errors import DataError, Unreachable
from homeostat.infra.raw import RawZone
from homeostat.infra.sources import files as files_module
from homeostat.infra.sources import open_source, read_batches
from homeostat.infra.sources.retry import FIRST_WAIT_S, LONGEST_WAIT_S, Patience, Transient


def never(_: float) -> None:
    raise AssertionError("nothing to wait for")


def test_parts_and_copies(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    for name, text in (("b.csv", "a\n1\n"), ("a.jsonl", '{"a": 2}\n'), ("c.parquet", "")):
        (root / "data" / name).write_text(text)
    pl.DataFrame({"a": [3]}).write_parquet(root / "data" / "c.parquet")
    section = Source(source="data")
    source = open_source(section, root, sleep=never)
    parts = source.parts()
    assert [part.name for part in parts] == ["data/a.jsonl", "data/b.csv", "data/c.parquet"]
    zone = RawZone(tmp_path / "raw")
    values = {}
    for part in parts:
        content = (root / part.name).read_bytes()
        raw = source.fetch(part, zone)
        assert part.fingerprint == raw.sha256 == hashlib.sha256(content).hexdigest()
        assert (part.bytes, raw.path.read_bytes()) == (len(content), content)
        (found,) = read_batches(raw, section, part.name)
        values[found.frame["_source"][0]] = found.frame["a"][0]
    assert values == {"data/a.jsonl": 2, "data/b.csv": 1, "data/c.parquet": 3}
    assert {raw.suffix for raw in (tmp_path / "raw").rglob("*.*")} == {".jsonl", ".csv", ".parquet"}


def test_a_file_that_vanishes_between_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n1\n")
    source = open_source(Source(source="x.csv"), tmp_path, sleep=never)
    (part,) = source.parts()
    (tmp_path / "x.csv").unlink()
    with pytest.raises(DataError, match="HS201"):
        source.fetch(part, RawZone(tmp_path / "raw"))
    assert [path for path in (tmp_path / "raw").rglob("*") if path.is_file()] == []


def test_a_file_that_is_still_written_is_copied_again_and_then_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a\n1\n")
    monkeypatch.setattr(files_module, "_STEP", 2)
    growing = [True, True, False]
    steady = files_module.os.fstat

    def fstat(handle: int) -> object:
        told = steady(handle)
        if told.st_ino == path.stat().st_ino and growing.pop(0):
            with path.open("a") as file:
                file.write("2\n")
        return told

    waits: list[float] = []
    monkeypatch.setattr(files_module.os, "fstat", fstat)
    source = open_source(Source(source="x.csv"), tmp_path, sleep=waits.append)
    raw = source.fetch(source.parts()[0], RawZone(tmp_path / "raw"))
    assert raw.path.read_text() == "a\n1\n2\n2\n"
    assert len(waits) == 2
    growing.extend([True] * 4)
    with pytest.raises(Unreachable, match=r"HS805.*kept changing.*tried 4 times") as caught:
        source.fetch(source.parts()[0], RawZone(tmp_path / "raw"))
    assert caught.value.exit_code == 4


def test_with_a_transformation_rows_are_stored_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,name,day\n1,Ann Secret,2024-01-31\n2,Bob\n3,Ann Secret,2024-02-01\n")
    section = Source(source="x.csv")
    source = open_source(section, tmp_path, transform=lambda frame: frame.drop("name").with_columns(pl.col("id") * 10))
    (part,) = source.parts()
    raw = source.fetch(part, RawZone(tmp_path / "raw"))
    assert raw.format == "parsed"
    (found,) = read_batches(raw, section, part.name)
    assert found.frame.columns == ["id", "day", "_source", "_line"]
    assert found.frame.select("id", "_line").rows() == [(10, 2), (30, 4)]
    assert found.frame.schema["day"] == pl.Date
    assert found.broken.rows() == [(3, "", "got 2 fields, expected 3")]
    for path in (tmp_path / "raw").rglob("*"):
        assert not path.is_file() or b"Secret" not in path.read_bytes()
    assert source.fetch(part, RawZone(tmp_path / "raw")) == raw


@pytest.mark.parametrize(
    ("section", "code"),
    [
        (Source(source="ftp://host/x.csv"), "HS219"),
        (Source(source="s3://"), "HS219"),
        (Source(source="postgresql://u:hunter2@h/d"), "HS215"),
        (Source(source="sqlite:///x.db", table="t", query="SELECT 1"), "HS215"),
    ],
)
def test_addresses_that_cannot_be_opened(tmp_path: Path, section: Source, code: str) -> None:
    with pytest.raises(DataError, match=code) as caught:
        open_source(section, tmp_path)
    assert "hunter2" not in caught.value.line()


def test_a_missing_package_is_told_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for address, package, extra in (("s3://bucket/x.csv", "obstore", "s3"), ("postgresql://h/d", "psycopg", "postgres")):
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.setitem(sys.modules, f"{package}.store", None)
        monkeypatch.setitem(sys.modules, f"{package}.exceptions", None)
        section = Source(source=address, table=None if extra == "s3" else "t")
        with pytest.raises(DataError, match=f"HS217.*pip install 'homeostat\\[{extra}\\]'"):
            open_source(section, tmp_path, sleep=never).parts()


def test_patience() -> None:
    waits: list[float] = []
    answers = iter([Transient("one"), Transient("two"), "good"])

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Transient):
            raise answer
        return answer

    assert Patience(3, waits.append).ask(ask, "place") == "good"
    assert len(waits) == 2
    assert all(0.5 <= wait / (FIRST_WAIT_S * 2**i) <= 1.5 for i, wait in enumerate(waits))

    def refuse() -> str:
        raise Transient("closed")

    waits.clear()
    with pytest.raises(Unreachable, match=r"HS804.*place: closed \(tried 13 times in \d+ s\)"):
        Patience(12, waits.append).ask(refuse, "place")
    assert max(waits) <= LONGEST_WAIT_S * 1.5
    with pytest.raises(Unreachable, match="place: closed; see"):
        Patience(0, never).ask(refuse, "place")
