"""The events of one entity in order of time, and what features they give as of a moment: the same as the join at training time gives.

Memory is bounded: what lies further back than any window reaches is added up once and let go. Sums are exact whole numbers until they
are answered, so neither that nor events that come late change a bit of them.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

import msgspec

from homeostat.core.features import exact, finite, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from homeostat.core.features import Event, Feature


class Part(msgspec.Struct):
    """One column of events that were let go: number of finite values, their exact sum (``core.features.exact``), ends, newest value."""

    values: int = 0
    total: str = "0x0"
    low: float | None = None
    high: float | None = None
    last: Any = None


class Past(msgspec.Struct):
    """Events that were let go, added up: their number, and each of their columns."""

    count: int = 0
    columns: dict[str, Part] = msgspec.field(default_factory=dict)


class TooEarly(Exception):
    """As of this moment the events are not held any more, one by one."""


class Timeline:
    """The events of one entity.

    Args:
        columns: the names of the values of each event, in their order.
        past: what was let go.
        held_us: since when all events are held (microseconds since 1970 UTC); None: from the first on.
    """

    __slots__ = ("_columns", "_held_us", "_order", "_past", "_rows", "_sums")

    def __init__(self, columns: Sequence[str], past: Past | None = None, held_us: int | None = None) -> None:
        self._columns = {name: at for at, name in enumerate(columns)}
        self._past = past or Past()
        self._held_us = held_us
        self._order: list[tuple[int, int]] = []
        self._rows: list[Sequence[Any]] = []
        self._sums: dict[str, tuple[list[int], list[int]]] = {}

    def __len__(self) -> int:
        """Events that are held one by one."""
        return len(self._rows)

    def add(self, at_us: int, place: int, values: Sequence[Any]) -> None:
        """Take in an event; of equal times the higher place is the newer one. One from before what is held is passed over."""
        if self._held_us is not None and at_us < self._held_us:
            return
        order = (at_us, place)
        if not self._order or order > self._order[-1]:
            self._order.append(order)
            self._rows.append(values)
            return
        at = bisect_left(self._order, order)
        self._order.insert(at, order)
        self._rows.insert(at, values)
        for totals, counts in self._sums.values():  # those behind it are added up again when they are asked for
            del totals[at + 1 :], counts[at + 1 :]

    def fold(self, before_us: int) -> Past:
        """Let go of the events before a moment, and return all that was let go so far, added up."""
        if self._held_us is not None and before_us <= self._held_us:
            return self._past
        gone = bisect_left(self._order, (before_us,))
        if gone:
            self._past = added_up(self._past, self._columns, self._rows[:gone])
            del self._order[:gone], self._rows[:gone]
            self._sums.clear()
        self._held_us = before_us
        return self._past

    def value(self, feature: Feature, at_us: int) -> Any:
        """The feature as of a moment: of the events at or before it.

        Raises:
            TooEarly: events that would count, or not count, were let go.
        """
        since = at_us if feature.window_us is None else at_us - feature.window_us
        if self._held_us is not None and since < self._held_us:
            raise TooEarly
        start = 0 if feature.window_us is None else bisect_left(self._order, (since,))
        stop = bisect_right(self._order, (at_us, math.inf))
        past = self._past if feature.window_us is None else None
        return _FUNCTIONS[feature.function](self, feature.column, start, stop, past)

    def count(self, _: str, start: int, stop: int, past: Past | None) -> int:
        """How many events."""
        return stop - start + (past.count if past else 0)

    def sum(self, column: str, start: int, stop: int, past: Past | None) -> float | None:
        """The sum, 0 of nothing; None outside float64."""
        totals, _ = self._prefix(column)
        total = rounded(totals[stop] - (0 if past else totals[start]))
        return total if math.isfinite(total) else None

    def mean(self, column: str, start: int, stop: int, past: Past | None) -> float | None:
        """The rounded sum over the number of values."""
        _, counts = self._prefix(column)
        count = counts[stop] - (0 if past else counts[start])
        total = self.sum(column, start, stop, past)
        return None if total is None or not count else total / count

    def min(self, column: str, start: int, stop: int, past: Past | None) -> float | None:
        """The least value."""
        found = self._values(column, start, stop, past.columns.get(column, Part()).low if past else None)
        return min(found, default=None)

    def max(self, column: str, start: int, stop: int, past: Past | None) -> float | None:
        """The largest value."""
        found = self._values(column, start, stop, past.columns.get(column, Part()).high if past else None)
        return max(found, default=None)

    def last(self, column: str, start: int, stop: int, past: Past | None) -> Any:
        """The newest event's value, also where it is null."""
        if stop > start:
            return self._rows[stop - 1][self._columns[column]]
        return past.columns.get(column, Part()).last if past else None

    def _values(self, column: str, start: int, stop: int, more: float | None) -> list[float]:
        at = self._columns[column]
        found = [number for row in self._rows[start:stop] if (number := finite(row[at])) is not None]
        return found if more is None else [*found, more]

    def _prefix(self, column: str) -> tuple[list[int], list[int]]:
        """Exact sums and numbers of values: what was let go, and the first 0, 1, ... n events with it."""
        if column not in self._sums:
            part = self._past.columns.get(column, Part())
            self._sums[column] = [int(part.total, 16)], [part.values]
        totals, counts = self._sums[column]
        at = self._columns[column]
        for row in self._rows[len(totals) - 1 :]:
            number = finite(row[at])
            totals.append(totals[-1] + (0 if number is None else exact(number)))
            counts.append(counts[-1] + (number is not None))
        return totals, counts


_FUNCTIONS: dict[str, Callable[[Timeline, str, int, int, Past | None], Any]] = {
    "count": Timeline.count,
    "sum": Timeline.sum,
    "mean": Timeline.mean,
    "min": Timeline.min,
    "max": Timeline.max,
    "last": Timeline.last,
}


def timeline_of(columns: Sequence[str], past: Past | None, held_us: int | None, events: Iterable[Event]) -> Timeline:
    """The events of an entity as a timeline."""
    found = Timeline(columns, past, held_us)
    for event in events:
        found.add(event.at_us, event.place, event.values)
    return found


def added_up(past: Past, columns: Iterable[str], rows: Sequence[Sequence[Any]]) -> Past:
    """The past with these further events, which are newer, in their order."""
    if not rows:
        return past
    parts = {}
    for at, name in enumerate(columns):
        before = past.columns.get(name, Part())
        there = [number for row in rows if (number := _number(row[at])) is not None]
        ends = [each for each in (before.low, before.high) if each is not None]
        parts[name] = Part(
            before.values + len(there),
            hex(int(before.total, 16) + sum(map(exact, there))),
            min([*there, *ends], default=None),
            max([*there, *ends], default=None),
            rows[-1][at],
        )
    return Past(past.count + len(rows), parts)


def _number(value: Any) -> float | None:
    """The value where it is one that can be added up; a column of texts has none."""
    return None if isinstance(value, str) else finite(value)
