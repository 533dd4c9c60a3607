"""Rows from a database by slices, joined as of their time, transformed by SQL, and validated twice."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import polars as pl
import pytest

from homeostat.app.cli.main import main
from homeostat.errors import DataError
from homeostat.flow.datasets import read_dataset
from homeostat.flow.ingest import ingest
from homeostat.flow.project import open_project
from homeostat.flow.quarantine import quarantined

CHARTER = """
name: orders
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: regression, target: y, time: at}
success: {metric: mae}
data:
  source: sqlite:///orders.sqlite
  table: orders
  watermark: at
  slice: day
  late: 1d
  max_quarantined: 0.4
"""
JOINED = """
  tables:
    prices: {source: prices.csv}
  joins:
    - {table: prices, on: [item], valid_from: since, columns: [price]}
  features: features.sql
  curated_contract: curated.yaml
"""
CURATED = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "curated",
    "name": "curated",
    "version": "1.0.0",
    "status": "active",
    "schema": [
        {
            "name": "curated",
            "logicalType": "object",
            "properties": [
                {"name": "at", "logicalType": "timestamp", "required": True},
                {"name": "worth", "logicalType": "number", "logicalTypeOptions": {"maximum": 100}},
                {"name": "y", "logicalType": "number", "required": True},
            ],
        }
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "homeostat.yaml").write_text(CHARTER)
    put(
        tmp_path,
        [(1, "a", 2, 1.0, "2024-05-01 10:00:00"), (2, "b", 3, 2.0, "2024-05-02 10:00:00"), (3, "a", 1, 3.0, "2024-05-03 10:00:00")],
    )
    return tmp_path


def put(folder: Path, rows: list[tuple[int, str, int, float, str]]) -> None:
    with sqlite3.connect(folder / "orders.sqlite") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item TEXT, pieces INTEGER, y REAL, at TIMESTAMP)")
        connection.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?)", rows)
    connection.close()


def transformed(folder: Path, sql: str) -> Path:
    (folder / "homeostat.yaml").write_text(CHARTER + JOINED)
    (folder / "prices.csv").write_text("item,price,since\na,10,2024-04-01\na,50,2024-05-02\nb,30,2024-05-03\n")
    (folder / "features.sql").write_text(sql)
    (folder / "curated.yaml").write_text(json.dumps(CURATED))
    return folder


ROWWISE = 'SELECT "at", pieces * price AS worth, y, _source, _line FROM data WHERE y < 9'


def test_a_table_comes_in_by_days_and_late_rows_replace_their_day_only(folder: Path) -> None:
    with open_project(folder) as project:
        first = ingest(project)
        days = [source["path"] for source in first.body["sources"]]
        assert [name.rpartition("/")[2] for name in days] == ["2024-05-01", "2024-05-02", "2024-05-03"]
        assert ingest(project).id == first.id
        put(folder, [(4, "b", 5, 4.0, "2024-05-03 11:00:00"), (5, "b", 1, 5.0, "2024-05-04 09:00:00")])
        second = ingest(project)
        assert second.body["rows"] == 5
        assert len(project.ledger.find("delivery")) == 5  # three days, one again, one new
        put(folder, [(6, "a", 1, 6.0, "2024-05-01 12:00:00")])  # later than the charter waits for
        assert ingest(project).body["rows"] == 5
        assert main(["ingest", "--project", str(folder), "--from", "2024-05-01", "--to", "2024-05-02"]) == 0
        assert project.ledger.find("dataset")[0].body["rows"] == 6
        late = project.ledger.find("dataset")[0].body["digest"]
    with open_project(twin(folder)) as whole:
        assert ingest(whole).body["digest"] == late


def twin(folder: Path) -> Path:
    """The same table in a project that takes it in for the first time."""
    other = folder / "twin"
    other.mkdir()
    for name in ("homeostat.yaml", "orders.sqlite"):
        (other / name).write_bytes((folder / name).read_bytes())
    return other


def test_rows_are_joined_as_of_their_time_and_transformed(folder: Path) -> None:
    with open_project(transformed(folder, ROWWISE)) as project:
        dataset = ingest(project)
        rows = read_dataset(project, dataset).sort("at")
        assert rows["worth"].to_list() == [20.0, None, 50.0]  # b had no price yet on the second of May
        assert (dataset.body["table"], dataset.body["rows"], dataset.body["dropped"]) == ("curated", 3, 0)
        put(folder, [(7, "a", 1, 99.0, "2024-05-03 15:00:00"), (8, "a", 9, 1.0, "2024-05-03 16:00:00")])
        after = ingest(project)
        assert (after.body["rows"], after.body["dropped"], after.body["quarantined"]) == (3, 1, 1)  # 9 x 50 is over 100
        assert quarantined(project)["_rules"].to_list() == [["worth.range"]]
        assert read_dataset(project, dataset).height == 3


def test_a_price_that_comes_later_changes_only_rows_after_it(folder: Path) -> None:
    with open_project(transformed(folder, ROWWISE)) as project:
        before = read_dataset(project, ingest(project)).sort("at")["worth"].to_list()
        with (folder / "prices.csv").open("a") as file:
            file.write("a,70,2024-05-03\n")
        after = read_dataset(project, ingest(project)).sort("at")["worth"].to_list()
        assert (before, after) == ([20.0, None, 50.0], [20.0, None, 70.0])


def test_curated_rows_that_break_their_contract_make_no_version(folder: Path) -> None:
    with open_project(transformed(folder, ROWWISE)) as project:
        first = ingest(project)
        (folder / "features.sql").write_text(ROWWISE.replace("pieces * price", "1000 * pieces * price"))
        with pytest.raises(DataError, match=r"HS220.*worth.range"):
            ingest(project)
        assert project.ledger.find("dataset")[0].id == first.id


@pytest.mark.parametrize(
    ("sql", "word"),
    [("SELECT y FROM data", "_source"), ("SELEC y FROM data", "features.sql"), ("SELECT d.* FROM data d, data e", "more than once")],
)
def test_sql_that_will_not_do_is_one_line(folder: Path, sql: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ingest", "--project", str(transformed(folder, sql))]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "Error[" in line]
    assert word in line


def test_check_sees_the_rows_joined_and_transformed(folder: Path) -> None:
    from homeostat.flow.feasible import source_rows

    with open_project(transformed(folder, ROWWISE)) as project:
        rows, _ = source_rows(project)
        assert sorted(rows["worth"].drop_nulls().to_list()) == [20.0, 50.0]
        assert not (folder / ".homeostat" / "ledger.sqlite").exists()
        assert isinstance(rows, pl.DataFrame)
