"""Each metric's formula, written once for weighted rows: the point estimate gives every row weight 1, a bootstrap its resampled counts.

A kernel prepares what doesn't depend on the weights (losses, sort orders) and returns ``weighted``: from weights ``(b, n)``, at
least 0 and of any scale, to the metric on each of the b weightings, ``(b,)``; NaN where the metric is undefined.
y is float64 ``(n,)``: values, or class indices (-1: a class the model doesn't know). Scores are ``(n, 1)`` or ``(n, k)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weighted = Callable[[Floats], Floats]
Kernel = Callable[[Floats, Floats], Weighted]
RowLoss = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """A metric that follows from a few weighted sums: of ``cells`` ``(n, m)``, by ``formula`` from ``(b, m)`` to ``(b,)``.

    Resampling several metrics adds up the columns of all of them at once, and a column that two of them share once.
    """

    cells: Floats
    formula: Callable[[Floats], Floats]

    def __call__(self, weights: Floats) -> Floats:
        """The metric on each of the weightings ``(b, n)``."""
        return self.formula(weights @ self.cells)


def absolute_error(y: Floats, scores: Floats) -> Floats:
    """|y - prediction| per row."""
    return np.abs(y - scores[:, 0])


def squared_error(y: Floats, scores: Floats) -> Floats:
    """(y - prediction) squared per row."""
    return np.square(y - scores[:, 0])


def log_loss_rows(y: Floats, scores: Floats) -> Floats:
    """-log of the probability given to the class that came, limited to [eps, 1 - eps] as scikit-learn does; an unknown class got 0."""
    eps = float(np.finfo(np.float64).eps)
    index = y.astype(np.int64)
    given = np.take_along_axis(scores, np.maximum(index, 0)[:, None], axis=1)[:, 0]
    return np.asarray(-np.log(np.clip(np.where(index < 0, 0.0, given), eps, 1 - eps)), dtype=np.float64)


def brier_rows(y: Floats, scores: Floats) -> Floats:
    """(probability - whether it came) squared: of the positive class, or with more than two classes the sum over all of them.

    A class the model doesn't know is one more, of probability 0.
    Source: Brier 1950; for two classes in the one-column form, which is half of his.
    """
    if scores.shape[1] == 2:
        return np.square(scores[:, 1] - np.asarray(y == 1, dtype=np.float64))
    came = y[:, None] == np.arange(scores.shape[1])
    return np.asarray(np.square(scores - came).sum(axis=1) + (y < 0), dtype=np.float64)


def relative_error(y: Floats, scores: Floats) -> Floats:
    """|y - prediction| / |y| per row; NaN where y is 0, of which no share can be taken."""
    return share(absolute_error(y, scores), np.abs(y))


def symmetric_error(y: Floats, scores: Floats) -> Floats:
    """2 |y - prediction| / (|y| + |prediction|) per row, from 0 to 2; 0 where both are 0. Source: Makridakis 1993."""
    return 2 * share(absolute_error(y, scores), np.abs(y) + np.abs(scores[:, 0]), empty=0.0)


def signed_error(y: Floats, scores: Floats) -> Floats:
    """The prediction less y, per row."""
    return np.asarray(scores[:, 0] - y)


def beyond_two(y: Floats, scores: Floats) -> Floats:
    """1.0 where the class that came is not among the two largest scores, else 0.0; of equal scores the first counts as larger."""
    index = y.astype(np.int64)[:, None]
    given = np.take_along_axis(scores, np.maximum(index, 0), axis=1)
    ahead = (scores > given) | ((scores == given) & (np.arange(scores.shape[1]) < index))
    return np.asarray((ahead.sum(axis=1) >= 2) | (index[:, 0] < 0), dtype=np.float64)


def decide(scores: Floats, threshold: float = 0.5) -> Floats:
    """Class indices as float64: two classes: 1 where its score is at least the threshold; more: the first largest score.

    >>> decide(np.array([[0.5, 0.5], [0.6, 0.4]])).tolist()
    [1.0, 0.0]
    """
    if scores.shape[1] == 2:
        return np.asarray(scores[:, 1] >= threshold, dtype=np.float64)
    return np.asarray(np.argmax(scores, axis=1), dtype=np.float64)


def mean_of(loss: RowLoss, after: Callable[[Floats], Floats] = lambda mean: mean) -> Kernel:
    """A metric that is the mean of a loss per row, put through ``after``."""

    def kernel(y: Floats, scores: Floats) -> Weighted:
        cells = np.column_stack([loss(y, scores), np.ones(len(y))])
        return Sums(cells, lambda sums: after(share(sums[:, 0], sums[:, 1])))

    return kernel


def r_squared(y: Floats, scores: Floats) -> Weighted:
    """1 - squared error / squared deviation from the mean; y constant: 1 if every prediction is right, else 0, as scikit-learn."""
    squared = squared_error(y, scores)
    centred = y - y.mean() if len(y) else y  # sums of squares of far-off values would lose the variance

    def weighted(weights: Floats) -> Floats:
        rows = weights.sum(axis=1)
        error, squares = weights @ squared, weights @ np.square(centred)
        spread = squares - share(np.square(weights @ centred), rows, empty=0.0)
        constant = spread <= 1e-13 * squares
        value = np.where(constant, (error == 0).astype(np.float64), 1 - share(error, np.where(constant, 1, spread)))
        return np.where((len(y) < 2) | (rows == 0), np.nan, value)

    return weighted


def explained_variance(y: Floats, scores: Floats) -> Weighted:
    """1 - variance of the error / variance of y: r2 of predictions without their mean error; y constant: as ``r_squared``."""
    error, centred = y - scores[:, 0], y - y.mean()
    moved = error - error.mean()

    def weighted(weights: Floats) -> Floats:
        rows = weights.sum(axis=1)
        spreads, totals = [], []
        for each in (moved, centred):
            total = weights @ np.square(each)
            spreads.append(np.maximum(total - share(np.square(weights @ each), rows, empty=0.0), 0.0))
            totals.append(total)
        none, constant = (spread <= 1e-13 * total for spread, total in zip(spreads, totals, strict=True))
        value = np.where(constant, none.astype(np.float64), 1 - share(spreads[0], np.where(constant, 1, spreads[1])))
        return np.where((len(y) < 2) | (rows == 0), np.nan, value)

    return weighted


def median_error(y: Floats, scores: Floats) -> Weighted:
    """The median of |y - prediction|; between two values that halve the weight, their middle."""
    errors = absolute_error(y, scores)
    order = np.argsort(errors, kind="stable")
    ordered = np.append(errors[order], np.nan)

    def weighted(weights: Floats) -> Floats:
        reached = np.cumsum(np.take(weights, order, axis=1), axis=1)
        half = reached[:, -1:] / 2
        low, high = ((reached < half).sum(axis=1), (reached <= half).sum(axis=1))
        return np.where(half[:, 0] > 0, (ordered[low] + ordered[high]) / 2, np.nan)

    return weighted


def area_one_against_rest(y: Floats, scores: Floats) -> Weighted:
    """Mean over the classes of the area under the curve of one against all others; NaN when a class did not come. Unweighted mean."""
    every = [
        area_under_roc((y == at).astype(np.float64), np.column_stack([1 - scores[:, at], scores[:, at]])) for at in range(scores.shape[1])
    ]
    return lambda weights: np.mean([one(weights) for one in every], axis=0)


def area_under_roc(y: Floats, scores: Floats) -> Weighted:
    """Chance that a positive row scores higher than another row, ties half; NaN with one class. Source: Hanley & McNeil 1982."""
    said = scores[:, 1]
    positive, other = (rows[np.argsort(said[rows], kind="stable")] for rows in (np.flatnonzero(y == 1), np.flatnonzero(y != 1)))
    low, high = (np.searchsorted(said[other], said[positive], side=side) for side in ("left", "right"))
    tied = not np.array_equal(low, high)

    def weighted(weights: Floats) -> Floats:
        below = np.zeros((len(weights), len(other) + 1))  # what the other rows weigh, up to each
        np.cumsum(np.take(weights, other, axis=1), axis=1, out=below[:, 1:])
        passed = np.take(below, low, axis=1)
        if tied:
            passed = (passed + np.take(below, high, axis=1)) / 2
        ours = np.take(weights, positive, axis=1)
        return share(np.einsum("bi,bi->b", ours, passed), ours.sum(axis=1) * below[:, -1])

    return weighted


def precision_average(y: Floats, scores: Floats) -> Weighted:
    """Sum over falling thresholds of (recall gained) x precision; NaN without a positive row. No interpolation, as scikit-learn."""
    fall = -scores[:, 1]
    positive, other = (rows[np.argsort(fall[rows], kind="stable")] for rows in (np.flatnonzero(y == 1), np.flatnonzero(y != 1)))
    found, passed = (np.searchsorted(fall[rows], fall[positive], side="right") for rows in (positive, other))

    def weighted(weights: Floats) -> Floats:
        hits = np.zeros((len(weights), len(positive) + 1))
        misses = np.zeros((len(weights), len(other) + 1))
        ours = np.take(weights, positive, axis=1)
        np.cumsum(ours, axis=1, out=hits[:, 1:])
        np.cumsum(np.take(weights, other, axis=1), axis=1, out=misses[:, 1:])
        right = np.take(hits, found, axis=1)
        precision = share(right, right + np.take(misses, passed, axis=1), empty=0.0)
        return share(np.einsum("bi,bi->b", ours, precision), hits[:, -1])

    return weighted


def share(part: Floats, whole: Floats, empty: float = np.nan) -> Floats:
    """``part / whole``, and ``empty`` where the whole is 0."""
    out = np.full(np.broadcast(part, whole).shape, empty)
    np.divide(part, whole, out=out, where=whole != 0)
    return out
