"""Score a candidate on the holdout: the task's metrics with bootstrap intervals, the success metric by segment, money per row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.records import Score
from homeostat.errors import LearningError
from homeostat.evaluation.segments import judged_segments
from homeostat.stats import intervals
from homeostat.stats.decisions import DecisionRule
from homeostat.stats.kernels import decide
from homeostat.stats.metrics import metric, metrics_for
from homeostat.stats.money import cost_matrix, cost_per_row, least_cost, payoff_per_row, regression_cost_per_row
from homeostat.stats.resample import Resampling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from homeostat.core.sections import Success, TaskType, Value
    from homeostat.stats.kernels import Floats
    from homeostat.stats.metrics import Metric

VALUE_PER_ROW = "value_per_row"
"""Name of the money score: what one prediction earns (or, below 0, costs) on average, less what it costs to make."""
VALUE_PER_MONTH = "value_per_month"
"""The same for the rows of a month; measured where the charter says how many these are."""


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """How scores became decisions: binary by the ``threshold``; each row's ``amount`` ``(n,)`` where outcomes depend on it."""

    threshold: float = 0.5
    amount: Floats | None = None


def evaluate(  # noqa: PLR0913 - one keyword per thing the charter says about judging
    y: Floats,
    scores: Floats,
    *,
    task_type: TaskType,
    success: Success,
    classes: tuple[str, ...] = (),
    segments: Mapping[str, Sequence[str]] | None = None,
    value: Value | None = None,
    decided: Decided = Decided(),
    seed: int = 0,
    block: int = 1,
    further: Sequence[Metric] = (),
) -> tuple[Score, ...]:
    """All scores of a candidate on these rows: the success metric first, then the task's others, money, then segments.

    Args:
        y: what came, ``(n,)``: values, or indices into ``classes``.
        scores: ``(n, 1)`` for regression, ``(n, len(classes))`` for classes.
        task_type: which metrics are measured.
        success: the success metric and the confidence of the intervals.
        classes: names of the classes, in the order of the columns of ``scores``; empty for regression.
        segments: a label per row for each segment column (``segments.segment_labels``); only the success metric is given for them.
        value: what being right or wrong is worth and predictions cost; adds ``value_per_row`` when it fits the task, and
            ``value_per_month`` when it says how many rows a month has.
        decided: how decisions were made, for money and for the metrics of decisions.
        seed: of the resampling.
        block: rows resampled together, for rows in time order.
        further: metrics that are made for these rows.

    A score is given only where both the metric and its interval are defined (auc isn't on rows of one class), so every number in
    the answer is finite.

    Raises:
        LearningError: HS302, the success metric cannot be measured on these rows.
        CharterError: HS112, no such metric.
        ValueError: shapes that don't fit each other, the classes or the task.
    """
    if classes and scores.shape[1:] != (len(classes),):
        raise ValueError(f"got scores {scores.shape} for {len(classes)} classes")
    how = Resampling(success.confidence, seed=seed, block=block)
    rule = rule_of(decided, value, classes)
    first = metric(success.metric).by(rule)
    metrics = (first, *(one.by(rule) for one in metrics_for(task_type) if one.name != first.name), *further)
    found = _scores(metrics, y, scores, how)
    if not found or found[0].metric != first.name:
        raise LearningError(
            "HS302",
            f"{first.name} cannot be measured on the {len(y)} rows held out: {_why(first, y, scores)}",
            place="preparation.holdout",
            next_step="give more rows, or a larger holdout",
        )
    money = _money(value_per_row(y, scores, classes, value, decided), value, how)
    return (*found, *money, *_by_segment(first, y, scores, segments or {}, how))


def rule_of(decided: Decided, value: Value | None, classes: tuple[str, ...]) -> DecisionRule:
    """The rule of the served decision: binary by its threshold, several classes by their costs where the charter has any.

    Raises:
        CharterError: HS113, a class has no costs.
    """
    if len(classes) > 2 and value is not None and value.costs is not None:
        return DecisionRule(costs=tuple(tuple(row) for row in cost_matrix(value.costs, classes).tolist()))
    return DecisionRule(decided.threshold)


def _scores(metrics: Sequence[Metric], y: Floats, scores: Floats, how: Resampling, segment: str = "") -> list[Score]:
    ends = intervals.bootstrap_many(metrics, y, scores, how)
    found = [Score(one.name, one.score(y, scores), low, high, len(y), segment) for one, (low, high) in zip(metrics, ends, strict=True)]
    return [score for score in found if math.isfinite(score.value) and math.isfinite(score.low) and math.isfinite(score.high)]


def _why(first: Metric, y: Floats, scores: Floats) -> str:
    if not np.isfinite(y).all():
        return f"{int((~np.isfinite(y)).sum())} of them have no target value"
    if not np.isfinite(scores).all():
        return f"{int((~np.isfinite(scores)).any(axis=1).sum())} of them got no finite score"
    if first.name == "mape" and (y == 0).any():
        return f"{int((y == 0).sum())} of them are 0, of which no share can be taken"
    if len(y) and "regression" not in first.tasks:
        rarest = min(int((y == index).sum()) for index in range(scores.shape[1]))
        return f"the rarest class came {rarest} times"
    return "they are too few"


def _money(rows: Floats | None, value: Value | None, how: Resampling) -> list[Score]:
    """What rows earn; those without an amount or of an unknown class are not counted."""
    if rows is None or value is None:
        return []
    known = rows[np.isfinite(rows)]
    low, high = intervals.bootstrap_mean(known, how)
    if not math.isfinite(low):
        return []
    per_row = Score(VALUE_PER_ROW, float(known.mean()), low, high, len(known))
    times = value.rows_per_month
    return [per_row] if times is None else [per_row, Score(VALUE_PER_MONTH, per_row.value * times, low * times, high * times, len(known))]


def value_per_row(y: Floats, scores: Floats, classes: tuple[str, ...], value: Value | None, decided: Decided = Decided()) -> Floats | None:
    """Money per row ``(n,)``, gains positive, less the cost of a prediction and a row's share of the running costs.

    NaN for a row without an amount or of a class no cost is known for. None when nothing is said about money that fits scores of
    this width.

    Raises:
        CharterError: HS113, a class has no costs.
    """
    if value is None:
        return None
    earned = _earned(y, scores, classes, value, decided)
    if earned is None:
        return None
    shared = value.per_month / value.rows_per_month if value.rows_per_month else 0.0
    return earned - value.per_prediction - shared


def _earned(y: Floats, scores: Floats, classes: tuple[str, ...], value: Value, decided: Decided) -> Floats | None:
    width = scores.shape[1]
    if width == 2 and value.payoff is not None:
        amount = 0.0 if decided.amount is None else decided.amount
        return payoff_per_row(y, decide(scores, decided.threshold), value.payoff, amount)
    if width > 1 and value.costs is not None:
        costs = cost_matrix(value.costs, classes)
        return -cost_per_row(y, least_cost(scores, costs), costs)
    if width == 1 and (value.over is not None or value.under is not None):
        return -regression_cost_per_row(y, scores[:, 0], value.over or 0.0, value.under or 0.0)
    return None


def _by_segment(first: Metric, y: Floats, scores: Floats, segments: Mapping[str, Sequence[str]], how: Resampling) -> list[Score]:
    found: list[Score] = []
    for column, labels in segments.items():
        if len(labels) != len(y):
            raise ValueError(f"segment column {column!r} has {len(labels)} labels for {len(y)} rows")
        for label, rows in judged_segments(labels).items():
            found += _scores((first,), y[rows], scores[rows], how, f"{column}={label}")
    return found
