"""The page about the team's own estimators is run: its module, its charter, from training to a proof that it can be trained again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from homeostat.app.cli.main import main
from homeostat.charter.load import load_charter
from homeostat.flow.estimators import sources_of
from homeostat.flow.project import Project, open_project
from homeostat.flow.registry import load_bundle, version_numbered
from homeostat.flow.train import first_order, order_key
from homeostat.graph.encode import load_plan
from homeostat.graph.plan import Foreign, Trees
from homeostat.serving.predictor import Predictor

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "estimators.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
CHARTER = {
    "name": "own",
    "problem": dict.fromkeys(("statement", "objective", "decision", "business_metric"), "text"),
    "task": {"type": "regression", "target": "y"},
    "success": {"metric": "rmse"},
    "data": {"source": "rows.csv"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 3))
    y = 3 * x[:, 0] + np.sin(2 * x[:, 1]) + rng.normal(scale=0.1, size=240)
    lines = ["a,b,c,y", *(",".join(f"{value:.5f}" for value in (*row, out)) for row, out in zip(x, y, strict=True))]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    (tmp_path / "learners.py").write_text(BLOCKS["python"])
    learning = yaml.safe_load(BLOCKS["yaml"])["learning"] | {"budget": {"seconds": None, "trials": 3}}
    (tmp_path / "homeostat.yaml").write_text(json.dumps(CHARTER | {"learning": learning}))
    return tmp_path


def key_of(project: Project) -> str:
    return order_key(project, first_order(project, project.latest("dataset", "")))


@pytest.mark.slow
def test_the_page_from_training_to_the_proof(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_charter(folder / "homeostat.yaml")
    project = ["--project", str(folder)]
    assert main(["run", *project]) == 0, capsys.readouterr()
    with open_project(folder) as opened:
        trials = {fact.body["learner"]: fact.body for fact in opened.ledger.find("trial")}
        assert {name: body["reason"] for name, body in trials.items()} == {"naive": "", "boosted": "", "line": ""}
        assert trials["boosted"]["params"] == {
            "n_estimators": 40,
            "learning_rate": pytest.approx(0.0775, abs=1e-3),
            "loss": "squared_error",
        }
        assert all(trials[name]["row_us"] > 0 for name in trials)
        version = version_numbered(opened, 1)
        bundle = load_bundle(opened, str(version.fact.body["bundle"]))
        kinds = {type(node) for node in load_plan(bundle.plan).nodes}
        assert kinds & {Foreign, Trees}
        asked = pl.DataFrame({"a": [1.0], "b": [0.0], "c": [0.0]})
        assert Predictor(bundle).predict_frame(asked)[0, 0] == pytest.approx(3.0, abs=0.9)
        told, key = sources_of(opened, opened.charter.learning), key_of(opened)
        assert opened.ledger.find("run")[0].body["estimators"] == told
        assert (told["line"]["path"], told["line"]["file"]) == ("learners:Line", "learners.py")
        source = folder / "learners.py"
        source.write_text(source.read_text() + "\n# another day\n")
        assert key_of(opened) != key, "a changed source is trained again"
    capsys.readouterr()
    assert main(["reproduce", "1", "--json", *project]) == 0
    proof = json.loads(capsys.readouterr().out)
    assert (proof["outcome"], sorted(proof["changed"])) == ("equal", ["estimator boosted", "estimator line"])
