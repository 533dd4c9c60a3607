"""Deliveries under changing contracts, sources and company: nothing lost, nothing twice."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from homeostat.app.demo.story import deliver
from homeostat.errors import DataError
from homeostat.flow.datasets import read_dataset
from homeostat.flow.ingest import ingest
from homeostat.flow.project import open_project

if TYPE_CHECKING:
    from homeostat.app.demo.months import Month

PLAIN = """
name: plain
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: regression, target: y}
success: {metric: mae}
data: {source: data/}
"""


def plain(folder: Path, **files: str) -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "homeostat.yaml").write_text(PLAIN)
    for name, text in files.items():
        (folder / "data" / f"{name}.csv").write_text(text)
    return folder


def test_mending_the_contract_and_ingesting_again_takes_the_rows_in(founded: Path, months: list[Month]) -> None:
    contract = founded / "contract.yaml"
    good = contract.read_text()
    contract.write_text(good.replace("maximum: 23", "maximum: 3"))
    with open_project(founded) as project, pytest.raises(DataError) as error:
        ingest(project)
    assert error.value.code == "HS207"
    contract.write_text(good)
    with open_project(founded) as project:
        assert ingest(project).body["rows"] == sum(len(month.rows) for month in months[:6])
        deliveries = len(project.ledger.find("delivery"))
        ingest(project)
        assert len(project.ledger.find("delivery")) == deliveries


def test_two_ingests_at_once_do_one_thing(founded: Path, months: list[Month]) -> None:
    deliver(founded, months[6].broken())
    found: list[str] = []

    def take_in() -> None:
        with open_project(founded) as project:
            found.append(ingest(project).id)

    with open_project(founded) as project:
        project.charter_fact()  # the ledger is made before the race for it
    threads = [threading.Thread(target=take_in) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_project(founded) as project:
        assert len(project.ledger.find("delivery")) == 7
        assert project.table("quarantine").read().height == len(months[6].rows)
        assert read_dataset(project, project.ledger.find("dataset")[0]).height == sum(len(m.rows) for m in months[:6])
    assert len(set(found)) == 1


def test_files_of_another_source_clause_are_left_behind_and_come_back_with_it(tmp_path: Path) -> None:
    folder = plain(tmp_path, a="x,y\n1,2\n3,4\n")
    (folder / "other").mkdir()
    (folder / "other" / "b.csv").write_text("x,y\n5,6\n")
    with open_project(folder) as project:
        assert read_dataset(project, ingest(project))["x"].to_list() == [1, 3]
    charter = folder / "homeostat.yaml"
    charter.write_text(PLAIN.replace("data/", "other/"))
    with open_project(folder) as project:
        dataset = ingest(project)
        assert dataset.body["left"] == {"data": ["data/a.csv"]}
        assert read_dataset(project, dataset)["x"].to_list() == [5]
    charter.write_text(PLAIN)
    with open_project(folder) as project:
        assert read_dataset(project, ingest(project))["x"].to_list() == [1, 3]


def test_a_narrower_clause_for_the_same_file_changes_nothing(tmp_path: Path) -> None:
    folder = plain(tmp_path, a="x,y\n1,2\n")
    with open_project(folder) as project:
        first = read_dataset(project, ingest(project))
    (folder / "homeostat.yaml").write_text(PLAIN.replace("data/", "data/a.csv"))
    with open_project(folder) as project:
        assert read_dataset(project, ingest(project)).equals(first)


def rows(folder: Path) -> list[tuple[object, ...]]:
    with open_project(folder) as project:
        return read_dataset(project, ingest(project)).drop("_source", "_line").rows()


CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: plain
name: plain
version: 1.0.0
status: active
schema:
  - name: plain
    properties:
      - {name: x, logicalType: number, logicalTypeOptions: {maximum: 3}}
      - {name: n, logicalType: string}
      - {name: y, logicalType: number}
"""


def reading(folder: Path, clauses: str) -> Path:
    (folder / "contract.yaml").write_text(CONTRACT)
    (folder / "homeostat.yaml").write_text(PLAIN.replace("source: data/", f"contract: contract.yaml, {clauses}"))
    return folder


def test_text_that_is_read_by_other_clauses_is_read_again(tmp_path: Path) -> None:
    folder = plain(tmp_path, a="x;n;y\n1;NA;2\n1,5;K\u00e4se;3\n")
    source = "source: data/, max_quarantined: 0.9"
    assert rows(reading(folder, source)) == [(1, "NA", 2)]  # 1,5 is no number by the point
    assert rows(reading(folder, f"{source}, decimal: ','")) == [(1, "NA", 2), (1.5, "K\u00e4se", 3)]
    assert rows(reading(folder, f"{source}, decimal: ',', null_values: [NA]")) == [(1, None, 2), (1.5, "K\u00e4se", 3)]
    (folder / "data" / "a.csv").rename(folder / "data" / "gone")
    (folder / "data" / "b.csv").write_text("x;n;y\n2,5;b;4\n")
    latin = rows(reading(folder, f"{source}, decimal: ',', encoding: latin-1"))
    assert latin == [(1, "NA", 2), (1.5, "K\u00c3\u00a4se", 3), (2.5, "b", 4)], "the file that is gone, from the raw zone"
    with open_project(folder) as project:
        deliveries = len(project.ledger.find("delivery"))
        ingest(project)
        assert len(project.ledger.find("delivery")) == deliveries


def test_a_larger_share_of_bad_rows_lets_a_refused_delivery_in_once(tmp_path: Path) -> None:
    folder = plain(tmp_path, a="x,n,y\n1,a,2\n9,b,2\n")
    with open_project(reading(folder, "source: data/, max_quarantined: 0.1")) as project, pytest.raises(DataError, match="HS207"):
        ingest(project)
    with open_project(reading(folder, "source: data/, max_quarantined: 0.2")) as project, pytest.raises(DataError, match="HS207"):
        ingest(project)
    assert rows(reading(folder, "source: data/, max_quarantined: 0.5")) == [(1, "a", 2)]
    assert rows(reading(folder, "source: data/, max_quarantined: 0.1")) == [(1, "a", 2)]  # what was let in stays
    with open_project(folder) as project:
        assert [fact.body["status"] for fact in project.ledger.find("delivery")] == ["accepted", "refused"]


def test_another_source_under_other_clauses_does_not_bring_the_old_one_back(tmp_path: Path) -> None:
    folder = plain(tmp_path, a="x,n,y\n1,a,2\n")
    (folder / "other").mkdir()
    (folder / "other" / "b.csv").write_text("x;n;y\n2,5;b;4\n")
    assert rows(reading(folder, "source: data/")) == [(1, "a", 2)]
    assert rows(reading(folder, "source: other/, decimal: ','")) == [(2.5, "b", 4)]
    assert rows(reading(folder, "source: data/")) == [(1, "a", 2)]
    reading(folder, "source: other/, decimal: ','")
    (folder / "contract.yaml").write_text(CONTRACT.replace("name: y, logicalType: number", "name: y, logicalType: integer"))
    assert rows(folder) == [(2.5, "b", 4)]


def test_a_file_that_is_gone_stays_in_the_dataset(tmp_path: Path) -> None:
    folder = plain(tmp_path, a="x,y\n1,2\n", b="x,y\n3,4\n")
    with open_project(folder) as project:
        first = ingest(project)
        (folder / "data" / "a.csv").unlink()
        assert ingest(project).id == first.id


def test_without_a_contract_whole_numbers_and_numbers_are_one_column(tmp_path: Path) -> None:
    folder = plain(tmp_path, a="x,y\n1,2\n3,4\n", b="x,y\n1.5,2\n")
    with open_project(folder) as project:
        assert read_dataset(project, ingest(project))["x"].to_list() == [1.0, 3.0, 1.5]


def test_without_a_contract_what_does_not_fit_the_column_is_quarantined(tmp_path: Path) -> None:
    folder = plain(tmp_path, a="x,y\n1,2\n3,4\n", b="x,y\n5,6\n7,8\n9,1\n2,3\n4,5\nmany,2\n")
    with open_project(folder) as project:
        dataset = ingest(project)
        assert dataset.body["quarantined"] == 1
        assert dataset.body["rows"] == 7
        assert "many" in project.table("quarantine").read()["_row"][0]


def test_a_column_the_contract_does_not_know_is_told(founded: Path) -> None:
    path = founded / "data" / "2011-06.csv"
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{head},mood", *(f"{line},fine" for line in lines)]) + "\n")
    with open_project(founded) as project:
        ingest(project)
        told = {str(d.body["path"]): d.body["unknown_columns"] for d in project.ledger.find("delivery")}
    assert told["data/2011-06.csv"] == ["mood"]
    assert told["data/2011-05.csv"] == []
