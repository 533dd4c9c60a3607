"""How far probabilities are from the frequencies that come true: the expected calibration error, in bins of equal mass, debiased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats.kernels import Sums, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from homeostat.stats.kernels import Floats, Weighted

BINS = 15


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """What was said and what came, bin by bin, of one class: mean probability, frequency and rows, each ``(bins,)``; no bin is empty."""

    said: Floats
    came: Floats
    rows: Floats


def equal_mass_bins(said: Floats, bins: int) -> NDArray[np.int64]:
    """The bin of each probability ``(n,)``, from 0 and without gaps: bins hold about equally many rows, and equal probabilities share one.

    >>> equal_mass_bins(np.array([0.1, 0.9, 0.1, 0.5]), 2).tolist()
    [0, 1, 0, 1]
    """
    if not len(said):
        return np.zeros(0, dtype=np.int64)
    ranks = np.searchsorted(np.sort(said), said, side="left")
    return np.unique(ranks * bins // len(said), return_inverse=True)[1].astype(np.int64)


def calibration_error(y: Floats, scores: Floats, bins: int = BINS) -> Weighted:
    """The kernel of the expected calibration error of two classes, as measured (not debiased); the bins are those of unweighted rows."""
    came, said = y == 1, scores[:, 1]
    bin_of = equal_mass_bins(said, bins)
    gaps = (came - said)[:, None] * (bin_of[:, None] == np.arange(bin_of.max() + 1))
    cells = np.column_stack([gaps, np.ones(len(y))])
    return Sums(cells, lambda sums: share(np.abs(sums[:, :-1]).sum(axis=1), sums[:, -1]))


def reliability(came: NDArray[np.bool_], said: Floats, bins: int = BINS) -> Reliability:
    """Rows in bins of equally many by their probability; rows of equal probability are never in two bins.

    Args:
        came: whether each row was of the class, ``(n,)``.
        said: the probability that it is, ``(n,)``.
        bins: how many at most.

    >>> reliability(np.array([False, True]), np.array([0.2, 0.6]), bins=2).said.tolist()
    [0.2, 0.6]
    """
    place = equal_mass_bins(said, bins)
    rows = np.bincount(place).astype(np.float64)
    return Reliability(np.bincount(place, said) / rows, np.bincount(place, came) / rows, rows)


def expected_calibration_error(y: Floats, scores: Floats, bins: int = BINS, *, debias: bool = True) -> float:
    """Mean distance between what was said and what came, weighted by rows; of several classes the mean over them. In 0..1.

    Two classes mirror each other, so it is that of the positive one. Even the probabilities of a perfect model differ from the
    frequencies of finitely many rows; with ``debias`` what chance adds in expectation around what was measured is taken off, down to 0
    (about half of what it adds to a perfect model's, most of what it adds where the error is larger than its noise).

    NaN with no rows, one column, or a value that is not finite.

    Source: Naeini, Cooper & Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning", section 2 (the error); Nixon
    et al. 2019, "Measuring calibration in deep learning", section 4 (equal mass, every class); Kumar, Liang & Ma 2019, "Verified
    uncertainty calibration", section 5 and appendix E (the bias as that of a normal law around each bin, here in closed form).
    """
    if not len(y) or scores.shape[1] < 2 or not (np.isfinite(y).all() and np.isfinite(scores).all()):
        return float("nan")
    classes = [1] if scores.shape[1] == 2 else range(scores.shape[1])
    return float(np.mean([_error(reliability(y == cls, scores[:, cls], bins), debias=debias) for cls in classes]))


def _error(found: Reliability, *, debias: bool) -> float:
    weight, distance = found.rows / found.rows.sum(), np.abs(found.said - found.came)
    plain = float(weight @ distance)
    if not debias:
        return plain
    spread = np.sqrt(found.came * (1 - found.came) / found.rows)
    return max(0.0, plain - float(weight @ (_mean_distance(distance, spread) - distance)))


def _mean_distance(distance: Floats, spread: Floats) -> Floats:
    """The mean of |x| for x of a normal law around ``distance`` with this spread (the folded normal law: Leone et al. 1961)."""
    from scipy.special import ndtr

    scaled = np.divide(distance, spread, out=np.full_like(distance, np.inf), where=spread > 0)
    return np.asarray(spread * np.sqrt(2 / np.pi) * np.exp(-(scaled**2) / 2) + distance * (1 - 2 * ndtr(-scaled)))
