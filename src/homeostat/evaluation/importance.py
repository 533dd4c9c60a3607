"""What a model leans on: the size of what each column adds to its scores, over rows, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats.intervals import bootstrap_mean

if TYPE_CHECKING:
    from homeostat.graph.explain import Explained
    from homeostat.graph.plan import Ints
    from homeostat.stats.resample import Resampling


@dataclass(frozen=True, slots=True)
class Importance:
    """The mean size of what a column adds to a row's score, with a bootstrap interval; of several scores a row, their sum."""

    column: str
    mean_abs: float
    low: float
    high: float


def importances(explained: Explained, how: Resampling, rows: Ints | None = None) -> tuple[Importance, ...]:
    """The columns, most important first; of some of the rows, or all. An interval of fewer than 2 rows is NaN."""
    sizes = np.abs(explained.values).sum(axis=2)
    sizes = sizes if rows is None else sizes[rows]
    found = [
        Importance(column, float(sizes[:, at].mean()) if len(sizes) else 0.0, *bootstrap_mean(sizes[:, at], how))
        for at, column in enumerate(explained.columns)
    ]
    return tuple(sorted(found, key=lambda each: -each.mean_abs))
