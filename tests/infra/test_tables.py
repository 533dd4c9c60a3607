"""Delta tables: one key is one commit, versions stay readable, a correction is one step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from homeostat.errors import DataError, ProjectError
from homeostat.infra import tables as under_test
from homeostat.infra.tables import Table


def _rows(source: str, *values: float) -> pl.DataFrame:
    rows = [(value, source, line) for line, value in enumerate(values, start=2)]
    return pl.DataFrame(rows, schema={"a": pl.Float64, "_source": pl.String, "_line": pl.Int64}, orient="row")


def _replace(table: Table, source: str, frame: pl.DataFrame, key: str) -> int:
    with table.delivery(key, {}, source) as delivery:
        if delivery.version is None:
            delivery.write(frame)
            delivery.commit(replacing=[source])
    assert delivery.version is not None
    return delivery.version


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "curated")


def test_a_key_is_one_commit(table: Table) -> None:
    assert not table.exists()
    assert table.history() == []
    assert table.append(_rows("x", 1.0), {"delivery": "d1"}, "k1") == 0
    assert table.append(_rows("y", 2.0), {"delivery": "d2"}, "k2") == 1
    assert table.append(_rows("x", 1.0), {"delivery": "d1"}, "k1") == 0
    assert _replace(table, "y", _rows("y", 9.0), "k2") == 1
    assert Table(str(table.path)).append(_rows("y", 2.0), {}, "k2") == 1
    assert table.version() == 1
    assert table.read()["a"].to_list() == [1.0, 2.0]
    assert [(c["version"], c["key"], c["metadata"]) for c in table.history()] == [
        (1, "k2", {"delivery": "d2"}),
        (0, "k1", {"delivery": "d1"}),
    ]


def test_a_correction_replaces_its_source_in_one_version(table: Table) -> None:
    _replace(table, "it's.csv", _rows("it's.csv", 1.0, 2.0), "k1")
    _replace(table, "b.csv", _rows("b.csv", 3.0), "k2")
    assert _replace(table, "it's.csv", _rows("it's.csv", 7.0), "k3") == 2
    assert table.read().rows() == [(3.0, "b.csv", 2), (7.0, "it's.csv", 2)]
    assert table.read(version=1)["a"].to_list() == [3.0, 1.0, 2.0]
    assert table.read(version=0)["a"].to_list() == [1.0, 2.0]
    assert _replace(table, "b.csv", _rows("b.csv"), "k4") == 3
    assert table.read()["a"].to_list() == [7.0]
    with table.delivery("k5", {}, "c.csv") as delivery:
        delivery.write(_rows("c.csv", 5.0))
        assert delivery.commit(replacing=None) == 4
    assert table.read()["a"].to_list() == [5.0]


def test_types_nulls_and_order_come_back(table: Table) -> None:
    frame = pl.DataFrame(
        {
            "f": [1.5, None, float("nan")],
            "i": [2**63 - 1, None, 0],
            "s": ["ä", None, ""],
            "b": [True, None, False],
            "d": [date(2011, 1, 1), None, date(1800, 1, 1)],
            "t": [datetime(2011, 1, 1, 5, 0, 0, 1), None, datetime(1800, 1, 1)],
            "_rules": [["x", "y"], [], None],
            "_source": ["b", "a", "a"],
            "_line": [2, 10, 9],
        }
    )
    table.append(frame, {}, "k")
    assert table.read().equals(frame.reverse())
    assert table.read(columns=["s"])["s"].to_list() == ["", None, "ä"]
    table.append(frame.select(reversed(frame.columns)), {}, "k2")
    again = table.read()
    assert again.columns == frame.columns
    assert again.equals(pl.concat([frame, frame]).reverse().sort("_source", "_line", maintain_order=True))


@pytest.mark.parametrize("most_runs", [1, 1_000])
def test_rows_come_back_in_order_however_they_were_written(table: Table, monkeypatch: pytest.MonkeyPatch, most_runs: int) -> None:
    monkeypatch.setattr(under_test, "MOST_RUNS", most_runs)
    rng = np.random.default_rng(0)
    rows = pl.DataFrame(
        {
            "n": np.arange(600),
            "_source": [["a", "b", None][i] for i in rng.integers(0, 3, 600)],
            "_line": [None if i == 200 else int(i) for i in rng.integers(0, 201, 600)],
            "_rules": [[str(i)] for i in range(600)],
        }
    )
    assert rows.select("_source", "_line").is_duplicated().any()
    whole = rows.sort("_source", "_line", "n", nulls_last=True)
    distinct = whole.unique(["_source", "_line"], keep="first", maintain_order=True)
    written = {
        "in order": [distinct[:150], distinct[150:]],
        "parts in another order": [distinct[300:], distinct[100:300], distinct[:100]],
        "interleaved": [distinct[::2], distinct[1::2]],
        "shuffled": [distinct.sample(fraction=1.0, shuffle=True, seed=1)],
    }
    for version, (name, parts) in enumerate(written.items()):
        assert _deliver(table, name, parts) == version
        assert table.read().equals(distinct), name
        assert table.read(columns=["n"])["n"].to_list() == distinct["n"].to_list()
    _deliver(table, "rows twice", [rows[:400], rows[400:]])
    assert table.read().equals(whole)


def _deliver(table: Table, key: str, frames: list[pl.DataFrame]) -> int:
    with table.delivery(key, {}) as delivery:
        for frame in frames:
            delivery.write(frame)
        return delivery.commit(replacing=None)


def test_rows_come_in_batches_of_any_version(table: Table) -> None:
    table.append(_rows("x"), {}, "k0")
    assert [frame.height for frame in table.batches()] == [0]
    table.append(_rows("x", *range(50)), {}, "k1")
    table.append(_rows("y", *range(30)), {}, "k2")
    assert all(frame.height <= 8 for frame in table.batches(rows=8))
    assert pl.concat(table.batches(rows=8)).sort("_source", "_line").equals(table.read())
    assert pl.concat(table.batches(1, rows=8)).sort("_line").equals(table.read(1))
    assert next(table.batches(0)).schema == table.read().schema


def test_an_empty_write_is_a_commit_too(table: Table) -> None:
    assert table.append(_rows("x"), {"note": "nothing"}, "k1") == 0
    assert table.append(_rows("x"), {}, "k2") == 1
    assert table.read().equals(_rows("x"))


def test_another_schema_is_refused_and_changes_nothing(table: Table) -> None:
    table.append(_rows("x", 1.0), {}, "k1")
    for frame, words in (
        (_rows("x", 1.0).drop("a"), "a is missing"),
        (_rows("x", 1.0).cast({"a": pl.String}), "a is String instead of Float64"),
    ):
        with pytest.raises(DataError, match="HS208") as caught:
            table.append(frame, {}, "k2")
        assert words in caught.value.message
    assert table.version() == 0


def test_a_new_column_is_added_and_null_in_the_rows_before(table: Table) -> None:
    table.append(_rows("x", 1.0), {}, "k1")
    table.append(_rows("y", 2.0).with_columns(b=pl.lit("new")), {}, "k2")
    assert table.read()["b"].to_list() == [None, "new"]
    assert table.read(version=0).columns == ["a", "_source", "_line"]


def test_batches_of_a_delivery_are_one_commit_with_one_file_each(table: Table) -> None:
    with table.delivery("k", {"delivery": "d"}, "x") as delivery:
        for start in range(0, 6, 2):
            delivery.write(_rows("x", *(float(start + i) for i in range(2))).with_columns(_line=pl.lit(start) + pl.int_range(2)))
        assert not table.exists()
        assert delivery.commit() == 0
    assert table.read()["a"].to_list() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert len(list(table.path.rglob("*.parquet"))) == 3
    assert table.scan().select(pl.len()).collect().item() == 6


def test_a_delivery_that_is_not_committed_leaves_nothing(table: Table) -> None:
    table.append(_rows("y", 1.0), {}, "k1")
    before = sorted(table.path.rglob("*"))
    with table.delivery("k2", {}, "x") as delivery:
        delivery.write(_rows("x", 1.0))
        assert len(list(table.path.rglob("*.parquet"))) == 2
    assert [path for path in sorted(table.path.rglob("*")) if path.is_file()] == [path for path in before if path.is_file()]
    assert table.version() == 0


def test_a_disk_without_room_is_one_clear_line_and_leaves_nothing(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.append(_rows("y", 1.0), {}, "k1")

    def full(self: pl.DataFrame, path: Path, **_: object) -> None:
        Path(path).write_bytes(b"PAR1 half a file")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pl.DataFrame, "write_parquet", full)
        with pytest.raises(ProjectError, match=r"HS602.*No space left") as caught:
            table.append(_rows("x", 2.0), {}, "k2")
    assert "\n" not in caught.value.line()
    assert len(list(table.path.rglob("*.parquet"))) == 1
    assert table.append(_rows("x", 2.0), {}, "k2") == 1


def test_restructuring_starts_again_with_other_types_and_keeps_the_old_versions(table: Table) -> None:
    table.append(_rows("x", 1.0), {}, "k1")
    other = _rows("x", 1.0).cast({"a": pl.String})
    table.restructure(other.clear(), "contract 2")
    table.restructure(other.clear(), "contract 2")
    assert table.read().height == 0
    assert table.append(other, {}, "k2") == 2
    assert table.read()["a"].to_list() == ["1.0"]
    assert table.read(version=0)["a"].to_list() == [1.0]


def test_what_is_not_there(table: Table) -> None:
    for ask in (table.version, table.read):
        with pytest.raises(ProjectError, match="HS608"):
            ask()
    table.append(_rows("x", 1.0), {}, "k1")
    for version in (1, -1):
        with pytest.raises(ProjectError, match="HS605"):
            table.read(version=version)
    with pytest.raises(DataError, match=r"HS203.*'no'"):
        table.read(columns=["no"])


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ProjectError, match="HS602"):
        Table(tmp_path / "file" / "curated").append(_rows("x", 1.0), {}, "k")


def test_writers_at_the_same_time_lose_nothing_and_write_nothing_twice(table: Table) -> None:
    keys = [f"k{i % 6}" for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(lambda key: Table(table.path).append(_rows(key, 1.0), {}, key), keys))
    assert sorted(set(versions)) == list(range(6))
    assert versions[:6] == versions[6:]
    assert table.read()["_source"].to_list() == sorted(set(keys))
    assert {c["key"]: c["version"] for c in table.history()} == dict(zip(keys, versions, strict=True))


KILLED = """
import os, signal, sys
import polars as pl
from homeostat.infra.tables import Table
Table(sys.argv[1]).append(pl.DataFrame({"a": [1.0], "_source": ["x"], "_line": [2]}), {}, "k1")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_after_the_commit_the_next_try_finds_it(table: Table) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(table.path)], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert table.append(_rows("x", 1.0), {}, "k1") == 0
    assert table.read().height == 1


def test_two_writers_that_make_the_table_at_once_with_one_key_write_once(tmp_path: Path) -> None:
    import threading

    frame = pl.DataFrame({"_source": ["a"] * 3, "_line": [1, 2, 3], "x": [1, 2, 3]})
    for attempt in range(8):
        path = tmp_path / f"t{attempt}"
        writers = [threading.Thread(target=lambda at=path: _replace(Table(at), "a", frame, "k")) for _ in range(2)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert Table(path).read().height == 3
        assert Table(path).version() == 0
