"""Distances and two-sample tests between counts over shared bins.

Every function takes two count vectors of equal length: rows per bin of the reference, then of the current window. Both are
samples: no test treats the reference as exact. When a side is empty there is nothing to compare: distances are 0 and p-values 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]

SPARSE = 5.0  # expected rows per cell below which the chi-squared law is a poor description (Cochran 1954)
PSI_FLOOR = 1e-4  # the share an empty bin counts as in the population stability index, where ln 0 has no value


def ks_statistic(reference: ArrayLike, current: ArrayLike) -> float:
    """The largest distance between the two cumulative shares, 0 to 1. Bins must be in the order of their values.

    Equal to the Kolmogorov-Smirnov statistic of the raw rows when each bin holds one value; otherwise never above it.

    >>> ks_statistic([5, 5, 0], [0, 5, 5])
    0.5
    """
    ours, theirs = _shares(reference, current)
    return float(np.abs(np.cumsum(ours) - np.cumsum(theirs)).max(initial=0.0))


def ks_p_value(statistic: float, n: float, m: float) -> float:
    """The chance of a KS distance this large between samples of ``n`` and ``m`` rows of one continuous distribution.

    The two-sample law is taken as the one-sample law at the effective size n m / (n + m), as ``scipy.stats.ks_2samp(method="asymp")``
    does. Ties (discrete values, bins) make it larger than the true p-value, never smaller.

    Source: Hodges 1958, "The significance probability of the Smirnov two-sample test", eq. 5.3; Simard and L'Ecuyer 2011.
    """
    if n <= 0 or m <= 0:
        return 1.0
    from scipy.stats import kstwo

    effective = max(1.0, round(n * m / (n + m)))
    return float(min(1.0, max(0.0, kstwo.sf(statistic, effective))))


def total_variation(reference: ArrayLike, current: ArrayLike) -> float:
    """Half the sum of the differences of the shares: the share of rows that would have to change bin, 0 to 1.

    >>> total_variation([50, 50], [75, 25])
    0.25
    """
    ours, theirs = _shares(reference, current)
    return float(0.5 * np.abs(ours - theirs).sum())


def chi_squared(reference: ArrayLike, current: ArrayLike) -> tuple[float, float]:
    """Pearson's statistic of the 2 x bins table and its p-value: are both samples of one distribution?

    Bins that expect fewer than five rows in either sample are lumped into one before the test, the rarest first. With one bin left
    the answer is (0, 1). Equal to ``scipy.stats.chi2_contingency(table, correction=False)`` of the lumped table.

    Source: Pearson 1900; Cochran 1954 for the sparse cells.
    """
    table = lump(reference, current)
    total = table.sum()
    if table.shape[1] < 2 or total == 0 or not table.sum(axis=1).all():
        return 0.0, 1.0
    from scipy.special import chdtrc

    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / total
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, float(chdtrc(table.shape[1] - 1, statistic))


def lump(reference: ArrayLike, current: ArrayLike) -> Floats:
    """The (2, cells) table in which no cell but perhaps a last one expects fewer than five rows; empty bins are gone."""
    table = np.stack(_pair(reference, current))
    sums = table.sum(axis=0)
    table = table[:, np.argsort(-sums, kind="stable")][:, : int((sums > 0).sum())]
    total = table.sum()
    if total == 0 or table.shape[1] == 0:
        return table
    smaller = table.sum(axis=1).min() / total  # the smaller sample expects this share of each cell
    expected = table.sum(axis=0) * smaller
    keep = int((expected >= SPARSE).sum())
    rest = expected[keep:].sum()
    while 0 < rest < SPARSE and keep > 1:  # what was lumped is still sparse: the next rarest cell joins it
        keep -= 1
        rest += expected[keep]
    if keep == table.shape[1]:
        return table
    return np.concatenate([table[:, :keep], table[:, keep:].sum(axis=1, keepdims=True)], axis=1)


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """The population stability index: the sum of (c - r) ln(c / r) over the bins' shares; for display, it has no scale of its own.

    An empty bin counts as a share of 1e-4.

    Source: Lewis 1994, "An Introduction to Credit Scoring"; it is the symmetric divergence of Jeffreys 1946.
    """
    ours, theirs = _shares(reference, current)
    if not ours.any() or not theirs.any():
        return 0.0
    used = (ours > 0) | (theirs > 0)
    r, c = np.maximum(ours[used], PSI_FLOOR), np.maximum(theirs[used], PSI_FLOOR)
    return float(((c - r) * np.log(c / r)).sum())


def jensen_shannon(reference: ArrayLike, current: ArrayLike, base: float = 2.0) -> float:
    """The Jensen-Shannon distance (the square root of the divergence), 0 to 1 in base 2.

    Source: Endres and Schindelin 2003, eq. 1.

    >>> jensen_shannon([1, 0], [0, 1])
    1.0
    """
    ours, theirs = _shares(reference, current)
    if not ours.any() or not theirs.any():
        return 0.0
    middle = (ours + theirs) / 2
    divergence = (_relative_entropy(ours, middle) + _relative_entropy(theirs, middle)) / 2
    return math.sqrt(max(0.0, divergence / math.log(base)))


def two_proportions(k1: int, n1: int, k2: int, n2: int) -> float:
    """The two-sided p-value that ``k1`` of ``n1`` and ``k2`` of ``n2`` rows come from one rate.

    Pooled z-test where every cell expects at least five rows, Fisher's exact test where one does not.

    Source: Pearson 1900 (z squared is chi-squared with one degree of freedom); Fisher 1922.
    """
    events, rows = k1 + k2, n1 + n2
    if n1 <= 0 or n2 <= 0 or events in (0, rows):
        return 1.0
    if min(events, rows - events) * min(n1, n2) / rows < SPARSE:
        from scipy.stats import fisher_exact

        return float(fisher_exact([[k1, n1 - k1], [k2, n2 - k2]]).pvalue)
    pooled = events / rows
    z = (k1 / n1 - k2 / n2) / math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    return math.erfc(abs(z) / math.sqrt(2))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for being a family: rejecting those <= a keeps the chance of any false alarm at or below a.

    Needs no independence. The order is that of the input.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", section 2.

    >>> holm([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.04]
    """
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def _pair(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    ours, theirs = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise ValueError(f"counts over shared bins must be two vectors of equal length; got shapes {ours.shape} and {theirs.shape}")
    if (ours < 0).any() or (theirs < 0).any() or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError("counts must be finite and not negative")
    return ours, theirs


def _shares(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    """Counts as shares; two zero vectors when either side is empty."""
    ours, theirs = _pair(reference, current)
    if ours.sum() == 0 or theirs.sum() == 0:
        return np.zeros_like(ours), np.zeros_like(theirs)
    return ours / ours.sum(), theirs / theirs.sum()


def _relative_entropy(shares: Floats, other: Floats) -> float:
    used = shares > 0
    return float((shares[used] * np.log(shares[used] / other[used])).sum())
