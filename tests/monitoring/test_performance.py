"""Performance alarms and the numbers by which causes are told apart, on real and on planted changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import homeostat
from homeostat.graph.plan import Input
from homeostat.monitoring.performance import bias_shift, error_at_class_shares, error_in_known_region, known_region, performance_finding
from homeostat.monitoring.profile import reference_profile
from homeostat.stats.metrics import METRICS

BIKE = pl.read_csv(Path(homeostat.__file__).parent / "data" / "bike_hourly.csv")


def test_an_error_metric_alarms_when_its_lower_end_is_over_the_limit() -> None:
    mae = METRICS["mae"]
    assert performance_finding(60, 49.9, 70, 40, mae, 0.25) is None
    found = performance_finding(60, 50.1, 70, 40, mae, 0.25)
    assert found is not None
    assert (found.kind, found.statistic, found.effect) == ("performance", "mae", pytest.approx(0.5))
    assert "60" in found.detail
    assert "worse than 50" in found.detail


def test_a_score_alarms_when_its_upper_end_is_under_the_limit() -> None:
    auc = METRICS["auc"]  # accepted at 0.8, an error of 0.2: with 25% more it may fall to 0.75
    assert performance_finding(0.70, 0.65, 0.76, 0.8, auc, 0.25) is None
    found = performance_finding(0.70, 0.65, 0.74, 0.8, auc, 0.25)
    assert found is not None
    assert found.effect == pytest.approx(0.5)


def test_what_is_undefined_or_perfect_raises_no_false_alarm() -> None:
    mae = METRICS["mae"]
    assert performance_finding(float("nan"), float("nan"), float("nan"), 1.0, mae, 0.1) is None
    assert performance_finding(1.0, 1.0, 1.0, float("nan"), mae, 0.1) is None
    assert performance_finding(0.0, 0.0, 0.0, 0.0, mae, 0.1) is None
    worse_than_perfect = performance_finding(1.0, 0.5, 1.5, 0.0, mae, 0.1)
    assert worse_than_perfect is not None
    assert worse_than_perfect.effect == float("inf")


def test_the_known_region_holds_most_of_the_reference_and_little_of_another_season() -> None:
    winter = BIKE.filter(pl.col("dteday") < "2011-03-01")
    summer = BIKE.filter(pl.col("dteday").is_between(pl.lit("2011-07-01"), pl.lit("2011-07-31")))
    reference = reference_profile(winter, [Input("temp", "number"), Input("hr", "number"), Input("weathersit", "category")])
    assert known_region(winter, reference).mean() >= 0.94  # three columns at 98% each
    assert known_region(winter, reference, coverage=0.5).mean() <= 0.5
    assert known_region(summer, reference).mean() <= 0.05
    assert known_region(summer.drop("temp"), reference).mean() >= 0.9


def test_columns_that_move_with_the_calendar_do_not_make_every_row_unknown() -> None:
    half_a_year = BIKE.filter(pl.col("dteday") < "2011-07-01")
    next_august = BIKE.filter(pl.col("dteday").str.starts_with("2012-08"))
    inputs = [Input(name, "number") for name in ("yr", "mnth", "season", "temp", "hr")]
    reference = reference_profile(half_a_year, inputs)
    assert known_region(next_august, reference).mean() >= 0.9


def test_outliers_gaps_nulls_and_new_texts_are_not_known() -> None:
    rng = np.random.default_rng(0)
    two_humps = np.concatenate([rng.normal(-5, 0.5, 5_000), rng.normal(5, 0.5, 5_000)])
    frame = pl.DataFrame({"x": two_humps, "c": ["a", "b"] * 5_000})
    reference = reference_profile(frame, [Input("x", "number"), Input("c", "category")])
    window = pl.DataFrame({"x": [-5.0, 5.0, 0.0, 50.0, np.inf, None, 5.0, 5.0], "c": ["a", "b", "a", "a", "a", "a", "new", None]})
    assert known_region(window, reference).tolist() == [True, True] + [False] * 6


def test_nulls_are_known_where_the_reference_has_them() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, None, 3.0] * 50, "c": ["a", None, "a", "b"] * 50})
    reference = reference_profile(frame, [Input("x", "number"), Input("c", "category")])
    assert known_region(frame, reference).all()


def test_error_in_the_known_region() -> None:
    y, scores = np.array([1.0, 2, 3, 100]), np.array([[1.0], [2], [4], [0]])
    known = np.array([True, True, True, False])
    assert error_in_known_region(METRICS["mae"], y, scores, known, 3) == pytest.approx(1 / 3)
    assert error_in_known_region(METRICS["mae"], y, scores, known, 4) is None
    assert error_in_known_region(METRICS["r2"], y[:1], scores[:1], known[:1], 1) is None


def test_under_label_shift_the_error_at_the_references_shares_holds() -> None:
    rng = np.random.default_rng(1)

    def sample(rows: int, share: float, means: tuple[float, float] = (-1.0, 1.0)) -> tuple[np.ndarray, np.ndarray]:
        y = (rng.random(rows) < share).astype(np.float64)
        x = rng.normal(np.where(y == 1, means[1], means[0]))
        p = 1 / (1 + np.exp(-(2 * x + np.log(0.1 / 0.9))))  # right for a share of 10%
        return y, np.column_stack([1 - p, p])

    loss = METRICS["log_loss"]
    accepted = loss.score(*sample(20_000, 0.1))
    y, scores = sample(20_000, 0.5)
    assert loss.score(y, scores) > 1.3 * accepted
    assert error_at_class_shares(loss, y, scores, (0.9, 0.1)) == pytest.approx(accepted, rel=0.1)
    y, scores = sample(20_000, 0.5, means=(-0.2, 0.2))  # the classes themselves changed
    balanced = error_at_class_shares(loss, y, scores, (0.9, 0.1))
    assert balanced is not None
    assert balanced > 1.3 * accepted
    assert error_at_class_shares(loss, np.zeros(5), scores[:5], (0.9, 0.1)) is None
    assert error_at_class_shares(loss, np.zeros(0), scores[:0], (0.9, 0.1)) is None


def test_bias_shift_is_in_usual_errors() -> None:
    assert bias_shift(np.array([3.0, 5.0]), np.array([-2.0, 2.0])) == pytest.approx(2.0)
    assert bias_shift(np.array([]), np.array([1.0])) is None
    assert bias_shift(np.array([1.0]), np.array([0.0])) is None
