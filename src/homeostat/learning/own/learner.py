"""An estimator of the team's own as a learner: it is fitted and asked in another process, and nothing of its code runs in this one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from homeostat.learning.learner import Fitted, unwatched

if TYPE_CHECKING:
    from homeostat.core.sections import Estimator
    from homeostat.graph.plan import Floats, Node
    from homeostat.learning.learner import Flavour, Goal, Params, Rows, Suggest, Watch


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What a fit is given: the estimator and its name, all keyword arguments, rows, goal, seed, and rows (m, p) to predict."""

    name: str
    estimator: Estimator
    params: Params
    rows: Rows
    goal: Goal
    seed: int
    judged: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What comes back of a fit.

    Args:
        nodes: what the estimator says, as nodes of a plan.
        model: the estimator as bytes that only its own process opens.
        scores: (m, k) of the judged rows, by the estimator's own predict.
        row_us: how long that took for a row.
        single: whether it computes in float32 inside.
    """

    nodes: tuple[Node, ...]
    model: bytes
    scores: Floats
    row_us: float
    single: bool


class Away(Protocol):
    """Where estimators run."""

    def fit(self, task: Task, over: Callable[[], bool]) -> Learned:
        """Fit, predict and convert. ``over`` says when it is too late to go on.

        Raises:
            LearningError: HS341, with what went wrong in plain words.
        """

    def predict(self, task: Task, model: bytes, features: Floats) -> Floats:
        """Scores (n, k) by the estimator's own predict.

        Raises:
            LearningError: HS341, with what went wrong in plain words.
        """


@dataclass(frozen=True, slots=True)
class Own:
    """A learner of the team's own."""

    name: str
    estimator: Estimator
    away: Away

    @property
    def flavour(self) -> Flavour:
        """As the charter says."""
        return self.estimator.flavour

    @property
    def defaults(self) -> Params:
        """The first values of the space."""
        return {name: span.first for name, span in self.estimator.space.items()}

    def portfolio(self, goal: Goal) -> tuple[Params, ...]:
        """Nothing is known about it."""
        return ()

    def space(self, trial: Suggest, goal: Goal) -> Params:
        """As the charter says."""
        asked: dict[str, bool | int | float | str] = {}
        for name, span in self.estimator.space.items():
            if span.choices:
                asked[name] = trial.suggest_categorical(name, span.choices)
            elif isinstance(span.low, int) and isinstance(span.high, int):
                asked[name] = trial.suggest_int(name, span.low, span.high, log=span.log)
            else:
                asked[name] = trial.suggest_float(name, float(span.low or 0), float(span.high or 0), log=span.log)
        return asked

    def fit(self, rows: Rows, goal: Goal, params: Params, seed: int, valid: Rows | None = None, watch: Watch = unwatched) -> Fitted:
        """Fit in a process of its own, which is ended when the watch says that there is no more time.

        Raises:
            LearningError: HS341, the estimator failed; the reason is in plain words.
        """
        judged = rows.features[:1] if valid is None else valid.features
        task = Task(self.name, self.estimator, {**self.estimator.params, **params}, rows, goal, seed, judged)
        learned = self.away.fit(task, lambda: watch(0.0, math.inf))

        def predict(features: Floats) -> Floats:
            return learned.scores if features is judged else self.away.predict(task, learned.model, features)

        return Fitted(learned.nodes, predict, dict(params), learned.single, None if valid is None else learned.row_us)
