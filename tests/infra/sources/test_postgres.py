"""PostgreSQL tables on a real server: types, slices, determinism, refusals, and a server that dies in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from homeostat.core.sections import Source
from homeostat.errors import DataError, Unreachable
from homeostat.infra.raw import RawZone
from homeostat.infra.sources import Taken, open_source, read_batches
from homeostat.infra.sources import postgres as under_test


@pytest.fixture
def database(postgresql_url: str) -> Iterator[Any]:
    """A connection; all that a test makes is in the schema ``shop``."""
    import psycopg

    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS shop CASCADE")
        connection.execute("CREATE SCHEMA shop")
        connection.execute("SET search_path TO shop")
        yield connection
        connection.execute("DROP SCHEMA shop CASCADE")


def fetch_all(tmp_path: Path, section: Source) -> pl.DataFrame:
    source = open_source(section, tmp_path)
    zone = RawZone(tmp_path / "raw")
    reads = [read for part in source.parts() for read in read_batches(source.fetch(part, zone), section, part.name)]
    return pl.concat([read.frame for read in reads])


def test_types(database: Any, postgresql_url: str, tmp_path: Path) -> None:
    database.execute("CREATE TYPE mood AS ENUM ('ok', 'bad')")
    database.execute(
        "CREATE TABLE t (i int, small smallint, big bigint, f real, d double precision, money numeric(10,2), id numeric(18,0),"
        " longid numeric(30,0), free numeric, b bool, s text, v varchar(9), c char(3), day date, ts timestamp, tz timestamptz,"
        " j json, jb jsonb, u uuid, a int[], raw bytea, m mood, span interval, at time, ip inet)"
    )
    database.execute(
        "INSERT INTO t VALUES (1, 2, 9007199254740993, 0.5, 1e300, 12.34, 123456789012345678, 123456789012345678901234567890, 1.5, true,"
        " 'é', 'v', 'c', '2024-01-31', '2024-01-31 10:00:00.5', '2024-01-31 10:00+02', '{\"a\": [1]}', '{\"a\":2}',"
        " '00000000-0000-0000-0000-000000000001', '{1,2}', '\\x01ff', 'ok', '1 day 2 hours', '10:00', '127.0.0.1')"
    )
    database.execute("INSERT INTO t (day, ts, tz) VALUES ('infinity', '-infinity', 'infinity')")
    section = Source(source=postgresql_url, table="shop.t")
    frame = fetch_all(tmp_path, section)
    found = frame.filter(pl.col("i") == 1).row(0, named=True)
    assert {name: value for name, value in found.items() if not name.startswith("_")} == {
        "i": 1,
        "small": 2,
        "big": 9007199254740993,
        "f": 0.5,
        "d": 1e300,
        "money": 12.34,
        "id": 123456789012345678,
        "longid": "123456789012345678901234567890",
        "free": 1.5,
        "b": True,
        "s": "é",
        "v": "v",
        "c": "c",
        "day": date(2024, 1, 31),
        "ts": datetime(2024, 1, 31, 10, 0, 0, 500_000),
        "tz": datetime(2024, 1, 31, 8, tzinfo=UTC),
        "j": '{"a": [1]}',
        "jb": '{"a": 2}',
        "u": "00000000-0000-0000-0000-000000000001",
        "a": "{1,2}",
        "raw": "\\x01ff",
        "m": "ok",
        "span": "P1DT2H",
        "at": "10:00:00",
        "ip": "127.0.0.1/32",
    }
    endless = frame.filter(pl.col("i").is_null()).row(0, named=True)
    assert (endless["day"], endless["ts"]) == (date(9999, 12, 31), datetime(1, 1, 1))
    assert endless["s"] is None


def fill(database: Any, days: int = 40, kind: str = "timestamp") -> None:
    database.execute(f"CREATE TABLE orders (id bigint, at {kind}, note text)")
    database.execute(
        "INSERT INTO orders SELECT i, timestamp '2024-01-01 06:00' + i * interval '8 hours', 'note ' || i FROM generate_series(0, %s) i",
        [3 * days - 1],
    )


@pytest.fixture
def section(postgresql_url: str) -> Source:
    return Source(source=postgresql_url, table="shop.orders", watermark="at")


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "date"])
def test_slices_hold_all_rows_and_are_asked_again_only_if_rows_may_be_new(
    database: Any, section: Source, tmp_path: Path, kind: str
) -> None:
    database.execute("SET timezone TO 'UTC'")
    fill(database, kind=kind)
    parts = open_source(section, tmp_path).parts()
    assert [part.name for part in parts[:2]] == ["shop.orders/2024-01-01", "shop.orders/2024-01-02"]
    assert parts[0].span == (datetime(2024, 1, 1), datetime(2024, 1, 2))
    assert len(parts) == 40
    assert sorted(fetch_all(tmp_path, section)["id"]) == list(range(120))

    def names(late: timedelta = timedelta(0), backfill: tuple[datetime, datetime] | None = None) -> list[str]:
        taken = Taken([part.name for part in parts], backfill)
        found = open_source(section.model_copy(update={"late": late}), tmp_path, taken=taken).parts()
        return [part.name.removeprefix("shop.orders/") for part in found]

    assert names() == ["2024-02-09"]
    assert names(timedelta(days=2)) == ["2024-02-07", "2024-02-08", "2024-02-09"]
    assert names(backfill=(datetime(2024, 1, 3, 12), datetime(2024, 1, 5))) == ["2024-01-03", "2024-01-04", "2024-02-09"]
    database.execute(
        "INSERT INTO orders VALUES (999, '2024-03-01', 'x'), (1000, NULL, 'y'), (1001, 'infinity', 'z'), (1002, '0044-03-15 BC', '')"
    )
    assert names() == ["2024-02-09", "2024-03-01", "none"]
    assert sorted(fetch_all(tmp_path, section)["id"]) == [*range(120), 999, 1000, 1001, 1002]


def test_a_slice_changes_its_mark_when_a_row_does_and_only_then(database: Any, section: Source, tmp_path: Path) -> None:
    fill(database, 3)
    database.execute("INSERT INTO orders SELECT * FROM orders")  # rows that are alike in everything
    source = open_source(section, tmp_path)
    before = {part.name: part.fingerprint for part in source.parts()}
    zone = RawZone(tmp_path / "raw")
    digests = {part.name: source.fetch(part, zone).sha256 for part in source.parts()}
    database.execute("UPDATE orders SET note = 'changed' WHERE id = 4")
    after = {part.name: part.fingerprint for part in source.parts()}
    assert [name for name in before if before[name] != after[name]] == ["shop.orders/2024-01-02"]
    assert {part.name for part in source.parts() if source.fetch(part, zone).sha256 != digests[part.name]} == {"shop.orders/2024-01-02"}
    # The same rows, laid down in another order, are the same slice with the same bytes.
    database.execute("UPDATE orders SET note = 'note 4' WHERE id = 4")
    database.execute("CREATE TABLE turned AS SELECT * FROM orders ORDER BY id DESC")
    database.execute("TRUNCATE orders")
    database.execute("INSERT INTO orders SELECT * FROM turned")
    assert {part.name: part.fingerprint for part in source.parts()} == before
    assert {part.name: source.fetch(part, zone).sha256 for part in source.parts()} == digests


def test_a_query_and_a_whole_table(database: Any, postgresql_url: str, tmp_path: Path) -> None:
    fill(database, 2)
    query = 'SELECT id, id * 2 AS "the ""double""" FROM shop.orders WHERE id > 3 -- the last two\n;'
    asked = Source(source=postgresql_url.replace("postgresql:", "postgres:"), query=query)
    (part,) = open_source(asked, tmp_path).parts()
    assert part.name == "query"
    assert fetch_all(tmp_path, asked).drop("_source", "_line").to_dict(as_series=False) == {"id": [4, 5], 'the "double"': [8, 10]}
    assert fetch_all(tmp_path, Source(source=postgresql_url, table="shop.orders"))["_source"].unique().to_list() == ["shop.orders"]


def test_a_transformation_runs_before_anything_is_stored(database: Any, section: Source, tmp_path: Path) -> None:
    fill(database, 1)
    source = open_source(section, tmp_path, transform=lambda frame: frame.drop("note"))
    raw = source.fetch(source.parts()[0], RawZone(tmp_path / "raw"))
    assert b"note" not in raw.path.read_bytes()
    (found,) = read_batches(raw, section, "orders")
    assert found.frame.columns == ["id", "at", "_source", "_line"]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"table": "shop.none"}, "HS215", 'relation "shop.none" does not exist'),
        ({"table": None, "query": "DELETE FROM shop.orders RETURNING id", "watermark": None}, "HS215", "syntax error"),
        ({"table": None, "query": "SELECT 1 AS a, 2 AS a", "watermark": None}, "HS205", "'a' twice"),
        ({"table": None, "query": "SELECT 1/0 AS a", "watermark": None}, "HS215", "division by zero"),
        ({"watermark": "none"}, "HS215", "'none' is not there"),
        ({"watermark": "note"}, "HS215", "'note' is no date or timestamp"),
        ({"table": None, "query": "SELECT 1 AS a WHERE false", "watermark": None}, "HS202", "no rows"),
    ],
)
def test_what_cannot_be_read(database: Any, section: Source, tmp_path: Path, changes: dict[str, str | None], code: str, words: str) -> None:
    fill(database, 1)
    with pytest.raises(DataError, match=code) as caught:
        open_source(section.model_copy(update=changes), tmp_path).parts()
    assert words in caught.value.line()


def test_who_may_not_read(database: Any, section: Source, tmp_path: Path) -> None:
    fill(database, 1)
    database.execute("DROP ROLE IF EXISTS stranger")
    database.execute("CREATE ROLE stranger LOGIN PASSWORD 'hunter2'")
    try:
        for user, words in (("stranger", "permission denied"), ("nobody", 'role "nobody" does not exist')):
            asked = section.model_copy(update={"source": section.source.replace("homeostat@", f"{user}:hunter2@")})
            with pytest.raises(DataError, match="HS216") as caught:
                open_source(asked, tmp_path).parts()
            assert words in caught.value.line()
            assert "hunter2" not in caught.value.line()
        missing = section.model_copy(
            update={"source": section.source.replace("/postgres", "/hunter2").replace("homeostat@", "homeostat:hunter3@")}
        )
        with pytest.raises(DataError, match=r"HS215.*does not exist") as caught:
            open_source(missing, tmp_path).parts()
        assert "hunter3" not in caught.value.line()
    finally:
        database.execute("DROP ROLE stranger")


def test_no_server(tmp_path: Path) -> None:
    section = Source(source="postgresql://ann:hunter2@127.0.0.1:1/shop", table="orders")
    waits: list[float] = []
    with pytest.raises(Unreachable, match=r"HS804.*ann:\*\*\*@127.0.0.1:1/shop orders.*Connection refused.*tried 3 times") as caught:
        open_source(section, tmp_path, retries=2, sleep=waits.append).parts()
    assert len(waits) == 2
    assert "hunter2" not in caught.value.line()


def test_a_table_that_vanishes_between_leaves_nothing(database: Any, section: Source, tmp_path: Path) -> None:
    fill(database, 1)
    source = open_source(section, tmp_path)
    (part,) = source.parts()
    database.execute("DROP TABLE orders")
    with pytest.raises(DataError, match=r"HS215.*does not exist"):
        source.fetch(part, RawZone(tmp_path / "raw"))
    assert [path for path in (tmp_path / "raw").rglob("*") if path.is_file()] == []


def test_a_connection_that_is_cut_in_the_middle_is_begun_anew(
    database: Any, section: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(
        "CREATE TABLE orders AS SELECT i AS id, timestamp '2024-01-01' AS at, repeat('x', 500) AS note FROM generate_series(1, 300000) i"
    )
    cut = [0]

    def cutting(frame: pl.DataFrame) -> pl.DataFrame:
        cut[0] += 1
        if cut[0] in (3, 8):
            database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%COPY%'")
        return frame

    waits: list[float] = []
    source = open_source(section, tmp_path, sleep=waits.append, transform=cutting)
    (part,) = source.parts()
    raw = source.fetch(part, RawZone(tmp_path / "raw"))
    assert pl.read_parquet(raw.path)["id"].sort().to_list() == list(range(1, 300_001))
    assert len(waits) == 2
    monkeypatch.setattr(under_test, "BATCH_ROWS", 10_000)
    assert source.fetch(part, RawZone(tmp_path / "raw")) == raw
