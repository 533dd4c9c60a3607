"""Segment labels: categories by value, numbers by quartile, and which segments are judged."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import homeostat
from homeostat.errors import DataError
from homeostat.evaluation.segments import judged_segments, segment_labels

BIKE = Path(homeostat.__file__).parent / "data" / "bike_hourly.csv"
BANK = Path(__file__).resolve().parents[2] / "examples/bank-marketing/data/bank_marketing.parquet"


def labels(values, dtype=None) -> list[str]:
    return segment_labels(pl.DataFrame({"x": pl.Series(values, dtype=dtype, strict=False)}), ["x"])["x"]


def test_categories_booleans_and_few_numbers_keep_their_values() -> None:
    assert labels(["a", None, "b"]) == ["a", "null", "b"]
    assert labels([True, False, None]) == ["true", "false", "null"]
    assert labels([1, 2, 3, None]) == ["1", "2", "3", "null"]
    assert labels([1.0, 2.5, float("nan"), None]) == ["1", "2.5", "null", "null"]
    assert labels([date(2011, 1, 1), None]) == ["2011-01-01", "null"]


def test_many_numbers_are_cut_at_quartiles_and_the_upper_end_belongs() -> None:
    got = labels([*range(1, 13), None])
    assert got[:3] == ["up to 3"] * 3
    assert got[3:6] == ["3 to 6"] * 3
    assert got[6:9] == ["6 to 9"] * 3
    assert got[9:12] == ["over 9"] * 3
    assert got[12] == "null"


def test_skewed_numbers_have_fewer_quarters() -> None:
    got = labels([0.0] * 80 + [float(n) for n in range(1, 21)])
    assert set(got) == {"up to 0", "over 0"}
    assert got.count("up to 0") == 80


def test_infinities_and_nan_do_not_move_the_edges() -> None:
    got = labels([float(n) for n in range(1, 13)] + [float("inf"), float("-inf"), float("nan")])
    assert got[12:] == ["over 9", "up to 3", "null"]
    assert set(labels([None] * 5, pl.Float64)) == {"null"}


def test_times_are_cut_at_quartiles_too() -> None:
    start = datetime(2011, 1, 1)
    got = labels([start + timedelta(days=n) for n in range(40)])
    assert sorted(set(got)) == [
        "2011-01-10 00:00:00 to 2011-01-20 00:00:00",
        "2011-01-20 00:00:00 to 2011-01-30 00:00:00",
        "over 2011-01-30 00:00:00",
        "up to 2011-01-10 00:00:00",
    ]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="weather") as caught:
        segment_labels(pl.DataFrame({"a": [1]}), ["weather"])
    assert caught.value.code == "HS203"


def test_an_empty_frame_has_no_labels() -> None:
    assert segment_labels(pl.DataFrame({"a": []}, schema={"a": pl.Float64}), ["a"]) == {"a": []}


def test_real_columns() -> None:
    bike = pl.read_csv(BIKE)
    for column in bike.columns:
        got = segment_labels(bike, [column])[column]
        assert len(got) == bike.height
        if bike[column].dtype.is_numeric() and bike[column].n_unique() > 10:
            assert 2 <= len(set(got)) <= 5
    bank = pl.read_parquet(BANK)
    for column in bank.columns:
        assert segment_labels(bank, [column])[column].count("null") == bank[column].null_count()


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), max_size=60))
@settings(max_examples=80)
def test_every_row_has_one_label_and_equal_values_share_it(values) -> None:
    got = labels(values, pl.Float64)
    assert len(got) == len(values)
    seen: dict[object, str] = {}
    for value, label in zip(values, got, strict=True):
        key = None if value is None or np.isnan(value) else value
        assert seen.setdefault(key, label) == label
        assert (label == "null") == (key is None)


def test_small_segments_are_judged_together_or_not_at_all() -> None:
    found = judged_segments(["a"] * 30 + ["b"] * 29 + ["c"] * 2)
    assert {name: rows.tolist() for name, rows in found.items()} == {"a": list(range(30)), "(rare values)": list(range(30, 61))}
    assert list(judged_segments(["a"] * 30 + ["b"] * 29)) == ["a"]
    assert judged_segments([]) == {}


@given(st.lists(st.sampled_from("abcde"), max_size=200))
@settings(max_examples=60)
def test_no_row_is_in_two_segments_and_few_are_left_out(values) -> None:
    found = judged_segments(values)
    rows = [int(r) for one in found.values() for r in one]
    assert len(rows) == len(set(rows))
    assert len(values) - len(rows) < 30
    assert all(len(one) >= 30 for one in found.values())
