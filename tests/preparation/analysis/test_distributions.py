"""Histograms, calendar spans, words: brute force, and edges that no outlier moves."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from homeostat.preparation.analysis.distributions import bins_of, lengths_of, skewness, spans_of, words_of
from homeostat.preparation.analysis.periods import periods_of
from homeostat.preparation.analysis.reading import as_seconds

VALUES = st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-50, 50).map(float), min_size=1, max_size=80)


@given(VALUES)
def test_every_value_is_counted_once_and_edges_rise(values: list[float]) -> None:
    found = bins_of(pl.Series(values, dtype=pl.Float64))
    assert found is not None
    assert sum(found.counts) + found.below + found.above == len(values)
    assert all(low < high for low, high in zip(found.edges, found.edges[1:], strict=False))
    assert len(found.counts) == len(found.edges) - 1 <= 42
    assert np.isfinite(found.edges).all()
    numbers = np.array(values)
    for at, (low, high) in enumerate(zip(found.edges, found.edges[1:], strict=False)):
        last = at == len(found.counts) - 1
        assert found.counts[at] == ((numbers >= low) & ((numbers <= high) if last else (numbers < high))).sum()


def test_one_outlier_does_not_flatten_the_plot() -> None:
    values = np.random.default_rng(0).normal(size=2_000)
    found = bins_of(pl.Series([*values, 1e9]))
    assert found is not None
    assert found.edges[-1] < 10
    assert found.above >= 1
    assert max(found.counts) < 400


def test_whole_numbers_have_whole_bins() -> None:
    found = bins_of(pl.Series([1.0, 1.0, 2.0, 4.0, None]))
    assert found is not None
    assert found.edges == (0.5, 1.5, 2.5, 3.5, 4.5)
    assert found.counts == (2, 1, 0, 1)
    assert bins_of(pl.Series([None, None], dtype=pl.Float64)) is None


def test_skewness_is_that_of_scipy_and_a_logarithm_removes_it() -> None:
    values = np.random.default_rng(0).lognormal(sigma=1, size=5_000)
    found = bins_of(pl.Series(values))
    assert found is not None
    assert found.skew == pytest.approx(stats.skew(values))
    assert found.log_skew == pytest.approx(stats.skew(np.log1p(values)))
    assert bins_of(pl.Series([-1.0, 2.0, 3.0])).log_skew is None  # type: ignore[union-attr]
    assert skewness(np.array([3.0, 3.0, 3.0])) is None


def test_words_are_counted_by_rows_and_lengths_in_characters() -> None:
    texts = pl.Series(["Free free money", "free!", "größer I", None])
    assert words_of(texts)[:3] == (("free", 2), ("größer", 1), ("money", 1))
    lengths = lengths_of(texts)
    assert lengths is not None
    assert sum(lengths.counts) == 3
    assert words_of(pl.Series([None], dtype=pl.String)) == ()


@given(st.lists(st.integers(-60_000_000_000, 200_000_000_000), min_size=1, max_size=40), st.sampled_from([12, 36, 60]))
def test_periods_are_few_and_hold_their_times(seconds: list[int], most: int) -> None:
    found = periods_of(pl.Series(seconds, dtype=pl.Float64), most)
    assert 1 <= len(found.starts) <= most
    assert len(set(found.starts)) == len(found.starts)
    starts, place = found.seconds, found.place
    assert (starts[place] <= np.array(seconds)).all()
    later = np.append(starts[1:], np.inf)
    assert (np.array(seconds) < later[place]).all()


@pytest.mark.parametrize(("step", "unit"), [("1m", "minute"), ("1h", "hour"), ("1d", "day"), ("1mo", "month"), ("1y", "year")])
def test_the_unit_is_the_finest_that_fits(step: str, unit: str) -> None:
    times = pl.datetime_range(datetime(2020, 1, 1), datetime(2020, 1, 1) + timedelta(days=365 * 40), step, eager=True).head(30)
    assert periods_of(as_seconds(times), 36).unit == unit


def test_rows_over_time_have_no_hole_and_leave_strays_out() -> None:
    days = pl.Series([datetime(2024, 1, 1) + timedelta(days=i) for i in range(40) if i != 7] * 5 + [datetime(9999, 12, 31)])
    found = spans_of(as_seconds(days))
    assert found is not None
    assert (found.unit, found.starts[0], found.counts[7], found.counts[8], found.above) == ("day", "2024-01-01", 0, 5, 1)
    assert spans_of(pl.Series([None], dtype=pl.Float64)) is None


def test_the_largest_number_there_is_has_a_bin() -> None:
    largest = float(np.finfo(np.float64).max)
    found = bins_of(pl.Series([largest, largest]))
    assert found is not None
    assert (found.counts, found.below, found.above) == ((2,), 0, 0)
    assert found.edges[0] < found.edges[1] == largest
