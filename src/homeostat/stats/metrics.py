"""The metrics a charter can name, what each is good for, and the one meaning of "error" by which models are compared.

y is float64 ``(n,)``: values, or class indices (-1: a class the model doesn't know, always a miss). Scores are ``(n, 1)`` for
regression and ``(n, k)`` for classes, rows summing to 1. A metric is NaN when it is undefined: no rows, a null or
non-finite value anywhere, one class only (auc), no positive row (average_precision), one row (r2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.errors import CharterError
from homeostat.stats import kernels

if TYPE_CHECKING:
    from homeostat.core.sections import TaskType
    from homeostat.stats.kernels import Floats, Kernel, RowLoss, Weighted


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``row_loss`` is the loss per row ``(n,)`` whose mean it is (rmse: the root of the mean), None when there is none."""

    name: str
    tasks: frozenset[str]
    greater_is_better: bool
    kernel: Kernel
    description: str
    row_loss: RowLoss | None = None

    def score(self, y: Floats, scores: Floats) -> float:
        """The metric on these rows.

        Raises:
            ValueError: shapes that don't fit each other or the task.

        >>> metric("mae").score(np.array([1.0, 4.0]), np.array([[2.0], [4.0]]))
        0.5
        """
        weighted = self.prepare(y, scores)
        return float(weighted(np.ones((1, len(y))))[0])

    def prepare(self, y: Floats, scores: Floats) -> Weighted:
        """What turns row weights ``(b, n)`` into b values of the metric; all NaN when there is nothing to measure."""
        self._check(y, scores)
        if not len(y) or not (np.isfinite(y).all() and np.isfinite(scores).all()):
            return lambda weights: np.full(len(weights), np.nan)
        return self.kernel(y, scores)

    def _check(self, y: Floats, scores: Floats) -> None:
        if y.ndim != 1 or scores.ndim != 2 or len(y) != len(scores):
            raise ValueError(f"{self.name}: got y {y.shape} and scores {scores.shape}; they must be (n,) and (n, k)")
        width = scores.shape[1]
        fits = width == 1 if "regression" in self.tasks else width >= 2 if "multiclass" in self.tasks else width == 2
        if not fits:
            raise ValueError(f"{self.name}: got scores {scores.shape}, which don't fit a task of type {' or '.join(sorted(self.tasks))}")
        if width > 1 and len(y) and np.isfinite(y).all() and not (y.min() >= -1 and y.max() < width):
            raise ValueError(f"{self.name}: y must hold class indices from -1 to {width - 1}, got {y.min():g} to {y.max():g}")


_REGRESSION, _BINARY, _MULTICLASS = frozenset({"regression"}), frozenset({"binary"}), frozenset({"multiclass"})
_CLASSES = _BINARY | _MULTICLASS

METRICS: dict[str, Metric] = {
    one.name: one
    for one in (
        Metric("mae", _REGRESSION, False, kernels.mean_of(kernels.absolute_error), "mean absolute error", kernels.absolute_error),
        Metric(
            "rmse", _REGRESSION, False, kernels.mean_of(kernels.squared_error, np.sqrt), "root mean squared error", kernels.squared_error
        ),
        Metric("r2", _REGRESSION, True, kernels.r_squared, "share of the target's variance that is explained"),
        Metric("auc", _BINARY, True, kernels.area_under_roc, "chance that a positive row is ranked above a negative one"),
        Metric("average_precision", _BINARY, True, kernels.precision_average, "precision averaged over the recall it is paid for"),
        Metric("brier", _BINARY, False, kernels.mean_of(kernels.brier_rows), "mean squared error of the probability", kernels.brier_rows),
        Metric("f1", _BINARY, True, kernels.f1_positive, "harmonic mean of precision and recall at a score of 0.5"),
        Metric(
            "log_loss",
            _CLASSES,
            False,
            kernels.mean_of(kernels.log_loss_rows),
            "mean -log of the true class's probability",
            kernels.log_loss_rows,
        ),
        Metric(
            "accuracy",
            _CLASSES,
            True,
            kernels.mean_of(kernels.wrong_rows, lambda mean: 1 - mean),
            "share of right decisions",
            kernels.wrong_rows,
        ),
        Metric("macro_f1", _MULTICLASS, True, kernels.f1_macro, "mean of each class's F1"),
    )
}


def metric(name: str) -> Metric:
    """The metric of this name.

    Raises:
        CharterError: HS112, there is none.
    """
    if name not in METRICS:
        raise CharterError("HS112", f"got {name!r}; use one of {', '.join(METRICS)}", place="success.metric")
    return METRICS[name]


def metrics_for(task_type: TaskType) -> tuple[Metric, ...]:
    """The metrics of a task, in a fixed order.

    >>> [m.name for m in metrics_for("regression")]
    ['mae', 'rmse', 'r2']
    """
    return tuple(one for one in METRICS.values() if task_type in one.tasks)


def better(metric: Metric, a: float, b: float) -> bool:
    """Whether value a is better than b; NaN is worse than every number and never better.

    >>> better(METRICS["mae"], 1.0, 2.0), better(METRICS["auc"], 0.6, float("nan")), better(METRICS["auc"], 0.6, 0.6)
    (True, True, False)
    """
    if np.isnan(a):
        return False
    if np.isnan(b):
        return True
    return a > b if metric.greater_is_better else a < b


def error_of(metric: Metric, value: float) -> float:
    """The distance from perfect: the value when lower is better, else 1 - value (every such metric is best at 1).

    Each "better by a share" of the charter is a share of the reference's error: 5% over a naive auc of 0.5 (error 0.5) asks for
    an error of at most 0.475, which is an auc of 0.525.

    >>> error_of(METRICS["auc"], 0.5), error_of(METRICS["mae"], 3.0)
    (0.5, 3.0)
    """
    return 1 - value if metric.greater_is_better else value
