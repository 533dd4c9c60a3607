"""Money per row, checked against sums by hand and scikit-learn's pinball loss."""

from __future__ import annotations

import numpy as np
import pytest

from homeostat.core.sections import Payoff
from homeostat.stats.money import payoff_per_row, payoff_total, regression_cost_per_row, regression_cost_total


def test_each_outcome_has_its_own_price() -> None:
    payoff = Payoff(true_positive=100, false_positive=-7, true_negative=1, false_negative=-30)
    y, decision = np.array([1.0, 1.0, 0.0, 0.0, -1.0]), np.array([1.0, 0.0, 1.0, 0.0, 1.0])
    assert payoff_per_row(y, decision, payoff).tolist() == [100, -30, -7, 1, -7]
    assert payoff_total(y, decision, payoff) == 57
    assert payoff_total(y[:0], decision[:0], payoff) == 0


def test_an_unknown_outcome_has_no_price() -> None:
    assert np.isnan(payoff_per_row(np.array([np.nan, 1.0]), np.array([1.0, np.nan]), Payoff(true_positive=1))).all()
    assert np.isnan(regression_cost_per_row(np.array([np.nan]), np.array([1.0]), 1, 1)).all()


def test_total_payoff_is_the_confusion_matrix_times_prices() -> None:
    from sklearn.metrics import confusion_matrix

    rng = np.random.default_rng(0)
    y, decision = rng.integers(0, 2, (2, 500)).astype(float)
    (tn, fp), (fn, tp) = confusion_matrix(y, decision)
    payoff = Payoff(true_positive=9, false_positive=-2, true_negative=0.5, false_negative=-4)
    assert payoff_total(y, decision, payoff) == pytest.approx(9 * tp - 2 * fp + 0.5 * tn - 4 * fn)


def test_regression_cost_is_the_pinball_loss_scaled() -> None:
    from sklearn.metrics import mean_pinball_loss

    rng = np.random.default_rng(1)
    y, p = rng.normal(size=(2, 300))
    over, under = 3.0, 7.0
    assert regression_cost_total(y, p, over, under) == pytest.approx(
        300 * (over + under) * mean_pinball_loss(y, p, alpha=under / (over + under))
    )
    assert regression_cost_per_row(y, y, over, under).tolist() == [0] * 300
