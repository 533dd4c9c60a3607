"""How a batch is cut: partitions of whole row groups, each of one file, in the order of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PARTITION_ROWS = 100_000
"""A partition takes row groups until it has so many rows."""


@dataclass(frozen=True, slots=True)
class Partition:
    """Row groups of one file: which file, its row groups from ``first`` on with their numbers of rows, and the rows before them there."""

    number: int
    file: int
    first: int
    group_rows: tuple[int, ...]
    start: int

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(self.group_rows)

    @property
    def groups(self) -> range:
        """The places of its row groups in the file."""
        return range(self.first, self.first + len(self.group_rows))


def partitions(files: Sequence[Sequence[int]], rows: int = PARTITION_ROWS) -> list[Partition]:
    """The partitions of files, given the rows of each row group of each; the same files are always cut the same way.

    >>> [(each.file, each.first, each.rows, each.start) for each in partitions([[3, 3, 3], [9]], rows=5)]
    [(0, 0, 6, 0), (0, 2, 3, 6), (1, 0, 9, 0)]
    """
    found: list[Partition] = []
    for file, groups in enumerate(files):
        start = 0
        for first, taken in _runs(groups, rows):
            found.append(Partition(len(found), file, first, taken, start))
            start += sum(taken)
    return found


def _runs(groups: Sequence[int], rows: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Neighbouring row groups with at least so many rows together, but for the last ones; with the place of the first."""
    first, count = 0, 0
    for at, size in enumerate(groups):
        count += size
        if count >= rows or at == len(groups) - 1:
            yield first, tuple(groups[first : at + 1])
            first, count = at + 1, 0


def seconds_left(done: int, total: int, since: float) -> float | None:
    """How long the rest takes at the pace so far: rows done and in all, and the seconds it took; None while nothing is done.

    >>> seconds_left(25, 100, 10.0)
    30.0
    """
    return since * (total - done) / done if done > 0 else None
