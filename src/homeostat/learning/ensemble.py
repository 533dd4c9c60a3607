"""Which trials together say more than the best one: a weighted mean of their scores, chosen on rows that none of them learned from.

Source: Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble selection from libraries of models" (ICML 2004): forward selection with
replacement from the best model on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats.metrics import better, error_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from homeostat.graph.plan import Floats, Ints
    from homeostat.stats.metrics import Metric

STEPS = 25
"""Members drawn at most, one counted as often as it is drawn."""
ROWS = 20_000
"""Judged rows that weights are chosen on at most."""
HALVES = 6
LEAST_GAIN = 0.002
"""Share of the best trial's error that a mean must save on unseen rows to be worth its size and time."""


@dataclass(frozen=True, slots=True)
class Room:
    """How large a mean may be: ``sizes`` (m,) of its members in MB, none: they count nothing; and the ``most`` they may have together."""

    sizes: tuple[float, ...] = ()
    most: float = float("inf")

    def fits(self, counts: Ints) -> NDArray[np.bool_]:
        """Which members (m,) may be drawn next, when they were drawn so often."""
        if not self.sizes:
            return np.ones(len(counts), dtype=np.bool_)
        taken, sizes = counts > 0, np.asarray(self.sizes)
        return np.asarray(taken | (sizes[taken].sum() + sizes <= self.most))


ROOMY = Room()


def select(scores: Sequence[Floats], y: Floats, measured: Metric, steps: int = STEPS, room: Room = ROOMY) -> Floats:
    """Weights (m,) that sum to 1 of the members whose mean is best on these rows: greedily, one more draw at a time.

    Args:
        scores: (n, k) by each of the m members, at least one.
        y: (n,) what came.
        measured: the metric.
        steps: how many draws.
        room: how large the mean may be.

    Raises:
        ValueError: there is no room for any member.
    """
    counts = np.zeros(len(scores), dtype=np.int64)
    total = np.zeros_like(scores[0])
    best_value, best = np.nan, counts
    if not room.fits(counts).any():
        raise ValueError(f"got members of {min(room.sizes):g} MB and more for a mean of at most {room.most:g} MB")
    for step in range(1, steps + 1):
        fits = room.fits(counts)
        values = [measured.score(y, (total + each) / step) if fit else np.nan for each, fit in zip(scores, fits, strict=True)]
        chosen = _best(values, measured)
        counts = counts.copy()
        counts[chosen] += 1
        total = total + scores[chosen]
        if better(measured, values[chosen], best_value):
            best_value, best = values[chosen], counts
    return np.asarray(best / best.sum(), dtype=np.float64)


def ensemble(
    scores: Sequence[Floats], y: Floats, measured: Metric, seed: int, *, in_order: bool = False, room: Room = ROOMY
) -> Floats | None:
    """Weights (m,) of an ensemble that pays, None where the best member alone is as good.

    It pays when weights chosen on one half of the rows save at least ``LEAST_GAIN`` of the error of the member that is best on that
    half, on the other half and on average over several cuts: a mean that only fits its own rows does not.

    Args:
        scores: as ``select`` takes them.
        y: (n,) what came.
        measured: the metric.
        seed: of the cuts.
        in_order: rows are in time order, so that halves are cut from blocks of neighbours.
        room: how large the mean may be; the member it is compared with may be larger.
    """
    known = np.flatnonzero(np.isfinite(y) & (y >= 0) if scores[0].shape[1] > 1 else np.isfinite(y))
    draw = np.random.default_rng(seed)
    rows = np.sort(draw.choice(known, ROWS, replace=False)) if len(known) > ROWS else known
    if np.count_nonzero(room.fits(np.zeros(len(scores), dtype=np.int64))) < 2 or len(rows) < 4:
        return None
    seen = [each[rows] for each in scores]
    gains = [_gain(seen, y[rows], measured, half, room) for half in _halves(len(rows), draw, in_order=in_order)]
    if not gains or not np.mean(gains) > LEAST_GAIN:
        return None
    weights = select(seen, y[rows], measured, room=room)
    return weights if np.count_nonzero(weights) > 1 else None


def _best(values: Sequence[float], measured: Metric) -> int:
    """The place of the best value, the first of equal ones."""
    best = 0
    for at, value in enumerate(values):
        best = at if better(measured, value, values[best]) else best
    return best


def _halves(rows: int, draw: np.random.Generator, *, in_order: bool) -> list[Ints]:
    """Which rows are in the first half of each cut."""
    block = max(1, rows // 20) if in_order else 1
    blocks = np.arange(rows) // block
    count = int(blocks[-1]) + 1
    return [np.flatnonzero(np.isin(blocks, draw.choice(count, count // 2, replace=False))) for _ in range(HALVES)]


def _gain(scores: Sequence[Floats], y: Floats, measured: Metric, half: Ints, room: Room) -> float:
    """The share of the best member's error that a mean saves on the rows that neither was chosen on."""
    other = np.setdiff1d(np.arange(len(y)), half)
    values = [measured.score(y[half], each[half]) for each in scores]
    best = _best(values, measured)
    weights = select([each[half] for each in scores], y[half], measured, room=room)
    mean = np.tensordot(weights, np.stack([each[other] for each in scores]), axes=1)
    single = error_of(measured, measured.score(y[other], scores[best][other]))
    together = error_of(measured, measured.score(y[other], mean))
    return float((single - together) / single) if single > 0 and np.isfinite(together) else 0.0
