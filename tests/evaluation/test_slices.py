"""The search for worst slices: what is planted is found first, noise gives nothing, and corrections are the textbook's."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.evaluation.segments import coded_columns
from homeostat.evaluation.slices import Coded, holm, worst_slices


def columns(rng, rows: int, count: int, values: int = 4) -> list[Coded]:
    return [Coded(f"c{at}", rng.integers(0, values, rows), [f"v{v}" for v in range(values)]) for at in range(count)]


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_pair_is_found_first_and_its_parts_are_pruned(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = columns(rng, 6_000, 6)
    loss = rng.exponential(1.0, 6_000)
    bad = (made[1].codes == 2) & (made[4].codes == 0)
    loss[bad] += 1.0
    found = worst_slices(loss, made)
    first = found.found[0]
    assert first.where == (("c1", "v2"), ("c4", "v0"))
    assert first.rows == bad.sum()
    assert first.loss == pytest.approx(loss[bad].mean())
    assert first.rest == pytest.approx(loss[~bad].mean())
    assert first.excess == pytest.approx((loss[bad].mean() - loss[~bad].mean()) * bad.sum() / loss.sum())
    spread = np.sqrt((loss[bad].var(ddof=1) + loss[~bad].var(ddof=1)) / 2)
    assert first.effect == pytest.approx((first.loss - first.rest) / spread)
    assert len(found.found) == 1  # c1=v2 and c4=v0 are worse only for the rows they share


def test_a_planted_single_is_told_without_its_children() -> None:
    rng = np.random.default_rng(3)
    made = columns(rng, 6_000, 6)
    loss = rng.exponential(1.0, 6_000)
    loss[made[2].codes == 1] += 0.6
    assert [each.where for each in worst_slices(loss, made).found] == [(("c2", "v1"),)]


def test_a_child_that_is_still_worse_is_told_beside_its_parent() -> None:
    rng = np.random.default_rng(4)
    made = columns(rng, 12_000, 4)
    loss = rng.exponential(1.0, 12_000)
    parent = made[0].codes == 1
    loss[parent] += 0.6
    loss[parent & (made[3].codes == 2)] += 1.5
    told = {each.where for each in worst_slices(loss, made).found}
    assert (("c0", "v1"), ("c3", "v2")) in told
    assert (("c0", "v1"),) in told


@pytest.mark.parametrize("kind", ["exponential", "wrong", "normal"])
def test_noise_gives_no_slice_in_95_of_100_seeds(kind: str) -> None:
    clean = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        if kind == "exponential":
            loss = rng.exponential(1.0, 1_500)
        elif kind == "wrong":
            loss = (rng.random(1_500) < 0.2).astype(float)
        else:
            loss = np.square(rng.normal(size=1_500))
        clean += not worst_slices(loss, columns(rng, 1_500, 5)).found
    assert clean >= 95


def test_errors_that_hang_together_are_no_slice_of_time() -> None:
    """Runs of 50 rows share an error; a column that changes as slowly looks bad by rows and does not by blocks."""
    by_rows = by_blocks = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        loss = np.repeat(rng.exponential(1.0, 60), 50) + 0.1 * rng.random(3_000)
        slow = [Coded("week", np.repeat(rng.integers(0, 6, 60), 50), [f"w{v}" for v in range(6)])]
        by_rows += bool(worst_slices(loss, slow).found)
        by_blocks += bool(worst_slices(loss, slow, block=50).found)
    assert by_rows > 20
    assert by_blocks <= 4


@given(st.lists(st.floats(0, 1), max_size=20), st.integers(0, 5))
@settings(max_examples=50)
def test_holm_is_the_step_down_by_hand(values, more: int) -> None:
    count, got = len(values) + more, holm(np.array(values), len(values) + more)
    highest = 0.0
    for rank, at in enumerate(np.argsort(np.array(values), kind="stable")):
        highest = max(highest, min(1.0, values[at] * (count - rank)))
        assert got[at] == pytest.approx(highest)


def test_welch_is_that_of_scipy() -> None:
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(0)
    made = columns(rng, 900, 1, 3)
    loss = rng.exponential(1.0, 900) + 2.0 * (made[0].codes == 0)
    found = worst_slices(loss, made)
    inside = made[0].codes == 0
    one = ttest_ind(loss[inside], loss[~inside], equal_var=False, alternative="greater").pvalue
    assert found.found[0].p_value == pytest.approx(3 * one)


def test_numbers_are_cut_where_the_development_rows_are() -> None:
    development = pl.DataFrame(
        {"x": np.arange(100.0), "kind": ["a", "b"] * 50, "same": ["s"] * 100, "id": [str(i) for i in range(100)] * 1}
    )
    holdout = pl.DataFrame({"x": [0.0, 24.0, 25.0, 99.0, None], "kind": ["a", "c", None, "a", "b"], "same": ["s"] * 5, "id": list("vwxyz")})
    made = {each.column: each for each in coded_columns(holdout, development, ["x", "kind"])}
    assert [made["x"].names[code] for code in made["x"].codes] == ["up to 24", "up to 24", "24 to 49", "over 74", "null"]
    assert [made["kind"].names[code] for code in made["kind"].codes] == ["a", "c", "null", "a", "b"]


def test_a_large_table_takes_seconds() -> None:
    rng = np.random.default_rng(1)
    made = columns(rng, 100_000, 20, 5)
    loss = rng.exponential(1.0, 100_000)
    started = time.process_time()
    found = worst_slices(loss, made)
    assert time.process_time() - started < 20  # 2 s on an idle machine
    assert found.tried == 20 * 5 + 190 * 25


def test_too_few_rows_make_no_slice() -> None:
    rng = np.random.default_rng(1)
    found = worst_slices(rng.random(50), columns(rng, 50, 3))
    assert (found.found, found.tried) == ((), 0)
