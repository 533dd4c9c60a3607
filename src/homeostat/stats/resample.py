"""Bootstrap resamples as counts: how often each row was drawn, in chunks that fit the cache."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from homeostat.stats.kernels import Floats

_CELLS = 200_000
"""Counts held at once: 1.6 MB, which the second cache holds."""
_FEWEST_BLOCKS = 10


@dataclass(frozen=True, slots=True)
class Resampling:
    """How to resample: the confidence of what is reported, how many resamples, the seed, and rows drawn together (time order)."""

    confidence: float = 0.95
    resamples: int = 1000
    seed: int = 0
    block: int = 1


def default_block(rows: int) -> int:
    """Block length for rows in time order when nothing better is known: the cube root of the rows, rounded up.

    Rows whose errors stay alike for longer (hourly data: a day) need longer blocks: pass 24 or more.
    Source: the rate n^(1/3) is optimal for the variance of a mean; Kunsch 1989; Hall, Horowitz & Jing 1995.

    >>> default_block(1000), default_block(1), default_block(0)
    (10, 1, 1)
    """
    return max(1, math.ceil(round(math.cbrt(rows), 9)))


def usable_block(rows: int, block: int) -> int:
    """The block length that is really used: at least 1, and short enough for ten blocks, since fewer say nothing about spread.

    >>> usable_block(1000, 24), usable_block(50, 24), usable_block(5, 24)
    (24, 5, 1)
    """
    return max(1, min(block, rows // _FEWEST_BLOCKS))


def resampled_counts(rows: int, how: Resampling) -> Iterator[Floats]:
    """Yield chunks ``(b, rows)`` of counts, float64 whole numbers; each resample's counts sum to ``rows``.

    A block of 1 draws single rows with replacement. A longer block draws runs of neighbouring rows from the circle that the rows
    form (the last run is cut to fit), which keeps the dependence between neighbours.
    Source: Efron 1979; Kunsch 1989 (moving blocks); Politis & Romano 1992 (circular).
    """
    rng = np.random.default_rng(how.seed)
    length = usable_block(rows, how.block)
    chunk = max(1, min(how.resamples, _CELLS // max(rows, 1)))
    for first in range(0, how.resamples, chunk):
        size = min(chunk, how.resamples - first)
        yield _single(rng, size, rows) if length == 1 else _blocks(rng, size, rows, length)


def _single(rng: np.random.Generator, size: int, rows: int) -> Floats:
    drawn = rng.integers(0, rows, size=(size, rows))
    return _tally(drawn, rows)


def _blocks(rng: np.random.Generator, size: int, rows: int, length: int) -> Floats:
    runs = math.ceil(rows / length)
    starts = rng.integers(0, rows, size=(size, runs))
    lengths = np.full(runs, length)
    lengths[-1] = rows - length * (runs - 1)
    # a run adds 1 where it starts and takes 1 away behind its end; running sums give the counts, the second round is folded back
    edges = _tally(starts, 2 * rows + 1) - _tally(starts + lengths, 2 * rows + 1)
    laps = np.cumsum(edges, axis=1)
    return np.asarray(laps[:, :rows] + laps[:, rows : 2 * rows], dtype=np.float64)


def _tally(drawn: np.ndarray[tuple[int, ...], np.dtype[np.int64]], width: int) -> Floats:
    """How often each of ``0..width-1`` occurs in each row of ``drawn``."""
    flat = (drawn + width * np.arange(len(drawn))[:, None]).ravel()
    return np.bincount(flat, minlength=width * len(drawn)).reshape(len(drawn), width).astype(np.float64)
