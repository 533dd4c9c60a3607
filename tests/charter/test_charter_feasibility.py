"""The verdict: each rule alone, with the number behind it and the clause to change; and columns the data lack."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from homeostat.charter.columns import check_columns
from homeostat.charter.evidence import Balance, Carried, Compared, Cost, Evidence
from homeostat.charter.feasibility import assess
from homeostat.charter.load import parse_charter
from homeostat.errors import DataError
from homeostat.stats.learning_curve import Forecast, LearningCurve
from homeostat.stats.noise import Ceiling
from homeostat.stats.power import Power

if TYPE_CHECKING:
    from homeostat.charter.schema import Charter

N = 400
TEXT = """\
name: demand
problem: {statement: a, objective: b, decision: c, business_metric: d}
task: {type: regression, target: y, time: day}
success: {metric: mae, threshold: 12, improvement: 0.1, champion_margin: 0.02, segments: [shade], latency_p99_ms: 20, size_mb: 1}
data: {source: data.csv}
learning: {budget: {seconds: 10}}
"""
BINARY = TEXT.replace("regression", "binary").replace("metric: mae, threshold: 12", "metric: auc, threshold: 0.7")
NAIVE = Compared("naive", "always the same answer", value=20.0, saving=0.5, low=0.4, high=0.6)
RULE = Compared("rule of thumb", "12 if x <= 0.5, else 30", value=15.0, saving=0.33, low=0.2, high=0.5)
POWER = Power(80, 0.95, 0.1, 0.8, reach=0.08, spread=0.05, smallest=0.22, low=0.2, high=0.25)
GOOD = Evidence(
    metric="mae",
    greater_is_better=False,
    learner="lightgbm",
    quick=10.0,
    low=9.0,
    high=11.0,
    naive=NAIVE,
    signal_low=0.35,
    rows=N,
    judged_rows=80,
    holdout_rows=80,
    rule=RULE,
    power=POWER,
    champion_power=replace(POWER, margin=0.02, smallest=0.03, spread=0.01),
    spread=0.6,
    cost=Cost(seconds_per_trial=0.5, seconds=10, trials=20, size_mb=0.2, latency_p99_ms=0.4),
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
    assert verdict.evidence is GOOD


def saved(low: float, high: float) -> dict[str, Any]:
    return {"naive": replace(NAIVE, saving=(low + high) / 2, low=low, high=high)}


@pytest.mark.parametrize(
    ("change", "verdict", "code", "number", "clause"),
    [
        ({"signal_low": 0.0}, "no-go", "no_signal", 0.0, "task.leave_out"),
        ({"signal_low": float("nan")}, "no-go", "no_signal", None, "task.leave_out"),
        (saved(0.05, 0.6), "go with risks", "improvement_uncertain", 0.05, "success.improvement"),
        (saved(0.02, 0.09), "no-go", "improvement_out_of_reach", 0.09, "success.improvement"),
        ({"rule": replace(RULE, low=-0.1, high=0.1)}, "go with risks", "rule_suffices", -0.1, "success.baseline"),
        ({"quick": 15.0}, "go with risks", "threshold_far", 15.0, "success.threshold"),
        ({"judged_rows": 29}, "no-go", "few_validation_rows", 29, "preparation.validation"),
        ({"holdout_rows": 3}, "no-go", "few_holdout_rows", 3, "preparation.holdout"),
        ({"cost": Cost(4.0, 10, 2.5, 0.2, 0.4)}, "go with risks", "short_budget", 2.5, "learning.budget.seconds"),
        ({"cost": Cost(0.5, 10, 20, 1.5, 0.4)}, "go with risks", "large", 1.5, "success.size_mb"),
        ({"cost": Cost(0.5, 10, 20, 0.2, 21.0)}, "go with risks", "slow", 21.0, "success.latency_p99_ms"),
        ({"power": replace(POWER, reach=0.3, spread=0.2, smallest=0.6)}, "go with risks", "low_power", 0.691, "preparation.holdout"),
        ({"champion_power": replace(POWER, margin=0.02, smallest=0.05)}, "go", "champion_power", 0.05, "success.champion_margin"),
        ({"carried": Carried(("x",), 0.5, 0.1)}, "go", "carried", 0.1, "task.leave_out"),
        ({"repeated": 0.03}, "go with risks", "repeated_rows", 0.03, "preparation.split"),
        ({"ceiling": Ceiling("mae", False, 14.0, 13.0, 15.0, 90, 40, True)}, "no-go", "above_ceiling", 14.0, "success.threshold"),
        ({"ceiling": Ceiling("mae", False, 14.0, 13.0, 15.0, 90, 40, False)}, "go with risks", "above_ceiling", 14.0, "success.threshold"),
        ({"balance": Balance("EUR", -5.0, -9.0, 3.0, 40.0)}, "no-go", "costs_more", -5.0, "value"),
        ({"balance": Balance("EUR", 5.0, -9.0, 20.0, 40.0)}, "go with risks", "may_cost_more", -9.0, "value"),
    ],
)
def test_what_was_measured(change: dict[str, Any], verdict: str, code: str, number: float | None, clause: str) -> None:
    found = assess(rows(), charter(), replace(GOOD, **change))
    reasons = [one for one in found.reasons if not (one.code == "low_power" and code.startswith("improvement"))]
    assert [one.code for one in reasons] == [code]
    assert (found.verdict, reasons[0].clause) == (verdict, clause)
    assert number is None or reasons[0].number == pytest.approx(number, abs=5e-4)


def test_without_a_signal_nothing_else_is_argued_from_the_model() -> None:
    found = assess(rows(), charter(), replace(GOOD, signal_low=-0.1, quick=30.0, rule=replace(RULE, low=-1.0), power=None, cost=None))
    assert [one.code for one in found.reasons] == ["no_signal"]


def test_low_power_says_how_many_rows_are_needed() -> None:
    power = replace(POWER, reach=0.3, spread=0.2, smallest=0.6)
    (reason,) = assess(rows(), charter(), replace(GOOD, power=power)).reasons
    assert "in 69% of cases" in reason.message
    assert "for that 125 rows are needed" in reason.message  # 80 x ((0.6 - 0.1) / (0.5 - 0.1)) ** 2


def test_a_missed_threshold_within_the_uncertainty_is_no_risk() -> None:
    assert assess(rows(), charter(), replace(GOOD, quick=12.3)).verdict == "go"


@pytest.mark.parametrize(
    ("errors", "said"), [((13.0, 11.5, 10.0), "about 4 times the rows would do"), ((14.0, 13.5, 12.5), "more rows alone won't do")]
)
def test_what_more_rows_would_do_about_the_threshold(errors: tuple[float, ...], said: str) -> None:
    ahead = tuple(Forecast(n, e, e, e, 0.1, 0.1, 0.1) for n, e in zip((400.0, 800.0, float("inf")), errors, strict=True))
    curve = LearningCurve((25, 50, 100, 200), (30.0, 22.0, 18.0, 15.0), 10.0, 1.0, 0.5, 0.99, True, ahead)
    (reason,) = assess(rows(), charter(), replace(GOOD, quick=15.0, curve=curve)).reasons
    assert said in reason.message
    (unsure,) = assess(rows(), charter(), replace(GOOD, quick=15.0, curve=replace(curve, fit=0.3))).reasons
    assert "rows" not in unsure.message


def test_greater_is_better() -> None:
    naive = replace(NAIVE, value=0.5, saving=0.24, low=0.2, high=0.28)
    evidence = replace(GOOD, metric="auc", greater_is_better=True, quick=0.62, low=0.6, high=0.64, naive=naive, spread=0.01)
    binary = parse_charter(BINARY, "homeostat.yaml")
    labels = pl.Series("y", ["yes", "no"] * (N // 2)).shuffle(seed=1)
    (reason,) = [one for one in assess(rows(y=labels), binary, evidence).reasons if one.code != "low_power"]
    assert (reason.code, reason.number) == ("threshold_far", 0.62)
    assert "(0.6 to 0.64) is 0.08 short of 0.7" in reason.message


def test_another_baseline_is_what_the_gate_compares_with() -> None:
    other = replace(NAIVE, name="seasonal 7d", value=10.5, saving=0.05, low=-0.02, high=0.12)
    found = assess(rows(), charter(), replace(GOOD, baseline=other, power=None))
    assert [(one.code, one.number) for one in found.reasons] == [("improvement_uncertain", -0.02)]
    assert "the seasonal 7d baseline" in found.reasons[0].message


def test_too_few_rows() -> None:
    few = assess(rows().head(99), charter("[shade]", "[]"), None)
    assert few.verdict == "no-go"
    assert [(one.code, one.number) for one in few.reasons] == [("few_rows", 99), ("few_validation_rows", 0), ("few_holdout_rows", 0)]
    unlabelled = rows(y=pl.when(pl.int_range(N) < 60).then("y"))
    assert ("few_rows", 60) in [(one.code, one.number) for one in assess(unlabelled, charter(), GOOD).reasons]
    assert assess(rows().head(0), charter("[shade]", "[]"), None).verdict == "no-go"


def test_risks_in_the_data() -> None:
    binary = parse_charter(BINARY.replace("threshold: 0.7, ", ""), "homeostat.yaml")
    rare = rows(y=pl.when(pl.int_range(N) % 40 == 7).then(pl.lit("yes")).otherwise(pl.lit("no")))
    auc = replace(GOOD, metric="auc", greater_is_better=True, quick=0.75)
    assert [(one.code, one.number, one.clause) for one in assess(rare, binary, auc).reasons] == [("rare_class", 10, "task.target")]
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


def test_rows_in_the_order_of_the_target() -> None:
    timeless = charter(", time: day", "")
    ordered = assess(rows().sort("y").drop("day"), timeless, GOOD)
    assert [(one.code, one.clause) for one in ordered.reasons] == [("sorted_by_target", "preparation.split")]
    assert assess(rows().drop("day"), timeless, GOOD).reasons == ()
    stratified = charter(", time: day}", "}\npreparation: {split: {kind: stratified}}")
    assert assess(rows().sort("y").drop("day"), stratified, GOOD).reasons == ()


def test_late_labels() -> None:
    (reason,) = assess(rows(), charter("time: day", "time: day, label_delay: 36h"), GOOD).reasons
    assert (reason.code, reason.number, reason.clause) == ("late_labels", 1.5, "monitor.window")


def test_the_heaviest_reason_comes_first() -> None:
    found = assess(rows(a=pl.lit(1)), charter(), replace(GOOD, holdout_rows=1, carried=Carried(("x",), 0.5, 0.1)))
    assert [one.weight for one in found.reasons] == ["no-go", "risk", "question"]
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
