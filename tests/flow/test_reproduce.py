"""A version is trained again from its record: the same graph, whatever the charter, labels and search have become since."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from homeostat.app.cli.main import main
from homeostat.errors import LearningError
from homeostat.flow.evaluate import evaluate
from homeostat.flow.lifecycle import run
from homeostat.flow.project import Project, open_project
from homeostat.flow.registry import load_bundle, version_numbered, versions
from homeostat.flow.reproduce import reproduce
from homeostat.flow.train import first_order, train
from homeostat.flow.validate import validate
from homeostat.learning.learner import unwatched
from homeostat.learning.learners import LEARNERS
from homeostat.testing.charters import revised

if TYPE_CHECKING:
    from homeostat.learning.learner import Fitted

ROWS = 900
CHARTER = """
name: sorts
problem: {{statement: s, objective: o, decision: d, business_metric: b}}
task: {task}
success: {success}
data: {{source: data/}}
learning: {learning}
preparation: {preparation}
{more}
"""
BINARY = {"type": "binary", "target": "came", "positive": "yes", "time": "t", "leave_out": ["days"]}
DAYS = {"type": "regression", "target": "days", "time": "t", "leave_out": ["came"]}
ALL = {"learners": ["naive", "linear", "extra_trees"], "budget": {"seconds": 20, "trials": 7}}
KINDS: dict[str, dict[str, Any]] = {
    "calibrated, with an amount of seconds": {"learning": ALL | {"calibration": "platt"}},
    "folds and weights": {"preparation": {"split": {"kind": "time", "folds": 2}, "imbalance": "weights"}, "learning": ALL},
    "a sample, and rules that label": {
        "preparation": {"sample": {"rows": 300}},
        "learning": ALL | {"windows": [{"kind": "recent", "length": "20d"}, {"kind": "decay", "length": "10d"}]},
        "more": "labelling: {rules: [{name: far, when: x > 2.2, label: 'yes'}]}",
    },
    "trees that stop by themselves": {"learning": {"learners": ["lightgbm", "xgboost"], "budget": {"trials": 4}}},
    "a mean of several": {
        "task": DAYS,
        "success": {"metric": "mae"},
        "learning": ALL | {"learners": ["linear", "random_forest", "extra_trees", "xgboost"], "budget": {"trials": 12}},
    },
    "intervals by a word, in a split at random": {
        "task": DAYS | {"time": None},
        "success": {"metric": "mae", "segments": ["word"]},
        "preparation": {"split": {"kind": "random"}},
        "learning": ALL | {"intervals": {"coverage": 0.9, "by": "word"}},
    },
    "two objectives": {
        "task": {"type": "regression", "target": "worth", "time": "t"},
        "success": {"metric": "mae"},
        "learning": {"learners": ["linear", "lightgbm"], "budget": {"trials": 6}},
        "more": "objectives: [{name: stay, target: days, metric: mae}, "
        "{name: come, target: came, type: binary, positive: 'yes', metric: auc, weight: 4}]",
    },
}


def made(folder: Path, kind: dict[str, Any]) -> Path:
    rng = np.random.default_rng(0)
    (folder / "data").mkdir(parents=True)
    x, z = rng.normal(size=(2, ROWS))
    days = 3 * x + 2 * np.sign(np.sin(3 * z)) + rng.normal(size=ROWS)
    rows = pl.DataFrame(
        {
            "x": x,
            "z": z,
            "word": rng.choice(["a", "b", "c"], ROWS),
            "t": [datetime(2024, 1, 1) + timedelta(minutes=int(m)) for m in rng.integers(0, 80_000, ROWS)],
            "days": days,
            "came": np.where(days + rng.normal(size=ROWS) > 3, "yes", "no"),
        }
    )
    rows = rows.with_columns(pl.when(pl.Series(rng.random(ROWS)) > 0.1).then("x").alias("x"))
    rows.write_parquet(folder / "data" / "a.parquet")
    given = {"task": BINARY, "success": {"metric": "auc"}, "preparation": {}, "more": ""} | kind
    more = given.pop("more")
    (folder / "homeostat.yaml").write_text(CHARTER.format(more=more, **{name: json.dumps(value) for name, value in given.items()}))
    return folder


def registered(project: Project) -> None:
    run(project)
    assert versions(project), "a version is registered whether its gates pass or not"


@pytest.mark.parametrize("kind", KINDS)
def test_the_record_alone_gives_the_same_graph(kind: str, tmp_path: Path) -> None:
    folder = made(tmp_path / "p", KINDS[kind])
    with open_project(folder) as project:
        registered(project)
        known = [fact.id for name in ("trial", "run", "candidate", "holdout") for fact in project.ledger.find(name)]
        assert len(project.ledger.find("candidate")[0].body["params"].get("members", ())) > 1 or kind != "a mean of several"
    raw = (
        (folder / "homeostat.yaml")
        .read_text()
        .replace("name: sorts", "name: others")
        .replace('"learners": [', '"learners": ["random_forest", ')
    )
    (folder / "homeostat.yaml").write_text(raw)
    with open_project(folder) as project:
        fact = reproduce(project, version_numbered(project, 1))
        assert fact.body["outcome"] == "equal"
        assert fact.body["recorded"] == fact.body["made"]
        assert fact.body["changed"] == {}
        assert reproduce(project, version_numbered(project, 1)).id == fact.id
        assert known == [fact.id for name in ("trial", "run", "candidate", "holdout") for fact in project.ledger.find(name)]


def test_a_retrained_version_with_other_rows_and_labels_is_reproduced(project: Project) -> None:
    """The demo's project: its first version after another charter, and the second, which that one made."""
    first = reproduce(project, version_numbered(project, 1))
    with replace(project, charter=revised(project.charter, {"preparation.holdout": 0.1, "task.leave_out": ["hum"]})) as other:
        validate(other, evaluate(other, train(other, first_order(other, other.ledger.find("dataset")[0]))))
        again = [reproduce(other, version_numbered(other, number)) for number in (1, 2)]
    assert [fact.body["outcome"] for fact in (first, *again)] == ["equal"] * 3
    assert again[0].id == first.id
    assert again[1].body["made"] != first.body["made"]
    bundle = load_bundle(project, str(version_numbered(project, 1).fact.body["bundle"]))
    assert "hum" in {source.name for source in bundle.inputs()}


def test_a_library_that_learns_otherwise_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = {"learning": {"learners": ["linear"], "budget": {"trials": 1}, "calibration": "none"}}
    folder = made(tmp_path / "p", kind)
    with open_project(folder) as project:
        registered(project)
    linear = LEARNERS["linear"]

    def otherwise(rows: Any, goal: Any, params: Any, seed: int, valid: Any = None, watch: Any = unwatched) -> Fitted:
        return linear.fit(rows, goal, {**params, "penalty": params["penalty"] * shift}, seed, valid, watch)

    shift = 1.0 + 1e-9
    known = {name: getattr(linear, name) for name in ("flavour", "defaults", "space", "portfolio")}
    monkeypatch.setitem(LEARNERS, "linear", SimpleNamespace(**known, fit=otherwise))
    command = ["reproduce", "1", "--project", str(folder)]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["outcome"] == "alike"
    assert 0 < told["difference"] < 1e-6
    shift = 50.0
    assert main(command) == 3
    assert "version 1 was not reproduced" in capsys.readouterr().out
    monkeypatch.delitem(LEARNERS, "linear")
    with open_project(folder) as project, pytest.raises(LearningError, match=r"the learner 'linear'"):
        reproduce(project, version_numbered(project, 1))
