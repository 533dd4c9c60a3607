"""Linear learners of scikit-learn: regression for quantities, logistic regression for classes, held back by squared or absolute weights.

Quantities are learned by the squared error, also where the metric is mae: its median counterpart is a linear program, too slow to search
with.

Source: Zou and Hastie, "Regularization and variable selection via the elastic net" (JRSS B 2005).
"""

from __future__ import annotations

import threading
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
defaults: Params = MappingProxyType({"penalty": 1.0, "l1": 0.0})

ABSENT = -1e4
"""The raw score of a class without training rows: its softmax is exactly 0 beside any score a linear model gives."""

_QUIET = threading.Lock()
"""Held while warnings are ignored: which ones are is one list for all threads."""
LEAST_L1 = 0.05
"""A smaller share of absolute weights counts as none: the solvers for squared weights alone are many times faster."""
_NEWTON_UP_TO = 1_000
"""Coefficients up to which Newton's method, with its matrix of their square, is much the fastest solver (6 steps against 100)."""


def portfolio(goal: Goal) -> tuple[Params, ...]:
    """Stronger brakes, for many columns of little; and brakes that leave columns out."""
    return ({"penalty": 30.0, "l1": 0.0}, {"penalty": 10.0, "l1": 0.5})


def space(trial: Suggest, goal: Goal) -> Params:
    """``penalty``: of the coefficients' size (alpha of ridge, 1 / C of logistic regression); ``l1``: the share of absolute sizes in it."""
    return {"penalty": trial.suggest_float("penalty", 1e-3, 1e3, log=True), "l1": trial.suggest_float("l1", 0.0, 1.0)}


def fit(rows: Rows, goal: Goal, params: Params, seed: int, valid: Rows | None = None, watch: Watch = unwatched) -> Fitted:
    """Fit by the library's solver.

    Raises:
        ValueError: the rows hold one class only, or a NaN.
    """
    if goal.classes:
        return _classes(rows.known(), goal, params, seed)
    model = _quantities(rows, params)
    nodes = _nodes(goal, np.asarray(model.coef_, dtype=np.float64)[:, None], np.array([model.intercept_]), "identity")
    return Fitted(nodes, lambda features: np.asarray(model.predict(features), dtype=np.float64)[:, None], dict(params))


def _quantities(rows: Rows, params: Params) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import ElasticNet, Ridge

    penalty, l1 = float(params["penalty"]), float(params.get("l1", 0.0))
    if l1 < LEAST_L1:
        return Ridge(alpha=penalty).fit(rows.features, rows.target, sample_weight=rows.weights)
    total = len(rows.target) if rows.weights is None else float(rows.weights.sum())
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # This one divides the error by the rows, ridge does not.
        return ElasticNet(alpha=penalty / total, l1_ratio=l1).fit(rows.features, rows.target, sample_weight=rows.weights)


def _solver(rows: Rows, goal: Goal, l1: float) -> tuple[str, int, float]:
    """The fastest solver for this shape, how many steps it may take, and the share of absolute weights as it takes it."""
    if l1 >= LEAST_L1:
        return "saga", 60, l1
    small = rows.features.shape[1] * len(goal.classes) <= _NEWTON_UP_TO
    return ("newton-cholesky", 100, 0.0) if small else ("lbfgs", 300, 0.0)


def _classes(rows: Rows, goal: Goal, params: Params, seed: int) -> Fitted:
    from scipy.linalg import LinAlgWarning
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    solver, most, l1 = _solver(rows, goal, float(params.get("l1", 0.0)))
    model: Any = LogisticRegression(C=1.0 / params["penalty"], solver=solver, max_iter=most, l1_ratio=l1, random_state=seed)
    with _QUIET, warnings.catch_warnings():
        # A fit stopped early is a model like any other: the validation rows judge it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", LinAlgWarning)
        model.fit(rows.features, rows.target.astype(np.int64), sample_weight=rows.weights)
    present = [int(index) for index in model.classes_]

    def predict(features: Floats) -> Floats:
        scores = np.zeros((len(features), len(goal.classes)))
        scores[:, present] = model.predict_proba(features)
        return scores

    return Fitted(nodes_of_classes(model, present, goal), predict, dict(params))


def nodes_of_classes(model: Any, present: list[int], goal: Goal) -> tuple[Node, ...]:
    """The nodes of a model whose ``coef_`` and ``intercept_`` give log odds of the classes present."""
    weights = np.asarray(model.coef_.T, dtype=np.float64)
    bias = np.asarray(model.intercept_, dtype=np.float64)
    if len(goal.classes) == 2:
        return _nodes(goal, weights, bias, "sigmoid")
    if len(present) == 2:  # the library gives one score then, that of the second class against 0
        weights, bias = np.hstack([np.zeros_like(weights), weights]), np.array([0.0, bias[0]])
    all_weights = np.zeros((weights.shape[0], len(goal.classes)))
    all_bias = np.full(len(goal.classes), ABSENT)
    all_weights[:, present], all_bias[present] = weights, bias
    return _nodes(goal, all_weights, all_bias, "softmax")


def _nodes(goal: Goal, weights: Floats, bias: Floats, kind: Any) -> tuple[Node, ...]:
    return (Linear("raw score", goal.source, weights, bias), Link("score", "raw score", kind))
