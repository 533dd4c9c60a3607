"""All that is told of a candidate on judged rows beside its scores: curves, money by threshold, errors by slice and time, fairness."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from homeostat.evaluation import curves
from homeostat.evaluation.evaluate import Decided, rule_of
from homeostat.evaluation.fairness import Fairness, fairness
from homeostat.evaluation.slices import Coded, SliceSearch, worst_slices
from homeostat.stats.metrics import METRICS, metrics_for
from homeostat.stats.money import payoff_per_row
from homeostat.stats.resample import Resampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from homeostat.core.sections import Payoff, TaskType, Value
    from homeostat.stats.decisions import DecisionRule
    from homeostat.stats.kernels import Floats
    from homeostat.stats.metrics import Metric

GAP_RESAMPLES = 500


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Judged rows: what came ``(n,)``, scores ``(n, k)`` of ours and of the baseline, and what they can be grouped by.

    ``columns`` make slices, ``segments`` are the charter's with a label per row, ``time`` the unit, the starts of its periods, and the
    period of each row.
    """

    y: Floats
    scores: Floats
    baseline: Floats | None = None
    columns: Sequence[Coded] = ()
    segments: Mapping[str, Sequence[str]] = field(default_factory=dict)
    time: tuple[str, Sequence[str], NDArray[np.int64]] | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """One metric on the rows a model learned from, on those it was chosen by, and on sealed ones; None where it was not measured."""

    metric: str
    development: float | None
    out_of_fold: float | None
    holdout: float | None


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found; empty or None is what does not fit the task.

    Args:
        decision: how scores become decisions, in words; empty for a regression.
        loss: the metric whose loss per row is told by slice and by time.
        beside: each metric on several kinds of rows.
        confusion: rows by class that came and class decided.
        reliability: bins of the probability of the positive class; of several classes, of the likeliest.
        brier: its parts.
        thresholds: every threshold's rates and money.
        shift: money of a regression if all predictions were moved.
        residuals: by tenths of the prediction.
        unit: of the periods.
        periods: mean loss over time.
        slices: the worst ones.
        fairness: gaps between the charter's segments.
    """

    decision: str
    loss: str
    beside: tuple[Beside, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    reliability: tuple[curves.ReliabilityBin, ...] = ()
    brier: curves.BrierParts | None = None
    thresholds: curves.ThresholdCurve | None = None
    shift: curves.ShiftCurve | None = None
    residuals: tuple[curves.ResidualBin, ...] = ()
    unit: str = ""
    periods: tuple[curves.Period, ...] = ()
    slices: SliceSearch | None = None
    fairness: tuple[Fairness, ...] = ()


def examine(  # noqa: PLR0913 - one keyword per thing the charter says about judging
    rows: Rows,
    measured: Metric,
    *,
    task_type: TaskType,
    classes: tuple[str, ...] = (),
    value: Value | None = None,
    decided: Decided,
    beside: Mapping[str, tuple[Floats, Floats]] | None = None,
    how: Resampling,
) -> Examination:
    """Examine a candidate.

    Args:
        rows: what it is judged on; at least one, all finite.
        measured: the success metric, whose loss per row is told; of one that has none: log_loss, for a regression mae.
        task_type: of the task.
        classes: in the order of the scores.
        value: what outcomes are worth.
        decided: the threshold that is served, and each row's amount.
        beside: ``development`` and ``out_of_fold`` rows as (y, scores), for metrics side by side with these rows.
        how: confidence, seed and block of the intervals.
    """
    rule = rule_of(decided, value, classes)
    loss = _loss_metric(measured, task_type, rule)
    losses = _losses(loss, rows.y, rows.scores)
    said, binary = rows.scores[:, -1], task_type == "binary"
    return Examination(
        decision=rule.label() if binary or rule.costs else "the likeliest class" if classes else "",
        loss=loss.name,
        beside=side_by_side({**(beside or {}), "holdout": (rows.y, rows.scores)}, task_type, rule),
        confusion=curves.confusion(rows.y, rule.classes(rows.scores), len(classes)) if classes else (),
        reliability=_reliability(rows, classes, how.confidence),
        brier=curves.brier_parts(rows.y, said) if binary else None,
        thresholds=curves.threshold_curve(rows.y, said, decided.threshold, _money(rows.y, value, decided)) if binary else None,
        shift=_shift(rows.y, said, value) if not classes and value is not None else None,
        residuals=() if classes else curves.residual_bins(rows.y, said),
        unit=rows.time[0] if rows.time else "",
        periods=_periods(rows, loss, losses),
        slices=worst_slices(losses, rows.columns, block=how.block) if rows.columns else None,
        fairness=fairness(
            rows.y, said, rule.classes(rows.scores), rows.segments, Resampling(how.confidence, GAP_RESAMPLES, how.seed, how.block)
        )
        if binary
        else (),
    )


def side_by_side(parts: Mapping[str, tuple[Floats, Floats]], task_type: TaskType, rule: DecisionRule) -> tuple[Beside, ...]:
    """Each metric of the task on each kind of rows; the gap between them is what was learned by heart, or what has changed since."""

    def value(one: Metric, part: str) -> float | None:
        found = one.by(rule).score(*parts[part]) if part in parts else float("nan")
        return found if np.isfinite(found) else None

    return tuple(
        Beside(one.name, value(one, "development"), value(one, "out_of_fold"), value(one, "holdout")) for one in metrics_for(task_type)
    )


def _loss_metric(measured: Metric, task_type: TaskType, rule: DecisionRule) -> Metric:
    if measured.row_loss is not None:
        return measured.by(rule)
    return METRICS["mae" if task_type == "regression" else "log_loss"]


def _losses(loss: Metric, y: Floats, scores: Floats) -> Floats:
    found = loss.losses(y, scores)
    return np.zeros(len(y)) if found is None else found


def _reliability(rows: Rows, classes: tuple[str, ...], confidence: float) -> tuple[curves.ReliabilityBin, ...]:
    if not classes:
        return ()
    if len(classes) == 2:
        return curves.reliability(rows.y, rows.scores[:, 1], confidence)
    likeliest = np.argmax(rows.scores, axis=1)
    return curves.reliability((rows.y == likeliest).astype(np.float64), rows.scores.max(axis=1), confidence)


def _money(y: Floats, value: Value | None, decided: Decided) -> tuple[Floats, Floats] | None:
    """Each row's value when acted on and when left alone, less what a prediction and the month's costs take from it."""
    if value is None or value.payoff is None:
        return None
    shared = value.per_prediction + (value.per_month / value.rows_per_month if value.rows_per_month else 0.0)
    worth = _worth(y, value.payoff, 0.0 if decided.amount is None else decided.amount)
    return worth(1.0) - shared, worth(0.0) - shared


def _worth(y: Floats, payoff: Payoff, amount: Floats | float) -> Callable[[float], Floats]:
    return lambda decision: payoff_per_row(y, np.full(len(y), decision), payoff, amount)


def _shift(y: Floats, said: Floats, value: Value) -> curves.ShiftCurve | None:
    over, under = value.over or 0.0, value.under or 0.0
    return curves.shift_curve(y, said, over, under) if over + under > 0 else None


def _periods(rows: Rows, loss: Metric, losses: Floats) -> tuple[curves.Period, ...]:
    if rows.time is None:
        return ()
    theirs = None if rows.baseline is None or not np.isfinite(rows.baseline).all() else _losses(loss, rows.y, rows.baseline)
    return curves.loss_over_time(rows.time[1], rows.time[2], losses, theirs)
