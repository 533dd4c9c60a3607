"""Categories as numbers: vocabularies, and the lookup tables that one-hot and target encodings are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from homeostat.core.targets import texts

if TYPE_CHECKING:
    import polars as pl

    from homeostat.graph.plan import Floats, Ints

PRIOR_ROWS = 10.0
"""How many rows of its own a category needs to weigh as much as the mean of all rows."""
MOST_CLASSES = 10
"""With more classes than this a share per class is too wide, and categories are one-hot however many they are."""


class Table(NamedTuple):
    """A lookup table, (K + 2, width): null, the vocabulary, never seen; and the name of each column."""

    values: Floats
    names: tuple[str, ...]


def vocabulary_of(series: pl.Series, max_categories: int) -> tuple[str, ...]:
    """The most frequent texts of the column, at most ``max_categories``, sorted; of equally frequent ones the first by name."""
    counts = Counter(texts(series).drop_nulls().to_list())
    kept = sorted(counts, key=lambda text: (-counts[text], text))[:max_categories]
    return tuple(sorted(kept))


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


def target_means(name: str, size: int, codes: Ints, y: Floats, classes: tuple[str, ...]) -> Table:
    """The smoothed mean of the target per code: regression one column, binary the share of the positive class, else a share per class.

    The row of a code with n rows of sum s is (s + m * mean) / (n + m), m = ``PRIOR_ROWS`` and ``mean`` that of all rows. So a code
    without rows (null, when none was seen; never seen, when no text was too rare for the vocabulary) gets the mean.
    The rows encoded are the rows that were averaged: only the smoothing keeps a rare text from giving its own target away.

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


def standardised(table: Table, codes: Ints) -> Table:
    """The table with mean 0 and standard deviation 1 over the rows ``codes`` stand for; a constant column becomes 0."""
    seen = table.values[codes]
    deviation = seen.std(axis=0)
    return Table((table.values - seen.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0), table.names)
