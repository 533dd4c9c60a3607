"""The expected calibration error against a loop over bins, and against models whose calibration is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from homeostat.stats.calibration import expected_calibration_error, reliability


def told(p: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - p, p])


def by_loop(y: np.ndarray, p: np.ndarray, bins: int) -> float:
    """Bins are cut where a new value of the probability begins, so equal ones stay together."""
    order = np.argsort(p, kind="stable")
    groups: dict[int, list[int]] = {}
    for row in order:
        first = int(np.flatnonzero(p[order] == p[row])[0])
        groups.setdefault(first * bins // len(p), []).append(row)
    return sum(len(rows) / len(p) * abs(p[rows].mean() - (y[rows] == 1).mean()) for rows in groups.values())


@given(st.integers(0, 10_000), st.integers(1, 120), st.sampled_from([2, 5, 100]))
@settings(max_examples=60)
def test_without_debiasing_it_is_the_loop(seed: int, rows: int, distinct: int) -> None:
    rng = np.random.default_rng(seed)
    p, y = rng.integers(0, distinct, rows) / distinct, rng.integers(0, 2, rows).astype(float)
    assert expected_calibration_error(y, told(p), 10, debias=False) == pytest.approx(by_loop(y, p, 10), abs=1e-12)


def test_the_bias_is_the_mean_distance_of_normal_draws_around_each_bin() -> None:
    rng = np.random.default_rng(1)
    p = rng.random(400)
    y = (rng.random(400) < p).astype(float)
    found = reliability(y == 1, p)
    spread = np.sqrt(found.came * (1 - found.came) / found.rows)
    distance = np.abs(found.said - found.came)
    drawn = np.abs(norm.rvs(distance, spread, size=(200_000, len(distance)), random_state=2)).mean(axis=0)
    plain = expected_calibration_error(y, told(p), debias=False)
    wanted = max(0.0, plain - float(found.rows / 400 @ (drawn - distance)))
    assert expected_calibration_error(y, told(p)) == pytest.approx(wanted, abs=2e-4)


def test_debiasing_takes_off_much_of_what_chance_adds() -> None:
    plain, debiased = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        p = rng.random(1_000)
        y = (rng.random(1_000) < p).astype(float)
        plain.append(expected_calibration_error(y, told(p), debias=False))
        debiased.append(expected_calibration_error(y, told(p)))
    assert np.mean(plain) > 0.03  # the truth is 0
    assert np.mean(debiased) < 0.65 * np.mean(plain)


def test_a_known_error_is_found() -> None:
    rng = np.random.default_rng(3)
    p = rng.random(100_000) * 0.8
    y = (rng.random(100_000) < p + 0.1).astype(float)
    assert expected_calibration_error(y, told(p)) == pytest.approx(0.1, abs=0.005)


def test_of_several_classes_it_is_the_mean_over_them() -> None:
    rng = np.random.default_rng(4)
    scores = rng.dirichlet([1, 2, 3], 500)
    y = rng.integers(0, 3, 500).astype(float)
    each = [expected_calibration_error((y == cls).astype(float), told(scores[:, cls])) for cls in range(3)]
    assert expected_calibration_error(y, scores) == pytest.approx(np.mean(each))
    assert expected_calibration_error(y, scores[:, [2, 0, 1]] * 0 + np.eye(3)[y.astype(int)]) == 0


@pytest.mark.parametrize("cls", [0, 1])
def test_two_classes_mirror_each_other(cls: int) -> None:
    rng = np.random.default_rng(5)
    p = rng.random(300)
    y = (rng.random(300) < 0.5).astype(float)
    found = reliability(y == cls, told(p)[:, cls])
    assert found.rows.sum() == 300
    assert float(found.rows / 300 @ np.abs(found.said - found.came)) == pytest.approx(
        expected_calibration_error(y, told(p), debias=False), abs=0.02
    )


def test_what_cannot_be_measured_is_nan() -> None:
    assert math.isnan(expected_calibration_error(np.zeros(0), np.zeros((0, 2))))
    assert math.isnan(expected_calibration_error(np.zeros(3), np.zeros((3, 1))))
    assert math.isnan(expected_calibration_error(np.zeros(1), np.array([[np.nan, 0.5]])))
    assert expected_calibration_error(np.array([-1.0]), np.array([[0.5, 0.5]])) == 0.5  # a class it doesn't know
