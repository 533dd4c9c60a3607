"""Explaining a version: over validation rows, in segments, of given rows and of served answers; the holdout stays sealed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from homeostat.app.cli.main import main
from homeostat.errors import DataError
from homeostat.flow.explain import (
    candidate_to_explain,
    explain_candidate,
    explain_predictions,
    explain_rows,
    explain_segment,
    explained_of,
)
from homeostat.flow.explained import training_rows
from homeostat.flow.ingest import ingest
from homeostat.flow.project import Project, open_project
from homeostat.flow.registry import load_bundle
from homeostat.flow.serving import serving
from homeostat.flow.train import first_order, train
from homeostat.graph.decode import decode_rows
from homeostat.graph.encode import load_plan
from homeostat.graph.explain import explain
from homeostat.infra.predictions import Ids, Prediction, PredictionLog, utc_text
from homeostat.serving.predictor import Predictor

if TYPE_CHECKING:
    from homeostat.app.demo.months import Month

CHARTER = """
name: sorts
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: binary, target: came, positive: yes}
success: {metric: log_loss, segments: [word]}
data: {source: data/}
learning: {learners: [LEARNERS], budget: {seconds: null, trials: TRIALS}, calibration: platt}
"""


def small(folder: Path, learners: str, trials: int) -> Path:
    rng = np.random.default_rng(0)
    (folder / "data").mkdir(parents=True)
    x, z = rng.normal(size=(2, 700))
    word = rng.choice(["a", "b"], 700)
    came = np.where(2 * x * (word == "a") + np.sin(3 * z) + rng.normal(size=700) * 0.5 > 0, "yes", "no")
    pl.DataFrame({"x": x, "z": z, "word": word, "noise": rng.normal(size=700), "came": came}).write_csv(folder / "data" / "a.csv")
    (folder / "homeostat.yaml").write_text(CHARTER.replace("LEARNERS", learners).replace("TRIALS", str(trials)))
    return folder


def test_a_version_is_explained_once_and_the_holdout_stays_sealed(project: Project) -> None:
    looks = len(project.ledger.find("holdout"))
    candidate = candidate_to_explain(project, 1)
    fact = explain_candidate(project, candidate)
    assert explain_candidate(project, candidate).id == fact.id
    assert len(project.ledger.find("holdout")) == looks
    body = fact.body
    assert (body["method"] == "exact") == (body["standard_error"] is None)
    assert body["columns"][0]["column"] == "hr"
    assert all(each["low"] <= each["mean_abs"] <= each["high"] for each in body["columns"])
    sizes = [each["mean_abs"] for each in body["columns"]]
    assert sizes == sorted(sizes, reverse=True)
    assert {name.split("=")[0] for name in body["segments"]} <= set(project.charter.success.segments)


def test_what_columns_add_to_a_served_answer_sums_to_it(project: Project, months: list[Month], capsys: pytest.CaptureFixture[str]) -> None:
    row = next(iter(months[6].requests()))
    now = serving(project)
    score = float(Predictor(now.bundle).score_rows([row])[0][0, 0])
    name = f"pr-{Ids().take(1)[0]}"
    with PredictionLog(project.predictions) as log:
        at = utc_text(datetime.now(UTC))
        log.append([Prediction(name, "rq-test", 0, at, "bike", now.version.number, "champion", row, [score], score, 0.1)])
    ((fact, told),) = explain_predictions(project, [name])
    scales = {"value": score, "log of the value": np.log(score), "log of one more than the value": np.log1p(score)}
    assert told.base + sum(added for _, _, added in told.added) == pytest.approx(told.score, rel=1e-9)
    assert told.score == pytest.approx(scales[fact.body["scale"]], rel=1e-9)
    assert main(["explain", "--id", name, "--project", str(project.root), "--top", "2"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].startswith(f"  {told.added[0][0]} = ")
    assert out[1].endswith(f" adds {told.added[0][2]:+.4g}")
    assert out[3].startswith("  the other ")


@pytest.mark.parametrize(("learners", "trials", "method", "scale"), [("lightgbm", 1, "exact", "log odds")])
def test_one_model_of_classes(tmp_path: Path, learners: str, trials: int, method: str, scale: str) -> None:
    with open_project(small(tmp_path / "p", learners, trials)) as project:
        candidate = train(project, first_order(project, ingest(project)))
        fact = explain_candidate(project, candidate)
        assert (fact.body["method"], fact.body["scale"], fact.body["outputs"]) == (method, scale, ["yes"])
        assert set(fact.body["segments"]) == {"word=a", "word=b"}
        importance = {name: {c["column"]: c["mean_abs"] for c in part["columns"]} for name, part in fact.body["segments"].items()}
        assert importance["word=a"]["x"] > 2 * importance["word=b"]["x"]  # x counts only beside the word a
        assert fact.body["columns"][-1]["column"] == "noise"
        part = explain_segment(project, fact, "word=a")
        assert part["columns"] == fact.body["segments"]["word=a"]["columns"]
        assert explained_of(project, fact).values.shape == (fact.body["rows"], 4, 1)
        for asked in ("word", "word=none", "=a"):
            with pytest.raises(DataError, match="HS330"):
                explain_segment(project, fact, asked)


def test_a_mean_of_models_is_explained_as_it_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from homeostat.learning import search

    monkeypatch.setattr(search, "ensemble", lambda scores, *_, **__: np.full(len(scores), 1 / len(scores)))
    with open_project(small(tmp_path / "p", "linear, lightgbm, extra_trees", 4)) as project:
        candidate = train(project, first_order(project, ingest(project)))
        assert "members" in candidate.body["params"]
        fact = explain_candidate(project, candidate)
        assert (fact.body["method"], fact.body["scale"]) == ("sampled", "probability")
        assert 0 < fact.body["standard_error"] < 0.1
        frame = pl.DataFrame({"x": [1.0, -2.0], "z": [0.5, None], "word": ["a", "b"], "noise": [0.0, 1.0]})
        told = explain_rows(project, fact, frame)
        served = Predictor(load_bundle(project, str(candidate.body["bundle"]))).predict_frame(frame)[:, 1]
        np.testing.assert_allclose([row.score for row in told], served, atol=1e-9)
        assert all(len(row.errors) == 4 for row in told)


def explained(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    code = main(["explain", *options, "--project", str(folder), "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, found


def test_the_command_tells_rows_of_a_file_and_refuses_what_it_cannot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = small(tmp_path / "p", "linear", 1)
    assert explained(folder, capsys)[0] == 2  # nothing is trained yet
    with open_project(folder) as project:
        train(project, first_order(project, ingest(project)))
    given = tmp_path / "rows.csv"
    given.write_text("x,z,word,noise\n1.5,0.2,a,0\n-1,,b,3\n")
    code, told = explained(folder, capsys, "--rows", str(given))
    assert code == 0
    for row in told["rows"]:
        assert row["base"] + sum(each["adds"] for each in row["columns"]) == pytest.approx(row["score"])
    assert {each["column"]: each["value"] for each in told["rows"][1]["columns"]} == {"x": -1.0, "z": None, "word": "b", "noise": 3}
    assert explained(folder, capsys, "--rows", str(given), "--segment", "word=a")[1]["error"]["code"] == "HS609"
    assert explained(folder, capsys, "--slice", "word=zebra")[1]["error"]["code"] == "HS330"
    assert explained(folder, capsys, "--id", "pr-none")[1]["error"]["code"] == "HS605"
    assert explained(folder, capsys, "9")[1]["error"]["code"] == "HS605"
    given.write_text("x,z\n1,2\n")
    assert explained(folder, capsys, "--rows", str(given))[1]["error"]["code"] == "HS203"
    assert main(["explain", "--project", str(folder)]) == 0
    assert "word=a" in capsys.readouterr().out


def test_a_server_finds_what_rows_are_compared_with(project: Project) -> None:
    assert training_rows(project, "no such bundle") is None
    fact = explain_candidate(project, candidate_to_explain(project, 1))
    found = training_rows(project, str(fact.body["bundle"]))
    assert found is not None
    bundle = load_bundle(project, str(fact.body["bundle"]))
    plan = load_plan(bundle.plan)
    rows = decode_rows(plan.inputs, [dict.fromkeys(fact.body["inputs"])])
    assert explain(plan, rows, found, Predictor(bundle).score_decoded).base == pytest.approx(fact.body["base"])
