"""SQLite tables: declared types only where the values are of them, slices by a watermark, the same rows the same bytes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from homeostat.core.sections import Source
from homeostat.errors import DataError, Unreachable
from homeostat.infra.raw import RawZone
from homeostat.infra.sources import Taken, open_source, read_batches


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    yield connection
    connection.close()


def frames(tmp_path: Path, section: Source) -> list[pl.DataFrame]:
    source = open_source(section, tmp_path)
    zone = RawZone(tmp_path / "raw")
    return [read.frame for part in source.parts() for read in read_batches(source.fetch(part, zone), section, part.name)]


def rows(tmp_path: Path, section: Source) -> pl.DataFrame:
    return pl.concat(frames(tmp_path, section))


def test_types(database: sqlite3.Connection, tmp_path: Path) -> None:
    database.execute(
        "CREATE TABLE t (i INTEGER, big INT, r REAL, n NUMERIC, dec DECIMAL(9,2), b BOOLEAN, notb BOOLEAN, d DATE, ts DATETIME,"
        " bad_d DATE, s TEXT, mixed INTEGER, blob BLOB, none TEXT, inone INTEGER, free, huge NUMERIC)"
    )
    one = (1, 2**60, 1.5, 1, 2.5, 1, 1, "2024-01-31", "2024-01-31 10:00:00", "2024-02-30", "a", 1, b"\x01\xff", None, None, 1, 2**60)
    two = (-2, 5, 2, 2, 3, 0, 2, None, "2024-02-01", "2024-01-01", "1", "x", None, None, None, 2.5, 0.5)
    for each in (one, two):
        database.execute(f"INSERT INTO t VALUES ({', '.join('?' * len(each))})", each)  # noqa: S608
    frame = rows(tmp_path, Source(source="sqlite:///x.db", table="t")).sort("i", descending=True).drop("_source", "_line")
    assert frame.to_dict(as_series=False) == {
        "i": [1, -2],
        "big": [2**60, 5],
        "r": [1.5, 2.0],
        "n": [1.0, 2.0],
        "dec": [2.5, 3.0],
        "b": [True, False],
        "notb": [1, 2],
        "d": [date(2024, 1, 31), None],
        "ts": [datetime(2024, 1, 31, 10), datetime(2024, 2, 1)],
        "bad_d": ["2024-02-30", "2024-01-01"],
        "s": ["a", "1"],
        "mixed": ["1", "x"],
        "blob": ["01FF", None],
        "none": [None, None],
        "inone": [None, None],
        "free": [1.0, 2.5],
        "huge": [str(2**60), "0.5"],
    }
    assert frame.schema["n"] == pl.Float64
    assert frame.schema["notb"] == pl.Int64
    assert frame.schema["inone"] == pl.Int64


def fill(database: sqlite3.Connection, days: int = 40) -> None:
    database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, at TEXT, amount REAL)")
    start = datetime(2024, 1, 1, 6)
    moments = [start + timedelta(hours=8 * i) for i in range(3 * days)]
    database.executemany("INSERT INTO orders VALUES (?, ?, ?)", [(i, str(moment), i * 0.5) for i, moment in enumerate(moments)])


SECTION = Source(source="sqlite:///x.db", table="orders", watermark="at")


def test_slices_hold_all_rows_and_are_asked_again_only_if_rows_may_be_new(database: sqlite3.Connection, tmp_path: Path) -> None:
    fill(database)
    parts = open_source(SECTION, tmp_path).parts()
    assert [part.name for part in parts[:2]] == ["orders/2024-01-01", "orders/2024-01-02"]
    assert parts[0].span == (datetime(2024, 1, 1), datetime(2024, 1, 2))
    assert len(parts) == 40
    frame = rows(tmp_path, SECTION)
    assert sorted(frame["id"]) == list(range(120))
    assert frame.schema["at"] == pl.Datetime("us")

    def names(late: timedelta = timedelta(0), backfill: tuple[datetime, datetime] | None = None) -> list[str]:
        taken = Taken([part.name for part in parts], backfill)
        section = SECTION.model_copy(update={"late": late})
        return [part.name for part in open_source(section, tmp_path, taken=taken).parts()]

    assert names() == ["orders/2024-02-09"]
    assert names(timedelta(days=2)) == ["orders/2024-02-07", "orders/2024-02-08", "orders/2024-02-09"]
    january = (datetime(2024, 1, 3, 12), datetime(2024, 1, 5))
    assert names(backfill=january) == ["orders/2024-01-03", "orders/2024-01-04", "orders/2024-02-09"]
    database.execute("INSERT INTO orders VALUES (999, '2024-03-01 00:00:00', 1), (1000, NULL, 2), (1001, 'soon', 3)")
    assert names() == ["orders/2024-02-09", "orders/2024-03-01", "orders/none"]
    # A slice whose watermarks are not all dates keeps them as text.
    assert sorted(value for frame in frames(tmp_path, SECTION) for value in frame["id"]) == [*range(120), 999, 1000, 1001]


def test_a_slice_changes_its_mark_when_a_row_does_and_only_then(database: sqlite3.Connection, tmp_path: Path) -> None:
    fill(database, 3)
    source = open_source(SECTION, tmp_path)
    before = {part.name: part.fingerprint for part in source.parts()}
    zone = RawZone(tmp_path / "raw")
    digests = {part.name: source.fetch(part, zone).sha256 for part in source.parts()}
    database.execute("UPDATE orders SET amount = 99 WHERE id = 4")
    after = {part.name: part.fingerprint for part in source.parts()}
    assert [name for name in before if before[name] != after[name]] == ["orders/2024-01-02"]
    assert {part.name for part in source.parts() if source.fetch(part, zone).sha256 != digests[part.name]} == {"orders/2024-01-02"}
    # The same rows, laid down in another order, are the same slice with the same bytes.
    database.execute("UPDATE orders SET amount = 2.0 WHERE id = 4")
    database.execute("CREATE TABLE turned AS SELECT * FROM orders ORDER BY id DESC")
    database.execute("DROP TABLE orders")
    database.execute("CREATE TABLE orders (id INTEGER, at TEXT, amount REAL)")
    database.execute("INSERT INTO orders SELECT * FROM turned")
    assert {part.name: part.fingerprint for part in source.parts()} == before
    assert {part.name: source.fetch(part, zone).sha256 for part in source.parts()} == digests


@pytest.mark.parametrize(("kind", "expected"), [("week", ["2024-W01", "2024-W02"]), ("month", ["2024-01"])])
def test_longer_slices(database: sqlite3.Connection, tmp_path: Path, kind: str, expected: list[str]) -> None:
    fill(database, 10)
    section = SECTION.model_copy(update={"slice": kind})
    parts = open_source(section, tmp_path).parts()
    assert [part.name for part in parts] == [f"orders/{label}" for label in expected]
    assert sorted(rows(tmp_path, section)["id"]) == list(range(30))
    taken = Taken([part.name for part in parts])
    assert [part.name for part in open_source(section, tmp_path, taken=taken).parts()] == [f"orders/{expected[-1]}"]


def test_a_query_and_a_whole_table(database: sqlite3.Connection, tmp_path: Path) -> None:
    fill(database, 2)
    section = Source(source="sqlite:///x.db", query="SELECT id, amount * 2 AS twice FROM orders WHERE id > 3;")
    source = open_source(section, tmp_path)
    (part,) = source.parts()
    assert part.name == "query"
    assert rows(tmp_path, section).select("id", "twice").rows() == [(4, 4.0), (5, 5.0)]
    database.execute("UPDATE orders SET amount = 0 WHERE id = 1")
    assert source.parts() == [part]
    whole = Source(source=f"sqlite:///{tmp_path}/x.db", table="orders")
    assert rows(tmp_path, whole).height == 6


@pytest.mark.parametrize(
    ("section", "code", "words"),
    [
        (Source(source="sqlite:///none.db", table="t"), "HS201", "no such database file"),
        (Source(source="sqlite:///x.db", table="none"), "HS215", "no such table"),
        (Source(source="sqlite:///x.db", query="DELETE FROM orders"), "HS215", "syntax error"),
        (Source(source="sqlite:///x.db", table="orders", watermark="none"), "HS215", "'none' is not there"),
        (Source(source="sqlite:///x.db", table="orders", watermark="id"), "HS215", "'id' holds numbers"),
        (Source(source="sqlite:///x.db", query="SELECT id AS _line FROM orders"), "HS205", "'_line'"),
        (Source(source="sqlite:///x.db", query="SELECT * FROM orders WHERE id < 0"), "HS202", "no rows"),
        (Source(source="sqlite:///text.db", table="orders"), "HS209", "not a SQLite file"),
    ],
)
def test_what_cannot_be_read(database: sqlite3.Connection, tmp_path: Path, section: Source, code: str, words: str) -> None:
    fill(database, 1)
    (tmp_path / "text.db").write_text("this is no database " * 100)
    with pytest.raises(DataError, match=code) as caught:
        open_source(section, tmp_path).parts()
    assert words in caught.value.line()


def test_a_table_that_vanishes_between_leaves_nothing(database: sqlite3.Connection, tmp_path: Path) -> None:
    fill(database, 1)
    source = open_source(SECTION, tmp_path)
    (part,) = source.parts()
    database.execute("DROP TABLE orders")
    with pytest.raises(DataError, match=r"HS215.*no such table"):
        source.fetch(part, RawZone(tmp_path / "raw"))
    assert [path for path in (tmp_path / "raw").rglob("*") if path.is_file()] == []


def test_a_locked_database_is_asked_again(database: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database, 1)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **named: connect(*given, **{**named, "timeout": 0.01}))
    database.execute("BEGIN EXCLUSIVE")
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            database.execute("COMMIT")

    assert len(open_source(SECTION, tmp_path, sleep=sleep).parts()) == 1
    database.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unreachable, match=r"HS804.*locked"):
        open_source(SECTION, tmp_path, retries=1, sleep=lambda _: None).parts()


def test_many_columns(database: sqlite3.Connection, tmp_path: Path) -> None:
    columns = ", ".join(f"c{i} INTEGER" for i in range(300))
    database.execute(f"CREATE TABLE wide ({columns})")
    database.execute(f"INSERT INTO wide VALUES ({', '.join(str(i) for i in range(300))})")  # noqa: S608
    frame = rows(tmp_path, Source(source="sqlite:///x.db", table="wide"))
    assert frame.row(0)[:300] == tuple(range(300))


TIMES = ["2024-02-28 24:00:00", "2024-02-28T23:59:59.123456", "2024-02-28 23:59:59.1234567", "2024-02-28 23:59:60", "2024-02-28 10:00:00Z"]
DAYS = ["2024-02-29", "2023-02-29", "2024-00-10", "0000-01-01", "2024-13-01", "9999-12-31", "2024-1-1", "2024-01-01 ", "now", "2460000.5"]


@pytest.mark.parametrize("value", [*TIMES, *DAYS])
def test_no_value_is_changed_by_its_type(database: sqlite3.Connection, tmp_path: Path, value: str) -> None:
    database.execute("CREATE TABLE t (x DATETIME)")
    database.execute("INSERT INTO t VALUES (?)", (value,))
    (found,) = rows(tmp_path, Source(source="sqlite:///x.db", table="t"))["x"]
    assert str(found).replace(" ", "T") == value.strip(" ").replace(" ", "T") or found == value
