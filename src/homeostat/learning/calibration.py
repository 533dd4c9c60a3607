"""Calibration: probabilities moved so that of the rows with a score of 0.3 three in ten are positive, where that holds on other rows too.

A calibrator is fitted on scores of rows that the model did not learn from, and becomes a few nodes behind it.

Source: Platt, "Probabilistic outputs for support vector machines" (1999); Zadrozny and Elkan, "Transforming classifier scores into
accurate multiclass probability estimates" (KDD 2002), isotonic; Guo et al., "On calibration of modern neural networks" (ICML 2017),
temperature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from homeostat.graph.plan import Interpolate, Linear, Link, Log, Pick
from homeostat.stats.metrics import error_of

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats, Ints, Node
    from homeostat.stats.metrics import Metric

Method = Literal["platt", "isotonic", "temperature"]
Asked = Literal["auto", "none", "platt", "isotonic", "temperature"]
FLOOR = 1e-12
"""The least probability whose logarithm is taken."""
HALVES = 6
LEAST_GAIN = 0.002
"""Share of the log loss that a calibration must save on rows it was not fitted on."""
MOST_LOSS = 0.002
ISOTONIC_FROM = 1_000
"""Rows below which isotonic regression follows chance."""
_LOSS_FLOOR = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Calibrator:
    """A fitted calibration: the library's own function of scores (n, k), and the nodes that mean the same behind a block."""

    method: Method
    apply: Callable[[Floats], Floats]
    nodes: Callable[[str], tuple[Node, ...]]


def calibrate(scores: Floats, y: Floats, method: Method) -> Calibrator:
    """Fit a method on scores (n, k) of rows whose classes (n,) are known.

    Platt: a logistic regression on the log odds, for two classes. Isotonic: a rising line, for two classes. Temperature: one divisor
    of the log probabilities, for any number of them.
    """
    return {"platt": _platt, "isotonic": _isotonic, "temperature": _temperature}[method](scores, y)


def best_calibrator(scores: Floats, y: Floats, asked: Asked, measured: Metric, seed: int) -> Calibrator | None:
    """The calibration asked for; of ``auto`` the one whose log loss on rows it was not fitted on is least, None where none pays.

    None pays that costs more than ``MOST_LOSS`` of the error of the metric that models are judged by.

    Args:
        scores: (n, k) probabilities of rows the model did not learn from.
        y: (n,) class indices; -1 and NaN are passed over.
        asked: the method; ``auto`` chooses, and ``none`` is none.
        measured: the metric that models are judged by.
        seed: of the halves that are tried on.
    """
    known = np.isfinite(y) & (y >= 0)
    scores, y = scores[known], y[known]
    if asked == "none" or len(y) < 20 or len(np.unique(y)) < 2:
        return None
    if asked != "auto":
        return calibrate(scores, y, asked)
    methods = _methods(scores.shape[1], len(y))
    draw = np.random.default_rng(seed)
    orders = [draw.permutation(len(y)) for _ in range(HALVES)]
    found = {method: np.mean([_gains(scores, y, method, measured, order) for order in orders], axis=0) for method in methods}
    paying = {method: gain for method, (gain, judged) in found.items() if gain > LEAST_GAIN and judged > -MOST_LOSS}
    return calibrate(scores, y, max(paying, key=lambda method: paying[method])) if paying else None


def _methods(classes: int, rows: int) -> tuple[Method, ...]:
    """What can be fitted on so many rows of so many classes."""
    if classes > 2:
        return ("temperature",)
    return ("platt", "isotonic") if rows >= ISOTONIC_FROM else ("platt",)


def _gains(scores: Floats, y: Floats, method: Method, measured: Metric, order: Ints) -> tuple[float, float]:
    """The shares of the log loss and of the metric's error that a calibration fitted on one half saves on the other."""
    half, other = np.array_split(order, 2)
    if len(np.unique(y[half])) < 2:
        return 0.0, 0.0
    after = calibrate(scores[half], y[half], method).apply(scores[other])
    judged = [error_of(measured, measured.score(y[other], each)) for each in (scores[other], after)]
    return _saved(_loss(scores[other], y[other]), _loss(after, y[other])), _saved(*judged)


def _saved(before: float, after: float) -> float:
    return (before - after) / before if before > 0 and np.isfinite(before) and np.isfinite(after) else 0.0


def _loss(scores: Floats, y: Floats) -> float:
    return float(-np.log(np.maximum(scores[np.arange(len(y)), y.astype(np.int64)], _LOSS_FLOOR)).mean())


def _log(scores: Floats) -> Floats:
    return np.log(np.where(scores < FLOOR, FLOOR, scores))


def _platt(scores: Floats, y: Floats) -> Calibrator:
    from sklearn.linear_model import LogisticRegression

    def odds(given: Floats) -> Floats:
        logs = _log(given)
        return logs[:, 1:] - logs[:, :1]

    model = LogisticRegression(C=1e6).fit(odds(scores), y.astype(np.int64))
    slope, bias = float(model.coef_[0, 0]), float(model.intercept_[0])

    def nodes(source: str) -> tuple[Node, ...]:
        return (
            Log("log probabilities", source, FLOOR),
            Linear("calibrated odds", "log probabilities", np.array([[-slope], [slope]]), np.array([bias])),
            Link("calibrated", "calibrated odds", "sigmoid"),
        )

    return Calibrator("platt", lambda given: np.asarray(model.predict_proba(odds(given)), dtype=np.float64), nodes)


def _isotonic(scores: Floats, y: Floats) -> Calibrator:
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(scores[:, 1], y)
    x, values = np.asarray(model.X_thresholds_, dtype=np.float64), np.asarray(model.y_thresholds_, dtype=np.float64)

    def apply(given: Floats) -> Floats:
        p = np.asarray(model.predict(given[:, 1]), dtype=np.float64)
        return np.column_stack([1.0 - p, p])

    def nodes(source: str) -> tuple[Node, ...]:
        return (
            Pick("positive", source, (1,)),
            Interpolate("calibrated positive", "positive", x, values),
            Linear("calibrated", "calibrated positive", np.array([[-1.0, 1.0]]), np.array([1.0, 0.0])),
        )

    return Calibrator("isotonic", apply, nodes)


def _temperature(scores: Floats, y: Floats) -> Calibrator:
    from scipy.optimize import minimize_scalar
    from scipy.special import softmax

    logs = _log(scores)
    found = minimize_scalar(lambda power: _loss(softmax(logs * np.exp(power), axis=1), y), bounds=(-3.0, 3.0), method="bounded")
    factor = float(np.exp(found.x))

    def nodes(source: str) -> tuple[Node, ...]:
        width = scores.shape[1]
        return (
            Log("log probabilities", source, FLOOR),
            Linear("scaled", "log probabilities", factor * np.eye(width), np.zeros(width)),
            Link("calibrated", "scaled", "softmax"),
        )

    return Calibrator("temperature", lambda given: np.asarray(softmax(_log(given) * factor, axis=1), dtype=np.float64), nodes)
