"""Alarms: silent on nothing, loud on planted faults; on the bundled bike data as on drawn numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

import homeostat
from homeostat.core.sections import Monitor
from homeostat.graph.plan import Input
from homeostat.monitoring.diagnose import Context, diagnose
from homeostat.monitoring.observe import Breaches, observe
from homeostat.monitoring.profile import Profile, profile, reference_profile

if TYPE_CHECKING:
    from homeostat.core.records import Finding

BIKE = pl.read_csv(Path(homeostat.__file__).parent / "data" / "bike_hourly.csv")
NUMBERS = ("hr", "mnth", "weekday", "temp", "atemp", "hum", "windspeed")
BIKE_INPUTS = (*(Input(name, "number") for name in NUMBERS), Input("weathersit", "category"), Input("workingday", "boolean"))
SECTION = Monitor(significance=0.05)


def months(first: str, last: str) -> pl.DataFrame:
    return BIKE.filter(pl.col("dteday").str.slice(0, 7).is_between(pl.lit(first), pl.lit(last)))


def findings(frame: pl.DataFrame, reference: Profile, section: Monitor = SECTION) -> dict[str, Finding]:
    return {finding.column: finding for finding in observe(profile(frame, reference), reference, section)}


def drawn(rng: np.random.Generator, rows: int, columns: int = 30) -> pl.DataFrame:
    """Two thirds normal numbers with 3% nulls, one third categories of ten values with one rare one."""
    data: dict[str, pl.Series] = {}
    for index in range(columns):
        if index % 3:
            values = pl.Series(rng.normal(size=rows))
            data[f"c{index}"] = values.set(pl.Series(rng.random(rows) < 0.03), None)
        else:
            data[f"c{index}"] = pl.Series(rng.choice(list("abcdefghij"), rows, p=[0.19, *[0.1] * 8, 0.01]))
    return pl.DataFrame(data)


def drawn_inputs(columns: int = 30) -> list[Input]:
    return [Input(f"c{index}", "number" if index % 3 else "category") for index in range(columns)]


def test_false_alarms_stay_within_the_budget() -> None:
    """30 independent columns, 100 windows of 2,000 rows, 5% asked for over the family, with no help from the smallest effect."""
    rng = np.random.default_rng(7)
    reference = reference_profile(drawn(rng, 20_000), drawn_inputs())
    bare = Monitor(significance=0.05, min_effect=1e-9)
    alarms = sum(bool(observe(profile(drawn(rng, 2_000), reference), reference, bare)) for _ in range(100))
    assert alarms <= 7


def test_planted_changes_are_always_found() -> None:
    rng = np.random.default_rng(8)
    reference = reference_profile(drawn(rng, 20_000), drawn_inputs())
    for _ in range(20):
        window = drawn(rng, 2_000)
        lost = pl.Series(rng.random(2_000) < 0.08)
        window = window.with_columns(
            c1=pl.col("c1") + 0.5,
            c2=pl.when(lost).then(None).otherwise(pl.col("c2")),
            c3=pl.when(pl.Series(rng.random(2_000) < 0.05)).then(pl.lit("new")).otherwise("c3"),
            c4=pl.lit(0.25),
            c6=pl.when(pl.Series(rng.random(2_000) < 0.3)).then(pl.lit("a")).otherwise("c6"),
        )
        found = findings(window, reference)
        assert {name: finding.statistic for name, finding in found.items()} == {
            "c1": "ks",
            "c2": "null_rate",
            "c3": "unseen_rate",
            "c4": "constant",
            "c6": "total_variation",
        }
        assert found["c2"].effect == pytest.approx(0.08, abs=0.03)


def test_significant_but_tiny_is_no_alarm() -> None:
    rng = np.random.default_rng(9)
    reference = reference_profile(pl.DataFrame({"x": rng.normal(size=100_000)}), [Input("x", "number")])
    window = pl.DataFrame({"x": rng.normal(0.1, 1, 100_000)})
    assert findings(window, reference) == {}
    assert findings(window, reference, Monitor(min_effect=0.03))["x"].p_value == pytest.approx(0, abs=1e-50)


def test_spring_differs_from_winter_in_temperature_and_not_in_its_hours() -> None:
    reference = reference_profile(months("2011-01", "2011-03"), BIKE_INPUTS)
    found = findings(months("2011-04", "2011-06"), reference)
    assert {"temp", "atemp", "mnth"} <= set(found)
    assert {"hr", "weekday", "workingday"}.isdisjoint(found)
    assert {finding.kind for finding in found.values()} == {"input_drift"}
    assert found["temp"].effect > 0.4


def test_a_changed_unit_is_found_as_such() -> None:
    reference = reference_profile(months("2011-01", "2011-06"), BIKE_INPUTS)
    found = findings(months("2011-07", "2011-07").with_columns(temp=pl.col("temp") * 41), reference)
    assert (found["temp"].kind, found["temp"].statistic) == ("broken_rows", "out_of_range")
    assert "changed unit" in found["temp"].detail
    # Summer itself, warmer than all the reference saw, is no broken sensor.
    assert {finding.kind for finding in findings(months("2011-07", "2011-07"), reference).values()} == {"input_drift"}


def test_a_stuck_sensor_is_broken_data_and_a_month_is_not_stuck() -> None:
    reference = reference_profile(months("2011-01", "2011-12"), BIKE_INPUTS)
    july = months("2012-07", "2012-07")
    found = observe(profile(july.with_columns(windspeed=pl.lit(0.2985)), reference), reference, SECTION)
    diagnosis = diagnose(found, Context(rows=july.height, min_rows=SECTION.min_rows))
    assert (diagnosis.cause, diagnosis.columns) == ("broken_data", ("windspeed",))
    assert "0.2985 in all 744 rows" in diagnosis.reason
    assert findings(july, reference)["mnth"].kind == "input_drift"


def test_a_missing_column_and_nulls_are_broken_data() -> None:
    reference = reference_profile(months("2011-01", "2011-06"), BIKE_INPUTS)
    window = months("2011-05", "2011-05").drop("hum").with_columns(weathersit=pl.lit(None), new=pl.lit(1))
    found = findings(window, reference)
    assert (found["hum"].kind, found["hum"].statistic, found["hum"].effect) == ("broken_rows", "missing", 1.0)
    assert (found["weathersit"].kind, found["weathersit"].effect) == ("null_rate", 1.0)
    assert "new" not in found


def test_infinities_are_found() -> None:
    rng = np.random.default_rng(3)
    reference = reference_profile(pl.DataFrame({"x": rng.normal(size=5_000)}), [Input("x", "number")])
    values = np.where(rng.random(1_000) < 0.1, np.inf, rng.normal(size=1_000))
    found = findings(pl.DataFrame({"x": values}), reference)
    assert (found["x"].kind, found["x"].statistic) == ("null_rate", "infinite_rate")


def test_too_few_rows_are_not_judged() -> None:
    reference = reference_profile(months("2011-01", "2011-03"), BIKE_INPUTS)
    assert findings(months("2011-07", "2011-07").head(99), reference) == {}
    assert findings(BIKE.clear(), reference) == {}


def test_refused_rows_name_their_column() -> None:
    reference = reference_profile(months("2011-01", "2011-06"), BIKE_INPUTS)
    window = profile(months("2011-05", "2011-05"), reference)
    some = Breaches(
        rows=1_000, broken=200, failures={"temp in range": 190, "hr known": 12}, columns={"temp in range": "temp", "hr known": "hr"}
    )
    (found,) = observe(window, reference, Monitor(min_effect=0.9), some)
    assert (found.kind, found.column, found.effect) == ("broken_rows", "temp", 0.19)
    assert "200 of 1,000 rows (20.0%)" in found.detail
    dotted = Breaches(rows=1_000, broken=200, failures={"temp.range": 190})
    assert observe(window, reference, Monitor(min_effect=0.9), dotted)[0].column == "temp"
    spread = Breaches(rows=1_000, broken=60, failures={"a": 30, "b": 30}, columns={"a": "temp", "b": "hr"})
    (found,) = observe(window, reference, Monitor(min_effect=0.9), spread)
    assert (found.column, found.effect) == ("", 0.06)
    assert observe(window, reference, Monitor(min_effect=0.9), Breaches(rows=1_000, broken=50)) == ()
    # A delivery that was refused nearly whole leaves too few rows to compare, and is still judged.
    assert len(observe(profile(BIKE.head(5), reference), reference, SECTION, Breaches(rows=700, broken=695))) == 1
    assert observe(profile(BIKE.clear(), reference), reference, SECTION, Breaches(rows=10, broken=10)) == ()


def test_predictions_and_labels_are_watched_too() -> None:
    rng = np.random.default_rng(4)
    frame = pl.DataFrame({"x": rng.normal(size=4_000)})
    scores, labels = rng.beta(2, 5, 4_000), rng.choice(["no", "yes"], 4_000, p=[0.9, 0.1])
    reference = reference_profile(frame, [Input("x", "number")], prediction=scores, target=labels.tolist())
    same = profile(frame, reference, prediction=rng.beta(2, 5, 1_000), target=rng.choice(["no", "yes"], 1_000, p=[0.9, 0.1]).tolist())
    assert observe(same, reference, SECTION) == ()
    moved = profile(frame, reference, prediction=rng.beta(4, 4, 1_000), target=rng.choice(["no", "yes"], 1_000, p=[0.7, 0.3]).tolist())
    found = observe(moved, reference, SECTION)
    assert [(finding.kind, finding.column) for finding in found] == [("prediction_drift", "prediction"), ("target_drift", "target")]
    broken = profile(frame, reference, prediction=np.full(4_000, np.nan))
    assert [finding.kind for finding in observe(broken, reference, SECTION)] == ["null_rate"]


def test_odd_references_do_not_stop_the_monitor() -> None:
    """An all-null column, a constant, an id of 10,000 values: no error, and no alarm without a reason."""
    rng = np.random.default_rng(5)
    frame = pl.DataFrame(
        {
            "empty": pl.Series([None] * 10_000, dtype=pl.Float64),
            "constant": [1.0] * 10_000,
            "id": [f"id{i}" for i in range(10_000)],
            "none": pl.Series([None] * 10_000, dtype=pl.String),
        }
    )
    inputs = [Input("empty", "number"), Input("constant", "number"), Input("id", "category"), Input("none", "category")]
    reference = reference_profile(frame, inputs)
    fresh = pl.DataFrame(
        {"empty": rng.normal(size=500), "constant": [1.0] * 500, "id": [f"new{i}" for i in range(500)], "none": ["a"] * 500}
    )
    assert findings(frame.head(500), reference).keys() <= {"id"}
    assert "unseen_rate" not in {finding.statistic for finding in findings(fresh, reference).values()}
    assert findings(fresh.with_columns(constant=pl.lit(2.0)), reference)["constant"].kind == "input_drift"
