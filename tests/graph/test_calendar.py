from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.graph.calendar import calendar_part

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXPECTED = {
    "hour": lambda t: t.hour,
    "weekday": lambda t: t.weekday(),
    "day": lambda t: t.day,
    "month": lambda t: t.month,
    "yearday": lambda t: t.timetuple().tm_yday,
}


@pytest.mark.parametrize("part", EXPECTED)
def test_every_day_of_1900_to_2100_and_random_times_agree_with_datetime(part: str) -> None:
    rng = np.random.default_rng(3)
    start = datetime(1900, 1, 1, tzinfo=UTC)
    times = [start + timedelta(days=day, seconds=int(second)) for day, second in enumerate(rng.integers(0, 86_400, 73_414))]
    edges = [EPOCH + timedelta(days=int(day)) - timedelta(microseconds=1) for day in rng.integers(-20_000, 40_000, 3_000)]
    times += edges
    seconds = np.array([(t - EPOCH).total_seconds() for t in times])
    found = calendar_part(part, seconds, np.floor)
    assert found.tolist() == [EXPECTED[part](t) for t in times]


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(lambda t: t.replace(microsecond=0)))
def test_any_second_of_the_calendar_agrees_with_datetime(t: datetime) -> None:
    seconds = np.array([(t - EPOCH).total_seconds()])
    for part, expected in EXPECTED.items():
        assert calendar_part(part, seconds, np.floor)[0] == expected(t), part


def test_nan_stays_nan() -> None:
    for part in EXPECTED:
        assert np.isnan(calendar_part(part, np.array([np.nan]), np.floor)).all()
