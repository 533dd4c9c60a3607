"""Each metric's formula, written once for weighted rows: the point estimate gives every row weight 1, a bootstrap its resampled counts.

A kernel prepares what doesn't depend on the weights (losses, sort orders) and returns ``weighted``: from weights ``(b, n)``, at
least 0 and of any scale, to the metric on each of the b weightings, ``(b,)``; NaN where the metric is undefined.
y is float64 ``(n,)``: values, or class indices (-1: a class the model doesn't know). Scores are ``(n, 1)`` or ``(n, k)``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weighted = Callable[[Floats], Floats]
Kernel = Callable[[Floats, Floats], Weighted]
RowLoss = Callable[[Floats, Floats], Floats]


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
    """(probability of the positive class - whether it came) squared. Source: Brier 1950, in the one-column form for two classes."""
    return np.square(scores[:, 1] - np.asarray(y == 1, dtype=np.float64))


def decide(scores: Floats, threshold: float = 0.5) -> Floats:
    """Class indices as float64: two classes: 1 where its score is at least the threshold; more: the first largest score.

    >>> decide(np.array([[0.5, 0.5], [0.6, 0.4]])).tolist()
    [1.0, 0.0]
    """
    if scores.shape[1] == 2:
        return np.asarray(scores[:, 1] >= threshold, dtype=np.float64)
    return np.asarray(np.argmax(scores, axis=1), dtype=np.float64)


def wrong_rows(y: Floats, scores: Floats) -> Floats:
    """1.0 where the decided class isn't the one that came, else 0.0."""
    return np.asarray(decide(scores) != y, dtype=np.float64)


def mean_of(loss: RowLoss, after: Callable[[Floats], Floats] = lambda mean: mean) -> Kernel:
    """A metric that is the mean of a loss per row, put through ``after``."""

    def kernel(y: Floats, scores: Floats) -> Weighted:
        rows = loss(y, scores)
        return lambda weights: after(_share(weights @ rows, weights.sum(axis=1)))

    return kernel


def r_squared(y: Floats, scores: Floats) -> Weighted:
    """1 - squared error / squared deviation from the mean; y constant: 1 if every prediction is right, else 0, as scikit-learn."""
    squared = squared_error(y, scores)
    centred = y - y.mean() if len(y) else y  # sums of squares of far-off values would lose the variance

    def weighted(weights: Floats) -> Floats:
        rows = weights.sum(axis=1)
        error, squares = weights @ squared, weights @ np.square(centred)
        spread = squares - _share(np.square(weights @ centred), rows, empty=0.0)
        constant = spread <= 1e-13 * squares
        value = np.where(constant, (error == 0).astype(np.float64), 1 - _share(error, np.where(constant, 1, spread)))
        return np.where((len(y) < 2) | (rows == 0), np.nan, value)

    return weighted


def f1_positive(y: Floats, scores: Floats) -> Weighted:
    """2 TP / (2 TP + FP + FN) of class 1; 0 when it neither came nor was decided, as scikit-learn."""
    came, decided = (y == 1).astype(np.float64), decide(scores)
    both = came * decided

    def weighted(weights: Floats) -> Floats:
        total = weights @ (came + decided)
        return np.where(weights.sum(axis=1) > 0, 2 * _share(weights @ both, total, empty=0.0), np.nan)

    return weighted


def f1_macro(y: Floats, scores: Floats) -> Weighted:
    """Mean of each class's F1 over the classes that came or were decided."""
    decided = decide(scores)
    labels = np.unique(np.concatenate([y, decided]))
    came, given = (y[:, None] == labels).astype(np.float64), (decided[:, None] == labels).astype(np.float64)

    def weighted(weights: Floats) -> Floats:
        total = weights @ (came + given)
        per_class = 2 * _share(weights @ (came * given), total, empty=0.0)
        return _share(per_class.sum(axis=1), (total > 0).sum(axis=1).astype(np.float64))

    return weighted


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
        return _share(np.einsum("bi,bi->b", ours, passed), ours.sum(axis=1) * below[:, -1])

    return weighted


def precision_average(y: Floats, scores: Floats) -> Weighted:
    """Sum over falling thresholds of (recall gained) x precision; NaN without a positive row. No interpolation, as scikit-learn."""
    order, ends = _tie_ends(-scores[:, 1])
    positive = (y == 1)[order].astype(np.float64)

    def weighted(weights: Floats) -> Floats:
        ordered = weights[:, order]
        hits, taken = _cumulative(ordered * positive, ends), _cumulative(ordered, ends)
        precision = _share(hits[:, 1:], taken[:, 1:], empty=0.0)
        return _share(np.einsum("bi,bi->b", np.diff(hits), precision), hits[:, -1])

    return weighted


def _tie_ends(keys: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The ascending order of the keys, and the last position of each run of equal ones."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    return order, np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: len(keys)])


def _cumulative(rows: Floats, ends: NDArray[np.intp]) -> Floats:
    """Running sums along each row, read at ``ends``, with a leading 0."""
    sums = np.zeros((rows.shape[0], len(ends) + 1))
    sums[:, 1:] = np.cumsum(rows, axis=1)[:, ends]
    return sums


def _share(part: Floats, whole: Floats, empty: float = np.nan) -> Floats:
    """``part / whole``, and ``empty`` where the whole is 0."""
    out = np.full(np.broadcast(part, whole).shape, empty)
    np.divide(part, whole, out=out, where=whole != 0)
    return out
