"""Samples: sizes, shares, and that every row of a stream has the same chance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from homeostat.core import sections
from homeostat.preparation.sample import reservoir, sample

BINARY = sections.Task(type="binary", target="y")
NUMBER = sections.Task(type="regression", target="y")


def batches(count: int, size: int) -> Iterator[pl.DataFrame]:
    for start in range(0, count, size):
        yield pl.DataFrame({"row": range(start, min(start + size, count))})


@given(st.integers(1, 300), st.integers(1, 120), st.integers(1, 200), st.integers(0, 99))
def test_a_reservoir_holds_distinct_rows_in_order_however_the_stream_is_cut(count: int, rows: int, size: int, seed: int) -> None:
    found = reservoir(batches(count, size), rows, seed)
    assert found is not None
    taken = found["row"].to_list()
    assert len(taken) == min(rows, count)
    assert taken == sorted(set(taken))
    whole = reservoir(batches(count, count), rows, seed)
    assert whole is not None
    assert taken == whole["row"].to_list()


@pytest.mark.parametrize(("count", "rows", "size"), [(40, 10, 7), (200, 20, 64), (30, 1, 30)])
def test_every_row_of_the_stream_has_the_same_chance(count: int, rows: int, size: int) -> None:
    tries = 3_000
    hits = np.zeros(count)
    for seed in range(tries):
        found = reservoir(batches(count, size), rows, seed)
        assert found is not None
        hits[found["row"].to_numpy()] += 1
    expected = tries * rows / count
    # Inclusions of one draw exclude each other, which shrinks the statistic by (1 - rows / count) against independent ones.
    statistic = ((hits - expected) ** 2).sum() / expected / (1 - rows / count) * (count - 1) / count
    assert 0.001 < stats.chi2.sf(statistic, count - 1) < 0.9999


def test_odd_streams() -> None:
    assert reservoir(iter(()), 5, 0) is None
    empty = reservoir([pl.DataFrame({"row": pl.Series([], dtype=pl.Int64)})], 5, 0)
    assert empty is not None
    assert empty.is_empty()
    with pytest.raises(ValueError, match="at least 1"):
        reservoir(batches(10, 5), 0, 0)


def test_a_random_sample_is_of_the_size_asked_for_and_the_same_again() -> None:
    y = pl.Series("y", ["a"] * 90 + ["b"] * 10)
    taken = sample(y, BINARY, sections.Sampling(rows=40), 3)
    assert taken is not None
    assert len(set(taken.tolist())) == 40
    assert (np.diff(taken) > 0).all()
    np.testing.assert_array_equal(taken, sample(y, BINARY, sections.Sampling(rows=40), 3))
    assert taken.tolist() != (sample(y, BINARY, sections.Sampling(rows=40), 4)).tolist()  # type: ignore[union-attr]
    assert sample(y, BINARY, sections.Sampling(rows=100), 3) is None
    assert sample(y, BINARY, None, 3) is None


@given(st.lists(st.integers(1, 200), min_size=2, max_size=6), st.integers(1, 300), st.integers(0, 99))
def test_a_stratified_sample_keeps_the_share_of_each_class_to_a_row(counts: list[int], rows: int, seed: int) -> None:
    y = pl.Series("y", [f"c{k}" for k, count in enumerate(counts) for _ in range(count)])
    taken = sample(y, BINARY, sections.Sampling(rows=rows, kind="stratified"), seed)
    if rows >= len(y):
        assert taken is None
        return
    assert taken is not None
    found = [int((y[taken] == f"c{k}").sum()) for k in range(len(counts))]
    assert all(abs(got - rows * count / len(y)) < 1 or got == 1 for got, count in zip(found, counts, strict=True))
    assert rows <= len(taken) <= rows + len(counts)
    assert len(set(taken.tolist())) == len(taken)


def test_a_stratified_sample_of_a_quantity_keeps_its_tenths() -> None:
    y = pl.Series("y", np.exp(np.random.default_rng(0).normal(size=5_000)))
    taken = sample(y, NUMBER, sections.Sampling(rows=500, kind="stratified"), 0)
    assert taken is not None
    edges = np.quantile(y, np.arange(1, 10) / 10)
    assert np.bincount(np.searchsorted(edges, y.to_numpy()[taken], side="right")).tolist() == [50] * 10
