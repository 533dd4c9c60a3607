"""Announced power against simulated holdouts: what the formula says is what the paired test does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import norm

from homeostat.stats.metrics import metric
from homeostat.stats.paired import paired_bootstrap
from homeostat.stats.power import Power, power_of_gain

if TYPE_CHECKING:
    from homeostat.stats.kernels import Floats

MAE = metric("mae")


def losses(rng: np.random.Generator, rows: int, dependence: float, saving: float) -> tuple[Floats, Floats, Floats]:
    """y and the scores of two models whose errors are alike within a stretch of rows, the first saving this share on average."""

    def noise() -> Floats:
        drawn = rng.normal(size=rows + 200)
        return np.asarray(lfilter([math.sqrt(1 - dependence**2)], [1, -dependence], drawn)[200:])

    theirs, spread = np.exp(0.5 * noise()), 0.5
    ours = theirs * (1 - saving) * np.exp(spread * noise() - spread**2 / 2)
    return theirs, (theirs - ours)[:, None], np.zeros((rows, 1))


@pytest.mark.slow
@pytest.mark.parametrize(("dependence", "block", "rows", "margin"), [(0.0, 1, 300, 0.0), (0.0, 1, 300, 0.1), (0.8, 25, 1500, 0.05)])
def test_the_smallest_improvement_is_seen_as_often_as_announced(dependence: float, block: int, rows: int, margin: float) -> None:
    rng = np.random.default_rng(0)
    pilots = [power_of_gain(MAE, *losses(rng, 3 * rows, dependence, margin + 0.1), rows=rows, block=block, margin=margin) for _ in range(9)]
    saving = float(np.mean([one.smallest for one in pilots]))
    runs = 250
    seen = sum(
        paired_bootstrap(MAE, *losses(rng, rows, dependence, saving), margin=margin, resamples=400, seed=run, block=block).better
        for run in range(runs)
    )
    assert seen / runs == pytest.approx(0.8, abs=0.1)  # 0.8 +- 3 standard errors of 250 runs, and a little for the spread itself


def test_what_is_measured_shrinks_with_the_root_of_the_rows() -> None:
    given_rows = losses(np.random.default_rng(1), 800, 0.0, 0.2)
    few, many = (power_of_gain(MAE, *given_rows, rows=rows) for rows in (200, 800))
    assert few.reach == pytest.approx(2 * many.reach)
    assert many.smallest == pytest.approx(many.reach + norm.ppf(0.8) * many.spread)
    assert few.low < few.smallest < few.high


def test_where_the_reference_is_sure_and_errors_are_symmetric_it_is_the_power_of_a_normal_mean() -> None:
    rng = np.random.default_rng(2)
    y, ours = np.ones(4000), rng.uniform(0, 1, 4000)  # the reference's error is 1 in every row
    found = power_of_gain(MAE, y, ours[:, None], np.zeros((4000, 1)), rows=4000, resamples=4000)
    error = (1 - ours).std() / math.sqrt(4000)
    assert found.reach == pytest.approx(norm.ppf(0.95) * error, rel=0.05)
    assert found.spread == pytest.approx(error, rel=0.08)


def test_skewed_errors_need_a_larger_saving_than_a_normal_law_says() -> None:
    rng = np.random.default_rng(3)
    ours = rng.lognormal(-2, 1.5, 300)
    found = power_of_gain(MAE, np.ones(300), 1 - ours[:, None], np.zeros((300, 1)), rows=300)
    assert found.smallest > 1.05 * (norm.ppf(0.95) + norm.ppf(0.8)) * ours.std() / math.sqrt(300)


@given(st.floats(0.001, 0.5), st.floats(0.001, 0.5), st.floats(0.0, 0.3), st.floats(0.55, 0.95))
def test_laws(reach: float, spread: float, margin: float, asked: float) -> None:
    beyond = reach + norm.ppf(asked) * spread
    power = Power(100, 0.95, margin, asked, reach, spread, margin + beyond, 0.0, 1.0)
    assert power.chance(margin + reach) == pytest.approx(0.5, abs=1e-9)
    assert power.chance(power.smallest) == pytest.approx(asked, abs=1e-9)
    assert power.chance(margin) < 0.5
    assert power.rows_for(power.smallest) == pytest.approx(100, rel=1e-6)
    assert power.rows_for(margin + 2 * beyond) == pytest.approx(25, rel=1e-6)
    assert power.rows_for(margin) == math.inf


def test_edges() -> None:
    empty = power_of_gain(MAE, np.array([1.0]), np.zeros((1, 1)), np.zeros((1, 1)), rows=10)
    assert math.isnan(empty.smallest)
    assert math.isnan(empty.chance(0.5))
    one_class = power_of_gain(metric("auc"), np.ones(50), np.full((50, 2), 0.5), np.full((50, 2), 0.5), rows=10)
    assert math.isnan(one_class.spread)
    same = power_of_gain(MAE, np.arange(50.0), np.zeros((50, 1)), np.zeros((50, 1)), rows=10)
    assert (same.spread, same.chance(0.0), same.chance(0.1)) == (0.0, 0.0, 1.0)
