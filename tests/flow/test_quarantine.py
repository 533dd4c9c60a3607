"""Quarantined rows are mended and replayed: each comes in once, keeps its origin, and passes the same contract."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from homeostat.app.cli.main import main
from homeostat.errors import DataError
from homeostat.flow.datasets import read_dataset
from homeostat.flow.ingest import ingest
from homeostat.flow.project import open_project
from homeostat.flow.quarantine import export, overview, quarantined, replay

CHARTER = """
name: plain
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: regression, target: y}
success: {metric: mae}
data: {source: data/, contract: contract.yaml, max_quarantined: 0.6}
"""
CONTRACT = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "plain",
    "name": "plain",
    "version": "1.0.0",
    "status": "active",
    "schema": [
        {
            "name": "plain",
            "logicalType": "object",
            "properties": [
                {"name": "code", "logicalType": "string", "required": True},
                {"name": "x", "logicalType": "number", "logicalTypeOptions": {"maximum": 10}},
                {"name": "y", "logicalType": "number", "required": True},
            ],
        }
    ],
}
ROWS = "code,x,y\n007,1,1\n008,99,2\n009,3,three\n010,4\n011,5,5\n1.0,6,6\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "homeostat.yaml").write_text(CHARTER)
    (tmp_path / "contract.yaml").write_text(json.dumps(CONTRACT))
    (tmp_path / "data" / "a.csv").write_text(ROWS)
    return tmp_path


def test_mended_rows_come_in_with_their_origin_and_the_rest_stays(folder: Path) -> None:
    with open_project(folder) as project:
        before = ingest(project)
        assert (before.body["rows"], before.body["quarantined"]) == (3, 3)
        assert {(o["rule"], o["rows"], o["line"]) for o in overview(project)} == {("x.range", 1, 3), ("y.type", 1, 4), ("line", 1, 5)}
        assert export(project, folder / "bad.csv") == 3
        bad = pl.read_csv(folder / "bad.csv", infer_schema=False)
        assert bad.filter(pl.col("_line") == "5")["_text"].to_list() == ["010,4"]
        mended = bad.with_columns(
            pl.when(pl.col("_line") == "3").then(pl.lit("9.5")).when(pl.col("_line") == "5").then(pl.lit("4")).otherwise("x").alias("x"),
            pl.when(pl.col("_line") == "5").then(pl.lit("4")).otherwise("y").alias("y"),
            pl.when(pl.col("_line") == "5").then(pl.lit("010")).otherwise("code").alias("code"),
        )
        mended.write_csv(folder / "mended.csv")
        done = replay(project, folder / "mended.csv")
        assert (done.given, done.taken_in, done.still_bad) == (3, 2, 1)
        rows = read_dataset(project, done.dataset)
        assert rows.rows() == [
            ("007", 1.0, 1.0, "data/a.csv", 2),
            ("008", 9.5, 2.0, "data/a.csv", 3),
            ("010", 4.0, 4.0, "data/a.csv", 5),
            ("011", 5.0, 5.0, "data/a.csv", 6),
            ("1.0", 6.0, 6.0, "data/a.csv", 7),
        ]
        assert done.dataset.body["quarantined"] == quarantined(project).height == 1
        delivery = next(project.require(c) for c in done.dataset.causes if c.startswith("delivery-"))
        assert [cause.split("-")[0] for cause in delivery.causes] == ["charter", "repair"]


def test_replaying_twice_takes_nothing_in_twice(folder: Path) -> None:
    with open_project(folder) as project:
        ingest(project)
        (folder / "m.csv").write_text("_table,_source,_line,code,x,y\ndata,data/a.csv,3,008,9,2\n")
        first = replay(project, folder / "m.csv")
        with pytest.raises(DataError, match=r"HS221.*not in quarantine.*line 3"):
            replay(project, folder / "m.csv")
        assert ingest(project).id == first.dataset.id


def test_a_repair_outlives_a_change_of_the_contract_and_ends_with_a_new_file(folder: Path) -> None:
    with open_project(folder) as project:
        ingest(project)
        (folder / "m.csv").write_text("_table,_source,_line,code,x,y\ndata,data/a.csv,3,008,9,2\n")
        replay(project, folder / "m.csv")
        (folder / "contract.yaml").write_text(json.dumps(CONTRACT).replace('"maximum": 10', '"maximum": 8'))
        strict = ingest(project)
        assert read_dataset(project, strict)["code"].to_list() == ["007", "011", "1.0"]
        assert "got 9" in quarantined(project).filter(pl.col("_line") == 3)["_reasons"][0].replace("'", "")
        (folder / "data" / "a.csv").write_text("code,x,y\n007,1,1\n")
        assert read_dataset(project, ingest(project)).height == 1
        assert quarantined(project).is_empty()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("_table,_source,code\ndata,data/a.csv,8\n", "_line"),
        ("_table,_source,_line,code\ndata,data/a.csv,2,8\n", "not in quarantine"),
        ("_table,_source,_line,code\ndata,data/a.csv,many,8\n", "not in quarantine"),
        ("_table,_source,_line,code\ndata,data/a.csv,3,8\ndata,data/a.csv,3,9\n", "twice"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_whole(folder: Path, text: str, word: str) -> None:
    with open_project(folder) as project:
        ingest(project)
        (folder / "m.csv").write_text(text)
        with pytest.raises(DataError, match=f"HS221.*{word}"):
            replay(project, folder / "m.csv")
        assert project.ledger.find("repair") == []


def test_the_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--project", str(folder)]
    assert main(["quarantine", "list", *at]) == 0
    assert "no row is in quarantine" in capsys.readouterr().out
    assert main(["quarantine", "export", str(folder / "bad.csv"), *at]) == 2
    main(["ingest", *at])
    capsys.readouterr()
    assert main(["quarantine", "list", *at]) == 0
    assert "x.range" in capsys.readouterr().out
    assert main(["quarantine", "export", str(folder / "bad.csv"), *at]) == 0
    text = (folder / "bad.csv").read_text().replace("99", "9")
    (folder / "bad.csv").write_text(text)
    capsys.readouterr()
    assert main(["quarantine", "replay", str(folder / "bad.csv"), *at]) == 3
    assert capsys.readouterr().out.startswith("3 rows given: 1 taken in, 2 still in quarantine")
    assert main(["quarantine", "replay", str(folder / "none.csv"), *at]) == 2
