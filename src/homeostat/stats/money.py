"""What predictions are worth in money, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.errors import CharterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

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


def depends_on_amount(payoff: Payoff) -> bool:
    """Whether any outcome is worth more or less with the row's amount."""
    outcomes = (payoff.true_positive, payoff.false_positive, payoff.true_negative, payoff.false_negative)
    return any(outcome.per_amount != 0 for outcome in outcomes)


def cost_matrix(costs: Mapping[str, Mapping[str, float]], classes: Sequence[str]) -> Floats:
    """The charter's costs as ``(k, k)``, actual by predicted, in the order of ``classes``.

    Classes that the costs name and the data does not have are left out.

    Raises:
        CharterError: HS113, a class of the data has no costs.

    >>> cost_matrix({"a": {"a": 0, "b": 1}, "b": {"a": 5, "b": 0}}, ("b", "a")).tolist()
    [[0.0, 5.0], [1.0, 0.0]]
    """
    missing = [name for name in classes if name not in costs]
    if missing:
        raise CharterError(
            "HS113",
            f"got costs for {', '.join(costs)}; the data also has {', '.join(missing)}",
            place="value.costs",
            next_step="give costs[actual][predicted] for each class of the data",
        )
    return np.array([[costs[actual][predicted] for predicted in classes] for actual in classes], dtype=np.float64)


def least_cost(scores: Floats, costs: Floats) -> NDArray[np.int64]:
    """The class index whose expected cost is least, the first of equals: ``(n,)`` from scores ``(n, k)`` and costs ``(k, k)``.

    The sum over actual classes of score x cost is added up class by class, in their order. Every target of the compiler does so too,
    hence no two can differ in the last bit.

    Source: Elkan, "The Foundations of Cost-Sensitive Learning" (IJCAI 2001), equation 1.

    >>> least_cost(np.array([[0.7, 0.3]]), np.array([[0.0, 1.0], [5.0, 0.0]])).tolist()
    [1]
    """
    expected = scores[:, :1] * costs[0]
    for actual in range(1, len(costs)):
        expected = expected + scores[:, actual : actual + 1] * costs[actual]
    return np.asarray(np.argmin(expected, axis=1), dtype=np.int64)


def cost_per_row(y: Floats, decision: Floats | NDArray[np.int64], costs: Floats) -> Floats:
    """What each decision cost, ``(n,)``: y and decision are class indices; NaN where either is NaN or -1, a class nobody knows."""
    known = (y >= 0) & (decision >= 0)
    actual, decided = (np.where(known, indices, 0).astype(np.int64) for indices in (y, decision))
    return np.where(known, costs[actual, decided], np.nan)


def regression_cost_per_row(y: Floats, prediction: Floats, over: float, under: float) -> Floats:
    """What each wrong unit costs, as a cost of at least 0, ``(n,)``: ``over`` per unit predicted too much, ``under`` per unit too little.

    Source: the newsvendor (pinball) loss, Koenker & Bassett 1978, equation 3.2.

    >>> regression_cost_per_row(np.array([5.0, 5.0]), np.array([7.0, 4.0]), over=1.0, under=3.0).tolist()
    [2.0, 3.0]
    """
    surplus = prediction - y
    return over * np.maximum(surplus, 0) + under * np.maximum(-surplus, 0)
