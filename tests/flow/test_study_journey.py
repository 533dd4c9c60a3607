"""Studies and tests of a candidate: its learning curve, its error without columns, and whether it learns and answers as it must."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from homeostat.app.cli.main import main
from homeostat.errors import LearningError
from homeostat.flow.ingest import ingest
from homeostat.flow.model_tests import run_tests
from homeostat.flow.project import Project, open_project
from homeostat.flow.study import ablation, learning_curve
from homeostat.flow.train import first_order, train

if TYPE_CHECKING:
    from homeostat.core.facts import Fact

CHARTER = """
name: sorts
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: regression, target: worth}
success: {metric: rmse}
data: {source: data/}
learning: {learners: [LEARNERS], budget: {seconds: null, trials: 2}}
MORE
"""


def small(folder: Path, learners: str, more: str = "") -> Path:
    rng = np.random.default_rng(0)
    (folder / "data").mkdir(parents=True)
    x, z, noise = rng.normal(size=(3, 1_200))
    worth = 3 * x + np.sin(3 * z) * 2 + rng.normal(size=1_200) * 0.3
    frame = pl.DataFrame({"sky_x": x, "sky_z": z, "noise": noise, "word": rng.choice(["a", "b"], 1_200), "worth": worth})
    frame.with_columns(other=pl.col("worth") * 2).write_csv(folder / "data" / "a.csv")
    (folder / "homeostat.yaml").write_text(CHARTER.replace("LEARNERS", learners).replace("MORE", more))
    return folder


def trained(project: Project) -> Fact:
    return train(project, first_order(project, ingest(project)))


def test_the_error_falls_with_rows_and_grows_without_what_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = small(tmp_path / "p", "lightgbm")
    text = (folder / "homeostat.yaml").read_text().replace("target: worth", "target: worth, leave_out: [other]")
    (folder / "homeostat.yaml").write_text(text)
    with open_project(folder) as project:
        candidate = trained(project)
        curve = learning_curve(project, candidate)
        points = curve.body["points"]
        assert [each["rows"] for each in points] == sorted(each["rows"] for each in points)
        assert points[-1]["rows"] == curve.body["rows"]["train"]
        assert points[-1]["value"] < points[0]["value"] / 1.5
        assert all(each["low"] <= each["value"] <= each["high"] for each in points)
        assert learning_curve(project, candidate).id == curve.id
        lost = ablation(project, candidate, {"mine": ["noise", "word"]})
        groups = {each["group"]: each for each in lost.body["groups"]}
        assert set(groups) == {"sky_x", "sky_z", "noise", "word", "sky_*", "mine"}
        assert {each["group"] for each in lost.body["groups"][:2]} == {"sky_*", "sky_x"}
        assert groups["sky_x"]["worse"] > groups["sky_z"]["worse"] > 0.5
        assert groups["sky_z"]["low"] > 0
        for useless in ("noise", "word", "mine"):
            assert groups[useless]["worse"] < 0.05
        assert all(each["low"] <= each["worse"] <= each["high"] for each in groups.values())
        assert not project.ledger.find("holdout")
        with pytest.raises(LearningError, match="HS332"):
            ablation(project, candidate, {"mine": ["nose"]})
        tests = run_tests(project, candidate)
        assert tests.body["passed"], tests.body
        assert len(tests.body["tests"]) == 6
    assert main(["study", "--project", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["kind"] for each in told["studies"]] == ["learning curve", "ablation"]
    assert told["studies"][0]["study"] == curve.id
    assert main(["study", "--group", "mine=noise,word", "--project", str(folder)]) == 0
    assert "mine" in capsys.readouterr().out
    assert main(["test", "--project", str(folder)]) == 0
    assert "fits a tiny batch (lightgbm)" in capsys.readouterr().out


def test_a_model_that_fails_a_test_exits_with_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from homeostat.learning import model_tests

    folder = small(tmp_path / "p", "linear")
    with open_project(folder) as project:
        trained(project)
    monkeypatch.setattr(model_tests, "SLACK", -2.0)  # no path falls so far
    assert main(["test", "--project", str(folder)]) == 3
    assert "FAILED  loss falls (linear)" in capsys.readouterr().out


def test_a_sum_of_models_is_not_studied_as_one(tmp_path: Path) -> None:
    objectives = "objectives: [{name: a, target: other, metric: rmse}, {name: b, target: noise, metric: rmse}]"
    folder = small(tmp_path / "p", "linear", objectives)
    text = (folder / "homeostat.yaml").read_text().replace("target: worth}", "target: total, leave_out: [worth]}")
    (folder / "homeostat.yaml").write_text(text)
    with open_project(folder) as project:
        candidate = trained(project)
        for asked in (learning_curve, run_tests):
            with pytest.raises(LearningError, match="HS331"):
                asked(project, candidate)
