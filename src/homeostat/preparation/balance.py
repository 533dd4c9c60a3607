"""Rare classes: training rows weighed or drawn so that every class weighs the same. Rows that judge a model are never touched.

What a model learns from balanced rows are probabilities at equal class shares; ``Balanced.ratio`` says how to move them back
(``graph.plan.Prior``), so that a threshold that follows from money still means what it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.records import Balanced
from homeostat.errors import CharterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.core import sections
    from homeostat.graph.plan import Floats, Ints

    Balance = Callable[[Floats, Floats | None], Balanced | None]


def balancer(task: sections.Task, section: sections.Preparation, classes: tuple[str, ...], seed: int) -> Balance:
    """The function from class indices and weights of training rows to balanced ones; it gives None when nothing is to be done.

    Raises:
        CharterError: HS106, a regression has no classes.
    """
    kind = section.imbalance
    if kind == "none":
        return lambda y, weights: None
    if task.type == "regression":
        message = f"got {kind} for a regression task, which has no classes"
        raise CharterError("HS106", message, place="preparation.imbalance", next_step="drop the clause")
    if kind == "weights":
        return lambda y, weights: weighed(y, weights, len(classes))
    return lambda y, weights: resampled(y, weights, len(classes), more=kind == "oversample", seed=seed)


def weighed(y: Floats, weights: Floats | None, classes: int) -> Balanced:
    """Weights under which every class that is there has the same sum; the sum of all stays.

    Args:
        y: class indices (n,); -1 is a class not known, whose rows keep their weight.
        weights: of the rows before, None for 1.
        classes: how many there are.
    """
    before = np.ones(len(y)) if weights is None else weights
    shares = _shares(y, before, classes)
    ratio = _ratio(shares, np.where(shares > 0, 1.0 / max(1, int((shares > 0).sum())), 0.0))
    return Balanced(None, np.where(y >= 0, before * ratio[np.maximum(y, 0).astype(np.int64)], before), ratio)


def resampled(y: Floats, weights: Floats | None, classes: int, *, more: bool, seed: int) -> Balanced:
    """Rows drawn so that every class has as many: ``more`` draws rare ones again, else frequent ones are left out. See ``weighed``."""
    rng = np.random.default_rng(seed)
    by_class = [np.flatnonzero(y == index) for index in range(classes)]
    counts = [len(rows) for rows in by_class if len(rows)]
    wanted = (max(counts) if more else min(counts)) if counts else 0
    taken = np.sort(np.concatenate([_draw(rows, wanted, rng) for rows in by_class])) if counts else np.zeros(0, dtype=np.int64)
    kept = None if weights is None else weights[taken]
    before = _shares(y, np.ones(len(y)) if weights is None else weights, classes)
    after = _shares(y[taken], np.ones(len(taken)) if kept is None else kept, classes)
    return Balanced(taken, kept, _ratio(before, after))


def _draw(rows: Ints, wanted: int, rng: np.random.Generator) -> Ints:
    if not len(rows):
        return rows
    if wanted <= len(rows):
        return rng.choice(rows, wanted, replace=False)
    return np.concatenate([rows, rng.choice(rows, wanted - len(rows), replace=True)])


def _shares(y: Floats, weights: Floats, classes: int) -> Floats:
    sums = np.array([weights[y == index].sum() for index in range(classes)])
    return sums / sums.sum() if sums.sum() > 0 else sums


def _ratio(before: Floats, after: Floats) -> Floats:
    """After by before; 1 for a class that has no rows, of which nothing was learned."""
    return np.divide(after, before, out=np.ones_like(before), where=(before > 0) & (after > 0))
