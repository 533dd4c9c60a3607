"""Categories as numbers: vocabularies, and the lookup tables that all encodings are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from homeostat.core.targets import texts

if TYPE_CHECKING:
    import polars as pl

    from homeostat.graph.plan import Floats, Ints

ONE_HOT_UP_TO = 8
"""With more texts than this, the mean of the target says more to a tree, which can split it anywhere."""
LINEAR_ONE_HOT_UP_TO = 30
"""To a linear learner a mean is one slope, so more columns of their own pay."""
PRIOR_ROWS = 10.0
"""How many rows of its own a category needs to weigh as much as the mean of all rows."""
MOST_CLASSES = 10
"""With more classes than this a share per class is too wide, and categories are one-hot however many they are."""
FOLDS = 5
"""Parts in which training rows are encoded by the targets of the other parts."""
ENOUGH_ROWS = 100
"""Rows of a code from which one row's own target no longer matters to its mean."""
SEED = 20_010_601
"""Of the draw of those parts: equal frames are encoded equally."""


class Table(NamedTuple):
    """A lookup table, (K + 2, width): null, the vocabulary, never seen; and the name of each column."""

    values: Floats
    names: tuple[str, ...]


def vocabulary_of(series: pl.Series, max_categories: int) -> tuple[str, ...]:
    """The most frequent texts of the column, at most ``max_categories``, sorted; of equally frequent ones the first by name."""
    counts = texts(series).drop_nulls().alias("text").value_counts(name="rows")
    kept = counts.sort("rows", "text", descending=[True, False])["text"].head(max_categories)
    return tuple(sorted(kept.to_list()))


def one_hot(name: str, vocabulary: tuple[str, ...], codes: Ints) -> Table:
    """A column per text, and one for null when ``codes`` (n,) hold nulls; a text never seen is 0 in all of them."""
    size = len(vocabulary)
    names = tuple(f"{name}={text}" for text in vocabulary)
    table = np.vstack([np.zeros((1, size)), np.eye(size), np.zeros((1, size))])
    if (codes == 0).any():
        table = np.hstack([table, np.zeros((size + 2, 1))])
        table[0, size] = 1.0
        names = (*names, f"{name} is null")
    return Table(table, names)


def ordinal(name: str, vocabulary: tuple[str, ...]) -> Table:
    """The place of each text, from 0: by value where all texts are numbers, else by name. Null and never seen are NaN."""
    try:
        ordered = sorted(vocabulary, key=float)
    except ValueError:
        ordered = sorted(vocabulary)
    places = {text: float(place) for place, text in enumerate(ordered)}
    return Table(np.array([[np.nan], *[[places[text]] for text in vocabulary], [np.nan]]), (f"{name} place",))


def frequency(name: str, size: int, codes: Ints) -> Table:
    """The share of training rows with each code (n,); a text too rare for the vocabulary is as good as never seen: 0."""
    shares = np.bincount(codes, minlength=size + 2)[:, None] / max(1, len(codes))
    shares[size + 1] = 0.0
    return Table(shares, (f"{name} share",))


def target_means(name: str, size: int, codes: Ints, y: Floats, classes: tuple[str, ...]) -> Table:
    """The smoothed mean of the target per code: regression one column, binary the share of the positive class, else a share per class.

    The row of a code with n rows of sum s is (s + m * mean) / (n + m), m = ``PRIOR_ROWS`` and ``mean`` that of all rows. So a code
    without rows (null, when none was seen; never seen, when no text was too rare for the vocabulary) gets the mean.

    Source: Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes" (2001), equation 3,
    with the weight n / (n + m).
    """
    names: tuple[str, ...]
    if not classes:
        columns, names = y[:, None], (f"{name} mean",)
    elif len(classes) == 2:
        columns, names = (y == 1)[:, None].astype(np.float64), (f"{name} share of {classes[1]}",)
    else:
        columns = (y[:, None] == np.arange(len(classes))).astype(np.float64)
        names = tuple(f"{name} share of {text}" for text in classes)
    rows = np.bincount(codes, minlength=size + 2)[:, None]
    sums = np.stack([np.bincount(codes, weights=column, minlength=size + 2) for column in columns.T], axis=1)
    return Table((sums + PRIOR_ROWS * columns.mean(axis=0)) / (rows + PRIOR_ROWS), names)


def cross_fitted(size: int, codes: Ints, y: Floats, classes: tuple[str, ...]) -> Floats:
    """The rows encoded by ``target_means`` of other rows, (n, width).

    A learner that trained on means that give away the row's own target would trust them more than the served ones deserve. A code
    with ``ENOUGH_ROWS`` is encoded as it is served: there the own target moves the mean by less than a hundredth, while means that
    differ from part to part are noise that a tree splits on.

    Source: Pargent et al., "Regularized target encoding outperforms traditional methods" (Computational Statistics 2022), section 2.
    """
    encoded = target_means("", size, codes, y, classes).values[codes]
    few = np.bincount(codes, minlength=size + 2)[codes] < ENOUGH_ROWS
    if len(codes) < FOLDS or not few.any():
        return encoded
    parts = np.random.default_rng(SEED).permutation(len(codes)) % FOLDS
    for part in range(FOLDS):
        own = parts == part
        others = target_means("", size, codes[~own], y[~own], classes)
        encoded[own & few] = others.values[codes[own & few]]
    return encoded


def scaling(table: Table, codes: Ints) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each column over the rows ``codes`` stand for, NaN left out; 1 for a constant column."""
    seen = table.values[codes]
    seen = seen[~np.isnan(seen).any(axis=1)]
    if not len(seen):
        return np.zeros(table.values.shape[1]), np.ones(table.values.shape[1])
    deviation = seen.std(axis=0)
    return seen.mean(axis=0), np.where(deviation > 0, deviation, 1.0)
