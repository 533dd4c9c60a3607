"""Is one model better than another, by how much, and could it be chance? Both are judged on the same rows, resampled together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats.intervals import canonical_order, draw
from homeostat.stats.metrics import error_of
from homeostat.stats.resample import Resampling

if TYPE_CHECKING:
    from homeostat.stats.kernels import Floats
    from homeostat.stats.metrics import Metric


@dataclass(frozen=True, slots=True)
class Paired:
    """The answer of a paired test. ``difference``, ``low`` and ``high`` are shares of the reference's error: 0.12 is 12% less error.

    ``ours`` and ``theirs`` are the metric's values. ``low`` and ``high`` each bound the difference at the asked confidence, one-sided.
    ``better`` is True when even ``low`` is above the margin. What cannot be measured is NaN, and then ``better`` is False.
    """

    ours: float
    theirs: float
    difference: float
    low: float
    high: float
    p_value: float
    better: bool


def paired_bootstrap(  # noqa: PLR0913 - how to resample is said in full by keyword
    metric: Metric,
    y: Floats,
    ours: Floats,
    theirs: Floats,
    *,
    margin: float = 0.0,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    block: int = 1,
) -> Paired:
    """Test that our error is below (1 - margin) x the reference's error, by resampling the same rows for both.

    Args:
        metric: what is compared; its error is ``metrics.error_of``.
        y: what came, ``(n,)``.
        ours: scores of the challenger, ``(n, k)``.
        theirs: scores of the reference on the same rows, ``(n, k)``.
        margin: the share of the reference's error that must be saved; with 0, equal models are not better.
        confidence: 1 - the accepted chance of calling a model better that is not (one-sided).
        resamples: how many.
        seed: of the resampling.
        block: rows drawn together, for rows in time order.

    The p-value is (1 + resamples without the improvement) / (resamples + 1).
    Source: Efron & Tibshirani 1993, sections 13.3 and 15; the +1: Davison & Hinkley 1997, section 4.2.
    """
    if block == 1:
        order = canonical_order(y, ours, theirs)
        y, ours, theirs = y[order], ours[order], theirs[order]
    prepared = [metric.prepare(y, ours), metric.prepare(y, theirs)]
    values = [float(weighted(np.ones((1, len(y))))[0]) for weighted in prepared]
    gain = share_saved(*(np.array([error_of(metric, value)]) for value in values))
    draws = draw(prepared, len(y), Resampling(confidence, resamples, seed, block))
    if draws.shape[1] == 0 or np.isnan(gain[0]):
        return Paired(values[0], values[1], float(gain[0]), np.nan, np.nan, np.nan, better=False)
    errors = 1 - draws if metric.greater_is_better else draws
    gains = np.nan_to_num(share_saved(errors[0], errors[1]), nan=-np.inf, neginf=-np.inf)  # an undefined resample shows no improvement
    low, high = np.quantile(gains, (1 - confidence, confidence), method="inverted_cdf")  # no interpolation: ends may be infinite
    p_value = (1 + int((gains <= margin).sum())) / (len(gains) + 1)
    return Paired(values[0], values[1], float(gain[0]), float(low), float(high), p_value, better=bool(low > margin))


def share_saved(ours: Floats, theirs: Floats) -> Floats:
    """The share of their error that we save; against a perfect reference 0 for an equal one and -inf for any other."""
    saved = theirs - ours
    against_perfect = np.where(saved == 0, 0.0, np.where(np.isnan(saved), np.nan, -np.inf))
    return np.divide(saved, theirs, out=against_perfect, where=theirs != 0)
