"""Column profiles: the library's numbers, and odd columns."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.preparation.analysis.columns import profile_columns
from homeostat.preparation.analysis.reading import iso, shape_of

if TYPE_CHECKING:
    from homeostat.preparation.analysis.records import ColumnProfile


def profiles(frame: pl.DataFrame) -> tuple[ColumnProfile, ...]:
    return profile_columns(frame, {name: shape_of(frame[name]) for name in frame.columns})


def test_numbers_and_texts() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0, None, float("nan")], "n": [5, 5, 5, 5, 5], "t": ["a", "b", "b", None, "c"]})
    x, n, t = profiles(frame)
    assert (x.kind, x.rows, x.nulls, x.distinct, x.minimum, x.maximum, x.mean, x.std) == ("number", 5, 2, 3, 1.0, 3.0, 2.0, 1.0)
    assert x.quantiles == pytest.approx({"0.05": 1.1, "0.25": 1.5, "0.5": 2.0, "0.75": 2.5, "0.95": 2.9})
    assert (n.kind, n.constant, n.minimum, n.std) == ("integer", True, 5, 0.0)
    assert isinstance(n.minimum, int)
    assert (t.kind, t.nulls, t.distinct, t.top) == ("string", 1, 3, (("b", 2), ("a", 1), ("c", 1)))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_quantiles_are_those_of_numpy(values: list[float]) -> None:
    (found,) = profiles(pl.DataFrame({"x": values}))
    assert found.quantiles is not None
    for q, value in found.quantiles.items():
        assert value == pytest.approx(np.quantile(values, float(q)), rel=1e-9, abs=1e-9)
    assert found.distinct == len(set(values))


def test_dates_infinity_and_long_values() -> None:
    frame = pl.DataFrame({"d": [date(2024, 1, 1), date(2024, 3, 1), None], "x": [1.0, float("inf"), None], "t": ["long" * 100, "b", "b"]})
    d, x, t = profiles(frame)
    assert (d.kind, d.shape, d.minimum, d.maximum, d.top) == ("date", "timestamp", "2024-01-01", "2024-03-01", None)
    assert (x.nulls, x.infinite, x.distinct) == (2, 1, 1)
    assert t.top is not None
    assert [len(value) for value, _ in t.top] == [1, 120]


def test_iso_dates_in_texts_are_times_and_long_texts_are_texts() -> None:
    assert shape_of(pl.Series(["2024-01-01", "2024-01-02"])) == "timestamp"
    assert shape_of(pl.Series([f"a text with number {i} of many words" for i in range(50)])) == "text"
    assert shape_of(pl.Series(["a text that comes again and again"] * 50)) == "category"
    assert shape_of(pl.Series(["a", "b"]), "text") == "text"
    assert shape_of(pl.Series([[1]])) == "category"


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "1970-01-01"), (-62_135_596_800.0, "0001-01-01"), (90_061.0, "1970-01-02T01:01:01")])
def test_seconds_as_text(seconds: float, text: str) -> None:
    assert iso(seconds) == text
