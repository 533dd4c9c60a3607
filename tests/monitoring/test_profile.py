"""Profiles: exact merging, a round trip through JSON, and every kind of odd column."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.graph.plan import Input
from homeostat.monitoring.columns import CategoryColumn, NumberColumn, longest_run
from homeostat.monitoring.moments import exact_sum
from homeostat.monitoring.profile import Profile, merge, profile, reference_profile
from homeostat.stats.distance import ks_statistic

INPUTS = (Input("x", "number"), Input("c", "category"), Input("b", "boolean"), Input("t", "timestamp"))

numbers = st.one_of(st.none(), st.floats(width=64), st.sampled_from([0.0, -0.0, 1.0, 1e150, 1e-300]))
rows = st.lists(
    st.fixed_dictionaries(
        {"x": numbers, "c": st.one_of(st.none(), st.sampled_from("abcdefg"), st.text(max_size=3)), "b": st.one_of(st.none(), st.booleans())}
    ),
    max_size=40,
)
SCHEMA = {"x": pl.Float64, "c": pl.String, "b": pl.Boolean}


def frame_of(records: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(records, schema=SCHEMA)


def number(found: Profile, name: str = "x") -> NumberColumn:
    column = found.columns[name]
    assert isinstance(column, NumberColumn)
    return column


def category(found: Profile, name: str = "c") -> CategoryColumn:
    column = found.columns[name]
    assert isinstance(column, CategoryColumn)
    return column


@settings(max_examples=150)
@given(rows, rows, rows)
def test_a_merge_is_the_profile_of_all_rows(
    base: list[dict[str, object]], one: list[dict[str, object]], two: list[dict[str, object]]
) -> None:
    reference = reference_profile(frame_of(base), INPUTS)
    a, b = frame_of(one), frame_of(two)
    extras_a, extras_b = a["x"].to_numpy(), b["x"].to_numpy()
    with_scores = reference_profile(frame_of(base), INPUTS, prediction=frame_of(base)["x"], target=frame_of(base)["c"])
    assert merge(profile(a, reference), profile(b, reference)) == profile(pl.concat([a, b]), reference)
    merged = merge(
        profile(a, with_scores, prediction=extras_a, target=a["c"]),
        profile(b, with_scores, prediction=extras_b, target=b["c"]),
    )
    assert merged == profile(
        pl.concat([a, b]), with_scores, prediction=np.concatenate([extras_a, extras_b]), target=pl.concat([a["c"], b["c"]])
    )
    assert merge(profile(a, reference), profile(b, reference)) == merge(profile(b, reference), profile(a, reference))


@given(rows, rows)
def test_json_and_back(base: list[dict[str, object]], one: list[dict[str, object]]) -> None:
    reference = reference_profile(frame_of(base), INPUTS, prediction=frame_of(base)["x"])
    window = profile(frame_of(one), reference)
    for found in (reference, window):
        assert Profile.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found
    assert merge(Profile.from_dict(window.to_dict()), window).rows == 2 * len(one)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=60))
def test_exact_sum_is_the_sum_of_fractions(values: list[float]) -> None:
    assert exact_sum(np.asarray(values, dtype=np.float64)) == sum(map(Fraction, values), Fraction(0))


def test_every_row_is_in_exactly_one_place() -> None:
    reference = reference_profile(pl.DataFrame({"x": [1.0, 2, 3, 4, None, np.nan, np.inf]}), [Input("x", "number")])
    column = number(reference)
    assert (column.values, column.nulls, column.infinite, column.rows) == (4, 2, 1, 7)
    assert column.counts == (0, 1, 1, 1, 1, 0)
    window = number(profile(pl.DataFrame({"x": [0.0, 1.5, 99.0, -math.inf, None]}), reference))
    assert window.counts == (1, 0, 1, 0, 0, 1)
    assert (window.low, window.high, window.infinite, window.nulls) == (0.0, 99.0, 1, 1)
    assert window.mean == pytest.approx(100.5 / 3)


def test_mean_and_std_are_numpys_even_far_from_zero() -> None:
    values = np.random.default_rng(0).normal(1e9, 1.0, 5_000)
    column = number(reference_profile(pl.DataFrame({"x": values}), [Input("x", "number")]))
    assert column.mean == pytest.approx(values.mean(), rel=1e-15)
    assert column.std == pytest.approx(values.std(), rel=1e-9)


def test_few_distinct_values_have_a_bin_each_and_many_have_64_edges() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"hour": rng.integers(0, 24, 5_000), "x": rng.normal(size=5_000)})
    reference = reference_profile(frame, [Input("hour", "number"), Input("x", "number")])
    assert number(reference, "hour").counts == (0, *np.bincount(frame["hour"].to_numpy(), minlength=24).tolist(), 0)
    assert len(number(reference).edges) == 64


def test_ks_from_bins_is_close_to_exact() -> None:
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=5_000), rng.normal(0.2, 1.3, 3_000)
    reference = reference_profile(pl.DataFrame({"x": a}), [Input("x", "number")])
    binned = ks_statistic(number(reference).counts, number(profile(pl.DataFrame({"x": b}), reference)).counts)
    exact = ks_2samp(a, b).statistic
    assert exact - 0.01 <= binned <= exact + 1e-12


def test_never_seen_is_told_from_rare() -> None:
    texts = [f"v{i}" for i in range(10_000)]
    reference = reference_profile(pl.DataFrame({"c": texts * 2}), [Input("c", "category", ("known-to-the-model",))])
    column = category(reference)
    assert (len(column.texts), column.other, column.unseen, column.surprise) == (200, 2 * 9_800, 0, 0.0)
    window = category(profile(pl.DataFrame({"c": ["v0", "v9999", "new", "known-to-the-model", None]}), reference))
    assert (sum(window.counts), window.other, window.unseen, window.nulls) == (1, 2, 1, 1)


def test_equal_values_are_one_category_whatever_carried_them() -> None:
    inputs = [Input("c", "category"), Input("b", "boolean")]
    reference = reference_profile(pl.DataFrame({"c": [1, 2, 1], "b": [True, False, True]}), inputs)
    window = profile(pl.DataFrame({"c": [1.0, 2.0, None], "b": ["true", "0", "1"]}), reference)
    assert category(window).counts == (1, 1)
    assert category(window, "b").counts == (2, 1)


@pytest.mark.parametrize(
    "series",
    [
        pl.Series("x", [[1], [2]]),
        pl.Series("x", ["a", "b"]),
        pl.Series("x", [None, None]),
        pl.Series("x", [None, None], dtype=pl.Float64),
        pl.Series("x", [b"1", b"2"]),
    ],
    ids=lambda series: str(series.dtype),
)
def test_a_column_of_another_type_is_all_null(series: pl.Series) -> None:
    reference = reference_profile(pl.DataFrame({"x": [1.0, 2.0]}), [Input("x", "number")])
    assert number(profile(series.to_frame(), reference)).nulls == 2
    assert number(reference_profile(series.to_frame(), [Input("x", "number")])).nulls == 2


def test_a_list_is_no_category() -> None:
    reference = reference_profile(pl.DataFrame({"c": ["a", "b"]}), [Input("c", "category")])
    assert category(profile(pl.DataFrame({"c": [["a"], ["b"]]}), reference)).nulls == 2


def test_missing_new_and_empty() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0], "c": ["a", "b"], "b": [True, None], "t": ["2011-01-01", "2011-01-02"]})
    reference = reference_profile(frame, INPUTS)
    assert list(reference.columns) == ["x", "c", "b"]
    without = profile(frame.drop("x").with_columns(new=pl.lit(1)), reference)
    assert (without.rows, number(without).rows, list(without.columns)) == (2, 0, ["x", "c", "b"])
    nothing = profile(frame.clear(), reference)
    assert (nothing.rows, number(nothing).low, category(nothing).values) == (0, None, 0)
    assert math.isnan(number(nothing).mean)
    assert math.isnan(number(nothing).std)
    assert merge(nothing, reference) == reference
    assert reference_profile(frame.clear(), INPUTS).rows == 0


def test_profiles_of_two_references_are_not_merged() -> None:
    one = reference_profile(pl.DataFrame({"x": [1.0, 2.0]}), [Input("x", "number")])
    two = reference_profile(pl.DataFrame({"x": [1.0, 3.0]}), [Input("x", "number")])
    with pytest.raises(ValueError, match="same reference"):
        merge(one, two)
    with pytest.raises(ValueError, match="same columns"):
        merge(one, Profile(1, {}))
    with pytest.raises(ValueError, match="format"):
        Profile.from_dict({"format": 99})


@given(st.lists(st.integers(0, 2), max_size=30))
def test_longest_run_by_the_book(values: list[int]) -> None:
    best = run = 0
    for index, value in enumerate(values):
        run = run + 1 if index and values[index - 1] == value else 1
        best = max(best, run)
    assert longest_run(np.asarray(values)) == best
