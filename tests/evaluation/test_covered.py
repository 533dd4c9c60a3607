"""What intervals are worth on judged rows, of all and of each segment: counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from homeostat.evaluation.coverage import covered
from homeostat.stats.resample import Resampling

Y = np.arange(100.0)
ENDS = np.column_stack([Y - 1, Y + np.where(Y < 80, 3, -0.5)])
SHOPS = ["a"] * 50 + ["b"] * 45 + ["c"] * 5


def test_all_rows_and_each_segment_by_hand() -> None:
    whole, *parts = covered(Y, ENDS, 0.9, {"shop": SHOPS}, Resampling(0.95))
    exact = binomtest(80, 100).proportion_ci(0.95)
    assert (whole.coverage, whole.rows, whole.segment) == (0.8, 100, "")
    assert (whole.low, whole.high) == pytest.approx((exact.low, exact.high))
    assert whole.width == pytest.approx(0.8 * 4 + 0.2 * 0.5)
    assert whole.score == pytest.approx(whole.width + 0.2 * 20 * 0.5), "20 = 2 / 0.1 for each unit outside"
    assert [(each.segment, each.rows) for each in parts] == [("shop=a", 50), ("shop=b", 45)]
    assert [each.coverage for each in parts] == [1.0, pytest.approx(30 / 45)]


def test_neighbours_that_hang_together_widen_the_interval() -> None:
    alone, together = (covered(Y, ENDS, 0.9, {}, Resampling(0.95, block=block))[0] for block in (1, 10))
    assert together.coverage == alone.coverage
    assert together.high - together.low > 1.3 * (alone.high - alone.low)


def test_no_rows_nothing_said() -> None:
    assert covered(np.zeros(0), np.zeros((0, 2)), 0.9, {}, Resampling()) == ()
