"""How well the model did once the labels are there, and numbers that help to say why it did worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from homeostat.core.records import Finding
from homeostat.core.targets import texts as texts_of
from homeostat.monitoring.columns import NumberColumn
from homeostat.monitoring.profile import measured
from homeostat.stats.metrics import Metric, error_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from homeostat.monitoring.columns import Column
    from homeostat.monitoring.profile import Profile

Floats = NDArray[np.float64]


def performance_finding(value: float, low: float, high: float, expected: float, metric: Metric, degradation: float) -> Finding | None:
    """An alarm when even the better end of the metric's interval is worse than was accepted; None when not, or when undefined.

    The limit is (1 + degradation) times the expected error, where error is the metric or, when more is better, 1 - metric.

    Args:
        value: the metric on the window's labelled rows.
        low: lower end of its interval.
        high: upper end of its interval.
        expected: the metric the champion was accepted with.
        metric: which one.
        degradation: the share by which the error may grow.
    """
    best = high if metric.greater_is_better else low
    limit = (1 + degradation) * error_of(metric, expected)
    if not (np.isfinite(best) and np.isfinite(limit)) or error_of(metric, best) <= limit:
        return None
    before, now = error_of(metric, expected), error_of(metric, value)
    growth = now / before - 1 if before > 0 else float("inf")
    limit_value = 1 - limit if metric.greater_is_better else limit
    detail = (
        f"{metric.name} {value:.4g} (interval {low:.4g} to {high:.4g}) against {expected:.4g} when accepted;"
        f" worse than {limit_value:.4g} even at the better end"
    )
    return Finding("performance", "", metric.name, growth, None, detail)


def known_region(frame: pl.DataFrame, reference: Profile, coverage: float = 0.98) -> NDArray[np.bool_]:
    """Which rows lie where the reference is dense, in each column on its own: bool ``(n,)``.

    Per column the densest bins (rows per width; for categories, rows per text) are taken until they hold ``coverage`` of the
    reference's rows; a null is known when more than ``1 - coverage`` of the reference's rows are null. A combination of usual
    values can still be unusual: with many columns this is a necessary condition for being known, not a sufficient one.

    Columns that move with the calendar (the year, in a monthly window) are left out, for no row of the next month would be known: those
    that in the reference kept one value for as long as half the rows of this frame.

    Source: Hyndman 1996, "Computing and graphing highest density regions".
    """
    known = np.ones(frame.height, dtype=np.bool_)
    for name, column in reference.columns.items():
        if name in frame.columns and column.rows and 2 * column.longest_run < frame.height:
            known &= _known_values(frame[name], column, coverage)
    return known


def error_in_known_region(metric: Metric, y: Floats, scores: Floats, known: NDArray[np.bool_], min_rows: int) -> float | None:
    """The model's error on the known rows; None when fewer than ``min_rows`` are known or the metric is undefined there."""
    if int(known.sum()) < min_rows:
        return None
    error = error_of(metric, metric.score(y[known], scores[known]))
    return error if np.isfinite(error) else None


def error_at_class_shares(metric: Metric, y: Floats, scores: Floats, shares: Sequence[float]) -> float | None:
    """The error the window would have had with the reference's class shares: rows are weighted by shares[class] / window's share.

    Under a pure label shift P(x|y) holds, and so does this error. None when a class of the reference has no row here.

    Source: Saerens, Latinne and Decaestecker 2002, eq. 2.4 (the ratio of priors).
    """
    now = np.array([np.mean(y == index) if len(y) else 0.0 for index in range(len(shares))])
    wanted = np.asarray(shares, dtype=np.float64)
    if not len(shares) or ((now == 0) & (wanted > 0)).any():
        return None
    ratio = np.divide(wanted, now, out=np.zeros_like(wanted), where=now > 0)
    weights = np.where(y >= 0, ratio[np.clip(y, 0, len(shares) - 1).astype(np.int64)], 0.0)
    error = error_of(metric, float(metric.prepare(y, scores)(weights[None, :])[0]))
    return error if np.isfinite(error) else None


def bias_shift(residuals: Floats, expected_residuals: Floats) -> float | None:
    """How far the mean residual (truth - prediction) moved, in units of the usual absolute residual; None without rows or errors."""
    if not len(residuals) or not len(expected_residuals):
        return None
    usual = float(np.abs(expected_residuals).mean())
    return float(residuals.mean() - expected_residuals.mean()) / usual if usual > 0 else None


def _known_values(series: pl.Series, column: Column, coverage: float) -> NDArray[np.bool_]:
    nulls_known = column.nulls > (1 - coverage) * column.rows
    if not isinstance(column, NumberColumn):
        dense = _densest(np.asarray(column.counts, dtype=np.float64), np.asarray(column.counts, dtype=np.float64), coverage)
        known = [text for text, keep in zip(column.texts, dense, strict=True) if keep]
        found = texts_of(series)
        return np.asarray((found.is_in(known).fill_null(False) | (found.is_null() & nulls_known)).to_numpy(), dtype=np.bool_)
    values = measured(series, column)
    counts = np.asarray(column.counts, dtype=np.float64)
    widths = np.diff(np.asarray(column.edges)) if len(column.edges) > 1 else np.zeros(0)
    density = np.zeros(len(counts))
    if len(widths):
        # The bin of the smallest value has next to no width: the floor keeps its density finite, and still the highest.
        density[1:-1] = counts[1:-1] / np.maximum(widths, max(1e-9 * float(widths.sum()), 1e-290))
    dense = _densest(counts, density, coverage)
    inside: NDArray[np.bool_] = dense[np.searchsorted(np.asarray(column.edges), np.nan_to_num(values), side="left")]
    return np.where(np.isnan(values), nulls_known, inside & np.isfinite(values))


def _densest(counts: Floats, density: Floats, coverage: float) -> NDArray[np.bool_]:
    """The bins taken by falling density until they hold ``coverage`` of all counts; empty bins never."""
    order = np.argsort(-density, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    keep = np.zeros(len(counts), dtype=np.bool_)
    keep[order] = before < coverage * counts.sum()
    return keep & (counts > 0)
