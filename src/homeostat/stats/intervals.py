"""Bootstrap intervals: how far a metric measured on these rows may lie from the same metric on all such rows."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats.kernels import Sums
from homeostat.stats.resample import Resampling, resampled_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.stats.kernels import Floats, Weighted
    from homeostat.stats.metrics import Metric

Interval = tuple[float, float]
UNDEFINED: Interval = (float("nan"), float("nan"))
_MOST_UNDEFINED = 0.1
"""An interval is not given when the metric is undefined in a larger share of the resamples."""


def bootstrap(  # noqa: PLR0913 - how to resample is said in full by keyword
    metric: Metric, y: Floats, scores: Floats, *, confidence: float = 0.95, resamples: int = 1000, seed: int = 0, block: int = 1
) -> Interval:
    """(low, high) of the metric, two-sided percentile bootstrap; (NaN, NaN) with fewer than 2 rows or where the metric is undefined.

    With ``block`` 1 the order of the rows doesn't matter; rows in time order whose errors hang together need a longer block
    (see ``resample.default_block``). Same input and seed, same interval.
    Source: Efron & Tibshirani 1993, section 13.3.
    """
    return bootstrap_many((metric,), y, scores, Resampling(confidence, resamples, seed, block))[0]


def bootstrap_many(metrics: Sequence[Metric], y: Floats, scores: Floats, how: Resampling) -> list[Interval]:
    """``bootstrap`` of several metrics on the same resampled rows: one pass for all of them."""
    if how.block == 1:
        order = canonical_order(y, scores)
        y, scores = y[order], scores[order]
    prepared = [one.prepare(y, scores) for one in metrics]
    draws = draw(prepared, len(y), how)
    return [percentile_interval(row, how.confidence) for row in draws]


def bootstrap_mean(values: Floats, how: Resampling) -> Interval:
    """(low, high) of the mean of the values ``(n,)``; (NaN, NaN) with fewer than 2 of them or a non-finite one."""
    if not np.isfinite(values).all():
        return UNDEFINED
    rows = np.sort(values) if how.block == 1 else values
    draws = draw([lambda weights: weights @ rows / len(rows)], len(rows), how)
    return percentile_interval(draws[0], how.confidence)


def wilson(hits: float, rows: float, confidence: float = 0.95) -> Interval:
    """The interval of a share; (0, 1) without a row. Source: Wilson 1927, "Probable inference"."""
    if not rows:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, z2 = hits / rows, z * z
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = z / (1 + z2 / rows) * math.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def draw(prepared: Sequence[Weighted], rows: int, how: Resampling) -> Floats:
    """Each prepared metric on the same resamples: ``(len(prepared), resamples)``; no columns with fewer than 2 rows."""
    if rows < 2:
        return np.empty((len(prepared), 0))
    measured = _at_once(prepared)
    return np.concatenate([measured(counts) for counts in resampled_counts(rows, how)], axis=1)


def _at_once(prepared: Sequence[Weighted]) -> Weighted:
    """All prepared metrics in one: from weights ``(b, n)`` to ``(len(prepared), b)``. Sums are made together, equal columns once."""
    known: dict[bytes, int] = {}
    columns: list[Floats] = []
    places: dict[int, list[int]] = {}
    for at, one in enumerate(prepared):
        if isinstance(one, Sums):
            for column in one.cells.T:
                name = column.tobytes()
                if name not in known:
                    known[name] = len(columns)
                    columns.append(column)
                places.setdefault(at, []).append(known[name])
    cells = np.column_stack(columns) if columns else None

    def measured(weights: Floats) -> Floats:
        sums = None if cells is None else weights @ cells
        return np.stack(
            [
                one.formula(sums[:, places[at]]) if isinstance(one, Sums) and sums is not None else one(weights)
                for at, one in enumerate(prepared)
            ]
        )

    return measured


def percentile_interval(draws: Floats, confidence: float) -> Interval:
    """The middle ``confidence`` of the draws; undefined ones are left out, and no interval is given when they are many."""
    defined = draws[~np.isnan(draws)]
    if len(defined) == 0 or len(defined) < (1 - _MOST_UNDEFINED) * len(draws):
        return UNDEFINED
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, (tail, 1 - tail))
    return float(low), float(high)


def canonical_order(y: Floats, *scores: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """An order of the rows that depends on their values only, so that an interval doesn't depend on how they were listed."""
    columns = [column for block in scores for column in block.T]
    return np.lexsort((*reversed(columns), y))
