"""What predictions are worth in money, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from homeostat.core.sections import Outcome, Payoff
    from homeostat.stats.kernels import Floats


def payoff_per_row(y: Floats, decision: Floats, payoff: Payoff, amount: Floats | float = 0.0) -> Floats:
    """Money per row ``(n,)`` for a binary task: y and decision are 1 (positive) or anything else; NaN where either is NaN.

    ``amount`` is what an outcome's ``per_amount`` multiplies, one for all rows or one per row ``(n,)``.

    >>> from homeostat.core.sections import Payoff
    >>> terms = Payoff(true_positive=10, false_positive=-2, false_negative=-5)
    >>> payoff_per_row(np.array([1.0, 0.0, 1.0, 0.0]), np.array([1.0, 1.0, 0.0, 0.0]), terms).tolist()
    [10.0, -2.0, -5.0, 0.0]
    """
    came, acted = y == 1, decision == 1
    money = np.where(
        came,
        np.where(acted, _worth(payoff.true_positive, amount), _worth(payoff.false_negative, amount)),
        np.where(acted, _worth(payoff.false_positive, amount), _worth(payoff.true_negative, amount)),
    )
    return np.where(np.isnan(y) | np.isnan(decision), np.nan, money)


def _worth(outcome: Outcome, amount: Floats | float) -> Floats | float:
    return outcome.fixed + outcome.per_amount * amount


def payoff_total(y: Floats, decision: Floats, payoff: Payoff) -> float:
    """The sum of ``payoff_per_row``; 0 for no rows."""
    return float(payoff_per_row(y, decision, payoff).sum())


def regression_cost_per_row(y: Floats, prediction: Floats, over: float, under: float) -> Floats:
    """What each wrong unit costs, as a cost of at least 0, ``(n,)``: ``over`` per unit predicted too much, ``under`` per unit too little.

    Source: the newsvendor (pinball) loss, Koenker & Bassett 1978, equation 3.2.

    >>> regression_cost_per_row(np.array([5.0, 5.0]), np.array([7.0, 4.0]), over=1.0, under=3.0).tolist()
    [2.0, 3.0]
    """
    surplus = prediction - y
    return over * np.maximum(surplus, 0) + under * np.maximum(-surplus, 0)


def regression_cost_total(y: Floats, prediction: Floats, over: float, under: float) -> float:
    """The sum of ``regression_cost_per_row``; 0 for no rows."""
    return float(regression_cost_per_row(y, prediction, over, under).sum())
