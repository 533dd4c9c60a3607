"""Calendar windows in UTC: days, ISO weeks (from Monday) and months. A moment without a zone is taken as UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from homeostat.errors import DataError
from homeostat.graph.fields import EARLIEST, END, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

Length = Literal["day", "week", "month"]
LAST = datetime.max.replace(tzinfo=UTC)


class Span(NamedTuple):
    """From ``start``, included, to ``end``, excluded; both in UTC."""

    start: datetime
    end: datetime


def window_of(moment: datetime, length: Length) -> Span:
    """The calendar window a moment falls into; those at the end of the year 9999 end with the calendar.

    >>> span = window_of(datetime(2012, 2, 29, 13), "month")
    >>> span.start.isoformat(), span.end.isoformat()
    ('2012-02-01T00:00:00+00:00', '2012-03-01T00:00:00+00:00')
    """
    midnight = _utc(moment).replace(hour=0, minute=0, second=0, microsecond=0)
    if length == "day":
        return Span(midnight, _later(midnight, 1))
    if length == "week":
        monday = midnight - timedelta(days=midnight.weekday())
        return Span(monday, _later(monday, 7))
    first = midnight.replace(day=1)
    end = _later(first, 31)
    return Span(first, end if end == LAST else end.replace(day=1))


def _later(moment: datetime, days: int) -> datetime:
    return moment + timedelta(days=days) if LAST - moment > timedelta(days=days) else LAST


def windows_of(times: pl.Series, length: Length) -> tuple[Span, ...]:
    """The windows that hold at least one of these UTC date-times, in order: one time far off costs one window, not all between."""
    days = times.drop_nulls().dt.truncate("1d").unique().to_list()
    return tuple(sorted({window_of(day, length) for day in days}))


def due(windows: Iterable[Span], as_of: datetime, delay: timedelta = timedelta(0)) -> tuple[Span, ...]:
    """The windows that are over at ``as_of``; with a ``delay`` (of labels) those that ended at least that long ago."""
    moment = _utc(as_of)
    return tuple(span for span in windows if moment - span.end >= delay)


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
    """A column of times as datetimes in UTC, whatever carried them: dates, datetimes, ISO 8601 texts, epoch seconds.

    Null for the rest, and for times outside the years 1 to 9999, which Python's calendar does not have.

    Raises:
        DataError: HS203, the type holds no times.
    """
    import polars as pl

    utc = pl.Datetime("us", "UTC")
    if isinstance(series.dtype, pl.Datetime):
        zoned = series if series.dtype.time_zone else series.dt.replace_time_zone("UTC")
        return _known_years(zoned.dt.convert_time_zone("UTC").dt.cast_time_unit("us"))
    if series.dtype == pl.Date:
        return _known_years(series.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    if series.dtype == pl.String:
        seconds = {text: _seconds(text) for text in series.unique().drop_nulls().to_list()}
        series = pl.Series(series.name, [seconds.get(text) for text in series.to_list()], dtype=pl.Float64)
    if series.dtype.is_numeric():
        return _known_years((series.cast(pl.Float64).fill_nan(None) * 1e6).round().cast(pl.Int64, strict=False).cast(utc))
    if series.null_count() == len(series):
        return series.cast(utc)
    raise DataError(
        "HS203",
        f"got type {series.dtype}; a date, a datetime, an ISO 8601 text or epoch seconds is needed",
        place=f"time column {series.name!r}",
    )


def _known_years(times: pl.Series) -> pl.Series:
    return times.set(~times.to_physical().is_between(int(EARLIEST * 1e6), int(END * 1e6), closed="left"), None)


def _seconds(text: str) -> float | None:
    try:
        return parse_timestamp(text)
    except ValueError:  # no time: the row has none
        return None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
