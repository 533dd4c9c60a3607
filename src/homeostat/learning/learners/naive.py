"""The naive learner: one answer for every row. What cannot beat it has learned nothing."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from homeostat.graph.plan import Constant
from homeostat.learning.learner import Fitted, unwatched

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats
    from homeostat.learning.learner import Flavour, Goal, Params, Rows, Suggest, Watch
    from homeostat.stats.metrics import Metric

flavour: Flavour = "tree"
defaults: Params = MappingProxyType({})


def portfolio(goal: Goal) -> tuple[Params, ...]:
    """There is nothing to search."""
    return ()


def space(trial: Suggest, goal: Goal) -> Params:
    """Nothing to search."""
    return defaults


def fit(rows: Rows, goal: Goal, params: Params, seed: int, valid: Rows | None = None, watch: Watch = unwatched) -> Fitted:
    """The best constant: see ``fit_constant``."""
    values = fit_constant(rows.target, goal.classes, goal.metric, rows.weights)
    return Fitted((Constant("score", values),), lambda features: np.tile(values, (len(features), 1)), {})


def fit_constant(y: Floats, classes: tuple[str, ...], metric: Metric, weights: Floats | None = None) -> Floats:
    """The scores (k,) that are best without looking at a row.

    For mae the median, for the other regression metrics the mean; for classes the share of each, over the rows of known classes
    (an index of -1 is none).

    >>> from homeostat.stats.metrics import metric
    >>> fit_constant(np.array([1.0, 1.0, 0.0, 1.0]), ("no", "yes"), metric("log_loss")).tolist()
    [0.25, 0.75]
    """
    weights = np.ones(len(y)) if weights is None else weights
    if classes:
        shares = np.array([weights[y == index].sum() for index in range(len(classes))])
        return np.asarray(shares / shares.sum())
    if metric.name == "mae":
        return np.array([_median(y, weights)])
    return np.array([np.average(y, weights=weights)])


def _median(y: Floats, weights: Floats) -> float:
    """The weighted median; between two values that halve the weight, their middle."""
    order = np.argsort(y, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    low = int(np.searchsorted(reached, 0.5 - 1e-12))
    high = int(np.searchsorted(reached, 0.5 + 1e-12))
    return float((y[order[low]] + y[order[min(high, len(y) - 1)]]) / 2)
