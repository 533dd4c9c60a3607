"""Durations: what is written is what is meant, and nothing leaves the calendar."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.core.durations import LONGEST, format_duration, parse_duration


@given(st.timedeltas(timedelta(0), LONGEST))
def test_a_duration_survives_its_text(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize("text", ["5219w", "1000000000000w", "9" * 400 + "d"])
def test_more_than_a_hundred_years_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at most 5218w"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "d", "1", "1 d", "-1d", "1y", "1e3d", "nan d", "1d\n", "\u0661d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a number and a unit"):
        parse_duration(text)
