"""Associations against scipy, one pair at a time and all columns at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from homeostat.preparation.analysis.association import MOST_COLUMNS, association, correlations, cramers_v, spearman_matrix
from homeostat.preparation.analysis.reading import readable, shape_of

BANK = Path(__file__).resolve().parents[3] / "examples/bank-marketing/data/bank_marketing.parquet"


@pytest.fixture(scope="module")
def bank() -> pl.DataFrame:
    frame = pl.read_parquet(BANK).sample(3_000, seed=0)
    return readable(frame, {name: shape_of(frame[name]) for name in frame.columns}).frame


def eta_by_scipy(numbers: pl.Series, groups: pl.Series) -> float:
    pair = pl.DataFrame({"x": numbers, "g": groups}).drop_nulls()
    parts = [group["x"].to_numpy() for _, group in pair.group_by("g")]
    f, between, within = stats.f_oneway(*parts).statistic, len(parts) - 1, pair.height - len(parts)
    return float(np.sqrt(f * between / (f * between + within)))


def v_by_scipy(one: pl.Series, two: pl.Series) -> float:
    pair = pl.DataFrame({"x": one, "y": two}).drop_nulls()
    table = pair.group_by("x", "y").len().pivot(on="y", index="x").fill_null(0).drop("x")
    return float(stats.contingency.association(table.to_numpy(), method="cramer"))


def test_pairs_are_those_of_scipy(bank: pl.DataFrame) -> None:
    pair = bank.select("age", "euribor3m").drop_nulls()
    assert association(bank["age"], bank["euribor3m"]) == (
        pytest.approx(stats.spearmanr(*pair.to_numpy().T).statistic, abs=1e-12),
        "spearman",
    )
    eta = pytest.approx(eta_by_scipy(bank["euribor3m"], bank["job"]), abs=1e-9)
    assert association(bank["job"], bank["euribor3m"]) == (eta, "eta")
    assert association(bank["euribor3m"], bank["job"]) == (eta, "eta")
    assert association(bank["job"], bank["y"]) == (pytest.approx(v_by_scipy(bank["job"], bank["y"]), abs=1e-12), "cramers_v")


def test_what_cannot_be_said_is_none() -> None:
    numbers, names = pl.Series(np.arange(9.0)), pl.Series([f"n{i}" for i in range(9)])
    assert association(names, numbers) == (None, None)
    assert association(pl.Series([1.0] * 9), numbers)[0] is None
    assert association(pl.Series(["a"] * 9), numbers) == (None, "eta")
    assert association(pl.Series([None] * 9, dtype=pl.Float64), numbers) == (None, "spearman")
    assert association(pl.Series([None] * 9, dtype=pl.String), pl.Series(["a", "b", "c"] * 3)) == (None, "cramers_v")


def test_the_matrix_holds_the_pairs(bank: pl.DataFrame) -> None:
    whole = bank.drop("default")  # one value in these rows
    table = readable(whole, {name: shape_of(whole[name]) for name in whole.columns})
    found = correlations(table, {}, "y")
    assert set(found.names) == set(whole.columns)
    values = np.array(found.values, dtype=float)
    np.testing.assert_array_equal(np.diag(values), 1.0)
    np.testing.assert_allclose(values, values.T, atol=1e-12)
    for one, two in (("age", "euribor3m"), ("job", "euribor3m"), ("job", "y"), ("housing", "loan"), ("pdays", "age")):
        told = values[found.names.index(one), found.names.index(two)]
        # Ranks are taken once per column, so with nulls Spearman may differ a little.
        assert told == pytest.approx(association(whole[one], whole[two])[0], abs=0.02 if one == "pdays" else 1e-9)


def test_similar_columns_are_neighbours() -> None:
    rng = np.random.default_rng(0)
    base = [rng.normal(size=500) for _ in range(3)]
    frame = pl.DataFrame({f"{copy}{i}": base[i] + rng.normal(size=500) * 0.1 for copy in "ab" for i in range(3)})
    names = correlations(readable(frame, dict.fromkeys(frame.columns, "number")), {}, "y").names
    assert {frozenset(name[1] for name in names[at : at + 2]) for at in (0, 2, 4)} == {frozenset("0"), frozenset("1"), frozenset("2")}


def test_of_too_many_columns_the_target_and_the_closest_are_kept() -> None:
    frame = pl.DataFrame({f"c{i}": np.random.default_rng(i).normal(size=50) for i in range(60)})
    found = correlations(readable(frame, dict.fromkeys(frame.columns, "number")), {f"c{i}": i / 60 for i in range(60)}, "c0")
    assert set(found.names) == {"c0", *(f"c{i}" for i in range(21, 60))}
    assert (len(found.names), found.left_out) == (MOST_COLUMNS, 20)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=60))
def test_cramers_v_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    one, two = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    told = cramers_v(one, two)
    if len(set(one)) < 2 or len(set(two)) < 2:
        assert told is None
        return
    table = np.zeros((5, 4))
    np.add.at(table, (one, two), 1)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    assert told == pytest.approx(stats.contingency.association(table.astype(int), method="cramer"), abs=1e-9)
    assert cramers_v(two, one) == pytest.approx(told, abs=1e-12)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=40))
def test_without_nulls_the_matrix_is_spearman(rows: list[tuple[int, int, int]]) -> None:
    frame = pl.DataFrame(rows, schema=["a", "b", "c"], orient="row").cast(pl.Float64)
    found = spearman_matrix(frame)
    for i, one in enumerate(frame.columns):
        for j, two in enumerate(frame.columns):
            if i == j:
                continue
            if min(frame[one].n_unique(), frame[two].n_unique()) == 1:
                assert np.isnan(found[i, j])
            else:
                assert found[i, j] == pytest.approx(stats.spearmanr(frame[one], frame[two]).statistic, abs=1e-9)
