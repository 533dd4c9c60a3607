"""Curves: equal to scikit-learn's and SciPy's, parts that add up, and money as it is counted row by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core.sections import Payoff
from homeostat.evaluation.curves import (
    RESIDUAL_QUANTILES,
    brier_parts,
    confusion,
    loss_over_time,
    reliability,
    residual_bins,
    shift_curve,
    threshold_curve,
)
from homeostat.learning.threshold import earning_threshold
from homeostat.stats.calibration import equal_mass_bins, expected_calibration_error
from homeostat.stats.money import payoff_per_row, regression_cost_per_row


def binary(rows: int = 500, seed: int = 0, ties: bool = False):
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 3, rows)
    y = (rng.random(rows) < p).astype(np.float64)
    return y, np.round(p, 1) if ties else p


@given(st.integers(0, 10_000), st.booleans(), st.integers(1, 300))
@settings(max_examples=40)
def test_points_are_scikit_learns_roc_and_precision_recall(seed: int, ties: bool, rows: int) -> None:
    from sklearn.metrics import precision_recall_curve, roc_curve

    y, p = binary(rows, seed, ties)
    found = {point.threshold: point for point in threshold_curve(y, p, 0.5).points[1:]}
    if 0 < y.sum() < rows:
        fpr, tpr, at = roc_curve(y, p, drop_intermediate=False)
        for false, true, threshold in list(zip(fpr, tpr, at, strict=True))[1:]:
            if rows <= 200:
                assert found[threshold].false_positive_rate == pytest.approx(false)
            if threshold in found:
                assert found[threshold].recall == pytest.approx(true)
        precision, recall, at = precision_recall_curve(y, p)
        for right, hit, threshold in zip(precision, recall, at, strict=False):
            if threshold in found:
                assert (found[threshold].precision, found[threshold].recall) == (pytest.approx(right), pytest.approx(hit))
    assert len(found) <= 203


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=40)
def test_money_at_a_threshold_is_counted_row_by_row(seed: int, ties: bool) -> None:
    y, p = binary(150, seed, ties)
    payoff = Payoff(true_positive=10, false_positive=-3, false_negative=-1)
    money = tuple(payoff_per_row(y, np.full(len(y), decision), payoff) for decision in (1.0, 0.0))
    curve = threshold_curve(y, p, 0.25, money)
    for point in (*curve.points, curve.chosen):
        acted = p >= point.threshold
        assert point.value == pytest.approx(payoff_per_row(y, acted.astype(np.float64), payoff).mean())
        assert point.acted == pytest.approx(acted.mean())
    assert curve.chosen.threshold == 0.25
    assert curve.best is not None
    assert curve.best.value == max(point.value for point in curve.points)
    best = earning_threshold(y, p, payoff, np.ones(len(y)))
    assert curve.best.value == pytest.approx(payoff_per_row(y, (p >= best).astype(np.float64), payoff).mean())


def test_rows_without_an_amount_count_for_nothing() -> None:
    y, p = np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.5, 0.8])
    curve = threshold_curve(y, p, 0.5, (np.array([5.0, -1.0, np.nan]), np.zeros(3)))
    assert {point.threshold: point.value for point in curve.points[1:]} == {0.9: 2.5, 0.8: 2.5, 0.5: 2.0}


@given(st.integers(0, 10_000), st.integers(1, 20), st.booleans())
@settings(max_examples=40)
def test_the_parts_of_the_brier_score_add_up(seed: int, bins: int, ties: bool) -> None:
    y, p = binary(120, seed, ties)
    parts = brier_parts(y, p, bins)
    assert parts.brier == pytest.approx(np.mean((p - y) ** 2))
    assert parts.reliability - parts.resolution + parts.uncertainty + parts.within == pytest.approx(parts.brier)
    assert parts.uncertainty == pytest.approx(y.mean() * (1 - y.mean()))
    assert min(parts.reliability, parts.resolution) >= 0


def test_the_parts_by_hand() -> None:
    y, p = np.array([0.0, 1.0, 1.0, 1.0]), np.array([0.25, 0.25, 0.75, 0.75])
    parts = brier_parts(y, p, 2)
    assert (parts.reliability, parts.resolution, parts.uncertainty) == (pytest.approx(0.0625), pytest.approx(0.0625), pytest.approx(0.1875))
    assert parts.within == pytest.approx(0)


def test_reliability_has_the_shares_and_wilsons_intervals() -> None:
    from scipy.stats import binomtest

    y, p = binary(1_000)
    found = reliability(y, p, 0.9)
    assert sum(each.rows for each in found) == 1_000
    assert {each.rows for each in found} == {100}
    order = np.argsort(p)
    for at, each in enumerate(found):
        rows = order[at * 100 : (at + 1) * 100]
        assert (each.said, each.came) == (pytest.approx(p[rows].mean()), pytest.approx(y[rows].mean()))
        expected = binomtest(int(y[rows].sum()), 100).proportion_ci(0.9, method="wilson")
        assert (each.low, each.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    gaps = sum(each.rows * abs(each.came - each.said) for each in reliability(y, p, bins=15)) / 1_000
    assert expected_calibration_error(y, np.column_stack([1 - p, p]), debias=False) == pytest.approx(gaps)


@given(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]) | st.floats(0, 1), min_size=1, max_size=60), st.integers(1, 12))
@settings(max_examples=60)
def test_bins_keep_equal_probabilities_together_and_the_order(values, bins: int) -> None:
    p = np.array(values)
    place = equal_mass_bins(p, bins)
    assert sorted(set(place.tolist())) == list(range(int(place.max()) + 1))
    assert place.max() < bins
    for a, b in zip(p, place, strict=True):
        assert all(place[p == a] == b)
        assert all(place[p < a] <= b)


def test_the_best_shift_is_the_quantile_that_costs_least() -> None:
    rng = np.random.default_rng(0)
    y = rng.gamma(2, 10, 2_000)
    prediction = y + rng.normal(-3, 5, 2_000)
    curve = shift_curve(y, prediction, over=1.0, under=3.0)
    for shift, value in zip(curve.shifts, curve.values, strict=True):
        assert value == pytest.approx(-regression_cost_per_row(y, prediction + shift, 1.0, 3.0).mean())
        assert value <= curve.best + 1e-12
    assert curve.served == pytest.approx(-regression_cost_per_row(y, prediction, 1.0, 3.0).mean())
    assert curve.best_shift > 3  # too low by 3, and too little costs more


def test_residuals_by_tenths_of_the_prediction() -> None:
    rng = np.random.default_rng(0)
    prediction = rng.normal(size=1_000)
    y = prediction + 0.5 * (prediction > 0) + rng.normal(size=1_000) * 0.1
    found = residual_bins(y, prediction)
    assert [each.rows for each in found] == [100] * 10
    top = np.argsort(prediction)[-100:]
    assert found[-1].mean == pytest.approx((y - prediction)[top].mean())
    assert found[-1].quantiles == pytest.approx(np.quantile((y - prediction)[top], RESIDUAL_QUANTILES))
    assert found[-1].low < 0.5 < found[-1].high
    assert found[0].low < 0 < found[0].high


def test_losses_by_period_and_confusion() -> None:
    found = loss_over_time(("a", "b", "c"), np.array([0, 0, 2]), np.array([1.0, 3.0, 5.0]), np.array([2.0, 2.0, 7.0]))
    assert [(each.start, each.rows, each.ours, each.baseline) for each in found] == [("a", 2, 2.0, 2.0), ("c", 1, 5.0, 7.0)]
    y, decided = np.array([0.0, 1.0, 2.0, 2.0, -1.0]), np.array([0.0, 2.0, 2.0, 1.0, 0.0])
    assert confusion(y, decided, 3) == ((1, 0, 0), (0, 0, 1), (0, 1, 1))
