"""The metrics a charter can name, what each is good for, and the one meaning of "error" by which models are compared.

y is float64 ``(n,)``: values, or class indices (-1: a class the model doesn't know, always a miss). Scores are ``(n, 1)`` for
regression and ``(n, k)`` for classes, rows summing to 1. A metric is NaN when it is undefined: no rows, a null or
non-finite value anywhere, one class only (auc), no positive row (average_precision, recall), no positive decision (precision), one
row (r2), a truth of 0 (mape).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from homeostat.errors import CharterError
from homeostat.stats import decisions, kernels
from homeostat.stats.calibration import calibration_error
from homeostat.stats.decisions import HALF, DecisionRule, of_classes, of_counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.core.sections import TaskType
    from homeostat.stats.kernels import Floats, Kernel, RowLoss, Weighted


Role = Literal["success", "guardrail", "told"]
"""What a charter may use a metric for: as the goal and a limit; as a limit only, since alone it does not tell good from bad; not at all."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``row_loss`` is the loss per row ``(n,)`` whose mean it is (rmse: the root of the mean), None when there is none.

    ``least`` and ``most`` are the ends of its range. A metric that ``decides`` looks at the class decided by ``rule`` and not at scores.
    """

    name: str
    tasks: frozenset[str]
    greater_is_better: bool
    kernel: Kernel
    description: str
    row_loss: RowLoss | None = None
    role: Role = "success"
    least: float = 0.0
    most: float = 1.0
    decides: bool = False
    rule: DecisionRule = HALF

    def by(self, rule: DecisionRule) -> Metric:
        """The metric of the decisions that this rule makes; the same metric where it looks at no decision."""
        return replace(self, rule=rule) if self.decides else self

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
        return self.kernel(y, self.rule.taken(scores) if self.decides else scores)

    def losses(self, y: Floats, scores: Floats) -> Floats | None:
        """The loss per row ``(n,)``; None for a metric that is no mean over rows."""
        return None if self.row_loss is None else self.row_loss(y, self.rule.taken(scores) if self.decides else scores)

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
_ANY = float("inf")


def _mean(
    name: str, tasks: frozenset[str], loss: RowLoss, description: str, after: Callable[[Floats], Floats] | None = None, **more: Any
) -> Metric:
    """A metric that is the mean of a loss per row, of which less is better unless ``more`` says otherwise."""
    kernel = kernels.mean_of(loss, after) if after else kernels.mean_of(loss)
    return Metric(
        name, tasks, **{"greater_is_better": False, "row_loss": loss, "most": _ANY, **more}, kernel=kernel, description=description
    )


def _of_decisions(name: str, tasks: frozenset[str], kernel: Kernel, description: str, **more: Any) -> Metric:
    """A metric of the decided classes, of which more is better, from 0 to 1 unless ``more`` says otherwise."""
    return Metric(name, tasks, True, kernel, description, decides=True, **more)


def _rest(mean: Floats) -> Floats:
    return 1 - mean


METRICS: dict[str, Metric] = {
    one.name: one
    for one in (
        _mean("mae", _REGRESSION, kernels.absolute_error, "mean absolute error"),
        _mean("rmse", _REGRESSION, kernels.squared_error, "root mean squared error", np.sqrt),
        Metric("r2", _REGRESSION, True, kernels.r_squared, "share of the target's variance that is explained", least=-_ANY),
        Metric("median_absolute_error", _REGRESSION, False, kernels.median_error, "half of the errors are smaller", most=_ANY),
        _mean("mape", _REGRESSION, kernels.relative_error, "mean absolute error as a share of the truth; undefined where that is 0"),
        _mean("smape", _REGRESSION, kernels.symmetric_error, "mean of 2 |error| / (|truth| + |prediction|)", most=2.0),
        _mean(
            "bias", _REGRESSION, kernels.signed_error, "mean of prediction less truth; best at 0", row_loss=None, role="told", least=-_ANY
        ),
        Metric("explained_variance", _REGRESSION, True, kernels.explained_variance, "r2 without the bias", role="guardrail", least=-_ANY),
        Metric("auc", _BINARY, True, kernels.area_under_roc, "chance that a positive row is ranked above a negative one"),
        Metric("average_precision", _BINARY, True, kernels.precision_average, "precision averaged over the recall it is paid for"),
        _mean("brier", _CLASSES, kernels.brier_rows, "mean squared error of the probabilities", most=2.0),
        _of_decisions("f1", _BINARY, of_counts(decisions.f1), "harmonic mean of precision and recall"),
        _mean("log_loss", _CLASSES, kernels.log_loss_rows, "mean -log of the true class's probability"),
        _mean(
            "accuracy", _CLASSES, decisions.wrong_rows, "share of right decisions", _rest, greater_is_better=True, most=1.0, decides=True
        ),
        _of_decisions(
            "balanced_accuracy", _CLASSES, of_classes(decisions.recall_mean), "mean over the classes of their share decided right"
        ),
        _of_decisions(
            "precision", _BINARY, of_counts(decisions.precision), "share of the positive decisions that is right", role="guardrail"
        ),
        _of_decisions("recall", _BINARY, of_counts(decisions.recall), "share of the positive rows that is found", role="guardrail"),
        _of_decisions("specificity", _BINARY, of_counts(decisions.specificity), "share of the negative rows left alone", role="guardrail"),
        _of_decisions("mcc", _BINARY, of_counts(decisions.matthews), "correlation of decision and truth", least=-1.0),
        Metric(
            "expected_calibration_error",
            _BINARY,
            False,
            calibration_error,
            "mean distance of probability and share of positives, over 15 bins of equal mass",
            role="guardrail",
        ),
        _of_decisions("macro_f1", _MULTICLASS, of_classes(decisions.f1_macro), "mean of each class's F1"),
        _of_decisions("weighted_f1", _MULTICLASS, of_classes(decisions.f1_weighted), "mean of each class's F1, by how often it came"),
        Metric("macro_auc", _MULTICLASS, True, kernels.area_one_against_rest, "mean over the classes of the auc of one against the rest"),
        _mean(
            "top2_accuracy",
            _MULTICLASS,
            kernels.beyond_two,
            "share of rows whose class is among the two likeliest",
            _rest,
            greater_is_better=True,
            most=1.0,
        ),
    )
}


def metric(name: str) -> Metric:
    """The metric of this name; one of decisions is of those at a score of 0.5 (see ``Metric.by``).

    Raises:
        CharterError: HS112, there is none.
    """
    if name not in METRICS:
        raise CharterError("HS112", f"got {name!r}; use one of {', '.join(METRICS)}", place="success.metric")
    return METRICS[name]


MASE = "mase"
DESCRIPTIONS: dict[str, str] = {
    **{one.name: one.description for one in METRICS.values()},
    MASE: "mean absolute error in units of the usual error of a season before",
}
"""What each metric is, in words."""


def scaled_error(scales: Floats) -> Metric:
    """``mase``: the mean absolute error in units of ``scales`` (n,), what is usual for each of the n rows it will be asked about.

    No charter names it: for one series it ranks models as ``mae`` does.
    Source: Hyndman & Koehler 2006, "Another look at measures of forecast accuracy", section 4, with the error of a season before as scale.

    >>> scaled_error(np.array([2.0, 4.0])).score(np.array([1.0, 4.0]), np.array([[2.0], [8.0]]))
    0.75
    """
    return _mean(MASE, _REGRESSION, lambda y, scores: kernels.absolute_error(y, scores) / scales, DESCRIPTIONS[MASE])


def metrics_for(task_type: TaskType) -> tuple[Metric, ...]:
    """The metrics of a task, in a fixed order.

    >>> [m.name for m in metrics_for("regression")][:3]
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
