"""Intervals around predictions: how far they must reach, how often the truth lies inside, and what they are worth."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats.intervals import UNDEFINED, bootstrap_mean

if TYPE_CHECKING:
    from homeostat.stats.intervals import Interval
    from homeostat.stats.kernels import Floats
    from homeostat.stats.resample import Resampling


def fewest_rows(coverage: float) -> int:
    """How many rows a finite ``conformal_quantile`` of this coverage needs.

    >>> fewest_rows(0.9), fewest_rows(0.95)
    (9, 19)
    """
    share = Fraction(str(coverage))
    return math.ceil(share / (1 - share))


def conformal_quantile(errors: Floats, coverage: float) -> float:
    """The k-th smallest of ``errors`` (n,), k = ceil((n + 1) coverage): a further row's error is at most that with this probability.

    It holds for rows that are exchangeable with these, whatever their distribution; infinite where k > n.

    Source: Papadopoulos, Proedrou, Vovk and Gammerman, "Inductive confidence machines for regression" (ECML 2002); Vovk, Gammerman and
    Shafer, "Algorithmic Learning in a Random World" (2005), section 4.1; Lei et al., "Distribution-free predictive inference for
    regression" (JASA 2018), algorithm 2 and theorem 2.2.

    >>> conformal_quantile(np.arange(1.0, 10.0), 0.9), conformal_quantile(np.arange(1.0, 9.0), 0.9)
    (9.0, inf)
    """
    place = math.ceil(Fraction(str(coverage)) * (len(errors) + 1))  # as written: 0.55 x 100 is 55, in floats a little more
    return float(np.partition(errors, place - 1)[place - 1]) if place <= len(errors) else math.inf


def interval_score(y: Floats, bounds: Floats, coverage: float) -> Floats:
    """Each row's score (n,), less is better: the width, and 2 / (1 - coverage) for each unit by which the truth lies outside.

    Args:
        y: what came, (n,).
        bounds: lower and upper ends, (n, 2).
        coverage: the share of rows whose truth should lie inside.

    Source: Winkler, "A decision-theoretic approach to interval estimation" (JASA 1972); Gneiting and Raftery, "Strictly proper scoring
    rules, prediction, and estimation" (JASA 2007), equation 43.

    >>> interval_score(np.array([5.0, 12.0]), np.array([[0.0, 10.0], [0.0, 10.0]]), 0.9).round(9).tolist()
    [10.0, 50.0]
    """
    low, high = bounds[:, 0], bounds[:, 1]
    outside = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
    return np.asarray((high - low) + 2.0 / (1.0 - coverage) * outside)


def inside(y: Floats, bounds: Floats) -> Floats:
    """1.0 where the truth lies between the ends (n, 2), ends included, else 0.0: (n,)."""
    return ((bounds[:, 0] <= y) & (y <= bounds[:, 1])).astype(np.float64)


def share_interval(hits: Floats, how: Resampling) -> Interval:
    """(low, high) of the share of ones among ``hits`` (n,), two-sided; (NaN, NaN) without a row.

    Rows that do not depend on each other (a block of 1): exact, so that a share is outside just when the exact binomial test at half the
    error on that side says so. Rows in time order: the bootstrap of blocks of neighbours.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial" (Biometrika 1934).

    >>> from homeostat.stats.resample import Resampling
    >>> tuple(round(end, 3) for end in share_interval(np.repeat([1.0, 0.0], [9, 1]), Resampling(0.95)))
    (0.555, 0.997)
    """
    from scipy.stats import beta

    if how.block > 1:
        return bootstrap_mean(hits, how)
    rows, tail = len(hits), (1 - how.confidence) / 2
    if not rows:
        return UNDEFINED
    came = int(hits.sum())
    low = float(beta.ppf(tail, came, rows - came + 1)) if came else 0.0
    return low, float(beta.ppf(1 - tail, came + 1, rows - came)) if came < rows else 1.0
