from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core import sections
from homeostat.errors import CharterError, DataError, LearningError
from homeostat.preparation.split import eligible, split

TASK = sections.Task(type="regression", target="y", time="at")
NO_TIME = sections.Task(type="regression", target="y")
DAY = timedelta(days=1)


def frame_of(days: list[int], **more: list[object]) -> pl.DataFrame:
    start = date(2020, 1, 1)
    return pl.DataFrame({"row": range(len(days)), "at": [start + d * DAY for d in days], "y": [float(d) for d in days], **more})


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    spread=st.integers(50, 500),
    holdout=st.one_of(st.floats(0.1, 0.4), st.integers(7, 20).map(lambda n: n * DAY)),
    validation=st.one_of(st.floats(0.1, 0.4), st.integers(5, 15).map(lambda n: n * DAY)),
)
def test_parts_are_disjoint_complete_ordered_and_share_no_timestamp(
    seed: int, spread: int, holdout: float | timedelta, validation: float | timedelta
) -> None:
    days = np.random.default_rng(seed).integers(0, spread, size=spread * 4).tolist()
    parts = split(frame_of(days), TASK, sections.Preparation(holdout=holdout, validation=validation))
    rows = [part["row"].to_list() for part in (parts.train, parts.validation, parts.holdout)]
    assert sorted([row for part in rows for row in part]) == list(range(len(days)))
    assert parts.train["at"].max() < parts.validation["at"].min()
    assert parts.validation["at"].max() < parts.holdout["at"].min()
    whole = pl.concat([parts.train, parts.validation, parts.holdout])
    assert whole.equals(whole.sort("at", "row")), "stable: rows of one time keep their order"


@settings(max_examples=30)
@given(count=st.integers(80, 400), share=st.floats(0.15, 0.4))
def test_share_of_distinct_times_is_met_to_the_row(count: int, share: float) -> None:
    parts = split(frame_of(list(range(count))), TASK, sections.Preparation(holdout=share, validation=0.25))
    assert parts.holdout.height == round(share * count)
    assert parts.validation.height == round(0.25 * (count - parts.holdout.height))


def test_span_takes_rows_newer_than_the_newest_less_the_span() -> None:
    parts = split(frame_of(list(range(100))), TASK, sections.Preparation(holdout=20 * DAY, validation=30 * DAY))
    assert parts.holdout["row"].to_list() == list(range(80, 100))
    assert parts.validation["row"].to_list() == list(range(50, 80))


def test_without_a_time_column_the_order_of_rows_is_kept() -> None:
    frame = frame_of(list(range(100, 0, -1))).drop("at")
    parts = split(frame, NO_TIME, sections.Preparation(holdout=0.2, validation=0.25))
    assert [p["row"].to_list() for p in (parts.train, parts.validation, parts.holdout)] == [
        list(range(60)),
        list(range(60, 80)),
        list(range(80, 100)),
    ]


def test_the_four_ways_of_writing_a_time_split_alike() -> None:
    moments = [datetime(2020, 1, 1) + timedelta(hours=7 * i) for i in range(100)]
    ways = [
        pl.Series("at", moments),
        pl.Series("at", [m.isoformat() for m in moments]),
        pl.Series("at", moments).dt.epoch("s"),
        pl.Series("at", moments).dt.replace_time_zone("UTC"),
    ]
    found = [split(frame_of(list(range(100))).with_columns(at), TASK, sections.Preparation()) for at in ways]
    assert len({tuple(parts.holdout["row"].to_list()) for parts in found}) == 1


def test_rows_without_target_or_time_are_counted_out() -> None:
    frame = frame_of(list(range(100))).with_columns(
        y=pl.when(pl.col("row") < 7).then(None).when(pl.col("row") == 7).then(float("nan")).otherwise(pl.col("y")),
        at=pl.when(pl.col("row") == 50).then(None).otherwise(pl.col("at")),
    )
    rows = eligible(frame, TASK)
    assert (rows.frame.height, rows.without_target, rows.without_time) == (91, 8, 1)
    parts = split(frame, TASK, sections.Preparation())
    assert parts.train.height + parts.validation.height + parts.holdout.height == 91
    assert not np.isnan(pl.concat([parts.train, parts.validation, parts.holdout])["y"].to_numpy()).any()


@pytest.mark.parametrize("days", [[], [1], list(range(40)), [3] * 500])
def test_too_few_rows_are_refused_with_the_numbers(days: list[int]) -> None:
    with pytest.raises(LearningError, match=r"HS302.*labelled rows split into train \d+, validation \d+, holdout \d+.*preparation.holdout"):
        split(frame_of(days), TASK, sections.Preparation())


def test_wrong_columns_and_clauses_are_the_users_mistakes() -> None:
    frame = frame_of(list(range(100)))
    with pytest.raises(DataError, match="HS204"):
        split(frame.drop("y"), TASK, sections.Preparation())
    with pytest.raises(DataError, match="HS203"):
        split(frame.drop("at"), TASK, sections.Preparation())
    with pytest.raises(DataError, match="HS205"):
        split(frame.with_columns(at=pl.lit("yesterday")), TASK, sections.Preparation())
    with pytest.raises(CharterError, match=r"HS106.*preparation.validation"):
        split(frame, NO_TIME, sections.Preparation(validation=10 * DAY))
