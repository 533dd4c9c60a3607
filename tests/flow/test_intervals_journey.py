"""Intervals from charter to answers on the bike data: trained, judged, gated, told, scored, taken up after a kill, and trained again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from homeostat.app.cli.main import main
from homeostat.app.demo.months import to_csv
from homeostat.core.ids import digest
from homeostat.errors import LearningError
from homeostat.flow.arrays import load_arrays
from homeostat.flow.ingest import ingest
from homeostat.flow.lifecycle import run
from homeostat.flow.project import Project, open_project
from homeostat.flow.registry import load_bundle, version_numbered
from homeostat.flow.reproduce import reproduce
from homeostat.flow.train import first_order, order_key, train
from homeostat.graph.decode import decode_frame
from homeostat.graph.encode import load_plan
from homeostat.graph.interpret import bounds
from homeostat.graph.interpret import run as interpret
from homeostat.serving.predictor import Predictor
from homeostat.stats.coverage import inside, interval_score
from homeostat.testing.charters import revised

ASKED = {"coverage": 0.9, "method": "auto", "by": "workingday"}


def asking(folder: Path, **changes: Any) -> Path:
    path = folder / "homeostat.yaml"
    raw = yaml.safe_load(path.read_text())
    del raw["task"]["time"]  # rows at random, so that those held out are like those judged
    raw["preparation"] |= {"holdout": 0.25, "validation": 0.25, "split": {"kind": "random"}}
    raw["learning"] = {"learners": ["lightgbm"], "budget": {"seconds": None, "trials": 2}, "intervals": ASKED}
    raw["policy"]["windows"] = [{"kind": "all"}]
    raw |= changes
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return folder


@pytest.fixture(scope="module")
def ranged(tmp_path_factory: pytest.TempPathFactory, _founded: Path) -> Path:
    folder = asking(Path(shutil.copytree(_founded, tmp_path_factory.mktemp("ranged") / "bike")))
    with open_project(folder) as project:
        done = run(project)
        assert done.promotion is not None, done.failed
    return folder


@pytest.fixture
def folder(ranged: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ranged, tmp_path / "bike"))


def test_about_as_many_truths_lie_inside_as_asked(ranged: Path) -> None:
    with open_project(ranged) as project:
        evaluation, candidate = project.ledger.find("evaluation")[0], project.ledger.find("candidate")[0]
        arrays = load_arrays(project.blobs.get(str(evaluation.body["arrays"])))
        version = version_numbered(project, 1).fact.body
    assert candidate.body["intervals"] == {"coverage": 0.9, "method": "scaled", "by": "workingday"}
    whole, *parts = evaluation.body["intervals"]
    held = inside(arrays["y"], arrays["ends"])
    assert whole["coverage"] == held.mean() == version["measures"]["coverage"]
    assert 0.87 < whole["coverage"] < 0.96
    assert whole["low"] < whole["coverage"] < whole["high"]
    assert whole["score"] == pytest.approx(interval_score(arrays["y"], arrays["ends"], 0.9).mean())
    assert [each["segment"] for each in parts] == ["workingday=0", "workingday=1"]
    assert all(0.84 < each["coverage"] < 0.99 for each in parts)
    assert sum(each["rows"] for each in parts) == whole["rows"] == len(held)


def test_the_coverage_is_a_gate_and_is_told_everywhere(ranged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--project", str(ranged)]
    assert main(["evaluate", *at, "--report", str(tmp_path / "page.html")]) == 0
    assert "intervals (scaled, 90 % asked): " in capsys.readouterr().out
    page = (tmp_path / "page.html").read_text()
    assert '<section id="intervals">' in page
    assert "by workingday" in page
    assert main(["card", "1", *at]) == 0
    card = capsys.readouterr().out
    assert "Intervals (scaled, by workingday) that should hold 90 % of the truths:" in card
    with open_project(ranged) as project:
        verdict = project.require(str(version_numbered(project, 1).fact.body["verdict"]))
    (gate,) = [each for each in verdict.body["gates"] if each["gate"] == "coverage"]
    assert (gate["passed"], gate["limit"]) == (True, 0.9)


def test_a_file_is_scored_with_the_ends_that_the_plan_means(folder: Path, tmp_path: Path, months: list[Any]) -> None:
    frame = pl.DataFrame(list(months[6].rows), infer_schema_length=None).head(200)
    frame.write_csv(tmp_path / "in.csv")
    assert main(["score", str(tmp_path / "in.csv"), str(tmp_path / "out.csv"), "--project", str(folder)]) == 0
    out = pl.read_csv(tmp_path / "out.csv")
    with open_project(folder) as project:
        bundle = load_bundle(project, str(version_numbered(project, 1).fact.body["bundle"]))
    plan = load_plan(bundle.plan)
    assert plan.interval is not None
    rows = decode_frame(plan.inputs, pl.read_csv(tmp_path / "in.csv", try_parse_dates=True))
    scores = interpret(plan, *rows)
    np.testing.assert_allclose(out["prediction"].to_numpy(), scores[:, 0], rtol=1e-9)
    np.testing.assert_allclose(out.select("lower", "upper").to_numpy(), bounds(plan.interval, plan.out, scores, rows), rtol=1e-9)
    frame.with_columns(lower=1).write_csv(tmp_path / "taken.csv")
    assert main(["score", str(tmp_path / "taken.csv"), str(tmp_path / "out.csv"), "--project", str(folder)]) == 2


def test_a_version_is_trained_again_from_its_record(folder: Path) -> None:
    with open_project(folder) as project:
        assert reproduce(project, version_numbered(project, 1)).body["outcome"] == "equal"


def test_a_training_taken_up_again_gives_the_same_graph(ranged: Path, founded: Path) -> None:
    with open_project(ranged) as project:
        wanted = graph(project)
    with open_project(asking(founded)) as project, pytest.MonkeyPatch.context() as patch:
        dataset = ingest(project)
        patch.setattr("homeostat.flow.train.pack_candidate", _killed)
        with pytest.raises(KeyboardInterrupt):
            train(project, first_order(project, dataset))
        patch.undo()
        assert len(project.ledger.find("trial")) == 2, "the trials are on record, and are not run again"
        train(project, first_order(project, dataset))
        assert graph(project) == wanted


def _killed(*_: Any) -> dict[str, object]:
    raise KeyboardInterrupt


def graph(project: Project) -> str:
    (candidate,) = project.ledger.find("candidate")
    return digest(load_bundle(project, str(candidate.body["bundle"])).graph)


def test_a_sum_of_objectives_has_intervals_that_follow_its_weights(founded: Path, months: list[Any]) -> None:
    def objectives(weight: float) -> list[dict[str, Any]]:
        return [
            {"name": "casual", "target": "casual", "metric": "mae", "weight": weight},
            {"name": "registered", "target": "registered", "metric": "mae"},
        ]

    task = {"type": "regression", "target": "worth", "leave_out": ["instant", "yr", "dteday", "cnt"]}
    learning = {"learners": ["linear"], "budget": {"seconds": None, "trials": 2}, "intervals": {"coverage": 0.9}}
    folder = asking(founded, task=task, learning=learning, objectives=objectives(1.0))
    rows = pl.read_csv(to_csv(months[3].rows).encode(), try_parse_dates=True)
    with open_project(folder) as project:
        dataset = ingest(project)
        first = train(project, first_order(project, dataset))
        with replace(project, charter=revised(project.charter, {"objectives": objectives(10.0)})) as heavier:
            second = train(heavier, first_order(heavier, dataset))
        found = [Predictor(load_bundle(project, str(each.body["bundle"]))).say_frame(rows) for each in (first, second)]
    assert second.body["reweighted_from"] == first.id, "nothing was trained"
    truths = [rows["casual"] * weight + rows["registered"] for weight in (1.0, 10.0)]
    for said, truth in zip(found, truths, strict=True):
        assert said.ends is not None
        assert 0.8 < inside(truth.to_numpy(), said.ends).mean() < 1.0
    assert np.ptp(found[1].ends, axis=1).mean() > 2 * np.ptp(found[0].ends, axis=1).mean()


def test_intervals_are_a_part_of_the_order_only_where_they_are_asked_for(project: Project) -> None:
    plain = first_order(project, project.ledger.find("dataset")[0])
    assert "intervals" not in project.charter_content["learning"]  # type: ignore[operator]
    with replace(project, charter=revised(project.charter, {"learning.intervals": {"coverage": 0.8}})) as asked:
        assert order_key(asked, first_order(asked, asked.ledger.find("dataset")[0])) != order_key(project, plain)


def test_a_column_that_cannot_group_is_said_before_anything_is_kept(founded: Path) -> None:
    asking(founded, learning={"learners": ["naive"], "budget": {"seconds": None, "trials": 1}, "intervals": {"by": "dteday"}})
    with open_project(founded) as project, pytest.raises(LearningError, match="'dteday' is a timestamp; allowed") as caught:
        run(project)
    assert caught.value.code == "HS351"


def test_a_class_gets_no_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    charter = {
        "name": "plain",
        "problem": dict.fromkeys(("statement", "objective", "decision", "business_metric"), "text"),
        "task": {"type": "binary", "target": "y"},
        "success": {"metric": "auc"},
        "data": {"source": "d.csv"},
        "learning": {"intervals": {"coverage": 0.9}},
    }
    (tmp_path / "homeostat.yaml").write_text(json.dumps(charter))
    assert main(["train", "--project", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "HS350" in told
    assert "only a number lies in a range" in told
