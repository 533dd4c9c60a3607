"""Quarantined rows are mended and replayed: each comes in once, keeps its origin, and passes the same contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from homeostat.app.cli.main import main
from homeostat.dataops.quarantine import unpacked
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


def test_a_column_may_have_any_name(folder: Path) -> None:
    """Names that mean something to Python or SQL are names like others: nothing of a row is lost on its way out and in."""
    odd = ["self", "at", "select", '"', "a.b", " ", "🚲"]
    contract = {**CONTRACT, "schema": [{**CONTRACT["schema"][0]}]}  # type: ignore[dict-item,index]
    named = [{"name": name, "logicalType": "string"} for name in odd]
    contract["schema"][0]["properties"] = [*CONTRACT["schema"][0]["properties"], *named]  # type: ignore[index]
    (folder / "contract.yaml").write_text(json.dumps(contract))
    head = ",".join(["code", "x", "y", *(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in odd)])
    rows = [f"{i:03d},{i},{'three' if i == 3 else i},{','.join(f'{name_at}-{i}' for name_at in range(len(odd)))}" for i in range(6)]
    (folder / "data" / "a.csv").write_text("\n".join([head, *rows]) + "\n")
    with open_project(folder) as project:
        ingest(project)
        export(project, folder / "out.csv")
        assert unpacked(quarantined(project)).select(odd).row(0) == tuple(f"{i}-3" for i in range(len(odd)))
        (folder / "mended.csv").write_text((folder / "out.csv").read_text().replace(",three,", ",3,"))
        done = replay(project, folder / "mended.csv")
        assert (done.taken_in, done.still_bad) == (1, 0)
        assert sorted(read_dataset(project, done.dataset).select(odd).rows()) == [
            tuple(f"{i}-{row}" for i in range(len(odd))) for row in range(6)
        ]


def test_an_empty_text_stays_one_and_a_null_stays_null(folder: Path) -> None:
    charter = (folder / "homeostat.yaml").read_text().replace("contract: contract.yaml,", 'contract: contract.yaml, null_values: ["NA"],')
    (folder / "homeostat.yaml").write_text(charter)
    (folder / "data" / "a.csv").write_text("code,x,y,\n007,1,1,\n,NA,three,\n008,1,2,\n009,2,2,\n".replace(",\n", "\n"))
    with open_project(folder) as project:
        ingest(project)
        export(project, folder / "out.csv")
        text = (folder / "out.csv").read_text().replace("three", "3").replace('""', "")  # as a spreadsheet writes an empty text
        (folder / "out.csv").write_text(text)
        done = replay(project, folder / "out.csv")
        assert read_dataset(project, done.dataset).filter(pl.col("y") == 3).select("code", "x").row(0) == ("", None)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text.replace(",three", ""), "fields, expected"),
        (lambda text: text.replace("code,x", "code,code"), "'code'"),
        (lambda text: text.replace("009", '"009'), "cannot be parsed"),
        (lambda text: text.splitlines()[0], "holds no rows"),
        (lambda _: "", "holds no rows"),
        (lambda text: text.replace("_line", "line"), "got no column _line"),
    ],
)
def test_a_damaged_file_is_refused_whole(folder: Path, damage: Callable[[str], str], says: str) -> None:
    with open_project(folder) as project:
        ingest(project)
        export(project, folder / "out.csv")
        (folder / "out.csv").write_text(damage((folder / "out.csv").read_text()))
        with pytest.raises(DataError, match=says):
            replay(project, folder / "out.csv")
        assert quarantined(project).height == 3


def test_rejected_rows_are_kept_whole_and_no_replay_brings_them_in(folder: Path) -> None:
    contract = json.loads((folder / "contract.yaml").read_text())
    contract["schema"][0]["properties"][1]["customProperties"] = [{"property": "severity", "value": {"range": "reject"}}]
    (folder / "contract.yaml").write_text(json.dumps(contract))
    with open_project(folder) as project:
        before = ingest(project)
        kept = {row["_line"]: row for row in quarantined(project).to_dicts()}
        assert {line: row["_final"] for line, row in kept.items()} == {3: True, 4: False, 5: False}
        assert (kept[3]["_rules"], kept[3]["_reasons"]) == (["x.range"], "x: got 99, allowed: at most 10")
        assert [float(value) if name != "code" else value for name, value in json.loads(kept[3]["_row"]).items()] == ["008", 99, 2]
        assert {one["rule"]: one["final"] for one in overview(project)} == {"x.range": 1, "y.type": 0, "line": 0}
        export(project, folder / "out.csv")
        (folder / "out.csv").write_text((folder / "out.csv").read_text().replace("99", "9").replace("three", "3"))
        done = replay(project, folder / "out.csv")
        assert (done.given, done.taken_in, done.still_bad, done.rejected) == (3, 1, 1, 1)
        assert done.dataset.body["rows"] == before.body["rows"] + 1
        assert sorted(quarantined(project)["_line"]) == [3, 5]
