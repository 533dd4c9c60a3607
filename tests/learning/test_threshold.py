from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from homeostat.core.sections import Outcome, Payoff, Value
from homeostat.graph.plan import Constant, Input, Plan
from homeostat.learning.threshold import earning_threshold, payoff_threshold, with_decision
from homeostat.stats.money import payoff_per_row

MONEY = st.integers(-1_000, 1_000).map(float)


@given(true_positive=MONEY, false_positive=MONEY, true_negative=MONEY, false_negative=MONEY, p=st.floats(0.01, 0.99))
def test_deciding_by_the_threshold_is_worth_most_in_expectation(
    true_positive: float, false_positive: float, true_negative: float, false_negative: float, p: float
) -> None:
    payoff = Payoff(true_positive=true_positive, false_positive=false_positive, true_negative=true_negative, false_negative=false_negative)
    assume(true_negative >= false_positive or true_positive >= false_negative)
    threshold = payoff_threshold(payoff)
    assert 0 <= threshold <= 1

    def worth(decision: float) -> float:
        rows = payoff_per_row(np.array([1.0, 0.0]), np.array([decision, decision]), payoff)
        return float(rows @ [p, 1 - p])

    chosen = worth(1.0 if p >= threshold else 0.0)
    assert chosen >= max(worth(0.0), worth(1.0)) - 1e-9


@pytest.mark.parametrize(
    ("payoff", "threshold"),
    [
        (Payoff(true_positive=90, false_positive=-10), 0.1),
        (Payoff(false_positive=-1, false_negative=-1), 0.5),
        (Payoff(), 0.5),
        (Payoff(true_positive=5, false_positive=3), 0.0),
        (Payoff(true_positive=-5, false_positive=-3), 1.0),
        (Payoff(true_positive=-5, false_positive=3), 0.5),
    ],
)
def test_known_thresholds(payoff: Payoff, threshold: float) -> None:
    assert payoff_threshold(payoff) == pytest.approx(threshold)


AMOUNTS = Payoff(true_positive=Outcome(per_amount=0.1), false_positive=Outcome(fixed=-3, per_amount=-0.01), false_negative=-1)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20), st.integers(0, 300)), min_size=1, max_size=40),
    MONEY,
    MONEY,
)
def test_no_threshold_earns_more_and_equal_ones_are_lower(rows: list[tuple[int, int, int]], fixed: float, per_amount: float) -> None:
    y, p, amount = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    p = p / 20
    payoff = Payoff(true_positive=Outcome(fixed=fixed, per_amount=per_amount), false_positive=-500, true_negative=1, false_negative=-2)
    chosen = earning_threshold(y, p, payoff, amount)

    def earned(threshold: float) -> float:
        return float(payoff_per_row(y, (p >= threshold).astype(np.float64), payoff, amount).sum())

    every = [0.0, *(k / 20 for k in range(21)), float(np.nextafter(1.0, 2.0))]
    assert earned(chosen) == max(map(earned, every))
    assert all(earned(other) < earned(chosen) for other in every if (p >= other).sum() < (p >= chosen).sum())  # the fewest acted on


def test_rows_without_an_amount_say_nothing_and_never_is_a_threshold_too() -> None:
    y, p = np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.8, 0.2])
    amount = np.array([100.0, np.nan, 10.0])
    assert earning_threshold(y, p, AMOUNTS, amount) == 0.2
    assert earning_threshold(1 - y, p, AMOUNTS, np.full(3, 100.0)) == 0.8
    nothing_to_gain = Payoff(false_positive=Outcome(per_amount=-1))
    assert earning_threshold(y, p, nothing_to_gain, amount) == 1.0
    assert earning_threshold(1 - y, np.array([1.0, 0.5, 0.4]), nothing_to_gain, np.ones(3)) > 1.0
    assert earning_threshold(y, p, AMOUNTS, np.full(3, np.nan)) == 1.0


def test_the_value_section_sets_the_decision() -> None:
    y, judged = np.array([1.0, 0.0]), np.array([[0.4, 0.6], [0.7, 0.3]])
    binary = Plan("binary", "y", (Input("a", "number"),), (Constant("o", np.array([0.5, 0.5])),), ("no", "yes"))
    assert with_decision(binary, Value(), y, judged, None) is binary
    assert with_decision(binary, Value(payoff=Payoff(true_positive=9, false_positive=-1)), y, judged, None).threshold == 0.1
    by_amount = Value(payoff=AMOUNTS, amount="loan")
    assert with_decision(binary, by_amount, y, judged, np.array([100.0, 100.0])).threshold == 0.6
    several = Plan("multiclass", "y", (Input("a", "number"),), (Constant("o", np.ones(3) / 3),), ("a", "b", "c"))
    costs = {actual: {decided: float(actual != decided) for decided in "abc"} for actual in "abc"}
    found = with_decision(several, Value(costs=costs), y, judged, None).costs
    assert found is not None
    assert found.tolist() == (1 - np.eye(3)).tolist()
