"""How far intervals must reach, how often they hold, and what they are worth: against NumPy, SciPy and brute force."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import binomtest

from homeostat.stats.coverage import conformal_quantile, fewest_rows, inside, interval_score, share_interval
from homeostat.stats.intervals import bootstrap_mean
from homeostat.stats.resample import Resampling

ERRORS = hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1e6))
COVERAGES = st.sampled_from([0.5, 0.55, 0.8, 0.9, 0.95, 0.99])


@given(ERRORS, COVERAGES)
def test_the_quantile_is_numpys_next_higher_one_of_a_row_more(errors: np.ndarray, coverage: float) -> None:
    rows = len(errors)
    place = math.ceil(Fraction(str(coverage)) * (rows + 1))
    found = conformal_quantile(errors, coverage)
    if place > rows:
        assert found == math.inf
        assert rows < fewest_rows(coverage)
        return
    assert found == np.sort(errors)[place - 1]
    assert found == np.quantile(np.append(errors, np.inf), place / (rows + 1) - 1e-9, method="inverted_cdf")
    level = (place - 1) / (rows - 1) if rows > 1 else 0.0  # where NumPy has the place-th of so many
    assert found == np.quantile(errors, min(1.0, max(0.0, level - 1e-9)), method="higher")
    assert rows >= fewest_rows(coverage)


def test_coverages_are_taken_as_they_are_written() -> None:
    assert 0.55 * 100 > 55, "in floats it is a little more, and the next place would be taken"
    assert conformal_quantile(np.arange(1.0, 100.0), 0.55) == 55


def test_a_further_row_is_within_the_quantile_as_often_as_said() -> None:
    """k / (n + 1) exactly, where errors are all different: of 49 rows and 90 % that is 45 of 50."""
    rng = np.random.default_rng(3)
    draws = rng.standard_cauchy((20_000, 50)) ** 2
    held = np.mean([row[-1] <= conformal_quantile(row[:-1], 0.9) for row in draws])
    assert held == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / 20_000))


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(0, 40), COVERAGES)
def test_the_interval_score_is_the_width_and_what_lies_outside(y: float, low: float, width: float, coverage: float) -> None:
    high = low + width
    alpha = 1 - coverage
    by_hand = (high - low) + 2 / alpha * (low - y) * (y < low) + 2 / alpha * (y - high) * (y > high)
    found = interval_score(np.array([y]), np.array([[low, high]]), coverage)[0]
    assert found == pytest.approx(by_hand, rel=1e-12, abs=1e-12)
    assert found >= width - 1e-9


def test_no_other_ends_have_a_better_score_than_the_quantiles() -> None:
    y = np.random.default_rng(0).exponential(size=20_000)
    ends = np.quantile(y, [0.05, 0.95])
    best = interval_score(y, np.tile(ends, (len(y), 1)), 0.9).mean()
    for shift in ((0.0, 0.3), (0.0, -0.3), (0.05, 0.0), (-0.04, 0.0), (0.2, 0.2)):
        assert interval_score(y, np.tile(ends + shift, (len(y), 1)), 0.9).mean() > best


def test_ends_belong_to_the_interval() -> None:
    ends = np.array([[1.0, 2.0]] * 4)
    assert inside(np.array([1.0, 2.0, 2.1, 0.9]), ends).tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(("came", "rows"), [(0, 10), (10, 10), (7, 10), (880, 1000)])
def test_the_share_of_rows_that_stand_alone_has_scipys_exact_interval(came: int, rows: int) -> None:
    hits = np.repeat([1.0, 0.0], [came, rows - came])
    found = binomtest(came, rows).proportion_ci(0.95, method="exact")
    assert share_interval(hits, Resampling(0.95)) == pytest.approx((found.low, found.high), abs=1e-12)
    one_sided = binomtest(came, rows, 0.9, alternative="less").pvalue
    assert (share_interval(hits, Resampling(0.9))[1] < 0.9) == (one_sided < 0.05), "the same answer as the one-sided exact test"


def test_the_share_of_rows_in_time_order_has_the_interval_of_blocks() -> None:
    hits = np.repeat(np.random.default_rng(1).integers(0, 2, 40), 25).astype(np.float64)
    how = Resampling(0.95, seed=2, block=25)
    assert share_interval(hits, how) == bootstrap_mean(hits, how)
    alone = share_interval(hits, Resampling(0.95))
    assert share_interval(hits, how)[1] - share_interval(hits, how)[0] > 3 * (alone[1] - alone[0])


def test_no_rows_have_no_share() -> None:
    assert np.isnan(share_interval(np.zeros(0), Resampling())).all()
