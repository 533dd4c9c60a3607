"""Dataset versions: a corrected file, a changed contract, keys across deliveries; and what differs between two versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from homeostat.app.cli.main import main
from homeostat.errors import DataError, ProjectError
from homeostat.flow.datasets import checkout, dataset_called, diff, log, read_dataset
from homeostat.flow.ingest import ingest
from homeostat.flow.intake import loaded
from homeostat.flow.project import open_project

CHARTER = """
name: plain
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: regression, target: y}
success: {metric: mae}
data: {source: data/, contract: contract.yaml, max_quarantined: 0.5}
"""
COLUMNS = {"id": {"logicalType": "integer", "unique": True}, "x": {"logicalType": "number"}, "y": {"logicalType": "number"}}


def contract(folder: Path, columns: dict[str, dict[str, Any]]) -> None:
    properties = [{"name": name, **rules} for name, rules in columns.items()]
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "plain",
        "name": "plain",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": "plain", "logicalType": "object", "properties": properties}],
    }
    (folder / "contract.yaml").write_text(json.dumps(document))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "homeostat.yaml").write_text(CHARTER)
    contract(tmp_path, COLUMNS)
    (tmp_path / "data" / "a.csv").write_text("id,x,y\n1,0.5,1\n2,1.5,2\n3,2.5,3\n")
    return tmp_path


def test_log_diff_and_checkout(folder: Path) -> None:
    with open_project(folder) as project:
        first = ingest(project)
        (folder / "data" / "a.csv").write_text("id,x,y\n1,0.5,1\n2,9.5,2\n")
        (folder / "data" / "b.csv").write_text("id,x,y\n4,3.5,4\n")
        second = ingest(project)
        told = diff(project, first, second)
        assert told["rows"] == {"removed": 1, "added": 1, "changed": 1}
        assert told["columns"] == {"x": 1}
        assert told["sources"] == {"added": ["data/b.csv"], "removed": [], "changed": ["data/a.csv"]}
        assert diff(project, first, first)["rows"] == {"removed": 0, "added": 0, "changed": 0}
        assert [(v["number"], v["id"], v["rows"]) for v in log(project)] == [(2, second.id, 3), (1, first.id, 3)]
        assert dataset_called(project, "1").id == dataset_called(project, first.id).id == first.id
        with pytest.raises(ProjectError, match="HS605"):
            dataset_called(project, "3")
        assert checkout(project, first, folder / "old.parquet") == 3
        assert pl.read_parquet(folder / "old.parquet")["x"].to_list() == [0.5, 1.5, 2.5]
        with pytest.raises(ProjectError, match="HS607"):
            checkout(project, first, folder / "old.parquet")
        with pytest.raises(DataError, match="HS209"):
            checkout(project, first, folder / "old.xlsx")


def test_the_same_rows_have_the_same_digest_whenever_and_in_whatever_order_they_came(folder: Path, tmp_path_factory: Any) -> None:
    other = tmp_path_factory.mktemp("other")
    for name in ("homeostat.yaml", "contract.yaml"):
        (other / name).write_bytes((folder / name).read_bytes())
    (other / "data").mkdir()
    (other / "data" / "b.csv").write_text("id,x,y\n9,1,1\n")
    with open_project(other) as project:
        ingest(project)
        (other / "data" / "a.csv").write_bytes((folder / "data" / "a.csv").read_bytes())
        late = ingest(project)
    (folder / "data" / "b.csv").write_text("id,x,y\n9,1,1\n")
    with open_project(folder) as project:
        assert ingest(project).body["digest"] == late.body["digest"]


def test_a_key_in_two_deliveries_makes_no_version_and_names_both(folder: Path) -> None:
    with open_project(folder) as project:
        first = ingest(project)
        (folder / "data" / "b.csv").write_text("id,x,y\n3,1,1\n5,1,1\n")
        with pytest.raises(DataError, match=r"HS220.*id = 3, is in data/a.csv and data/b.csv"):
            ingest(project)
        assert project.ledger.find("dataset")[0].id == first.id
        (folder / "data" / "b.csv").write_text("id,x,y\n4,1,1\n5,1,1\n")
        assert ingest(project).body["rows"] == 5


def test_a_new_column_in_the_contract_is_filled_from_the_raw_zone(folder: Path) -> None:
    (folder / "data" / "a.csv").write_text("id,x,y,z\n1,0.5,1,red\n2,1.5,2,blue\n")
    with open_project(folder) as project:
        first = ingest(project)
        assert project.require(next(c for c in first.causes if c.startswith("delivery-"))).body["unknown_columns"] == ["z"]
        (folder / "data" / "a.csv").unlink()  # what was delivered is kept; the source is not needed
        (folder / "data" / "b.csv").write_text("id,x,y,z\n3,1,1,red\n")
        contract(folder, {**COLUMNS, "z": {"logicalType": "string"}})
        second = ingest(project)
        assert read_dataset(project, second)["z"].to_list() == ["red", "blue", "red"]
        assert "z" not in read_dataset(project, first).columns
        assert diff(project, first, second)["schema"]["added"] == ["z"]


def test_another_type_in_the_contract_rebuilds_the_table_and_keeps_the_old_versions(folder: Path) -> None:
    with open_project(folder) as project:
        first = ingest(project)
        contract(folder, {**COLUMNS, "x": {"logicalType": "string"}})
        second = ingest(project)
        assert read_dataset(project, second)["x"].to_list() == ["0.5", "1.5", "2.5"]
        assert read_dataset(project, first)["x"].to_list() == [0.5, 1.5, 2.5]
        contract(folder, {name: rules for name, rules in COLUMNS.items() if name != "x"})
        assert read_dataset(project, ingest(project)).columns == ["id", "y", "_source", "_line"]


def test_a_column_of_another_type_is_refused_with_the_difference(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ingest", "--project", str(folder)]) == 0
    (folder / "data" / "b.csv").write_text("id,x,y\n4,warm,1\n5,cold,1\n")
    capsys.readouterr()
    assert main(["ingest", "--project", str(folder)]) == 3
    told = capsys.readouterr().out
    assert "refused data/b.csv" in told
    assert "x.type (2)" in told
    assert "changed columns: x: number -> string" in told


def test_a_missing_column_stops_the_file_and_not_the_others(folder: Path) -> None:
    (folder / "data" / "b.csv").write_text("id,x\n4,1\n")
    with open_project(folder) as project:
        with pytest.raises(DataError, match=r"HS20[34].*'?y"):
            ingest(project)
        assert loaded(project, "data").read().height == 3
        assert project.ledger.find("dataset")[0].body["rows"] == 3


def test_the_commands_say_what_there_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--project", str(folder)]
    assert main(["data", "log", *at]) == 0
    assert "no dataset version yet" in capsys.readouterr().out
    assert main(["ingest", *at]) == 0
    (folder / "data" / "b.csv").write_text("id,x,y\n4,1,1\n")
    assert main(["ingest", *at]) == 0
    capsys.readouterr()
    assert main(["data", "log", *at]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["number", "2", "1"]
    assert "+data/b.csv" in lines[1]
    assert main(["data", "diff", "1", "2", *at]) == 0
    assert capsys.readouterr().out.startswith("rows: 0 only in 1, 1 only in 2, 0 with other values")
    assert main(["data", "checkout", "1", str(folder / "one.csv"), *at]) == 0
    assert len((folder / "one.csv").read_text().splitlines()) == 4
    assert main(["data", "diff", "1", "7", *at]) == 2
