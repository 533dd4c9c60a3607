"""Fewer training rows: a draw from rows in memory, and a reservoir for rows that stream by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from homeostat.preparation.strata import strata_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

    from homeostat.core import sections
    from homeostat.graph.plan import Ints


def sample(target: pl.Series, task: sections.Task, section: sections.Sampling | None, seed: int) -> Ints | None:
    """Which training rows are taken, ascending; None when all are.

    ``random`` draws without replacement. ``stratified`` takes from each class, or tenth of the values, its share of the rows, but one at
    least; rests go to the largest remainders, so that the sum is met (exceeded only by classes of less than one row).
    """
    if section is None or len(target) <= section.rows:
        return None
    rng = np.random.default_rng(seed)
    if section.kind == "random":
        return np.sort(rng.choice(len(target), section.rows, replace=False))
    strata = strata_of(target, task)
    counts = np.bincount(strata)
    wanted = counts * (section.rows / len(target))
    quotas = np.floor(wanted).astype(np.int64)
    for stratum in np.argsort(quotas - wanted, kind="stable")[: section.rows - int(quotas.sum())]:
        quotas[stratum] += 1
    quotas = np.where(counts > 0, np.maximum(quotas, 1), 0)
    drawn = [rng.choice(np.flatnonzero(strata == stratum), quota, replace=False) for stratum, quota in enumerate(quotas) if quota]
    return np.sort(np.concatenate(drawn))


def reservoir(batches: Iterable[pl.DataFrame], rows: int, seed: int) -> pl.DataFrame | None:
    """A uniform draw of ``rows`` rows from a stream of frames with the same columns, in the order of the stream.

    Only the drawn rows and one batch are in memory. All rows when there are fewer; None when there is no batch. How the stream is cut
    into batches changes nothing.

    Source: Li, "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))" (ACM TOMS 1994), algorithm L;
    Vitter, "Random sampling with a reservoir" (ACM TOMS 1985).

    Raises:
        ValueError: fewer than one row is asked for.
    """
    import polars as pl

    if rows < 1:
        raise ValueError(f"got {rows} rows; a reservoir holds at least 1")
    chosen = _Chosen(rows, seed)
    kept: pl.DataFrame | None = None
    slots = np.zeros(0, dtype=np.int64)
    seen = 0
    for batch in batches:
        places, taken = chosen.within(seen, seen + batch.height)
        seen += batch.height
        stays = np.flatnonzero(~np.isin(slots, places))
        fresh = batch[taken]
        kept = fresh if kept is None else pl.concat([kept[stays], fresh], how="vertical")
        slots = np.concatenate([slots[stays], places])
    return kept


class _Chosen:
    """Which numbers of the stream enter the reservoir, and in whose place; asked for one stretch after the other."""

    def __init__(self, rows: int, seed: int) -> None:
        self._rows = rows
        self._rng = np.random.default_rng(seed)
        self._weight = 1.0
        self._next = rows - 1
        self._skip()

    def within(self, start: int, end: int) -> tuple[Ints, Ints]:
        """The slots filled by rows start <= number < end, and these rows counted from start, ascending; of a slot filled twice the last."""
        latest = {number: number for number in range(start, min(end, self._rows))}
        while self._next < end:
            latest[int(self._rng.integers(self._rows))] = self._next
            self._skip()
        ordered = sorted(latest.items(), key=lambda item: item[1])
        pairs = np.array(ordered, dtype=np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1] - start

    def _skip(self) -> None:
        self._weight *= math.exp(math.log(1.0 - self._rng.random()) / self._rows)
        share = math.log1p(-self._weight) if self._weight < 1.0 else -math.inf
        self._next += 1 + (math.floor(math.log(1.0 - self._rng.random()) / share) if share < 0 else 2**62)
