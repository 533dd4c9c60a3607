"""Calendar windows in UTC: days, ISO weeks (from Monday) and months. A moment without a zone is taken as UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from homeostat.errors import DataError
from homeostat.graph.fields import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

Length = Literal["day", "week", "month"]


class Span(NamedTuple):
    """From ``start``, included, to ``end``, excluded; both in UTC."""

    start: datetime
    end: datetime


def window_of(moment: datetime, length: Length) -> Span:
    """The calendar window a moment falls into.

    >>> span = window_of(datetime(2012, 2, 29, 13), "month")
    >>> span.start.isoformat(), span.end.isoformat()
    ('2012-02-01T00:00:00+00:00', '2012-03-01T00:00:00+00:00')
    """
    midnight = _utc(moment).replace(hour=0, minute=0, second=0, microsecond=0)
    if length == "day":
        return Span(midnight, midnight + timedelta(days=1))
    if length == "week":
        monday = midnight - timedelta(days=midnight.weekday())
        return Span(monday, monday + timedelta(days=7))
    first = midnight.replace(day=1)
    return Span(first, (first + timedelta(days=31)).replace(day=1))


def windows_between(first: datetime, last: datetime, length: Length) -> tuple[Span, ...]:
    """The windows that hold a moment from ``first`` to ``last``, both included, in order; none when first is after last."""
    found = []
    span, end = window_of(first, length), _utc(last)
    while span.start <= end and _utc(first) <= end:
        found.append(span)
        span = window_of(span.end, length)
    return tuple(found)


def due(windows: Iterable[Span], as_of: datetime, delay: timedelta = timedelta(0)) -> tuple[Span, ...]:
    """The windows that are over at ``as_of``; with a ``delay`` (of labels) those that ended at least that long ago."""
    moment = _utc(as_of)
    return tuple(span for span in windows if span.end + delay <= moment)


def label_of(span: Span, length: Length) -> str:
    """A short name that sorts in time order: ``2011-04-05``, ``2011-W14``, ``2011-04``.

    >>> label_of(window_of(datetime(2011, 4, 5), "week"), "week")
    '2011-W14'
    """
    if length == "week":
        year, week, _ = span.start.isocalendar()
        return f"{year}-W{week:02d}"
    return span.start.strftime("%Y-%m-%d" if length == "day" else "%Y-%m")


def rows_in(frame: pl.DataFrame, column: str, span: Span) -> pl.DataFrame:
    """The rows of a frame whose time falls into the span. Rows without a time belong to no window.

    Raises:
        DataError: HS203, there is no such column, or it is of a type that holds no times.
    """
    if column not in frame.columns:
        raise DataError(
            "HS203", f"got columns {', '.join(frame.columns)}", place=f"time column {column!r}", next_step="name it in task.time"
        )
    time = moments(frame[column])
    return frame.filter((time >= span.start) & (time < span.end))


def moments(series: pl.Series) -> pl.Series:
    """A column of times as datetimes in UTC, whatever carried them: dates, datetimes, ISO 8601 texts, epoch seconds. Null for the rest.

    Raises:
        DataError: HS203, the type holds no times.
    """
    import polars as pl

    utc = pl.Datetime("us", "UTC")
    if isinstance(series.dtype, pl.Datetime):
        zoned = series if series.dtype.time_zone else series.dt.replace_time_zone("UTC")
        return zoned.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    if series.dtype == pl.Date:
        return series.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if series.dtype == pl.String:
        seconds = {text: _seconds(text) for text in series.unique().drop_nulls().to_list()}
        series = pl.Series(series.name, [seconds.get(text) for text in series.to_list()], dtype=pl.Float64)
    if series.dtype.is_numeric():
        return (series.cast(pl.Float64).fill_nan(None) * 1e6).round().cast(pl.Int64, strict=False).cast(utc)
    if series.null_count() == len(series):
        return series.cast(utc)
    raise DataError(
        "HS203",
        f"got type {series.dtype}; a date, a datetime, an ISO 8601 text or epoch seconds is needed",
        place=f"time column {series.name!r}",
    )


def _seconds(text: str) -> float | None:
    try:
        return parse_timestamp(text)
    except ValueError:  # no time: the row has none
        return None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
