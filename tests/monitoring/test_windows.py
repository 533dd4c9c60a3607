"""Calendar windows: they tile time, in UTC."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.errors import DataError
from homeostat.monitoring.windows import Length, Span, due, moments, rows_in, window_of, windows_of

lengths = st.sampled_from(["day", "week", "month"])
times = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1))


@given(times, lengths)
def test_a_moment_lies_in_its_window(moment: datetime, length: Length) -> None:
    span = window_of(moment, length)
    assert span.start <= moment.replace(tzinfo=UTC) < span.end
    assert window_of(span.start, length) == span
    assert window_of(span.end - timedelta(microseconds=1), length) == span


@given(times, st.integers(0, 200), lengths)
def test_windows_tile_time(first: datetime, days: int, length: Length) -> None:
    moments_of_days = [first + timedelta(days=each) for each in range(days + 1)]
    spans = windows_of(moments(pl.Series("t", moments_of_days)), length)
    assert spans[0] == window_of(first, length)
    assert spans[-1] == window_of(first + timedelta(days=days), length)
    assert all(a.end == b.start for a, b in itertools.pairwise(spans))


def test_zones_are_respected() -> None:
    late_in_new_york = datetime(2011, 3, 31, 22, tzinfo=timezone(timedelta(hours=-4)))
    assert window_of(late_in_new_york, "month").start == datetime(2011, 4, 1, tzinfo=UTC)


def test_due_waits_for_the_end_and_the_labels() -> None:
    spans = windows_of(moments(pl.Series("t", [date(2011, 1, 1), date(2011, 2, 9), date(2011, 3, 31)])), "month")
    assert len(due(spans, datetime(2011, 3, 1))) == 2
    assert len(due(spans, datetime(2011, 2, 28, 23, 59))) == 1
    assert len(due(spans, datetime(2011, 3, 1), delay=timedelta(days=14))) == 1


def test_only_windows_with_a_moment_are_cut() -> None:
    far_apart = moments(pl.Series("t", ["9999-12-31", "0001-01-01", None, "2011-02-01", "2011-02-28T23:59:59"]))
    spans = windows_of(far_apart, "month")
    assert [span.start for span in spans] == [datetime(year, month, 1, tzinfo=UTC) for year, month in ((1, 1), (2011, 2), (9999, 12))]
    assert len(due(spans, datetime(2026, 1, 1), delay=timedelta(days=1))) == 2
    assert windows_of(far_apart.clear(), "day") == ()


@pytest.mark.parametrize("length", ["day", "week", "month"])
def test_the_calendar_ends_with_a_window(length: Length) -> None:
    last = window_of(datetime(9999, 12, 31, 23), length)
    assert last.start < last.end == datetime.max.replace(tzinfo=UTC)
    assert windows_of(moments(pl.Series("t", [datetime(9999, 12, 31)])), length) == (last,)


def test_times_outside_the_years_1_to_9999_are_none() -> None:
    epoch = pl.Series("t", [253402300800.0, 253402300799.0, -62135596800.0, -62135596801.0, 1e300])
    assert moments(epoch).is_null().to_list() == [True, False, False, True, True]
    texts = pl.Series("t", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "9999-12-31"])
    assert moments(texts).is_null().to_list() == [True, True, False]
    typed = pl.Series("t", [2**50, 0], dtype=pl.Int64).cast(pl.Datetime("ms"))
    assert moments(typed).is_null().to_list() == [True, False]


@pytest.mark.parametrize(
    "series",
    [
        pl.Series("t", ["2011-01-31", "2011-02-01", "2011-02-28T23:59:59", "2011-03-01", "soon", None]),
        pl.Series("t", [date(2011, 1, 31), date(2011, 2, 1), date(2011, 2, 28), date(2011, 3, 1), None]),
        pl.Series("t", [datetime(2011, 1, 31, 23), datetime(2011, 2, 1), datetime(2011, 2, 28, 23), datetime(2011, 3, 1)]),
        pl.Series("t", [datetime(2011, 1, 31, 18), datetime(2011, 1, 31, 19), datetime(2011, 2, 28, 18)]).dt.replace_time_zone("Etc/GMT+5"),
        pl.Series("t", [1296518399, 1296518400, 1298937599, 1298937600]),
        pl.Series("t", [1296518399.9, 1296518400.0, 1298937599.9, float("nan")]),
    ],
    ids=lambda series: str(series.dtype),
)
def test_rows_of_february(series: pl.Series) -> None:
    february = window_of(datetime(2011, 2, 10), "month")
    assert rows_in(series.to_frame(), "t", february)["t"].to_list() == series[1:3].to_list()


def test_no_time_is_said() -> None:
    span = Span(datetime(2011, 1, 1, tzinfo=UTC), datetime(2011, 2, 1, tzinfo=UTC))
    with pytest.raises(DataError, match=r"HS203.*'t'.*got columns x"):
        rows_in(pl.DataFrame({"x": [1]}), "t", span)
    with pytest.raises(DataError, match=r"HS203.*Boolean"):
        rows_in(pl.DataFrame({"t": [True]}), "t", span)
    assert moments(pl.Series("t", [None, None])).to_list() == [None, None]
