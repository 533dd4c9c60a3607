"""Fewer training rows: each row gets a place in one queue, and a sample of any rows are those of them that stand first.

So the sample of a part is known from the sample of the whole: a table larger than memory is sampled while it streams by, and the rows
that were drawn are enough to draw from again, for a window, for a fold, or with the validation rows added. In whatever batches the rows
came, the sample is the same. Source: Cohen and Kaplan, "Summarizing data using bottom-k sketches" (PODC 2007).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.preparation.strata import strata_of

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.core import sections
    from homeostat.graph.plan import Floats, Ints

DRAW = "_draw"
"""The column that says where in the queue a row stands."""
FIRST = 1e-9


def places(
    target: pl.Series, task: sections.Task, section: sections.Sampling, seed: int, parts: NDArray[np.integer] | None = None
) -> Floats:
    """Where each row stands in the queue, (n,), smaller first, below 1.

    ``random``: anywhere with the same chance. ``stratified``: of each class, or tenth of the values, the rows stand evenly spread, so that
    the first rows have its share to about a row; and one of each stands before all others.

    Args:
        target: of the rows.
        task: what the classes are.
        section: the kind.
        seed: another one gives another queue.
        parts: of which part each row is (None: of the same); the shares are kept in each.
    """
    place = np.random.default_rng(seed).random(len(target))
    if section.kind == "random" or not len(target):
        return place
    strata = strata_of(target, task)
    cells = np.unique(strata if parts is None else strata + (strata.max() + 1) * parts, return_inverse=True)[1]
    order = np.lexsort((place, cells))
    counts = np.bincount(cells)
    ranks = np.empty(len(order))
    ranks[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.where(ranks == 0, place * FIRST, (ranks + 0.5) / counts[cells])


def sample(rows: pl.DataFrame, task: sections.Task, section: sections.Sampling | None, seed: int) -> Ints | None:
    """Which rows are taken, ascending; None when all are. By their column ``_draw``; where they have none, by places of their own."""
    if section is None or rows.height <= section.rows:
        return None
    place = rows[DRAW].to_numpy() if DRAW in rows.columns else places(rows[task.target], task, section, seed)
    return np.sort(np.argsort(place, kind="stable")[: section.rows])
