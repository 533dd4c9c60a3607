"""What a model leans on: the size of what each column adds to its scores, over rows, with intervals; and a few rows to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats.intervals import bootstrap_mean

if TYPE_CHECKING:
    from homeostat.graph.explain import Explained
    from homeostat.graph.plan import Floats, Ints
    from homeostat.stats.resample import Resampling

SWARM_ROWS = 300
"""Rows drawn at most."""


@dataclass(frozen=True, slots=True)
class Importance:
    """The mean size of what a column adds to a row's score, with a bootstrap interval; of several scores a row, their sum."""

    column: str
    mean_abs: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Swarm:
    """For each of a few rows what a column adds, (m,), and where its value stands among them: 0 the least, 1 the most, NaN unordered."""

    column: str
    added: Floats
    standing: Floats


def importances(explained: Explained, how: Resampling, rows: Ints | None = None) -> tuple[Importance, ...]:
    """The columns, most important first; of some of the rows, or all. An interval of fewer than 2 rows is NaN."""
    sizes = np.abs(explained.values).sum(axis=2)
    sizes = sizes if rows is None else sizes[rows]
    found = [
        Importance(column, float(sizes[:, at].mean()) if len(sizes) else 0.0, *bootstrap_mean(sizes[:, at], how))
        for at, column in enumerate(explained.columns)
    ]
    return tuple(sorted(found, key=lambda each: -each.mean_abs))


def swarms(explained: Explained, raw: Floats, seed: int, output: int = 0) -> tuple[Swarm, ...]:
    """What to draw of each column, in the order of ``explained.columns``.

    Args:
        explained: of n rows.
        raw: the columns' values (n, n_columns) where they have an order; NaN where they have none, or are null.
        seed: of the choice of rows.
        output: which score.
    """
    count = len(explained.values)
    rows = np.sort(np.random.default_rng(seed).choice(count, min(SWARM_ROWS, count), replace=False))
    return tuple(Swarm(column, explained.values[rows, at, output], _standing(raw[rows, at])) for at, column in enumerate(explained.columns))


def _standing(values: Floats) -> Floats:
    """The share of the other known values that each is above, ties by their middle: (m,)."""
    known = values[np.isfinite(values)]
    ordered = np.sort(known)
    below, upto = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return np.where(np.isfinite(values), (below + upto - 1) / 2 / max(len(known) - 1, 1), np.nan)
