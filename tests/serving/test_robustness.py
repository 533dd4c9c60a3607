"""Rows made to break a bundle: a sound one answers all of them, a broken one is found out by name; and what nulls cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from homeostat.graph.plan import Linear, Plan, Scale
from homeostat.serving.predictor import Predictor
from homeostat.serving.robustness import SHARE, robustness
from homeostat.stats.metrics import metric


def came(frame: pl.DataFrame, task: str) -> np.ndarray:
    count = frame["cnt"].to_numpy().astype(float)
    if task == "regression":
        return count
    return (count > 150).astype(float) if task == "binary" else np.select([count > 250, count > 60], [1.0, 2.0], 0.0)


METRICS = {"regression": "mae", "binary": "auc", "multiclass": "log_loss"}


@pytest.mark.parametrize("task", METRICS)
def test_a_sound_bundle_answers_everything(models, bike: pl.DataFrame, task: str) -> None:
    found = robustness(models[task].bundle(), bike, came(bike, task), METRICS[task], 0)
    assert found.broken == ()
    assert found.rows > 16 * 5 * 3  # five inputs, each null, unseen or extreme in several ways
    assert set(found.growth) == {"temp", "hr", "holiday", "dteday", "season"}
    assert found == robustness(models[task].bundle(), bike, came(bike, task), METRICS[task], 0)


def test_what_a_null_costs_is_the_growth_of_the_error_with_a_tenth_of_the_column_gone(models, bike: pl.DataFrame) -> None:
    bundle, y = models["regression"].bundle(), came(bike, "regression")
    found = robustness(bundle, bike, y, "mae", 0)
    predictor, mae = Predictor(bundle), metric("mae")
    before = mae.score(y, predictor.predict_frame(bike))
    grown = []  # by other draws of the tenth
    for seed in range(20):
        chosen = np.random.default_rng(seed).choice(bike.height, int(SHARE * bike.height), replace=False)
        gone = bike.with_columns(pl.when(pl.int_range(pl.len()).is_in(chosen.tolist())).then(None).otherwise(pl.col("hr")).alias("hr"))
        grown.append(mae.score(y, predictor.predict_frame(gone)) / before - 1)
    assert found.growth["hr"] == pytest.approx(np.mean(grown), abs=4 * np.std(grown))
    assert found.growth["hr"] > 0


def broken_plan(plan: Plan, task: str) -> Plan:
    """A model that raises the scaled inputs' weights so that extremes overflow, or whose last node is no probability."""
    if task == "regression":
        nodes = tuple(replace(node, divisor=node.divisor * 1e-300) if isinstance(node, Scale) else node for node in plan.nodes)
        return replace(plan, nodes=nodes)
    *nodes, _, _ = plan.nodes
    return replace(plan, nodes=(*nodes, Linear("score", "features", np.zeros((12, 2)), np.array([0.4, 0.7]))))


@pytest.mark.parametrize(
    ("task", "says"),
    [("regression", "answers are not finite"), ("binary", "answers are no probabilities: one sums to 1.1")],
)
def test_a_broken_bundle_is_found_out(models, bike: pl.DataFrame, task: str, says: str) -> None:
    model = models[task]
    other = type(model)(broken_plan(model.plan, task), model.oracle, model.frame)
    found = robustness(other.bundle(), bike, came(bike, task), METRICS[task], 0)
    assert any(says in sentence for sentence in found.broken), found.broken
    assert all(" = " in sentence or "every input" in sentence for sentence in found.broken)


def test_an_error_is_told_by_its_kind(models, bike: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    def decide(self: Predictor, frame: pl.DataFrame) -> None:
        if frame.height < 20 and frame["hr"].null_count() == frame.height:
            raise OverflowError("too much")
        return whole(self, frame)

    whole = Predictor.decide_frame
    monkeypatch.setattr(Predictor, "decide_frame", decide)
    found = robustness(models["regression"].bundle(), bike, came(bike, "regression"), "mae", 0)
    assert found.broken == ("hr = null: OverflowError: too much", "every input null: OverflowError: too much")


def test_nothing_to_try_is_nothing_tried(models, bike: pl.DataFrame) -> None:
    found = robustness(models["regression"].bundle(), bike.clear(), np.zeros(0), "mae", 0)
    assert (found.rows, found.broken, found.growth) == (0, (), {})


def test_a_metric_that_cannot_be_measured_leaves_the_cost_of_nulls_out(models, bike: pl.DataFrame) -> None:
    found = robustness(models["binary"].bundle(), bike, np.zeros(bike.height), "auc", 0)
    assert (found.broken, found.growth) == ((), {})
