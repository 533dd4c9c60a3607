"""A source that loses parts is told of and loses no rows; one that is described otherwise leaves no rows of the old description behind."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path

import pytest

from homeostat.flow.datasets import read_dataset
from homeostat.flow.ingest import ingest
from homeostat.flow.project import Project, open_project

CHARTER = """
name: plain
problem: {{statement: s, objective: o, decision: d, business_metric: b}}
task: {{type: regression, target: y}}
success: {{metric: mae}}
data: {{{data}}}
"""
TABLE = "source: 'sqlite:///db.sqlite', table: orders, watermark: day, slice: {slice}, late: {late}"
ROWS = [(f"2024-0{month}-{day:02d}", month * day) for month in (1, 2, 3) for day in (1, 2, 3)]


class Heard:
    """Remembers the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def update(self, message: str, *, done: float | None = None) -> None:
        """Nothing to remember."""

    def note(self, message: str) -> None:
        self.notes.append(message)


def describe(folder: Path, data: str) -> None:
    (folder / "homeostat.yaml").write_text(CHARTER.format(data=data))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "db.sqlite") as connection:
        connection.execute("CREATE TABLE orders (day TEXT, y INTEGER)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", ROWS)
        connection.execute("CREATE TABLE others AS SELECT day, y + 100 AS y FROM orders")
    describe(tmp_path, TABLE.format(slice="month", late="0s"))
    return tmp_path


def delete(folder: Path, first: str, after: str) -> None:
    with sqlite3.connect(folder / "db.sqlite") as connection:
        connection.execute("DELETE FROM orders WHERE day >= ? AND day < ?", (first, after))


def rows_of(folder: Path, heard: Heard | None = None, backfill: bool = False) -> list[tuple[object, ...]]:
    with open_project(folder) as project:
        dataset = ingest(project, heard, (datetime.min, datetime.max) if backfill else None)
        return sorted((str(day), y) for day, y in read_dataset(project, dataset).select("day", "y").rows())


def absences(project: Project) -> list[list[str]]:
    return [list(fact.body["parts"]) for fact in project.ledger.find("absence")]


def test_a_slice_that_is_gone_is_told_of_and_its_rows_stay(folder: Path) -> None:
    before = rows_of(folder)
    delete(folder, "2024-03", "2024-04")
    heard = Heard()
    assert rows_of(folder, heard) == before
    assert heard.notes == ["orders/2024-03: not in the source any more; the 3 rows taken in from there stay"]
    assert rows_of(folder, heard) == before
    with open_project(folder) as project:
        assert absences(project) == [["orders/2024-03"]]
        assert len(project.ledger.find("dataset")) == 1


def test_an_older_slice_is_missed_when_it_is_asked_for(folder: Path) -> None:
    before, heard = rows_of(folder), Heard()
    delete(folder, "2024-01", "2024-02")
    assert rows_of(folder, heard) == before
    assert heard.notes == []  # slices that cannot have changed any more are not asked for
    assert rows_of(folder, heard, backfill=True) == before
    assert [note.partition(":")[0] for note in heard.notes] == ["orders/2024-01"]
    heard.notes.clear()
    describe(folder, TABLE.format(slice="month", late="70d"))
    assert rows_of(folder, heard) == before
    assert [note.partition(":")[0] for note in heard.notes] == ["orders/2024-01"]


def test_a_file_that_is_gone_is_told_of_and_its_rows_stay(folder: Path) -> None:
    describe(folder, "source: data/")
    (folder / "data").mkdir()
    for name in "ab":
        (folder / "data" / f"{name}.csv").write_text(f"day,y\n{name},1\n{name},2\n")
    before, heard = rows_of(folder), Heard()
    (folder / "data" / "b.csv").unlink()
    assert rows_of(folder, heard) == before
    assert heard.notes == ["data/b.csv: not in the source any more; the 2 rows taken in from there stay"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (TABLE.format(slice="day", late="0s"), ROWS),
        (TABLE.format(slice="month", late="0s").replace("table: orders", "table: others"), [(day, y + 100) for day, y in ROWS]),
        ("source: 'sqlite:///db.sqlite', query: SELECT * FROM orders", ROWS),
        ("source: 'sqlite:///db.sqlite', table: orders", ROWS),
        (
            TABLE.format(slice="month", late="0s").replace("table: orders", "query: 'SELECT * FROM orders WHERE y > 2'"),
            [(day, y) for day, y in ROWS if y > 2],
        ),
    ],
)
def test_rows_of_another_table_query_or_slicing_do_not_stay_beside_the_new_ones(
    folder: Path, data: str, expected: list[tuple[str, int]]
) -> None:
    rows_of(folder)
    describe(folder, data)
    assert rows_of(folder) == sorted(expected)
    assert rows_of(folder) == sorted(expected)


def test_a_changed_query_is_asked_for_every_slice(folder: Path) -> None:
    query = TABLE.format(slice="month", late="0s").replace("table: orders", "query: 'SELECT * FROM orders WHERE y > {}'")
    describe(folder, query.format(2))
    assert rows_of(folder) == sorted((day, y) for day, y in ROWS if y > 2)
    describe(folder, query.format(0))
    assert rows_of(folder) == sorted(ROWS)
    assert rows_of(folder) == sorted(ROWS)
