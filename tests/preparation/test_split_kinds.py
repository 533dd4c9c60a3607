"""Laws of the splits that are not a plain cut by time: disjoint, complete, pure, the same whatever the order of the rows."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core import sections
from homeostat.errors import CharterError, DataError, LearningError
from homeostat.preparation.fingerprints import fingerprints, positions
from homeostat.preparation.split import split

if TYPE_CHECKING:
    from homeostat.core.records import Split

TASK = sections.Task(type="regression", target="y")
TIMED = sections.Task(type="regression", target="y", time="at")
CLASSES = sections.Task(type="multiclass", target="y")
KINDS = ("random", "stratified", "group")
DAY = timedelta(days=1)
SHARES = st.floats(0.15, 0.4)
FIXED = [15_758_362_901_819_919_288, 16_330_251_539_941_118_391]


def section(kind: str | None, **given: Any) -> sections.Preparation:
    plan = {name: given.pop(name) for name in ("gap", "folds") if name in given}
    group = "shop" if kind == "group" else None
    return sections.Preparation(split=sections.SplitPlan.model_validate({"kind": kind, "group": group, **plan}), **given)


def rows(count: int, seed: int = 0, groups: int = 60) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "row": range(count),
            "x": rng.normal(size=count),
            "shop": [f"shop {k}" for k in rng.integers(0, groups, count)],
            "at": [date(2020, 1, 1) + int(d) * DAY for d in np.sort(rng.integers(0, 300, count))],
            "y": rng.normal(size=count),
        }
    )


def numbers(parts: Split) -> list[list[int]]:
    return [part["row"].to_list() for part in (parts.train, parts.validation, parts.holdout)]


@settings(max_examples=30)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 2**16), holdout=SHARES, validation=SHARES, folds=st.integers(1, 4))
def test_parts_and_folds_are_disjoint_and_complete(kind: str, seed: int, holdout: float, validation: float, folds: int) -> None:
    parts = split(rows(900, seed), TASK, section(kind, holdout=holdout, validation=validation, folds=folds), seed)
    train, judged, sealed = numbers(parts)
    assert sorted(train + judged + sealed) == list(range(900))
    assert parts.left_out == 0
    assert all(part == sorted(part) for part in (train, judged, sealed)), "rows keep their order"
    assert parts.rounds == folds
    if folds > 1:
        rounds = [parts.round(number) for number in range(folds)]
        assert sorted(row for _, fold in rounds for row in fold["row"]) == sorted(train + judged), "every development row is judged once"
        assert all(sorted([*first["row"], *fold["row"]]) == sorted(train + judged) for first, fold in rounds)


@settings(max_examples=30)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 2**16))
def test_the_order_of_rows_and_columns_changes_nothing(kind: str, seed: int) -> None:
    frame = rows(400, seed)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed).select(sorted(frame.columns))
    for one, two in zip(numbers(split(frame, TASK, section(kind))), numbers(split(shuffled, TASK, section(kind))), strict=True):
        assert sorted(one) == sorted(two)


def test_another_seed_seals_another_holdout_and_the_same_seed_the_same() -> None:
    for kind in KINDS:
        found = [set(numbers(split(rows(600), TASK, section(kind), seed))[2]) for seed in (0, 0, 1)]
        assert found[0] == found[1] != found[2]


@settings(max_examples=30)
@given(seed=st.integers(0, 2**16), more=st.integers(1, 900), column=st.booleans())
def test_a_row_once_sealed_by_a_random_split_stays_sealed(seed: int, more: int, column: bool) -> None:
    """Whatever rows come, and though the new ones have a column that the old ones lack, and its label is corrected."""
    old, new = rows(500, seed), rows(more, seed + 1).with_columns(pl.col("row") + 500)
    if column:
        new = new.with_columns(fresh=pl.lit("value"))
    later = pl.concat([new, old.with_columns(pl.col("y") + 1)], how="diagonal")
    before, after = numbers(split(old, TASK, section("random"))), numbers(split(later, TASK, section("random")))
    for one, two in zip(before, after, strict=True):
        assert set(one) == {row for row in two if row < 500}


@settings(max_examples=30)
@given(kind=st.sampled_from(["random", "stratified"]), seed=st.integers(0, 2**16), folds=st.integers(1, 3))
def test_copies_of_a_row_are_never_on_both_sides(kind: str, seed: int, folds: int) -> None:
    first = rows(300, seed)
    copies = first.sample(300, with_replacement=True, seed=seed)
    parts = split(pl.concat([first, copies]).drop("at"), TASK, section(kind, folds=folds))
    cuts = [(parts.train, parts.validation), (parts.development, parts.holdout), *(parts.round(at) for at in range(parts.rounds))]
    for one, two in cuts:
        assert not set(one["row"]) & set(two["row"])


@settings(max_examples=30)
@given(seed=st.integers(0, 2**16), groups=st.integers(12, 300), folds=st.integers(1, 3))
def test_no_group_is_on_both_sides(seed: int, groups: int, folds: int) -> None:
    frame = rows(900, seed, groups).with_columns(shop=pl.when(pl.col("row") % 50 == 0).then(None).otherwise(pl.col("shop")))
    parts = split(frame, TASK, section("group", folds=folds))
    cuts = [(parts.train, parts.validation), (parts.development, parts.holdout), *(parts.round(at) for at in range(parts.rounds))]
    for one, two in cuts:
        assert not set(one["shop"].drop_nulls()) & set(two["shop"].drop_nulls())
    assert 0.05 < parts.holdout.height / 900 < 0.4, "a fifth, as near as whole groups allow"
    assert len({part["shop"].null_count() > 0 for part in (parts.train, parts.holdout)}) >= 1


@settings(max_examples=30)
@given(seed=st.integers(0, 2**16), holdout=SHARES, validation=SHARES)
def test_a_stratified_split_keeps_the_share_of_each_class_to_a_row(seed: int, holdout: float, validation: float) -> None:
    rng = np.random.default_rng(seed)
    frame = rows(700, seed).with_columns(y=pl.Series(rng.choice(["a", "b", "c"], 700, p=[0.7, 0.25, 0.05])))
    parts = split(frame, CLASSES, section("stratified", holdout=holdout, validation=validation, folds=2))
    for name in ("a", "b", "c"):
        count = (frame["y"] == name).sum()
        assert abs((parts.holdout["y"] == name).sum() - holdout * count) <= 1
        assert abs((parts.validation["y"] == name).sum() - validation * (1 - holdout) * count) <= 2
        halves = [(parts.round(at)[1]["y"] == name).sum() for at in range(2)]
        assert abs(halves[0] - halves[1]) <= 2


def test_a_stratified_split_of_a_quantity_keeps_its_distribution() -> None:
    frame = rows(2_000).with_columns(pl.col("y").exp())
    parts = split(frame, TASK, section("stratified"))
    for share in (0.1, 0.5, 0.9):
        limit = frame["y"].quantile(share)
        assert (parts.holdout["y"] <= limit).mean() == pytest.approx(share, abs=0.01)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**16), gap=st.integers(0, 15), folds=st.integers(1, 5), holdout=SHARES | st.just(30 * DAY))
def test_time_with_a_gap_and_rolling_origin(seed: int, gap: int, folds: int, holdout: float | timedelta) -> None:
    frame = rows(1_500, seed)
    parts = split(frame, TIMED, section("time", gap=gap * DAY, folds=folds, holdout=holdout))
    train, judged, sealed = numbers(parts)
    assert parts.between is not None
    between = parts.between["row"].to_list()
    assert len(train) + len(between) + len(judged) + len(sealed) + parts.left_out == 1_500
    assert parts.development["row"].to_list() == train + between + judged == list(range(1_500 - len(sealed) - parts.left_out))
    assert (parts.left_out > 0) == (gap > 1), "a row a day: one of the day before is as old as a gap of a day"
    for one, two in pairwise((parts.train, parts.validation, parts.holdout)):
        assert two["at"].min() - one["at"].max() >= max(gap, 1) * DAY
        gone = frame.filter((pl.col("at") > one["at"].max()) & (pl.col("at") < two["at"].min()))
        assert gone.is_empty() or gone["at"].min() > two["at"].min() - gap * DAY, "no more is left out than the gap"
    rounds = [parts.round(number) for number in range(parts.rounds)]
    assert [row for _, fold in rounds for row in fold["row"]] == judged, "the validation rows, each once, in order"
    for learned, fold in rounds:
        assert fold["at"].min() - learned["at"].max() >= max(gap, 1) * DAY
        assert set(train) <= set(learned["row"])
        assert learned.height == frame.filter(pl.col("at") <= fold["at"].min() - max(gap, 1) * DAY).height, "all that is known by then"
    if folds > 1:
        assert len({learned.height for learned, _ in rounds}) == folds, "each origin lies later"


def test_rows_without_a_time_stay_where_time_does_not_cut() -> None:
    frame = rows(300).with_columns(at=pl.when(pl.col("row") % 3 == 0).then(None).otherwise(pl.col("at")))
    kept = split(frame, TIMED, section("random"))
    assert sum(map(len, numbers(kept))) == 300
    assert sum(map(len, numbers(split(frame, TIMED, section(None))))) == 200
    assert kept.train["at"].drop_nulls().is_sorted()


@pytest.mark.parametrize(
    ("task", "given", "said"),
    [
        (
            TIMED,
            {"kind": "random", "holdout": 10 * DAY},
            "HS106.*preparation.holdout: got a duration, and .*split.kind is random",
        ),
        (TIMED, {"kind": "stratified", "gap": DAY}, "HS106.*preparation.split.gap"),
        (TASK, {"kind": None, "gap": DAY}, "HS106.*preparation.split.gap: got a duration, and task.time is not set"),
        (TASK, {"kind": "time"}, "HS106.*preparation.split.kind: got time, and task.time is not set"),
    ],
)
def test_clauses_that_contradict_each_other_are_refused(task: sections.Task, given: dict[str, Any], said: str) -> None:
    with pytest.raises(CharterError, match=said):
        split(rows(300), task, section(**given))


def test_a_group_comes_with_its_column_and_its_kind() -> None:
    for plan in ({"kind": "group"}, {"kind": "random", "group": "shop"}, {"group": "shop"}):
        with pytest.raises(CharterError, match=r"HS106.*preparation.split.group"):
            split(rows(300), TASK, sections.Preparation(split=sections.SplitPlan.model_validate(plan)))
    with pytest.raises(DataError, match=r"HS203.*'shop'"):
        split(rows(300).drop("shop"), TASK, section("group"))


def test_too_few_different_rows_groups_or_times_are_refused_with_the_numbers() -> None:
    copies = pl.concat([rows(1)] * 300)
    with pytest.raises(LearningError, match=r"HS302.*they are 1 different rows or groups"):
        split(copies, TASK, section("random"))
    with pytest.raises(LearningError, match=r"HS309.*smallest of 20 folds has \d rows"):
        split(rows(200), TASK, section("random", folds=20))
    with pytest.raises(LearningError, match=r"HS309.*preparation.split.folds.*the validation rows have \d+ times"):
        split(rows(900).with_columns(at=pl.col("at").dt.truncate("1mo")), TIMED, section("time", folds=20))


def test_fingerprints_follow_values_and_not_types_places_or_columns_without_a_value() -> None:
    frame = pl.DataFrame({"a": [1, 2, None], "b": ["x", None, "x"], "c": [date(2020, 1, 1)] * 3})
    words = fingerprints(frame, frame.columns)
    assert len(set(words.tolist())) == 3
    types = [pl.col("a").cast(pl.Float64), pl.col("b").cast(pl.Categorical), pl.col("c").cast(pl.Datetime("ms"))]
    same = frame.with_columns(*types, d=pl.lit(None))
    np.testing.assert_array_equal(fingerprints(same, ["d", "c", "b", "a"]), words)
    np.testing.assert_array_equal(fingerprints(frame[::-1], frame.columns), words[::-1])
    swapped = frame.rename({"a": "c", "c": "a"})
    assert (fingerprints(swapped, swapped.columns) != words).all(), "a value means something in its column only"
    assert (fingerprints(frame, frame.columns, seed=1) != words).all()
    odd = pl.DataFrame({"list": [[1], [2], None], "bytes": [b"\xff", None, b"a"], "struct": [{"k": 1}, {"k": 2}, {"k": 1}]})
    assert len(set(fingerprints(odd, odd.columns).tolist())) == 3
    zeros = pl.DataFrame({"a": [0.0, -0.0, float("nan"), None]})
    assert fingerprints(zeros, ["a"])[0] == fingerprints(zeros, ["a"])[1]
    assert fingerprints(zeros, ["a"])[2] == fingerprints(zeros, ["a"])[3]


def test_fingerprints_are_fixed_for_ever_and_uniform() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert fingerprints(frame, ["a", "b"]).tolist() == FIXED
    place = positions(fingerprints(pl.DataFrame({"n": range(100_000)}), ["n"]))
    assert place.min() >= 0
    assert place.max() < 1
    counts = np.histogram(place, 20, (0, 1))[0]
    assert ((counts - 5_000) ** 2 / 5_000).sum() < 43.8, "chi-squared, 19 degrees of freedom, 0.1 %"
