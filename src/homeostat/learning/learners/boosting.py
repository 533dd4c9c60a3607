"""What the gradient-boosting learners share: how long they go on, and the losses by which amounts are learned.

Amounts (targets that are never below 0) can be learned as they are, as counts whose causes multiply (Poisson deviance, a log link), or by
their logarithm: which one comes closest to the metric is searched like any other parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np

from homeostat.graph.plan import Linear, Link

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats, Node
    from homeostat.learning.learner import Goal, Params, Suggest

Loss = Literal["metric", "squared", "poisson", "log"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
"""Of amounts: the metric itself where the library has it, the squared error, the deviance of counts, the squared error of log(1 + y)."""
MOST_ROUNDS, UNTOLD_ROUNDS = 2_000, 100
"""Rounds at most; rounds of a fit that has neither validation rows nor a round count."""
LEAST_PATIENCE, PATIENCE = 30, 3.0
THRIFT = 0.001
"""Share of the least error that a fit may lose for having fewer rounds: the last of them cost as much time as the first."""
_LINKS: Mapping[str, Literal["identity", "sigmoid", "softmax"]] = {"regression": "identity", "binary": "sigmoid", "multiclass": "softmax"}


def patience(rate: float) -> int:
    """Rounds without a better validation error after which boosting stops: the slower a learner, the more."""
    return max(LEAST_PATIENCE, int(PATIENCE / rate))


def rounds_of(errors: Sequence[float]) -> int:
    """The fewest rounds that are as good as the best ones, but for ``THRIFT``; 0 for none.

    >>> rounds_of([1.0, 0.6, 0.5004, 0.5, 0.52])
    3
    """
    enough = min(errors, default=0.0) * (1.0 + THRIFT)
    return next((rounds for rounds, error in enumerate(errors, start=1) if error <= enough), 0)


def settings_of(params: Params) -> dict[str, object]:
    """The params that go to the library as they are."""
    return {name: value for name, value in params.items() if name not in ("rounds", "loss")}


def loss_of(params: Params) -> Loss:
    """The loss a fit minimises."""
    return cast("Loss", params.get("loss", "metric"))


def ask_loss(trial: Suggest, goal: Goal) -> dict[str, str]:
    """The loss as a param, where there is a choice."""
    return {"loss": trial.suggest_categorical("loss", LOSSES)} if goal.amounts else {}


def with_losses(defaults: Params, others: Sequence[Params], goal: Goal) -> tuple[Params, ...]:
    """A portfolio; of amounts with the losses that differ from the metric's own."""
    if not goal.amounts:
        return tuple(others)
    return tuple({**params, "loss": loss} for loss, params in _losses(defaults, others))


def _losses(defaults: Params, others: Sequence[Params]) -> list[tuple[Loss, Params]]:
    return [("poisson", defaults), ("log", defaults), *((loss, params) for params in others for loss in ("poisson", "metric"))]


def learned(y: Floats, loss: Loss) -> Floats:
    """The target as boosting sees it."""
    return np.log1p(y) if loss == "log" else y


def answered(said: Floats, loss: Loss) -> Floats:
    """What the library predicts, as an answer about the target itself."""
    return np.exp(said) - 1.0 if loss == "log" else said


def behind(source: str, goal: Goal, loss: Loss) -> tuple[Node, ...]:
    """The nodes between the sum of the trees and the scores."""
    if loss == "log":
        return Link("one more", source, "exp"), Linear("score", "one more", np.ones((1, 1)), np.array([-1.0]))
    return (Link("score", source, "exp" if loss == "poisson" else _LINKS[goal.task]),)
