"""Power of the gates' paired test: the smallest improvement that so many rows would show, and how many rows an improvement needs.

The test says "better" when the low end of the saved share of the error lies above a margin (``stats.paired``). With a saving measured
with a standard deviation of ``spread``, it says so with the chance Phi((saving - margin) / spread - z), z the normal quantile of the
test's confidence; the spread shrinks with the square root of the rows.

Source: Cohen 1988, "Statistical power analysis for the behavioral sciences", section 2.4 (paired means); the spread itself is the
bootstrap's, Efron & Tibshirani 1993, chapter 6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats.intervals import draw
from homeostat.stats.paired import share_saved
from homeostat.stats.resample import Resampling, usable_block

if TYPE_CHECKING:
    from homeostat.stats.kernels import Floats
    from homeostat.stats.metrics import Metric

ASKED = 0.8
"""The power a test should have: the chance to see an improvement that is there."""


@dataclass(frozen=True, slots=True)
class Power:
    """What the paired test can show on ``rows`` rows.

    ``spread`` is the standard deviation of the saved share of the error there. ``smallest`` is the true saving that the test at this
    ``confidence`` and ``margin`` finds with the chance ``power``; ``low`` and ``high`` bound it, since the spread is itself measured.
    """

    rows: int
    confidence: float
    margin: float
    power: float
    spread: float
    smallest: float
    low: float
    high: float

    def chance(self, saving: float) -> float:
        """The announced chance that the test says "better" when the true saving is this; NaN when the spread is not known.

        >>> Power(100, 0.95, 0.0, 0.8, 0.1, 0.25, 0.2, 0.3).chance(0.0)
        0.05
        """
        if not (math.isfinite(self.spread) and math.isfinite(saving)):
            return math.nan
        if self.spread == 0:
            return float(saving > self.margin)
        return round(_NORMAL.cdf((saving - self.margin) / self.spread - _NORMAL.inv_cdf(self.confidence)), 12)

    def rows_for(self, saving: float) -> float:
        """How many rows the test needs to find this saving with the asked power; infinite when it is not above the margin."""
        if not saving > self.margin or not math.isfinite(self.spread):
            return math.inf
        return self.rows * (_reach(self.confidence, self.power) * self.spread / (saving - self.margin)) ** 2


def power_of_gain(  # noqa: PLR0913 - how to resample is said in full by keyword
    metric: Metric,
    y: Floats,
    ours: Floats,
    theirs: Floats,
    *,
    rows: int,
    margin: float = 0.0,
    confidence: float = 0.95,
    power: float = ASKED,
    resamples: int = 500,
    seed: int = 0,
    block: int = 1,
) -> Power:
    """The power of ``paired_bootstrap`` on ``rows`` other rows like these, from the spread of the saving measured on these.

    Args:
        metric: what is compared.
        y: what came, ``(n,)``.
        ours: scores of a model, ``(n, k)``.
        theirs: scores of the reference on the same rows.
        rows: how many rows the test will have.
        margin: the share of the reference's error that must be saved.
        confidence: of the test, one-sided.
        power: the asked chance to see what is there.
        resamples: how many.
        seed: of the resampling.
        block: rows drawn together, for rows in time order.

    The spread is half the distance between the 16 % and 84 % points of the resampled savings, which for a normal law is its standard
    deviation and which no infinite saving can move. Its bounds are those of a variance with one degree of freedom less than blocks.
    All is NaN with fewer than 2 rows, or where the metric is undefined.
    """
    prepared = [metric.prepare(y, ours), metric.prepare(y, theirs)]
    draws = draw(prepared, len(y), Resampling(confidence, resamples, seed, block))
    nothing = Power(rows, confidence, margin, power, math.nan, math.nan, math.nan, math.nan)
    if draws.shape[1] == 0 or rows < 1:
        return nothing
    errors = 1 - draws if metric.greater_is_better else draws
    gains = share_saved(errors[0], errors[1])
    gains = gains[np.isfinite(gains)]
    if len(gains) < resamples // 2:
        return nothing
    low, high = np.quantile(gains, (_NORMAL.cdf(-1), _NORMAL.cdf(1)))
    spread = float(high - low) / 2 * math.sqrt(len(y) / rows)
    reach = _reach(confidence, power) * spread
    smaller, larger = _spread_bounds(len(y) / usable_block(len(y), block), confidence)
    return Power(rows, confidence, margin, power, spread, margin + reach, margin + smaller * reach, margin + larger * reach)


def _reach(confidence: float, power: float) -> float:
    """How many spreads above the margin a saving must be."""
    return _NORMAL.inv_cdf(confidence) + _NORMAL.inv_cdf(power)


def _spread_bounds(parts: float, confidence: float) -> tuple[float, float]:
    """Factors between which the true standard deviation lies, given one measured on so many independent parts (chi-squared law)."""
    from scipy.special import chdtri

    freedom = max(parts - 1, 1.0)
    tail = (1 - confidence) / 2
    return math.sqrt(freedom / chdtri(freedom, tail)), math.sqrt(freedom / chdtri(freedom, 1 - tail))


_NORMAL = NormalDist()
