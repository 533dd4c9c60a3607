"""Reading values as types: exactly or not at all."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core.casts import dtype_of, read_as
from homeostat.core.targets import texts


def _read(series: pl.Series, kind: Any) -> list[Any]:
    found = series.alias("x").to_frame().select(read_as("x", series.dtype, kind))["x"]
    assert found.dtype == dtype_of(kind)
    return found.to_list()


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("timestamp", "2011-01-01", datetime(2011, 1, 1)),
        ("timestamp", "2011-01-01 05:00", datetime(2011, 1, 1, 5)),
        ("timestamp", "2011-01-01T05:00:01", datetime(2011, 1, 1, 5, 0, 1)),
        ("timestamp", "2011-01-01t05:00:01.123456z", datetime(2011, 1, 1, 5, 0, 1, 123456)),
        ("timestamp", "2011-01-01T05:00:01+02:00", datetime(2011, 1, 1, 3, 0, 1)),
        ("timestamp", "2011-13-01", None),
        ("timestamp", "01/02/2011", None),
        ("date", " 2011-01-01 ", date(2011, 1, 1)),
        ("date", "2011-01-01T00:00:00", date(2011, 1, 1)),
        ("date", "2011-01-01 05:00", None),
        ("number", " 1e3 ", 1000.0),
        ("number", "1,5", None),
        ("number", "nan", None),
        ("integer", "9007199254740993", 9007199254740993),
        ("integer", "9223372036854775808", None),
        ("integer", "12.0", 12),
        ("integer", "12.5", None),
        ("boolean", " TRUE", True),
        ("boolean", "yes", None),
    ],
)
def test_texts(kind: Any, text: str, value: Any) -> None:
    assert _read(pl.Series([text]), kind) == [value]


def test_types_that_do_not_go_together_are_null() -> None:
    kinds = ("number", "integer", "string", "boolean", "date", "timestamp")
    one = [
        (pl.Series([True]), [None, None, "true", True, None, None]),
        (pl.Series([2]), [2.0, 2, "2", None, None, None]),
        (pl.Series([date(2011, 1, 1)]), [None, None, "2011-01-01", None, date(2011, 1, 1), datetime(2011, 1, 1)]),
        (pl.Series([time(3)]), [None, None, "03:00:00", None, None, None]),
        (pl.Series([[1]]), [None] * 6),
        (pl.Series([None]), [None] * 6),
    ]
    for series, values in one:
        assert [_read(series, kind)[0] for kind in kinds] == values


def test_a_zone_becomes_utc() -> None:
    series = pl.Series([datetime(2024, 7, 1, 12)]).dt.replace_time_zone("Europe/Berlin")
    assert _read(series, "timestamp") == [datetime(2024, 7, 1, 10)]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.none(), st.floats()), max_size=10))
def test_numbers_as_text_are_the_texts_of_targets(values: list[float | None]) -> None:
    series = pl.Series("x", values, dtype=pl.Float64)
    assert _read(series, "string") == texts(series).to_list()
