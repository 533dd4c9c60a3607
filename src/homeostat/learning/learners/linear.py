"""Linear learners of scikit-learn: ridge regression for quantities, logistic regression for classes.

Ridge minimises the squared error, also where the metric is mae: its median counterpart is a linear program, too slow to search with.
"""

from __future__ import annotations

import warnings
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.plan import Linear, Link
from homeostat.learning.learner import Fitted, unwatched

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats, Node
    from homeostat.learning.learner import Flavour, Goal, Params, Rows, Suggest, Watch

flavour: Flavour = "linear"
defaults: Params = MappingProxyType({"penalty": 1.0})

_ABSENT = -1e4
"""The raw score of a class without training rows: its softmax is exactly 0 beside any score a linear model gives."""

_NEWTON_UP_TO = 1_000
"""Coefficients up to which Newton's method, with its matrix of their square, is much the fastest solver (6 steps against 100)."""


def portfolio(goal: Goal) -> tuple[Params, ...]:
    """Stronger brakes, for many columns of little."""
    return ({"penalty": 30.0},)


def space(trial: Suggest, goal: Goal) -> Params:
    """``penalty``: the weight of the squared coefficients (alpha of ridge, 1 / C of logistic regression)."""
    return {"penalty": trial.suggest_float("penalty", 1e-3, 1e3, log=True)}


def fit(rows: Rows, goal: Goal, params: Params, seed: int, valid: Rows | None = None, watch: Watch = unwatched) -> Fitted:
    """Fit by the library's solver, which draws nothing at random.

    Raises:
        ValueError: the rows hold one class only, or a NaN.
    """
    if goal.classes:
        return _classes(rows.known(), goal, params)
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=params["penalty"]).fit(rows.features, rows.target, sample_weight=rows.weights)
    nodes = _nodes(goal, np.asarray(model.coef_, dtype=np.float64)[:, None], np.array([model.intercept_]), "identity")
    return Fitted(nodes, lambda features: np.asarray(model.predict(features), dtype=np.float64)[:, None], dict(params))


def _classes(rows: Rows, goal: Goal, params: Params) -> Fitted:
    from scipy.linalg import LinAlgWarning
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    small = rows.features.shape[1] * len(goal.classes) <= _NEWTON_UP_TO
    solver, most = ("newton-cholesky", 100) if small else ("lbfgs", 300)
    model: Any = LogisticRegression(C=1.0 / params["penalty"], solver=solver, max_iter=most)
    with warnings.catch_warnings():
        # A fit stopped early is a model like any other: the validation rows judge it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", LinAlgWarning)
        model.fit(rows.features, rows.target.astype(np.int64), sample_weight=rows.weights)
    present = [int(index) for index in model.classes_]

    def predict(features: Floats) -> Floats:
        scores = np.zeros((len(features), len(goal.classes)))
        scores[:, present] = model.predict_proba(features)
        return scores

    weights = np.asarray(model.coef_.T, dtype=np.float64)
    bias = np.asarray(model.intercept_, dtype=np.float64)
    if len(goal.classes) == 2:
        return Fitted(_nodes(goal, weights, bias, "sigmoid"), predict, dict(params))
    if len(present) == 2:  # the library gives one score then, that of the second class against 0
        weights, bias = np.hstack([np.zeros_like(weights), weights]), np.array([0.0, bias[0]])
    all_weights = np.zeros((weights.shape[0], len(goal.classes)))
    all_bias = np.full(len(goal.classes), _ABSENT)
    all_weights[:, present], all_bias[present] = weights, bias
    return Fitted(_nodes(goal, all_weights, all_bias, "softmax"), predict, dict(params))


def _nodes(goal: Goal, weights: Floats, bias: Floats, kind: Any) -> tuple[Node, ...]:
    return (Linear("raw score", goal.source, weights, bias), Link("score", "raw score", kind))
