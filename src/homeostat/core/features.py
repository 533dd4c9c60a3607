"""What is looked up in another table for a row: columns as they were known and aggregates of events, as data that any process can read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from homeostat.core.ids import digest
from homeostat.core.targets import text_of

if TYPE_CHECKING:
    from homeostat.core.sections import Join

Function = Literal["count", "sum", "mean", "min", "max", "last"]
FUNCTIONS: tuple[Function, ...] = ("count", "sum", "mean", "min", "max", "last")
MOMENTS_US = 2 * 86_400 * 10**6
"""A row may ask as of a moment so long ago: a row whose time is a day means its midnight."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BOUND = 253_402_300_800 * 10**6
_FINEST = 1_074
"""Every float64 is a whole multiple of 2**-1074."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column that is added to a row: a function over the values of ``column`` in the events of its entity.

    ``window_us`` is how far back an event may lie (exactly so far counts), None for ever. ``column`` is empty for ``count``.
    """

    name: str
    function: Function
    column: str = ""
    window_us: int | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """The features that one table adds to a row.

    ``on`` are the columns that name the entity, ``time`` says when an event was known, ``key`` names an event once (empty: each
    row is one), ``moment`` is the column of the row that says as of when (empty: now).
    """

    table: str
    on: tuple[str, ...]
    time: str
    key: tuple[str, ...]
    moment: str
    features: tuple[Feature, ...]

    def without(self, names: Sequence[str]) -> Lookup:
        """The lookup without these features."""
        return replace(self, features=tuple(each for each in self.features if each.name not in names))

    @property
    def events(self) -> str:
        """Name of the events that are looked into: lookups of equal names look into the same."""
        return f"{self.table}-{digest([self.table, self.on, self.time, self.key])[:12]}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of an event that the features need, sorted."""
        return tuple(sorted({each.column for each in self.features} - {""}))

    @property
    def reach_us(self) -> int:
        """The longest window; 0 where there is none."""
        return max((each.window_us or 0 for each in self.features), default=0)

    @property
    def endless(self) -> bool:
        """Whether a feature looks back for ever."""
        return any(each.window_us is None for each in self.features)


def lookup_of(join: Join, moment: str, taken: dict[str, str]) -> Lookup:
    """The clause as plain data. ``taken`` are the joined columns with the names they get: each is the last value within the tolerance.

    Aggregates keep the order of the charter, after the columns.
    """
    tolerance = None if join.tolerance is None else whole_us(join.tolerance)
    columns = tuple(Feature(name, "last", column, tolerance) for column, name in taken.items())
    return Lookup(join.table, join.on, join.valid_from, join.key, moment, (*columns, *aggregates_of(join)))


def aggregates_of(join: Join) -> tuple[Feature, ...]:
    """The aggregates of a clause."""
    return tuple(
        Feature(name, each.function, each.column, None if each.window is None else whole_us(each.window))
        for name, each in join.aggregates.items()
    )


def whole_us(span: Any) -> int:
    """A timedelta as whole microseconds."""
    return int((span.days * 86_400 + span.seconds) * 10**6 + span.microseconds)


def key_text(value: Any) -> str | None:
    """A key's value as the text by which keys are compared; None for null and NaN.

    A moment at midnight equals its day, an instant with a zone the same one in UTC.

    >>> key_text(7.0), key_text(datetime(2024, 1, 1)), key_text(float("nan"))
    ('7', '2024-01-01', None)
    """
    if value is None or value != value:  # noqa: PLR0124  # NaN
        return None
    if isinstance(value, datetime):
        return moment_text(value).removesuffix(" 00:00:00")
    return text_of(value)


def moment_text(value: datetime) -> str:
    """The instant as ISO 8601 in UTC without a zone, with a space, as tables write it."""
    return str(value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value)


def micros_of(value: Any) -> int | None:
    """Microseconds since 1970 UTC of a date, an instant (without a zone: UTC), an ISO 8601 text or epoch seconds; None for null and NaN.

    Raises:
        ValueError: it is no time of the years 1 to 9999.

    >>> micros_of("1970-01-02"), micros_of(1.5), micros_of("1970-01-01T01:00+01:00")
    (86400000000, 1500000, 0)
    """
    if value is None or value != value:  # noqa: PLR0124  # NaN
        return None
    if isinstance(value, str):
        text = value.strip()
        if len(text) < 10 or text[4] != "-" or text[7] != "-":
            raise ValueError(value)
        value = datetime.fromisoformat(text)
    if isinstance(value, int | float) and not isinstance(value, bool):
        found = value * 10**6 if isinstance(value, int) else value * 1e6
        if abs(found) >= _BOUND:
            raise ValueError(value)
        return round(found)
    if not isinstance(value, date):
        raise ValueError(value)  # noqa: TRY004 - one kind of error for whatever is no time
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    since = (value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH
    return whole_us(since)


def finite(value: Any) -> float | None:
    """A value as the number that is added up: true is 1, minus zero is zero; None for null, NaN and infinity."""
    if value is None or value - value != 0.0:
        return None
    return float(value) + 0.0


def exact(value: float) -> int:
    """A finite float64 as whole multiples of 2**-1074; sums of these lose nothing, in whatever order.

    >>> rounded(exact(0.1) + exact(1e16) - exact(1e16), -1074)
    0.1
    """
    numerator, denominator = value.as_integer_ratio()
    return numerator << (_FINEST + 1 - denominator.bit_length())


def rounded(total: int, exponent: int = -_FINEST) -> float:
    """``total * 2**exponent`` as the nearest float64 (ties to even, as ``math.fsum``); infinity where none is near."""
    try:
        return float(total << exponent) if exponent >= 0 else total / (1 << -exponent)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


@dataclass(frozen=True, slots=True)
class EventTable:
    """A table of events as it is held online. ``kinds`` are the logical types of its columns.

    Times are microseconds since 1970 UTC: ``refreshed_us`` when the rows came from the source last, ``pushed_us`` when an event came
    last, ``complete_us`` the newest event of the source, ``held_us`` since when all events are held one by one (None: all are).
    """

    table: str
    on: tuple[str, ...]
    time: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    kinds: dict[str, str]
    reach_us: int
    endless: bool
    late_us: int
    max_age_us: int | None = None
    refuse: bool = False
    refreshed_us: int = 0
    pushed_us: int = 0
    complete_us: int | None = None
    held_us: int | None = None

    @property
    def span_us(self) -> int:
        """How long before now events are held one by one: what any window reaches, and the moments that may be asked for or come late."""
        return self.reach_us + max(self.late_us, MOMENTS_US)

    def holds(self, lookup: Lookup) -> bool:
        """Whether a lookup finds all it needs."""
        return set(lookup.columns) <= set(self.columns) and lookup.reach_us <= self.reach_us and (self.endless or not lookup.endless)

    @property
    def fresh_us(self) -> int:
        """When anything came last."""
        return max(self.refreshed_us, self.pushed_us)


class Event(NamedTuple):
    """One event: the texts of its entity and its key as JSON (no key: empty), its time, its place among those of equal time, its values."""

    entity: str
    at_us: int
    place: int
    key: str
    values: list[Any]


def joint(texts: Sequence[str]) -> str:
    """Key texts as one text; different ones give different texts.

    >>> joint(["a", "7"])
    '["a","7"]'
    """
    return msgspec.json.encode(texts).decode()


def plain(value: Any) -> Any:
    """A table's value as JSON holds it: dates and instants as texts, NaN and infinity null."""
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
