"""Score a candidate on the holdout: the task's metrics with bootstrap intervals, the success metric by segment, money per row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.records import Score
from homeostat.errors import LearningError
from homeostat.evaluation.segments import judged_segments
from homeostat.stats import intervals
from homeostat.stats.kernels import decide
from homeostat.stats.metrics import metric, metrics_for
from homeostat.stats.money import payoff_per_row, regression_cost_per_row
from homeostat.stats.resample import Resampling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from homeostat.core.sections import Success, TaskType, Value
    from homeostat.stats.kernels import Floats
    from homeostat.stats.metrics import Metric

VALUE_PER_ROW = "value_per_row"
"""Name of the money score: what one prediction earns (or, below 0, costs) on average."""


def evaluate(  # noqa: PLR0913 - one keyword per thing the charter says about judging
    y: Floats,
    scores: Floats,
    *,
    task_type: TaskType,
    success: Success,
    classes: tuple[str, ...] = (),
    segments: Mapping[str, Sequence[str]] | None = None,
    value: Value | None = None,
    threshold: float = 0.5,
    seed: int = 0,
    block: int = 1,
) -> tuple[Score, ...]:
    """All scores of a candidate on these rows: the success metric first, then the task's others, money, then segments.

    Args:
        y: what came, ``(n,)``: values, or indices into ``classes``.
        scores: ``(n, 1)`` for regression, ``(n, len(classes))`` for classes.
        task_type: which metrics are measured.
        success: the success metric and the confidence of the intervals.
        classes: names of the classes, in the order of the columns of ``scores``; empty for regression.
        segments: a label per row for each segment column (``segments.segment_labels``); only the success metric is given for them.
        value: what being right or wrong is worth; adds ``value_per_row`` when it fits the task.
        threshold: binary: the decision is positive from this score on; for money only, accuracy and f1 are measured at 0.5.
        seed: of the resampling.
        block: rows resampled together, for rows in time order.

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
    first = metric(success.metric)
    metrics = (first, *(one for one in metrics_for(task_type) if one != first))
    found = _scores(metrics, y, scores, how)
    if not found or found[0].metric != first.name:
        raise LearningError(
            "HS302",
            f"{first.name} cannot be measured on the {len(y)} rows held out: {_why(first, y, scores)}",
            place="preparation.holdout",
            next_step="give more rows, or a larger holdout",
        )
    return (*found, *_money(y, scores, value, threshold, how), *_by_segment(first, y, scores, segments or {}, how))


def _scores(metrics: Sequence[Metric], y: Floats, scores: Floats, how: Resampling, segment: str = "") -> list[Score]:
    ends = intervals.bootstrap_many(metrics, y, scores, how)
    found = [Score(one.name, one.score(y, scores), low, high, len(y), segment) for one, (low, high) in zip(metrics, ends, strict=True)]
    return [score for score in found if math.isfinite(score.value) and math.isfinite(score.low) and math.isfinite(score.high)]


def _why(first: Metric, y: Floats, scores: Floats) -> str:
    if not np.isfinite(y).all():
        return f"{int((~np.isfinite(y)).sum())} of them have no target value"
    if not np.isfinite(scores).all():
        return f"{int((~np.isfinite(scores)).any(axis=1).sum())} of them got no finite score"
    if len(y) and "regression" not in first.tasks:
        rarest = min(int((y == index).sum()) for index in range(scores.shape[1]))
        return f"the rarest class came {rarest} times"
    return "they are too few"


def _money(y: Floats, scores: Floats, value: Value | None, threshold: float, how: Resampling) -> list[Score]:
    rows = value_per_row(y, scores, value, threshold)
    if rows is None:
        return []
    low, high = intervals.bootstrap_mean(rows, how)
    return [Score(VALUE_PER_ROW, float(rows.mean()), low, high, len(rows))] if math.isfinite(low) else []


def value_per_row(y: Floats, scores: Floats, value: Value | None, threshold: float = 0.5) -> Floats | None:
    """Money per row ``(n,)``, gains positive; None when nothing is said about money that fits scores of this width."""
    if value is None:
        return None
    if scores.shape[1] == 2 and value.payoff is not None:
        return payoff_per_row(y, decide(scores, threshold), value.payoff)
    if scores.shape[1] == 1 and (value.over is not None or value.under is not None):
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
