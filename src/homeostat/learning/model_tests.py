"""Tests of a model: does its learner learn, and does its graph answer each row by itself?

A learner is tested on the rows it learned from: its loss falls as it is allowed more (rounds, leaves, a lighter penalty), and one that can
fit anything fits a handful of rows. The graph is tested as it is served.

Source: Breck, Cai, Nielsen, Salib and Sculley, "The ML test score" (IEEE Big Data 2017), tests of model development.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.learning.learners import LEARNERS
from homeostat.learning.learners.boosting import loss_of
from homeostat.learning.learners.naive import fit_constant
from homeostat.stats.metrics import METRICS

if TYPE_CHECKING:
    import polars as pl

    from homeostat.graph.plan import Floats
    from homeostat.learning.learner import Goal, Params, Rows

TOLERANCE = 1e-12
"""By how much a score may differ, relative to the largest, when rows or columns come in another order or a row comes alone."""
SLACK = 0.01
"""Share by which a step of a path may be worse than the one before: a forest's trees are drawn anew."""
TINY_ROWS, TINY_LOSS = 12, 0.05
"""So many rows must be fitted to this share of the best constant's loss."""
MOST_ROWS = 20_000
ALONE = 25

_PATHS: Mapping[str, tuple[str, tuple[Any, ...]]] = MappingProxyType(
    {
        "lightgbm": ("rounds", (1, 4, 16, 64)),
        "xgboost": ("rounds", (1, 4, 16, 64)),
        "linear": ("penalty", (1e6, 1e4, 1e2, 1.0)),
        "random_forest": ("max_leaves", (2, 8, 32, 128)),
        "extra_trees": ("max_leaves", (2, 8, 32, 128)),
        "neural": ("rounds", (1, 3, 9, 27)),
    }
)
_FREE: Mapping[str, Params] = MappingProxyType(
    {
        "lightgbm": {
            "rounds": 200,
            "learning_rate": 0.3,
            "min_data_in_leaf": 1,
            "min_data_in_bin": 1,
            "lambda_l2": 0.0,
            "feature_fraction": 1.0,
            "extra_trees": 0,
        },
        "xgboost": {"rounds": 200, "learning_rate": 0.3, "min_child_weight": 0.0, "lambda": 0.0, "colsample_bynode": 1.0},
        "extra_trees": {"max_leaves": 1_000, "min_samples_leaf": 1, "max_features": 1.0},
        "neural": {"rounds": 40, "learning_rate": 0.005, "dropout": 0.0, "weight_decay": 0.0},
    }
)
"""Params without brakes of the learners that can fit any rows; a random forest leaves rows out of each tree, a line is a line."""


_ABSOLUTE = ("lightgbm", "xgboost", "neural")
"""Learners that make the mean absolute error small where that is the metric; the others make squares small."""


@dataclass(frozen=True, slots=True)
class Tested:
    """One test: what was measured, what is allowed, and a sentence."""

    test: str
    passed: bool
    value: float | None
    limit: float | None
    detail: str


def learning_tests(learner: str, params: Params, rows: Rows, goal: Goal, seed: int) -> tuple[Tested, ...]:
    """The tests of a learner with its params, on prepared rows with known targets; none of one that does not learn.

    Args:
        learner: its name.
        params: of the model.
        rows: at most so many are used as are enough.
        goal: what is learned.
        seed: of the choice of rows, and of the fits.
    """
    known = rows.known() if goal.classes else rows
    draw = np.random.default_rng(seed)
    found = []
    if learner in _PATHS:
        found.append(_falls(learner, params, _taken(known, _some(len(known.target), MOST_ROWS, draw)), goal, seed))
    if learner in _FREE:
        found.append(_overfits(learner, params, _tiny(known, draw), goal, seed))
    return tuple(found)


def answer_tests(score: Callable[[pl.DataFrame], Floats], rows: pl.DataFrame, stressed: pl.DataFrame, seed: int) -> tuple[Tested, ...]:
    """The tests of scoring frames: every score a number, whatever the order of rows and columns, and whatever else is asked at once.

    Args:
        score: frame to scores (n, k).
        rows: at least one row.
        stressed: rows with nulls, unseen categories and extreme values.
        seed: of the orders.
    """
    scores, draw = score(rows), np.random.default_rng(seed)
    order = draw.permutation(rows.height)
    single = _some(rows.height, ALONE, draw)
    alone = np.vstack([score(rows[int(at)]) for at in single])
    bad = sum(int((~np.isfinite(each)).any(axis=1).sum()) for each in (scores, score(stressed)))
    count = rows.height + stressed.height
    return (
        Tested("numbers", bad == 0, bad, 0, f"{bad} of {count} rows, nulls and unseen and extreme values among them, have no finite score"),
        _alike("row order", score(rows[order]), scores[order], "rows in another order"),
        _alike("column order", score(rows.select(rows.columns[::-1])), scores, "columns from last to first"),
        _alike("row alone", alone, scores[single], f"{len(single)} rows asked one by one"),
    )


def _alike(test: str, scores: Floats, expected: Floats, what: str) -> Tested:
    other = ~np.isclose(scores, expected, rtol=0.0, atol=0.0, equal_nan=True)  # infinite scores may be equal too
    largest = max(1.0, float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0)))
    apart = float(np.nan_to_num(np.abs(scores[other] - expected[other]), nan=np.inf).max(initial=0.0)) / largest
    return Tested(test, apart <= TOLERANCE, apart, TOLERANCE, f"{what}: scores differ by {apart:.1e} of the largest at most")


def _falls(learner: str, params: Params, rows: Rows, goal: Goal, seed: int) -> Tested:
    name, path = _PATHS[learner]
    losses = [_loss(learner, {**params, name: value}, rows, goal, seed) for value in path]
    worst = max((after - before) / max(before, 1e-300) for before, after in pairwise(losses))
    told = ", ".join(f"{value:g}: {loss:.4g}" for value, loss in zip(path, losses, strict=True))
    passed = worst <= SLACK and losses[-1] < losses[0]
    return Tested(f"loss falls ({learner})", passed, worst, SLACK, f"training loss by {name}: {told}")


def _overfits(learner: str, params: Params, rows: Rows, goal: Goal, seed: int) -> Tested:
    test = f"fits a tiny batch ({learner})"
    constant = np.tile(fit_constant(rows.target, goal.classes, goal.metric), (len(rows.target), 1))
    naive = _measured(learner, params, rows, constant, goal)
    if naive <= 0:
        return Tested(
            test, True, None, TINY_LOSS, "the rows do not hold two that differ in features and target, so there is nothing to fit"
        )
    share = _loss(learner, {**params, **_FREE[learner]}, rows, goal, seed) / naive
    detail = f"{len(rows.target)} rows without brakes: {share:.2%} of the loss of a constant is left"
    return Tested(test, share <= TINY_LOSS, share, TINY_LOSS, detail)


def _loss(learner: str, params: Params, rows: Rows, goal: Goal, seed: int) -> float:
    return _measured(learner, params, rows, LEARNERS[learner].fit(rows, goal, params, seed).predict(rows.features), goal)


def _measured(learner: str, params: Params, rows: Rows, scores: Floats, goal: Goal) -> float:
    """What the learner makes small, its rows weighed as it weighs them."""
    y, loss, name = rows.target, loss_of(params), "log_loss" if goal.classes else "rmse"
    weights = np.ones(len(y)) if rows.weights is None else rows.weights / rows.weights.mean()
    if loss == "poisson":
        means = np.maximum(scores[:, 0], 1e-12)
        return float(np.average(2.0 * (np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0) / means), 0.0) - y + means), weights=weights))
    if loss == "log":
        y, scores = np.log1p(y), np.log1p(np.maximum(scores, -1.0 + 1e-12))
    elif loss == "metric" and goal.metric.name == "mae" and learner in _ABSOLUTE:
        name = "mae"
    return float(METRICS[name].prepare(y, scores)(weights[None])[0])


def _tiny(rows: Rows, draw: np.random.Generator) -> Rows:
    """A few rows that differ in their features, of every class where there are classes, without weights."""
    order = draw.permutation(len(rows.target))
    _, first = np.unique(rows.features[order].astype(np.float32), axis=0, return_index=True)
    apart = order[np.sort(first)]
    turn = np.zeros(len(apart), dtype=np.int64)  # of its class the first, second, ...
    if len(np.unique(rows.target)) <= TINY_ROWS:
        for value in np.unique(rows.target):
            mine = rows.target[apart] == value
            turn[mine] = np.arange(mine.sum())
    return replace(_taken(rows, apart[np.argsort(turn, kind="stable")[:TINY_ROWS]]), weights=None)


def _taken(rows: Rows, chosen: Any) -> Rows:
    return replace(
        rows,
        features=rows.features[chosen],
        target=rows.target[chosen],
        weights=None if rows.weights is None else rows.weights[chosen],
    )


def _some(count: int, most: int, draw: np.random.Generator) -> Any:
    return np.arange(count) if count <= most else np.sort(draw.choice(count, most, replace=False))


def failed(tests: Sequence[Tested]) -> list[str]:
    """The names of the tests that did not pass."""
    return [each.test for each in tests if not each.passed]
