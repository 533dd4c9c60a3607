"""Spans of a table's watermark: how slices are called, and which of them can have rows that are not taken in yet."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

SliceKind = Literal["day", "week", "month"]
Span = tuple[datetime, datetime]
_FORMATS: dict[SliceKind, str] = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
UNPLACED = "none"
"""The slice of the rows whose watermark says no moment: null, or none that a calendar has."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken in of a table before: the names of its parts; and a span of time whose slices are to be asked for again."""

    names: Collection[str] = ()
    backfill: Span | None = None


NOTHING_TAKEN = Taken()


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of a table: those of a span of the watermark, those without a place in time, or all (neither)."""

    span: Span | None = None
    unplaced: bool = False


@dataclass(frozen=True, slots=True)
class SliceFacts:
    """What one aggregate query tells of a slice; ``start`` is None for the rows without a place in time, and for a whole table."""

    start: datetime | None
    rows: int
    newest: str
    checksum: str

    @property
    def fingerprint(self) -> str:
        """Differs when the rows do."""
        return f"rows={self.rows}; newest={self.newest}; checksum={self.checksum}"


def start_of(moment: datetime, kind: SliceKind) -> datetime:
    """The first moment of the slice a moment lies in; weeks begin on Monday.

    >>> start_of(datetime(2024, 5, 1, 13, 30), "week")
    datetime.datetime(2024, 4, 29, 0, 0)
    """
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if kind == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if kind == "month" else day


def span_of(start: datetime, kind: SliceKind) -> Span:
    """A slice from its first moment to the first one after it; the calendar's last one ends with the calendar.

    >>> span_of(datetime(2024, 2, 1), "month")[1]
    datetime.datetime(2024, 3, 1, 0, 0)
    """
    longest = timedelta(days={"day": 1, "week": 7, "month": 31}[kind])
    return start, start_of(start + longest, kind) if start <= datetime.max - longest else datetime.max


def slice_name(table: str, start: datetime | None, kind: SliceKind) -> str:
    """What a slice is called.

    >>> slice_name("orders", datetime(2024, 4, 29), "week"), slice_name("orders", None, "day")
    ('orders/2024-W18', 'orders/none')
    """
    if start is None:
        return f"{table}/{UNPLACED}"
    day = f"{start.year:04d}-{start.month:02d}-{start.day:02d}"  # strftime does not pad a year
    return f"{table}/{start.strftime('%G-W%V') if kind == 'week' else day if kind == 'day' else day[:7]}"


def slice_start(name: str, table: str, kind: SliceKind) -> datetime | None:
    """The first moment of the slice with this name; None if the name is not that of a slice of this table and kind.

    >>> slice_start("orders/2024-W18", "orders", "week")
    datetime.datetime(2024, 4, 29, 0, 0)
    """
    label = name.removeprefix(f"{table}/")
    form = _FORMATS[kind]
    try:
        return datetime.strptime(label + "-1", form + "-%u") if kind == "week" else datetime.strptime(label, form)
    except ValueError:
        return None


def asked_since(known: Iterable[str], table: str, kind: SliceKind, late: timedelta) -> datetime | None:
    """The first moment from which on rows may be new: the newest slice known, less the time that rows may come late; None for all.

    Args:
        known: names of parts that were taken in before.
        table: the name of the table.
        kind: how long a slice is.
        late: how long after the newest watermark rows may still come or change.
    """
    starts = [start for name in known if (start := slice_start(name, table, kind)) is not None]
    if not starts:
        return None
    newest = max(starts)
    return start_of(newest - late, kind) if newest - datetime.min > late else None
