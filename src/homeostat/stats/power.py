"""Power of the gates' paired test: the smallest improvement that so many rows would show, and how many rows an improvement needs.

The test says "better" when the low end of the saved share of the error lies above a margin (``stats.paired``). That low end lies
``reach`` below what was measured, and differs from one set of rows to the next by ``spread``: the test says so with the chance
Phi((saving - margin - reach) / spread). Both shrink with the square root of the rows.

Where errors are skewed, an unlucky set of rows has both a smaller saving and a wider interval, so the low end varies by more than the
saving: with z the normal quantile of the confidence, g the skewness of the saving and m independent parts, its variance is that of the
saving times 1 - z g + z^2 / (2 m).

Source: Cohen 1988, "Statistical power analysis for the behavioral sciences", section 2.4 (paired means); Efron & Tibshirani 1993,
chapter 6 (spreads by the bootstrap); the covariance of a mean and its standard error: Hall 1992, "The bootstrap and Edgeworth
expansion", section 2.6.
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
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Power:
    """What the paired test can show on ``rows`` rows, at a ``confidence`` and a ``margin``; savings are shares of the reference's error.

    ``smallest`` is the true saving that the test finds with the chance ``power``; ``low`` and ``high`` bound it, since ``reach`` and
    ``spread`` are themselves measured.
    """

    rows: int
    confidence: float
    margin: float
    power: float
    reach: float
    spread: float
    smallest: float
    low: float
    high: float

    def chance(self, saving: float) -> float:
        """The announced chance that the test says "better" when the true saving is this; NaN when the spread is not known.

        >>> Power(100, 0.95, 0.0, 0.8, 0.2, 0.1, 0.28, 0.2, 0.3).chance(0.2)
        0.5
        """
        if not (math.isfinite(self.spread) and math.isfinite(saving)):
            return math.nan
        if self.spread == 0:
            return float(saving > self.margin)
        return _NORMAL.cdf((saving - self.margin - self.reach) / self.spread)

    def rows_for(self, saving: float) -> float:
        """How many rows the test needs to find this saving with the asked power; infinite when it is not above the margin."""
        if not saving > self.margin or not math.isfinite(self.smallest):
            return math.inf
        return self.rows * ((self.smallest - self.margin) / (saving - self.margin)) ** 2


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
    resamples: int = 600,
    seed: int = 0,
    block: int = 1,
) -> Power:
    """The power of ``paired_bootstrap`` on ``rows`` other rows like these, from how the saving varies on these.

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
        block: rows drawn together by the test, for rows in time order. The spread is measured with blocks twice as long: short ones
            cut through the dependence and understate it (Kunsch 1989), which the test does not know and its power must.

    The bounds are those of a standard deviation with one degree of freedom less than blocks. All is NaN with fewer than 2 rows, or
    where the metric is undefined.
    """
    prepared = [metric.prepare(y, ours), metric.prepare(y, theirs)]

    def savings(length: int) -> Floats:
        draws = draw(prepared, len(y), Resampling(confidence, resamples, seed, length))
        errors = 1 - draws if metric.greater_is_better else draws
        found = share_saved(errors[0], errors[1])
        return found[np.isfinite(found)]

    tested = savings(block)
    varied = tested if usable_block(len(y), block) == 1 else savings(2 * block)
    if rows < 1 or min(len(tested), len(varied)) < max(2, resamples // 2):
        return Power(rows, confidence, margin, power, *(math.nan,) * 5)
    fewer = math.sqrt(len(y) / rows)
    z, parts = _NORMAL.inv_cdf(confidence), len(y) / usable_block(len(y), block)
    reach = float(np.median(tested) - np.quantile(tested, 1 - confidence)) * fewer
    inflated = 1 - z * _skewness(varied) * fewer + z**2 / 2 * fewer**2 / parts
    spread = _deviation(varied) * fewer * math.sqrt(max(inflated, 0.25))
    beyond = reach + _NORMAL.inv_cdf(power) * spread
    smaller, larger = _deviation_bounds(parts, confidence)
    return Power(rows, confidence, margin, power, reach, spread, margin + beyond, margin + smaller * beyond, margin + larger * beyond)


def _deviation(values: Floats) -> float:
    """Half the distance between the 16 % and 84 % points: for a normal law its standard deviation, and no wild value moves it."""
    low, high = np.quantile(values, (_NORMAL.cdf(-1), _NORMAL.cdf(1)))
    return float(high - low) / 2


def _skewness(values: Floats) -> float:
    """Third standardised moment, limited to [-1, 1]: what is beyond is no correction any more; 0 for a constant."""
    centred = values - values.mean()
    deviation = float(centred.std())
    return float(np.clip((centred**3).mean() / deviation**3, -1, 1)) if deviation > 0 else 0.0


def _deviation_bounds(parts: float, confidence: float) -> tuple[float, float]:
    """Factors between which the true standard deviation lies, given one measured on so many independent parts (chi-squared law)."""
    from scipy.special import chdtri

    freedom = max(parts - 1, 1.0)
    tail = (1 - confidence) / 2
    return math.sqrt(freedom / chdtri(freedom, tail)), math.sqrt(freedom / chdtri(freedom, 1 - tail))
