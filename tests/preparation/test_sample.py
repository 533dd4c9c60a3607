"""Samples: sizes, shares, the same chance for every row, and that they can be drawn again from what was drawn."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from homeostat.core import sections
from homeostat.preparation.sample import DRAW, places, sample

BINARY = sections.Task(type="binary", target="y")
NUMBER = sections.Task(type="regression", target="y")


def drawn(y: pl.Series, task: sections.Task, section: sections.Sampling | None, seed: int) -> list[int] | None:
    taken = sample(y.to_frame(), task, section, seed)
    return None if taken is None else taken.tolist()


@pytest.mark.parametrize("kind", ["random", "stratified"])
def test_every_row_has_the_same_chance(kind: Literal["random", "stratified"]) -> None:
    y, tries, rows = pl.Series("y", ["a"] * 60 + ["b"] * 40), 2_000, 20
    hits = np.zeros(len(y))
    for seed in range(tries):
        hits[drawn(y, BINARY, sections.Sampling(rows=rows, kind=kind), seed)] += 1
    expected = tries * rows / len(y)
    # Inclusions of one draw exclude each other, which shrinks the statistic by (1 - rows / count) against independent ones.
    statistic = ((hits - expected) ** 2).sum() / expected / (1 - rows / len(y)) * (len(y) - 1) / len(y)
    assert 0.001 < stats.chi2.sf(statistic, len(y) - 1) < 0.9999


@given(st.integers(2, 200), st.integers(1, 60), st.integers(0, 99), st.sampled_from(["random", "stratified"]), st.data())
def test_a_sample_of_a_part_is_known_from_the_sample_of_the_whole(count: int, rows: int, seed: int, kind: str, data: st.DataObject) -> None:
    section = sections.Sampling.model_validate({"rows": rows, "kind": kind})
    y = pl.Series("y", np.random.default_rng(seed).choice(["a", "b", "c"], count))
    whole = y.to_frame().with_columns(pl.Series(DRAW, places(y, BINARY, section, seed))).with_row_index("row")
    part = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    few = whole.filter(pl.Series(part) | pl.Series(np.isin(np.arange(count), _taken(whole, section)["row"])))
    inside = whole.filter(pl.Series(part))
    assert _taken(few, section).equals(_taken(whole, section)), "rows that were not drawn change nothing"
    held = _taken(inside, section)
    assert set(_taken(whole, section)["row"]) & set(inside["row"]) <= set(held["row"])


def _taken(rows: pl.DataFrame, section: sections.Sampling) -> pl.DataFrame:
    taken = sample(rows, BINARY, section, 0)
    return rows if taken is None else rows[taken]


def test_the_shares_are_kept_in_each_part() -> None:
    y = pl.Series("y", ["a"] * 300 + ["b"] * 100 + ["a"] * 100 + ["b"] * 100)
    parts = np.repeat([0, 1], [400, 200])
    place = places(y, BINARY, sections.Sampling(rows=60, kind="stratified"), 0, parts)
    first = np.argsort(place)[:60]
    counts = [[int(((parts == part) & (y == name).to_numpy())[first].sum()) for name in "ab"] for part in (0, 1)]
    np.testing.assert_allclose(counts, [[30, 10], [10, 10]], atol=1)


def test_a_random_sample_is_of_the_size_asked_for_and_the_same_again() -> None:
    y = pl.Series("y", ["a"] * 90 + ["b"] * 10)
    taken = drawn(y, BINARY, sections.Sampling(rows=40), 3)
    assert taken is not None
    assert len(set(taken)) == 40
    assert taken == sorted(taken)
    assert taken == drawn(y, BINARY, sections.Sampling(rows=40), 3)
    assert taken != drawn(y, BINARY, sections.Sampling(rows=40), 4)
    assert drawn(y, BINARY, sections.Sampling(rows=100), 3) is None
    assert drawn(y, BINARY, None, 3) is None


@given(st.lists(st.integers(1, 200), min_size=2, max_size=6), st.integers(1, 300), st.integers(0, 99))
def test_a_stratified_sample_keeps_the_share_of_each_class(counts: list[int], rows: int, seed: int) -> None:
    y = pl.Series("y", [f"c{k}" for k, count in enumerate(counts) for _ in range(count)])
    taken = drawn(y, BINARY, sections.Sampling(rows=rows, kind="stratified"), seed)
    if rows >= len(y):
        assert taken is None
        return
    assert taken is not None
    found = [int((y[taken] == f"c{k}").sum()) for k in range(len(counts))]
    spare = len(counts)  # each class is rounded, and one row of each comes first
    assert all(abs(got - rows * count / len(y)) <= 1 + spare * count / len(y) for got, count in zip(found, counts, strict=True))
    assert min(found) >= 1 or rows < len(counts)
    assert len(set(taken)) == len(taken) == rows


def test_a_stratified_sample_of_a_quantity_keeps_its_tenths() -> None:
    y = pl.Series("y", np.exp(np.random.default_rng(0).normal(size=5_000)))
    taken = drawn(y, NUMBER, sections.Sampling(rows=500, kind="stratified"), 0)
    assert taken is not None
    edges = np.quantile(y, np.arange(1, 10) / 10)
    assert np.bincount(np.searchsorted(edges, y.to_numpy()[taken], side="right")).tolist() == [50] * 10
