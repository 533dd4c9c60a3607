"""The search: which learner, on which training window, with which params, comes closest to the goal on the validation rows.

A first round tries the champion's params, if given, and every learner's defaults on every window; then a sampler proposes,
knowing all results so far, until the budget is spent. The winner is fitted again on train and validation together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from homeostat.core.targets import classes_of
from homeostat.errors import LearningError
from homeostat.graph.plan import Floats, Plan
from homeostat.learning.learner import Goal, Params
from homeostat.learning.proposals import Proposer, first_round
from homeostat.learning.trials import Bench, Choice, Model, Outcome, Stages
from homeostat.stats.metrics import Metric, better

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.core.records import Split, Trial

__all__ = ["Candidate", "Stages", "search"]

Progress = Callable[[str, float | None], None]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """The winner as a whole plan.

    Args:
        plan: preparation and learner, fitted on train and validation together (on train alone when it was not refitted).
        learner: its name in ``LEARNERS``.
        window: label of its training window.
        params: as in the winning trial.
        value: the metric of the winning trial: fitted on train alone, scored on validation; with folds the mean.
        judged: scores (n, k) of the validation rows by the winning params, fitted on train alone: what a decision is chosen by.
        trials: all trials in the order they ran.
        oracle: frame to scores (n, k) by the library's own predict behind the preparation.
        members: by objective, what this one is the weighted sum of; empty for a single model.
    """

    plan: Plan
    learner: str
    window: str
    params: Params
    value: float
    judged: Floats
    trials: tuple[Trial, ...]
    oracle: Callable[[pl.DataFrame], Floats]
    members: Mapping[str, Candidate] = field(default_factory=dict)


def search(  # noqa: PLR0913 - what a search is given beside its rows and section is said by keyword
    split: Split,
    task: sections.Task,
    section: sections.Learning,
    metric: Metric,
    stages: Stages,
    *,
    clock: Callable[[], float],
    start: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    refit: bool = True,
) -> Candidate:
    """The best candidate within the budget; the naive learner wins only when nothing beats it.

    A budget of seconds is measured by ``clock``: once it is spent no trial starts, except that every learner is tried once, so
    that a slow first import or learner never decides which kind of model wins. A budget of trials counts all trials, but the
    first round is always finished. With neither, the first round is all. Without a budget of seconds the same arguments give the
    same plan and trial values. Without a time column only windows of kind ``all`` compete.

    Args:
        split: train and validation, or folds of both; the holdout is not looked at.
        task: names the target.
        section: learners, windows, budget and seed.
        metric: the best value on the validation rows wins, the earlier trial when equal.
        stages: fits preparations and selects windows.
        clock: seconds that only go forward.
        start: the champion's ``{"learner": ..., "params": {...}}``, tried first on every window.
        progress: told after each trial what was found, and the share of the budget that is spent.
        refit: False leaves the model that the winning params give on train, for honest scores on the validation rows.

    Raises:
        LearningError: HS301, one class only in train; HS303, every trial failed, with the reasons.
        CharterError: HS106, every window is cut by time and there is no time column.
    """
    goal = Goal(task.type, classes_of(split.train[task.target], task), metric)
    windows = tuple(each for each in section.windows if task.time is not None or each.kind == "all") or section.windows
    bench = Bench(split, task.target, goal, stages, section.seed, clock)
    board = _Board(metric, section.budget, clock, clock(), progress)
    proposer = Proposer(section.learners, windows, section.seed, maximise=metric.greater_is_better)
    for choice in first_round(section.learners, windows, start):
        if board.spent and board.tried >= set(section.learners):
            break
        proposer.announce(choice)
        proposer.tell(board.add(choice, bench.run(len(board.trials), choice)))
    while proposer.has_space and board.has_room:
        choice = proposer.propose()
        proposer.tell(board.add(choice, bench.run(len(board.trials), choice)))
    best = board.winner()
    choice = Choice(best.learner, best.window, best.params)
    model = best.model or bench.fit(split.train, choice)
    judged = model.predict(split.validation)
    if refit:
        model = bench.fit(split.development, choice)
    plan = _plan(task, goal, model)
    return Candidate(plan, best.learner, best.window.label(), best.params, best.value, judged, tuple(board.trials), model.predict)


@dataclass(frozen=True, slots=True, eq=False)
class _Best:
    learner: str
    window: sections.Window
    params: Params
    value: float
    model: Model | None


@dataclass(slots=True)
class _Board:
    """The leaderboard so far and what is left of the budget; of the models only the best is kept."""

    metric: Metric
    budget: sections.Budget
    clock: Callable[[], float]
    started: float
    progress: Progress | None
    trials: list[Trial] = field(default_factory=list)
    best: _Best | None = None

    @property
    def tried(self) -> set[str]:
        """The learners that had a trial."""
        return {trial.learner for trial in self.trials}

    @property
    def spent(self) -> bool:
        """Whether the seconds are over."""
        return self.budget.seconds is not None and self.clock() - self.started >= self.budget.seconds

    @property
    def has_room(self) -> bool:
        """Whether the budget allows a trial beyond the first round."""
        if self.budget.seconds is None and self.budget.trials is None:
            return False
        return not self.spent and (self.budget.trials is None or len(self.trials) < self.budget.trials)

    def add(self, choice: Choice, outcome: Outcome) -> float | None:
        """Take in a trial; return its value."""
        trial, model = outcome.trial, outcome.model
        self.trials.append(trial)
        if trial.value is not None and (self.best is None or better(self.metric, trial.value, self.best.value)):
            self.best = _Best(choice.learner, choice.window, dict(trial.params), trial.value, model)
        self._report()
        return trial.value

    def winner(self) -> _Best:
        """The best trial.

        Raises:
            LearningError: HS303, there is none.
        """
        if self.best is None:
            reasons = "; ".join(dict.fromkeys(f"{t.learner} on {t.window}: {t.reason}" for t in self.trials))
            raise LearningError(
                "HS303",
                f"all {len(self.trials)} trials failed ({reasons})",
                place="learning",
                next_step="look at the reasons, or allow other learners, windows or more rows",
            )
        return self.best

    def _report(self) -> None:
        if self.progress is None:
            return
        shares = []
        if self.budget.seconds is not None:
            shares.append((self.clock() - self.started) / self.budget.seconds)
        if self.budget.trials is not None:
            shares.append(len(self.trials) / self.budget.trials)
        found = "no result yet"
        if self.best is not None:
            found = f"best {self.metric.name} {self.best.value:.5g} ({self.best.learner}, {self.best.window.label()})"
        self.progress(f"{len(self.trials)} trials, {found}", min(1.0, max(shares)) if shares else None)


def _plan(task: sections.Task, goal: Goal, model: Model) -> Plan:
    """Preparation and learner in one; a learner that reads no features needs no preparation, only the inputs."""
    preparation, nodes = model.preparation, model.fitted.nodes
    if any(getattr(node, "source", None) == preparation.out for node in nodes):
        nodes = (*preparation.nodes, *nodes)
    return Plan(task.type, task.target, preparation.inputs, nodes, goal.classes)
