"""Principal components of features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats


def components(features: Floats, keep: int) -> tuple[Floats, Floats]:
    """The mean (p,) and the first ``keep`` axes (p, k) of features (n, p) without NaN, by falling variance; k <= min(n, p).

    Axes have length 1; the entry of largest size is positive, so that equal rows give equal axes.

    Source: Jolliffe, "Principal Component Analysis" (2002), section 1.1.

    >>> components(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), 1)[1].round(3).tolist()
    [[0.707], [0.707]]
    """
    mean = features.mean(axis=0)
    centred = features - mean
    variances, axes = np.linalg.eigh(centred.T @ centred)
    order = np.argsort(-variances, kind="stable")[: min(keep, *features.shape)]
    axes = axes[:, order]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return mean, axes * np.where(largest < 0, -1.0, 1.0)
