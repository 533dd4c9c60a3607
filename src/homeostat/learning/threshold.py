"""The binary decision threshold that earns most, from what the four outcomes are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeostat.core.sections import Payoff


def payoff_threshold(payoff: Payoff) -> float:
    """The least probability of the positive class from which deciding positive is worth at least as much as deciding negative.

    In [0, 1]; 0: always positive, 1: only when certain. 0.5 when every decision is worth the same, or each right decision is
    worth less than the wrong one, so that no threshold is best.

    Source: Elkan, "The Foundations of Cost-Sensitive Learning" (IJCAI 2001), equation 2.

    >>> from homeostat.core.sections import Payoff
    >>> payoff_threshold(Payoff(true_positive=40, false_positive=-10))
    0.2
    """
    spared = payoff.true_negative.fixed - payoff.false_positive.fixed  # what a right "no" is worth over a wrong "yes"
    gained = payoff.true_positive.fixed - payoff.false_negative.fixed  # what a right "yes" is worth over a wrong "no"
    if (spared < 0 and gained < 0) or spared == gained == 0:
        return 0.5
    if spared <= 0:
        return 0.0 if gained >= 0 else 1.0
    return 1.0 if gained <= 0 else spared / (spared + gained)
