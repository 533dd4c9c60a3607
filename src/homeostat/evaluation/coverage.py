"""What a model's intervals are worth on judged rows: how often the truth lies inside, how wide they are, and their interval score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.evaluation.segments import judged_segments
from homeostat.stats.coverage import inside, interval_score, share_interval

if TYPE_CHECKING:
    from homeostat.stats.kernels import Floats
    from homeostat.stats.resample import Resampling


@dataclass(frozen=True, slots=True)
class Covered:
    """The intervals of some rows: the share ``coverage`` of them whose truth lies inside (``low`` to ``high``), the mean ``width``.

    ``score`` is the mean interval score, in units of the target, less is better; ``segment`` is empty for all rows, else ``column=value``.
    """

    coverage: float
    low: float
    high: float
    width: float
    score: float
    rows: int
    segment: str = ""


def covered(y: Floats, ends: Floats, asked: float, segments: Mapping[str, Sequence[str]], how: Resampling) -> tuple[Covered, ...]:
    """The intervals of all rows, then of each segment that is judged; empty without a row.

    Args:
        y: what came, (n,); all finite.
        ends: lower and upper ends, (n, 2).
        asked: the coverage that was asked for.
        segments: a label per row for each segment column.
        how: confidence and block of the interval of a coverage: exact for rows that do not hang together, else by blocks.
    """
    if not len(y):
        return ()
    hits, scores, widths = inside(y, ends), interval_score(y, ends, asked), ends[:, 1] - ends[:, 0]

    def told(rows: np.ndarray[tuple[int], np.dtype[np.intp]], segment: str) -> Covered:
        low, high = share_interval(hits[rows], how)
        means = [float(each[rows].mean()) for each in (hits, widths, scores)]
        return Covered(means[0], low, high, means[1], means[2], len(rows), segment)

    parts = [told(rows, f"{column}={label}") for column, labels in segments.items() for label, rows in judged_segments(labels).items()]
    return told(np.arange(len(y)), ""), *parts
