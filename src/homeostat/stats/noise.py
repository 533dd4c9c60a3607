"""The noise ceiling: rows with equal inputs that disagree on the target bound what any model of these inputs can reach.

A *twin group* is a set of rows that a model cannot tell apart. What the targets differ by inside the groups is noise to it.

| metric   | bound from the twins                                                            |
|----------|---------------------------------------------------------------------------------|
| mae      | half the mean difference of two twins: |a - b| <= |a - m| + |b - m| for any m     |
| rmse, r2 | the variance inside groups                                                       |
| accuracy | error >= (1 - 1/k) (1 - sqrt(1 - d k / (k - 1))), d: share of disagreeing twins  |
| brier    | d / 2: the variance of the class inside groups                                   |
| log_loss | -log(1 - d): the entropy is at least Renyi's of order 2                          |

Source: Gini 1912 (mae); Rice 1984, "Bandwidth choice for nonparametric regression", equation 2.6 (rmse); Cover & Hart 1967, "Nearest
neighbor pattern classification", equation 24 (accuracy); Brier 1950; Renyi 1961, "On measures of entropy and information" (log_loss).

auc, average_precision, f1 and macro_f1 have no such bound; for them the one of accuracy is given under its own name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats.intervals import draw, percentile_interval
from homeostat.stats.resample import Resampling

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from homeostat.stats.kernels import Floats

FEWEST_GROUPS = 30
LARGEST_GROUP = 8
"""A larger group is cut into parts, so that there are many to resample."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The best value of ``metric`` that inputs with so much noise allow, between ``low`` and ``high``; ``rows`` had twins.

    ``exact``: the twins have equal inputs, which makes this a bound. Otherwise they are near neighbours, and it is an estimate.
    """

    metric: str
    greater_is_better: bool
    value: float
    low: float
    high: float
    rows: int
    groups: int
    exact: bool


def noise_ceiling(
    metric: str, y: Floats, groups: NDArray[np.int64], *, classes: int = 0, exact: bool = True, how: Resampling | None = None
) -> Ceiling | None:
    """The ceiling for a metric from targets ``y`` (n,) and the group of each row; None with fewer than 30 groups of two rows or more.

    Args:
        metric: the name of the success metric.
        y: values, or class indices.
        groups: rows with equal numbers are twins.
        classes: how many classes there are; 0 for regression.
        exact: whether twins have equal inputs.
        how: confidence, resamples and seed of the interval; groups are resampled as a whole.

    >>> y = np.tile([0.0, 2.0], 40)  # each pair of twins differs by 2: no model can be right about both
    >>> noise_ceiling("mae", y, np.repeat(np.arange(40), 2)).value
    1.0
    """
    known = np.isfinite(y)
    y, parts = y[known], _cut(groups[known])
    _, parts, sizes = np.unique(parts, return_inverse=True, return_counts=True)
    keep = sizes[parts] > 1
    if (sizes > 1).sum() < FEWEST_GROUPS:
        return None
    y = y[keep]
    _, parts = np.unique(parts[keep], return_inverse=True)
    sizes = np.bincount(parts).astype(np.float64)
    name, higher, statistic, bound = _rule(metric, classes, float(np.var(y)))
    values = statistic(y, parts, sizes)
    value = float(bound(np.array([values @ sizes / sizes.sum()]))[0])
    draws = draw([lambda counts: bound((counts @ (values * sizes)) / (counts @ sizes))], len(values), how or Resampling())
    low, high = percentile_interval(draws[0], (how or Resampling()).confidence)
    return Ceiling(name, higher, value, low, high, len(y), len(sizes), exact)


def _cut(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Group numbers in which no group has more than ``LARGEST_GROUP`` rows."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    place = np.arange(len(groups)) - np.repeat(starts, np.diff(np.append(starts, len(groups))))
    _, within = np.unique(np.column_stack([ordered, place // LARGEST_GROUP]), axis=0, return_inverse=True)
    cut = np.empty(len(groups), dtype=np.int64)
    cut[order] = within.ravel()
    return cut


def _rule(metric: str, classes: int, variance: float) -> tuple[str, bool, Callable[..., Floats], Callable[[Floats], Floats]]:
    """Name and direction of the metric that is bounded, what is measured in each group, and the bound that follows from its mean."""
    if metric == "mae":
        return metric, False, _half_difference, lambda mean: mean
    if metric == "rmse":
        return metric, False, _variance, np.sqrt
    if metric == "r2":
        return metric, True, _variance, lambda mean: 1 - mean / variance if variance > 0 else np.ones_like(mean)
    if metric == "brier":
        return metric, False, _disagreement, lambda mean: mean / 2
    if metric == "log_loss":
        return metric, False, _disagreement, lambda mean: np.log(1 / np.maximum(1 - mean, np.finfo(float).tiny))
    most = 1 - 1 / max(classes, 2)  # the error of guessing among equally likely classes
    return "accuracy", True, _disagreement, lambda mean: 1 - most * (1 - np.sqrt(np.maximum(1 - mean / most, 0.0)))


def _disagreement(y: Floats, parts: NDArray[np.int64], sizes: Floats) -> Floats:
    """Share of the pairs of rows in each group that are of different classes."""
    both, counts = np.unique(np.column_stack([parts, y]), axis=0, return_counts=True)
    same = np.bincount(both[:, 0].astype(np.int64), weights=counts * (counts - 1.0), minlength=len(sizes))
    return np.asarray(1 - same / (sizes * (sizes - 1)))


def _variance(y: Floats, parts: NDArray[np.int64], sizes: Floats) -> Floats:
    """Unbiased variance in each group."""
    centred = y - (np.bincount(parts, weights=y) / sizes)[parts]
    return np.asarray(np.bincount(parts, weights=centred**2) / (sizes - 1))


def _half_difference(y: Floats, parts: NDArray[np.int64], sizes: Floats) -> Floats:
    """Half the mean absolute difference of two rows of each group, by the ranks inside the group."""
    order = np.lexsort((y, parts))
    ordered, of = y[order], parts[order]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.arange(len(y)) - starts[of] + 1
    weighted = np.bincount(of, weights=(2 * rank - sizes[of] - 1) * ordered, minlength=len(sizes))
    return np.asarray(weighted / (sizes * (sizes - 1)))


def near_twins(features: Floats, closest: float = 0.2) -> NDArray[np.int64]:
    """Group numbers ``(n,)`` that pair rows which are each other's nearest neighbour; rows without a partner stand alone.

    Features are scaled to a standard deviation of 1, NaN becomes the mean. Of the pairs only the ``closest`` share is kept (and no
    fewer than make a ceiling), since what lies far apart differs by more than noise.
    """
    from sklearn.neighbors import NearestNeighbors

    rows = np.arange(len(features), dtype=np.int64)
    with np.errstate(invalid="ignore"):
        centre, spread = np.nan_to_num(np.nanmean(features, axis=0)), np.nan_to_num(np.nanstd(features, axis=0))
    scaled = np.nan_to_num((features - centre) / np.where(spread > 0, spread, 1.0))
    distance, found = NearestNeighbors(n_neighbors=2).fit(scaled).kneighbors(scaled)
    other = np.where(found[:, 0] == rows, found[:, 1], found[:, 0])
    paired = (other[other] == rows) & (rows < other)
    if not paired.any():
        return rows
    first = rows[paired][np.argsort(distance[paired, 1], kind="stable")]
    first = first[: max(FEWEST_GROUPS, int(closest * len(first)))]
    groups = rows.copy()
    groups[other[first]] = first
    return groups
