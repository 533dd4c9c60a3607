"""Target relations, time, missingness, outliers, duplicates: brute force and reference libraries."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from homeostat.core import sections
from homeostat.preparation.analysis.duplicates import duplicates
from homeostat.preparation.analysis.goal import goal_of
from homeostat.preparation.analysis.missing import missing
from homeostat.preparation.analysis.outliers import limits, outliers
from homeostat.preparation.analysis.over_time import Timeline, over_time
from homeostat.preparation.analysis.reading import as_seconds, readable
from homeostat.preparation.analysis.records import ColumnProfile
from homeostat.preparation.analysis.relations import relations, wilson


def task(kind: str, **more: object) -> sections.Task:
    return sections.Task.model_validate({"type": kind, "target": "y", **more})


def test_means_and_intervals_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"g": rng.choice(["a", "b", "c"], 300), "y": rng.normal(size=300)}).with_columns(
        pl.when(pl.int_range(300) < 10).then(None).otherwise("g").alias("g")
    )
    (found,) = relations(readable(frame, {"g": "category"}), goal_of(frame["y"], task("regression")), {"g": 0.1})
    assert (found.column, found.by, found.association) == ("g", "value", 0.1)
    assert {group.label for group in found.groups} == {"a", "b", "c", "(no value)"}
    for group in found.groups:
        values = frame.filter(pl.col("g").eq_missing(None if group.label == "(no value)" else group.label))["y"].to_numpy()
        low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        assert (group.rows, group.value, group.low, group.high) == (len(values), *(pytest.approx(v) for v in (values.mean(), low, high)))


@given(st.integers(0, 300), st.integers(1, 300))
def test_wilson_is_that_of_scipy(hits: int, rows: int) -> None:
    hits = min(hits, rows)
    expected = stats.binomtest(hits, rows).proportion_ci(0.95, method="wilson")
    assert wilson(hits, rows) == (pytest.approx(expected.low, abs=1e-12), pytest.approx(expected.high, abs=1e-12))


def test_bins_hold_equal_counts_and_rates_follow_the_column() -> None:
    x = np.random.default_rng(0).permutation(1_000).astype(float)
    frame = pl.DataFrame({"x": x, "y": np.where(x > 499, "yes", "no")})
    (found,) = relations(readable(frame, {"x": "number"}), goal_of(frame["y"], task("binary", positive="yes")), {})
    assert found.by == "bin"
    assert [group.rows for group in found.groups] == pytest.approx([100] * 10, abs=2)
    assert [group.value for group in found.groups] == pytest.approx([0.0] * 5 + [1.0] * 5, abs=0.02)


def test_classes_are_shares_in_the_order_of_the_classes() -> None:
    frame = pl.DataFrame({"g": ["a"] * 4 + ["b"] * 6, "y": ["p", "p", "q", "r"] + ["p"] * 3 + ["q"] * 3})
    goal = goal_of(frame["y"], task("multiclass"))
    assert goal.classes == (("p", 5), ("q", 4), ("r", 1))
    (found,) = relations(readable(frame, {"g": "category"}), goal, {})
    assert {group.label: group.shares for group in found.groups} == {"a": (0.5, 0.25, 0.25), "b": (0.5, 0.5, 0.0)}


def test_the_positive_class_is_first_and_many_classes_are_lumped() -> None:
    assert goal_of(pl.Series("y", [1, 0, 0]), task("binary", positive=1)).names == ("1", "0")
    assert goal_of(pl.Series("y", ["no", "yes", "no"]), task("binary")).names == ("yes", "no")
    many = goal_of(pl.Series("y", [f"c{i:02d}" for i in range(30) for _ in range(30 - i)]), task("multiclass"))
    assert (len(many.classes), many.classes[0], many.classes[-1][0]) == (12, ("c00", 30), "other classes")
    assert sum(rows for _, rows in many.classes) == len(many.values)


def test_behaviour_over_time_is_a_group_by_month() -> None:
    rng = np.random.default_rng(0)
    at = [datetime(2023, 1, 1) + timedelta(hours=7 * i) for i in range(1_200)]
    frame = pl.DataFrame({"at": at, "x": rng.normal(size=1_200), "g": rng.choice(["a", "b"], 1_200, p=[0.6, 0.4])})
    frame = frame.with_columns(pl.when(pl.int_range(1_200) >= 800).then(pl.col("x") + 10).otherwise("x").alias("x"))
    frame = frame.with_columns(pl.when(pl.int_range(1_200) % 4 == 0).then(None).otherwise("x").alias("x"))
    seconds = as_seconds(frame["at"]).to_numpy()
    goal = goal_of(pl.Series("y", np.arange(600.0)), task("regression"))
    found = over_time(readable(frame, {"at": "timestamp", "x": "number", "g": "category"}), Timeline(seconds, "at"), (goal, seconds[:600]))
    assert found is not None
    months = frame.group_by(pl.col("at").dt.truncate("1mo")).agg(
        pl.len().alias("rows"),
        pl.col("x").mean(),
        (pl.col("x").null_count() / pl.len()).alias("nulls"),
        (pl.col("g") == "a").mean().alias("a"),
    )
    months = months.sort("at")
    assert (found.unit, found.starts) == ("month", tuple(months["at"].dt.date().cast(pl.String)))
    assert list(found.rows) == months["rows"].to_list()
    by_name = {each.column: each for each in found.columns}
    assert by_name["x"].values == pytest.approx(months["x"].to_list())
    assert by_name["x"].nulls == pytest.approx(months["nulls"].to_list())
    assert (by_name["g"].of, by_name["g"].values) == ("a", pytest.approx(months["a"].to_list()))
    # A quarter of both thirds is null, the rest has nothing in common.
    assert by_name["x"].drift == pytest.approx(0.75, abs=0.01)
    assert by_name["x"].p_value < 1e-6
    assert by_name["g"].drift < 0.1
    assert next(each.column for each in found.columns) == "x"
    assert sum(group.rows for group in found.target) == 600
    assert found.target_drift == 1.0


def test_drift_of_continuous_numbers_is_close_to_the_statistic_of_the_raw_rows() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=1_000), rng.normal(size=1_000), rng.normal(0.5, size=1_000)])
    frame = pl.DataFrame({"x": values})
    goal = goal_of(pl.Series("y", [], dtype=pl.Float64), task("regression"))
    found = over_time(readable(frame, {"x": "number"}), Timeline(np.arange(3_000.0), ""), (goal, np.empty(0)))
    assert found is not None
    exact = stats.ks_2samp(values[:1_000], values[2_000:])
    assert found.columns[0].drift == pytest.approx(exact.statistic, abs=0.02)
    assert found.columns[0].drift <= exact.statistic + 1e-12


def test_missing_together() -> None:
    empty = pl.DataFrame(
        {"a": [True, True, False, False], "b": [True, True, False, False], "c": [False, True, False, True], "d": [False] * 4}
    )
    profiles = tuple(ColumnProfile(name, "number", "number", 4, int(empty[name].sum()), 1, constant=False) for name in empty.columns)
    found = missing(profiles, empty)
    assert found.columns == (("a", 2, 0.5), ("b", 2, 0.5), ("c", 2, 0.5))
    assert dict(found.patterns) == {("a", "b"): 1, ("a", "b", "c"): 1, ("c",): 1}
    assert found.pairs == (("a", "b", 2, pytest.approx(1.0)),)
    assert missing((), pl.DataFrame()) == missing(profiles[3:], empty)


def test_outliers_are_named_with_their_place() -> None:
    values = [*np.random.default_rng(0).normal(size=500), 40.0, -60.0]
    table = readable(
        pl.DataFrame({"x": values, "when": values, "few": [float(i % 3) for i in range(502)]}),
        {"x": "number", "when": "timestamp", "few": "number"},
    )
    (found,) = outliers(table, lambda row: f"row {row}")
    middle = np.median(values)
    sigma = stats.median_abs_deviation(values, scale="normal")
    assert (found.column, found.rule) == ("x", "robust z")
    assert (found.low, found.high) == (pytest.approx(middle - 3.5 * sigma, rel=1e-3), pytest.approx(middle + 3.5 * sigma, rel=1e-3))
    assert found.examples[:2] == ((-60.0, "row 501"), (40.0, "row 500"))
    assert found.share == pytest.approx((found.below + found.above) / 502)


def test_where_half_of_the_values_are_equal_the_quartiles_decide() -> None:
    values = np.array([0.0] * 60 + list(range(1, 41)), dtype=float)
    assert limits(values) == ("quartiles", pytest.approx(-3 * 15.25), pytest.approx(15.25 * 4))
    assert limits(np.zeros(50)) is None


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 1)), max_size=40))
def test_duplicates_are_counted_as_by_hand(rows: list[tuple[int, int, int]]) -> None:
    frame = pl.DataFrame(rows, schema=["a", "b", "y"], orient="row")
    found = duplicates(frame, frame, "y", ["a", "b"])
    assert found.exact == len(rows) - len(set(rows))
    groups: dict[tuple[int, int], list[int]] = {}
    for a, b, y in rows:
        groups.setdefault((a, b), []).append(y)
    shared = [targets for targets in groups.values() if len(targets) > 1]
    assert found.same_inputs == sum(map(len, shared))
    assert found.contradicting == sum(len(targets) - max(map(targets.count, targets)) for targets in shared)
