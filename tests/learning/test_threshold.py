from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from homeostat.core.sections import Payoff
from homeostat.learning.threshold import payoff_threshold
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
