"""Whole models of every learner in C and JavaScript: as the library's own predict, with no row decided otherwise."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from homeostat.core import sections
from homeostat.core.targets import classes_of
from homeostat.graph.plan import Plan, Trees
from homeostat.learning.search import search
from homeostat.learning.trials import Stages
from homeostat.preparation.fit import fit
from homeostat.preparation.split import split
from homeostat.preparation.window import select
from homeostat.serving.parity import largest_difference, stress_frame
from homeostat.serving.proof import tolerance_of
from homeostat.stats.metrics import metric
from homeostat.testing.programs import CModel, node_scores

if TYPE_CHECKING:
    from homeostat.learning.candidate import Candidate

pytestmark = pytest.mark.usefixtures("gcc", "node")

WORDS = ("good", "bad", "slow", "Fine", "never", "again", "\u00e9t\u00e9")


def mixed(count: int = 360) -> pl.DataFrame:
    """Every kind of input, with nulls in each, and three targets that depend on them."""
    rng = np.random.default_rng(3)
    x, skewed, code = rng.normal(size=count), rng.lognormal(2, 2, count), rng.integers(1, 6, count)
    city, open_ = rng.choice(["Oslo", "Rome", "Bern", "\u00c5s"], count), rng.random(count) < 0.5
    when = [datetime(2011, 1, 1) + timedelta(hours=float(hours)) for hours in rng.uniform(0, 20_000, count)]
    said = [" ".join(rng.choice(WORDS, 4)) for _ in range(count)]
    score = (
        x
        + np.log(skewed) / 3
        + (city == "Oslo")
        + 0.5 * open_
        - (code == 3)
        + np.array(["good" in each for each in said])
        + rng.normal(size=count) / 3
    )
    frame = pl.DataFrame({"x": x, "skewed": skewed, "code": code, "city": city, "open": open_, "when": when, "said": said})
    spoilt = [pl.Series(each.name, each).set(pl.Series(rng.random(count) < 0.08), None) for each in frame]
    return pl.DataFrame(spoilt).with_columns(
        amount=pl.Series(score * 10),
        yes=pl.Series(np.where(score > 1.5, "yes", "no")),
        level=pl.Series(np.select([score > 2.5, score > 1.0], ["high", "middle"], "low")),
    )


TASKS = {
    "amount": sections.Task(type="regression", target="amount"),
    "yes": sections.Task(type="binary", target="yes", positive="yes"),
    "level": sections.Task(type="multiclass", target="level"),
}
METRICS = {"amount": "rmse", "yes": "log_loss", "level": "log_loss"}
CASES = [
    (("linear",), "amount", "none"),
    (("linear",), "level", "temperature"),
    (("lightgbm",), "amount", "none"),
    (("lightgbm",), "yes", "isotonic"),
    (("lightgbm",), "level", "none"),
    (("xgboost",), "yes", "platt"),
    (("extra_trees",), "level", "none"),
    (("random_forest",), "yes", "none"),
    (("linear", "lightgbm", "random_forest"), "amount", "none"),
]


def trained(learners: tuple[str, ...], target: str, calibration: str) -> tuple[Candidate, pl.DataFrame]:
    task, frame = TASKS[target], mixed().drop([each for each in TASKS if each != target])
    classes = classes_of(frame[target], task)
    stages = Stages(
        lambda rows, flavour, categories: fit(rows, task, sections.Preparation(), flavour, classes),
        lambda rows, window: select(rows, task, window),
    )
    said: dict[str, Any] = {"learners": list(learners), "budget": {"seconds": None, "trials": len(learners)}, "calibration": calibration}
    parts = split(frame, task, sections.Preparation())
    found = search(parts, task, sections.Learning.model_validate(said), metric(METRICS[target]), stages, clock=lambda: 0.0)
    return found, frame


@pytest.mark.parametrize(("learners", "target", "calibration"), CASES, ids=lambda each: each if isinstance(each, str) else "+".join(each))
def test_a_trained_model_answers_alike_everywhere(learners: tuple[str, ...], target: str, calibration: str, tmp_path: Path) -> None:
    found, frame = trained(learners, target, calibration)
    plan = found.plan
    stressed = stress_frame(frame, plan.inputs, 5)
    rows = pl.concat([frame, stressed[:: max(1, stressed.height // 200)]])
    wanted = found.oracle(rows)
    asked = rows.select([each.name for each in plan.inputs]).with_columns(pl.col(pl.Datetime).dt.to_string("iso")).to_dicts()
    compiled = CModel(plan, tmp_path)
    for scores in (compiled.scores(asked), node_scores(plan, asked, tmp_path)):
        assert largest_difference(scores, wanted) <= tolerance_of(plan)
        if plan.classes:
            assert decided(plan, scores).tolist() == decided(plan, wanted).tolist()
    if plan.classes:
        assert compiled.decisions(asked).tolist() == decided(plan, wanted).tolist()
    if "linear" not in learners:
        assert any(isinstance(node, Trees) for node in plan.nodes)


def decided(plan: Plan, scores: np.ndarray) -> np.ndarray:
    return scores[:, 1] >= plan.threshold if plan.task == "binary" else scores.argmax(axis=1)
