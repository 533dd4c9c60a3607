"""Decisions that earn most: a binary threshold from what the outcomes are worth, the costs of deciding one class for another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats.decisions import HALF, DecisionRule
from homeostat.stats.money import cost_matrix, depends_on_amount, payoff_per_row

if TYPE_CHECKING:
    from homeostat.core.sections import Payoff, TaskType, Value
    from homeostat.graph.plan import Floats, Plan


def with_decision(plan: Plan, value: Value, y: Floats, judged: Floats, amount: Floats | None) -> Plan:
    """The plan with the decision that the charter's value section asks for; scores don't change.

    Binary with fixed payoffs: the threshold of ``payoff_threshold``; with amounts: of ``earning_threshold`` on the validation rows,
    ``y`` (n,), ``judged`` (n, 2) and ``amount`` (n,). Multiclass with costs: the class of least expected cost.

    Raises:
        CharterError: HS113, a class of the data has no costs.
    """
    if plan.task == "multiclass" and value.costs is not None:
        return replace(plan, costs=cost_matrix(value.costs, plan.classes))
    if plan.task != "binary" or value.payoff is None:
        return plan
    if depends_on_amount(value.payoff) and amount is not None:
        return replace(plan, threshold=earning_threshold(y, judged[:, 1], value.payoff, amount))
    return replace(plan, threshold=payoff_threshold(value.payoff))


def known_rule(value: Value, task: TaskType, classes: tuple[str, ...]) -> DecisionRule:
    """The decision rule as far as it is known before there is a model: what metrics of decisions are compared by in a search.

    A threshold that depends on amounts is chosen with the model; until then it is 0.5.

    Raises:
        CharterError: HS113, a class of the data has no costs.
    """
    if task == "multiclass" and value.costs is not None:
        return DecisionRule(costs=tuple(tuple(row) for row in cost_matrix(value.costs, classes).tolist()))
    if task == "binary" and value.payoff is not None and not (depends_on_amount(value.payoff) and value.amount is not None):
        return DecisionRule(payoff_threshold(value.payoff))
    return HALF


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


def earning_threshold(y: Floats, positive: Floats, payoff: Payoff, amount: Floats) -> float:
    """The one threshold that earns most on rows whose outcomes depend on an amount of their own.

    Every distinct score is tried, and never deciding positive. Of thresholds that earn the same the highest is taken, which acts on
    the fewest rows: doing nothing is the safer side. A finite sample says no more, so this is a choice by the validation rows, like a
    parameter's. It is 1 (or just above, should some row have the score 1) when acting on nobody earns most.

    Args:
        y: what came, ``(n,)``: 1 is positive.
        positive: probability of the positive class, ``(n,)``.
        payoff: what the outcomes are worth.
        amount: each row's amount, ``(n,)``; rows without one (NaN) say nothing.

    >>> from homeostat.core.sections import Outcome, Payoff
    >>> terms = Payoff(true_positive=Outcome(per_amount=0.1), false_positive=Outcome(fixed=-1))
    >>> earning_threshold(np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.6, 0.3]), terms, np.array([100.0, 100.0, 5.0]))
    0.9
    """
    acting, idle = (payoff_per_row(y, np.full(len(y), decision), payoff, amount) for decision in (1.0, 0.0))
    gain = acting - idle
    known = np.isfinite(gain) & np.isfinite(positive)
    order = np.argsort(-positive[known], kind="stable")
    scores, earned = positive[known][order], np.cumsum(gain[known][order])
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True)) if len(scores) else np.empty(0, dtype=np.int64)
    best = int(np.argmax(earned[last])) if len(last) else 0  # the first of equals: the highest score
    if not len(last) or earned[last][best] <= 0:
        return float(np.nextafter(1.0, 2.0)) if len(scores) and scores[0] >= 1 else 1.0
    return float(scores[last][best])
