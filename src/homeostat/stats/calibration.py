"""How far probabilities are from what comes: bins of equal mass, and the expected calibration error over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats.kernels import Sums, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from homeostat.stats.kernels import Floats, Weighted


def equal_mass_bins(said: Floats, bins: int) -> NDArray[np.int64]:
    """The bin of each probability ``(n,)``, from 0 and without gaps: bins hold about equally many rows, and equal probabilities share one.

    >>> equal_mass_bins(np.array([0.1, 0.9, 0.1, 0.5]), 2).tolist()
    [0, 1, 0, 1]
    """
    if not len(said):
        return np.zeros(0, dtype=np.int64)
    ranks = np.searchsorted(np.sort(said), said, side="left")
    return np.unique(ranks * bins // len(said), return_inverse=True)[1].astype(np.int64)


def calibration_error(y: Floats, scores: Floats, bins: int = 15) -> Weighted:
    """The kernel of ``expected_calibration_error``; the bins are those of the unweighted rows."""
    came, said = y == 1, scores[:, 1]
    bin_of = equal_mass_bins(said, bins)
    gaps = (came - said)[:, None] * (bin_of[:, None] == np.arange(bin_of.max() + 1))
    cells = np.column_stack([gaps, np.ones(len(y))])
    return Sums(cells, lambda sums: share(np.abs(sums[:, :-1]).sum(axis=1), sums[:, -1]))


def expected_calibration_error(y: Floats, scores: Floats, bins: int = 15) -> float:
    """Mean over the rows of |share of positives - mean probability| in the row's bin; NaN without rows.

    Source: Naeini, Cooper & Hauskrecht 2015 (ECE), on bins of equal mass as in Nguyen & O'Connor 2015.

    Args:
        y: class indices ``(n,)``; 1 is positive.
        scores: ``(n, 2)``.
        bins: how many, at most.

    >>> expected_calibration_error(np.array([0.0, 1.0]), np.array([[0.75, 0.25], [0.25, 0.75]]))
    0.25
    """
    return float(calibration_error(y, scores, bins)(np.ones((1, len(y))))[0]) if len(y) else float("nan")
