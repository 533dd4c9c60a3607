"""Money per row, checked against sums by hand and scikit-learn's pinball loss."""

from __future__ import annotations

import numpy as np
import pytest

from homeostat.core.sections import Outcome, Payoff
from homeostat.errors import CharterError
from homeostat.stats.money import (
    cost_matrix,
    cost_per_row,
    depends_on_amount,
    least_cost,
    payoff_per_row,
    regression_cost_per_row,
)


def test_each_outcome_has_its_own_price() -> None:
    payoff = Payoff(true_positive=100, false_positive=-7, true_negative=1, false_negative=-30)
    y, decision = np.array([1.0, 1.0, 0.0, 0.0, -1.0]), np.array([1.0, 0.0, 1.0, 0.0, 1.0])
    assert payoff_per_row(y, decision, payoff).tolist() == [100, -30, -7, 1, -7]
    assert payoff_per_row(y, decision, payoff).sum() == 57
    assert payoff_per_row(y[:0], decision[:0], payoff).sum() == 0


def test_an_unknown_outcome_has_no_price() -> None:
    assert np.isnan(payoff_per_row(np.array([np.nan, 1.0]), np.array([1.0, np.nan]), Payoff(true_positive=1))).all()
    assert np.isnan(regression_cost_per_row(np.array([np.nan]), np.array([1.0]), 1, 1)).all()


def test_total_payoff_is_the_confusion_matrix_times_prices() -> None:
    from sklearn.metrics import confusion_matrix

    rng = np.random.default_rng(0)
    y, decision = rng.integers(0, 2, (2, 500)).astype(float)
    (tn, fp), (fn, tp) = confusion_matrix(y, decision)
    payoff = Payoff(true_positive=9, false_positive=-2, true_negative=0.5, false_negative=-4)
    assert payoff_per_row(y, decision, payoff).sum() == pytest.approx(9 * tp - 2 * fp + 0.5 * tn - 4 * fn)


def test_regression_cost_is_the_pinball_loss_scaled() -> None:
    from sklearn.metrics import mean_pinball_loss

    rng = np.random.default_rng(1)
    y, p = rng.normal(size=(2, 300))
    over, under = 3.0, 7.0
    assert regression_cost_per_row(y, p, over, under).sum() == pytest.approx(
        300 * (over + under) * mean_pinball_loss(y, p, alpha=under / (over + under))
    )
    assert regression_cost_per_row(y, y, over, under).tolist() == [0] * 300


def test_amounts_are_multiplied_row_by_row() -> None:
    payoff = Payoff(true_positive=Outcome(fixed=1, per_amount=0.5), false_negative=Outcome(per_amount=-1), false_positive=-3)
    y, decision, amount = np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.0, 0.0, 1.0, 0.0]), np.array([10.0, 20.0, 30.0, np.nan])
    assert payoff_per_row(y, decision, payoff, amount)[:3].tolist() == [6, -20, -3]
    assert payoff_per_row(y[:3], decision[:3], payoff, amount[:3]).sum() == -17
    assert depends_on_amount(payoff)
    assert not depends_on_amount(Payoff(true_positive=3))


def test_least_cost_is_the_brute_force_and_ties_go_to_the_first() -> None:
    rng = np.random.default_rng(5)
    scores, costs = rng.dirichlet((1, 1, 1, 1), 400), rng.normal(size=(4, 4))
    expected = [min(range(4), key=lambda d: sum(p[a] * costs[a, d] for a in range(4))) for p in scores]
    assert least_cost(scores, costs).tolist() == expected
    assert least_cost(np.array([[0.5, 0.5]]), np.array([[0.0, 1.0], [1.0, 0.0]])).tolist() == [0]
    equal = 1.0 - np.eye(4)
    assert least_cost(scores, equal).tolist() == scores.argmax(axis=1).tolist()  # all mistakes alike: the likeliest class
    assert least_cost(scores[:0], costs).tolist() == []


def test_what_decisions_cost() -> None:
    costs = cost_matrix({"b": {"b": 0, "a": 7, "c": 9}, "a": {"a": -1, "b": 2, "c": 9}, "c": {"a": 1, "b": 1, "c": 0}}, ("a", "b"))
    assert costs.tolist() == [[-1, 2], [7, 0]]
    paid = cost_per_row(np.array([0.0, 1.0, -1.0, np.nan]), np.array([1.0, 1.0, 0.0, 0.0]), costs)
    assert paid[:2].tolist() == [2, 0]
    assert np.isnan(paid[2:]).all()
    with pytest.raises(CharterError, match=r"HS113\] value.costs: got costs for a; the data also has b"):
        cost_matrix({"a": {"a": 0}}, ("a", "b"))
