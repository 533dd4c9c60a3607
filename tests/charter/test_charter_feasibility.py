"""The first verdict: each rule alone, with the number behind it and the clause to change; and columns the data lack."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from homeostat.charter.columns import check_columns
from homeostat.charter.feasibility import QuickEvidence, assess
from homeostat.charter.load import parse_charter
from homeostat.errors import DataError

if TYPE_CHECKING:
    from homeostat.charter.schema import Charter

N = 400
TEXT = """\
name: demand
problem: {statement: a, objective: b, decision: c, business_metric: d}
task: {type: regression, target: y, time: day}
success: {metric: mae, threshold: 12, improvement: 0.1, segments: [shade]}
data: {source: data.csv}
learning: {budget: {seconds: 10}}
"""
BINARY = TEXT.replace("regression", "binary").replace("metric: mae, threshold: 12", "metric: auc, threshold: 0.7")
GOOD = QuickEvidence(
    metric="mae",
    greater_is_better=False,
    naive=20.0,
    quick=10.0,
    lift_low=0.4,
    lift_high=0.6,
    rows=N,
    validation_rows=80,
    holdout_rows=80,
    seconds_per_trial=0.5,
)


def charter(old: str = "", new: str = "") -> Charter:
    assert old in TEXT
    return parse_charter(TEXT.replace(old, new, 1), "homeostat.yaml")


def rows(**columns: object) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "day": [date(2024, 1, 1) + timedelta(days=i) for i in range(N)],
            "x": rng.normal(size=N),
            "shade": ["red", "blue"] * (N // 2),
            "y": rng.normal(size=N),
        }
    )
    return frame.with_columns(**columns)  # type: ignore[arg-type]


def test_a_feasible_goal() -> None:
    verdict = assess(rows(), charter(), GOOD)
    assert (verdict.verdict, verdict.reasons) == ("go", ())


@pytest.mark.parametrize(
    ("change", "verdict", "code", "number", "clause"),
    [
        ({"lift_low": 0.0}, "no-go", "no_signal", 0.0, "task.leave_out"),
        ({"lift_low": float("nan"), "lift_high": float("nan")}, "no-go", "no_signal", None, "task.leave_out"),
        ({"lift_low": 0.05, "lift_high": 0.6}, "go with risks", "improvement_uncertain", 0.05, "success.improvement"),
        ({"lift_low": 0.02, "lift_high": 0.09, "quick": 11.9}, "no-go", "improvement_out_of_reach", 0.09, "success.improvement"),
        ({"quick": 15.0, "lift_high": 0.3, "lift_low": 0.2}, "go with risks", "threshold_far", 15.0, "success.threshold"),
        ({"validation_rows": 29}, "no-go", "few_validation_rows", 29, "preparation.validation"),
        ({"holdout_rows": 3}, "no-go", "few_holdout_rows", 3, "preparation.holdout"),
        ({"seconds_per_trial": 4.0}, "go with risks", "short_budget", 2.5, "learning.budget.seconds"),
    ],
)
def test_what_a_quick_model_shows(change: dict[str, float], verdict: str, code: str, number: float | None, clause: str) -> None:
    found = assess(rows(), charter(), replace(GOOD, **change))
    (reason,) = found.reasons
    assert (found.verdict, reason.code, reason.clause) == (verdict, code, clause)
    assert number is None or reason.number == pytest.approx(number)


def test_a_missed_threshold_within_the_uncertainty_is_no_risk() -> None:
    evidence = replace(GOOD, quick=13.0, lift_low=0.2, lift_high=0.45)  # the good end is an error of 11
    assert assess(rows(), charter(), evidence).verdict == "go"


def test_greater_is_better() -> None:
    evidence = replace(GOOD, metric="auc", greater_is_better=True, naive=0.5, quick=0.62, lift_low=0.2, lift_high=0.28)
    binary = parse_charter(BINARY, "homeostat.yaml")
    labels = pl.Series("y", ["yes", "no"] * (N // 2)).shuffle(seed=1)
    (reason,) = assess(rows(y=labels), binary, evidence).reasons
    assert (reason.code, reason.number) == ("threshold_far", 0.62)
    assert "0.08 short of 0.7 (uncertainty 0.02)" in reason.message


def test_too_few_rows() -> None:
    few = assess(rows().head(99), charter("[shade]", "[]"), None)
    assert few.verdict == "no-go"
    assert [(one.code, one.number) for one in few.reasons] == [("few_rows", 99), ("few_validation_rows", 0), ("few_holdout_rows", 0)]
    unlabelled = rows(y=pl.when(pl.int_range(N) < 60).then("y"))
    assert ("few_rows", 60) in [(one.code, one.number) for one in assess(unlabelled, charter(), GOOD).reasons]
    assert assess(rows().head(0), charter("[shade]", "[]"), None).verdict == "no-go"


def test_risks_in_the_data() -> None:
    binary = parse_charter(BINARY, "homeostat.yaml")
    rare = rows(y=pl.when(pl.int_range(N) % 40 == 7).then(pl.lit("yes")).otherwise(pl.lit("no")))
    assert [
        (one.code, one.number, one.clause)
        for one in assess(rare, binary, replace(GOOD, greater_is_better=True, naive=0.5, quick=0.75)).reasons
    ] == [("rare_class", 10, "task.target")]
    segment = rows(shade=pl.when(pl.int_range(N) < 29).then(pl.lit("green")).otherwise("shade"))
    assert [(one.code, one.number) for one in assess(segment, charter(), GOOD).reasons] == [("small_segment", 29)]
    half = rows().head(N // 2)
    assert [(one.code, one.number) for one in assess(pl.concat([half, half]), charter(), GOOD).reasons] == [("duplicates", 0.5)]
    constant = assess(rows(a=pl.lit(1), b=pl.lit(None)), charter(), GOOD).reasons
    assert [(one.code, one.number, one.message.rpartition(": ")[2]) for one in constant] == [("constant_columns", 2, "a, b")]
    timeless = rows(day=pl.when(pl.int_range(N) > 3).then("day"))
    assert [(one.code, one.number) for one in assess(timeless, charter(), GOOD).reasons] == [("rows_without_time", 4)]
    leaky = assess(rows(z=pl.col("y") * 3 + 1), charter(), GOOD)
    assert [(one.code, one.clause) for one in leaky.reasons] == [("suspect_leak", "task.leave_out")]
    assert leaky.verdict == "go with risks"
    assert "z: gives the target away" in leaky.reasons[0].message
    assert assess(rows(z=pl.col("y") * 3 + 1), charter("time: day", "time: day, leave_out: [z]"), GOOD).reasons == ()


def test_late_labels() -> None:
    (reason,) = assess(rows(), charter("time: day", "time: day, label_delay: 36h"), GOOD).reasons
    assert (reason.code, reason.number, reason.clause) == ("late_labels", 1.5, "monitor.window")


def test_the_heaviest_reason_comes_first() -> None:
    found = assess(rows(a=pl.lit(1)), charter(), replace(GOOD, holdout_rows=1, seconds_per_trial=60.0))
    assert [one.weight for one in found.reasons] == ["no-go", "risk", "risk"]
    assert found.verdict == "no-go"


def test_columns_that_are_there() -> None:
    check_columns(charter(), ["y", "day", "shade", "x"])


@pytest.mark.parametrize(
    ("columns", "code", "place", "says"),
    [
        (["Y", "day", "shade"], "HS204", "task.target (a.csv)", "did you mean Y?"),
        (["y", "date", "shade"], "HS203", "task.time (a.csv)", 'got "day"'),
        (["y", "day"], "HS203", "success.segments[0] (a.csv)", "the data has y, day"),
        ([], "HS204", "task.target (a.csv)", 'so are task.time "day", success.segments[0] "shade"'),
    ],
)
def test_columns_that_are_not(columns: list[str], code: str, place: str, says: str) -> None:
    with pytest.raises(DataError) as caught:
        check_columns(charter(), columns, place="a.csv")
    assert (caught.value.code, caught.value.place) == (code, place)
    assert says in caught.value.line()


def test_entity_leave_out_and_types_are_checked_too() -> None:
    named = charter("time: day", "time: day, entity: [a], leave_out: [b]").model_copy(
        update={"preparation": charter().preparation.model_copy(update={"types": {"c": "category"}})}
    )
    with pytest.raises(DataError) as caught:
        check_columns(named, ["y", "day", "shade"])
    assert caught.value.place == "task.entity[0]"
    assert 'task.leave_out[0] "b", preparation.types.c "c"' in caught.value.line()
