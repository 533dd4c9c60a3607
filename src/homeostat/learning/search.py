"""The search: which learner, on which training window, with which params, comes closest to the goal on the validation rows.

A first round tries the champion's params, if given, and every learner's defaults on every window; then come what is known to be good
on other data and a sampler's proposals, which know all results so far, until the budget is spent. A trial that falls behind ends early.
The winner, or the ensemble of those that together do better, is fitted again on train and validation together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from homeostat.errors import Refusal
from homeostat.learning.candidate import Candidate, Good, alone, goal_of
from homeostat.learning.candidate import together as weighed
from homeostat.learning.ensemble import Room, ensemble
from homeostat.learning.learners.extras import require
from homeostat.learning.proposals import SURE_FROM, Asked, Proposer, first_round
from homeostat.learning.together import one_by_one
from homeostat.learning.trials import Bench, Choice, Limits, Outcome, Stages, lost

if TYPE_CHECKING:
    from homeostat.core import sections
    from homeostat.core.ports import Together
    from homeostat.core.records import Split, Trial
    from homeostat.stats.metrics import Metric

Progress = Callable[[str, float | None], None]
MEMBERS = 12
"""Trials an ensemble chooses from: the best of each learner, then the best of all."""
FITTED_LAST = 3
"""So many of the best trials say how long the last fit may take."""
MORE_ROWS = 1.25
"""The last fit has so many times the rows of a trial."""
AFTERWARDS = 0.05
"""Share of a budget of seconds that is left for what follows the last fit: the graph and its proofs."""
LEAST_SHARE = 0.1
"""Share of a budget of seconds that a trial has in any case."""


class Memo(Protocol):
    """Remembers finished trials, so that a search that was cut off goes on where it was.

    Proposals follow from the seed and the results before them, so a search that recalls these proposes what it proposed then.
    """

    def recall(self, number: int, choice: Choice) -> Outcome | None:
        """What the trial of this number came to, if it was this choice and has finished."""

    def keep(self, choice: Choice, outcome: Outcome) -> None:
        """Keep a finished trial."""


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
    together: Together = one_by_one,
    memo: Memo | None = None,
    most_mb: float | None = None,
) -> Candidate:
    """The best candidate within the budget; the naive learner wins only when nothing beats it.

    A budget of seconds is measured by ``clock``. A part of it is kept for the last fit; once the rest is spent no trial starts and
    those that run end, except that every learner is tried for a while, so that a slow first import or learner never decides which kind
    of model wins. A budget of trials counts all trials, but the first round is always finished. With neither, the first round is all.
    Without a budget of seconds the same arguments give the same plan and trial values, whatever runs the trials, and whatever was
    remembered. Without a time column only windows of kind ``all`` compete.

    Args:
        split: train and validation, or folds of both; the holdout is not looked at.
        task: names the target.
        section: learners, windows, budget, how many trials are open at once, whether an ensemble may win, and the seed.
        metric: the best value on the validation rows wins, the earlier trial when equal.
        stages: fits preparations and selects windows.
        clock: seconds that only go forward.
        start: the champion's ``{"learner": ..., "params": {...}}``, tried first on every window.
        progress: told after each batch of trials what was found, and the share of the budget that is spent.
        refit: False leaves the model that the winning params give on train, for honest scores on the validation rows; no ensemble.
        together: runs the trials of a batch.
        memo: remembers trials.
        most_mb: what the bundle may have: a larger trial cannot win, nor members that are too large together.

    Raises:
        LearningError: HS301, one class only in train; HS310, a library is not installed.
        Refusal: HS303, every trial failed, with the reasons.
        CharterError: HS106, every window is cut by time and there is no time column.
    """
    require(section.learners)
    goal = goal_of(split, task, metric)
    windows = tuple(each for each in section.windows if task.time is not None or each.kind == "all") or section.windows
    bench = Bench(split, task.target, goal, stages, section.seed, clock)
    board = _Board(metric, section.budget, clock, clock(), progress, most_mb, section.ensemble_mb, section.at_once, split.rounds)
    learners = {name: stages.learners[name] for name in section.learners}
    sure_from = 0 if split.folds else SURE_FROM
    proposer = Proposer(learners, windows, section.seed, goal, stages.categories, sure_from=sure_from)
    try_all = partial(_tried, bench, board, together, memo)
    for batch in _batches(first_round(learners, windows, start, goal, stages.categories), section.at_once):
        if board.spent and board.tried >= set(learners):
            break
        try_all(proposer, [proposer.announce(choice) for choice in batch])
    proposer.warm_up()
    while proposer.has_space and (room := board.room):
        try_all(proposer, [proposer.propose() for _ in range(min(room, section.at_once))])
    best = board.winner()
    picked = board.picked(bench, section.seed, in_order=task.time is not None) if refit and section.ensemble else []
    if picked:
        return weighed(bench, task, picked, board.trials, together)
    return alone(bench, task, best, board.trials, refit=refit)


def _batches(choices: Iterable[Choice], size: int) -> Iterator[list[Choice]]:
    batch: list[Choice] = []
    for choice in choices:
        batch.append(choice)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _tried(bench: Bench, board: _Board, together: Together, memo: Memo | None, proposer: Proposer, batch: list[Asked]) -> None:
    """Run a batch of trials and tell what came of them, in the order in which they were proposed; each is kept as soon as it ends."""
    first = len(board.trials)
    known = {at: memo.recall(first + at, asked.choice) for at, asked in enumerate(batch)} if memo else {}
    open_ = [at for at in range(len(batch)) if known.get(at) is None]
    until = board.deadline()
    jobs = [(first + at, batch[at].choice, Limits(proposer.behind(batch[at]), until)) for at in open_]

    def keep(at: int, outcome: Outcome) -> None:
        if memo is not None:
            memo.keep(jobs[at][1], outcome)

    run = dict(zip(open_, together(bench.run, jobs, done=keep, lost=lambda at, why: lost(*jobs[at][:2], why)), strict=True))
    for at, asked in enumerate(batch):
        recalled = known.get(at)
        outcome = recalled or run[at]
        if recalled is not None:
            board.spent_before += outcome.trial.seconds
        board.add(asked.choice, outcome)
        proposer.tell(asked, outcome.trial.value, outcome.trial.curve)
    board.report()


@dataclass(slots=True)
class _Board:
    """The leaderboard so far and what is left of the budget; of models and scores those that may be of use are kept, by trial number."""

    metric: Metric
    budget: sections.Budget
    clock: Callable[[], float]
    started: float
    progress: Progress | None
    most_mb: float | None = None
    ensemble_mb: float = float("inf")
    at_once: int = 1
    rounds: int = 1
    trials: list[Trial] = field(default_factory=list)
    kept: dict[int, Good] = field(default_factory=dict)
    spent_before: float = 0.0

    @property
    def tried(self) -> set[str]:
        """The learners that had a trial."""
        return {trial.learner for trial in self.trials}

    @property
    def spent(self) -> bool:
        """Whether the seconds for trials are over."""
        return self.budget.seconds is not None and self.seconds >= self.budget.seconds - self._last_fit(self.budget.seconds)

    def deadline(self) -> float:
        """When time is over for the trials of a batch that starts now, by the clock; each has a while of its own, however late it is.

        A trial whose model could not be fitted again in the time that is left is of no use.
        """
        if self.budget.seconds is None:
            return math.inf
        now, budget = self.seconds, self.budget.seconds
        fitted_twice = now + max(0.0, (1.0 - AFTERWARDS) * budget - now) / (1.0 + MORE_ROWS / self.rounds)
        end = max(min(budget - self._last_fit(budget), fitted_twice), now + LEAST_SHARE * budget)
        return end - self.spent_before + self.started

    def _last_fit(self, seconds: float) -> float:
        """What is kept for the last fit, about as long as the best trials would take again and at most half, and for what follows."""
        again = [self.kept[number].seconds * MORE_ROWS / self.rounds for number in self._ranked()[:FITTED_LAST]]
        return min(max(sum(again) / self.at_once, *again, 0.0), seconds / 2) + AFTERWARDS * seconds

    @property
    def seconds(self) -> float:
        """How long the search took so far; a recalled trial counts as long as it took then."""
        return self.spent_before + self.clock() - self.started

    @property
    def room(self) -> int:
        """How many trials beyond the first round the budget allows now."""
        if (self.budget.seconds is None and self.budget.trials is None) or self.spent:
            return 0
        return len(self.trials) + 1 if self.budget.trials is None else max(0, self.budget.trials - len(self.trials))

    def add(self, choice: Choice, outcome: Outcome) -> None:
        """Take in a trial."""
        trial = outcome.trial
        self.trials.append(trial)
        if trial.value is None or outcome.scores is None or trial.size_mb > self._most:
            return
        found = Choice(choice.learner, choice.window, dict(trial.params))
        self.kept[trial.number] = Good(found, trial.value, outcome.scores, outcome.model, trial.seconds, trial.size_mb)
        ranked = self._ranked()
        first = {self.kept[number].choice.learner: number for number in reversed(ranked)}.values()
        useful = list(dict.fromkeys([*first, *ranked]))[:MEMBERS]
        self.kept = {number: self.kept[number] for number in sorted({*useful, ranked[0]})}

    def _ranked(self) -> list[int]:
        """The kept trials, best first, the earlier first when equal."""
        sign = -1.0 if self.metric.greater_is_better else 1.0
        return sorted(self.kept, key=lambda number: (sign * self.kept[number].value, number))

    def winner(self) -> Good:
        """The best trial.

        Raises:
            Refusal: HS303, there is none.
        """
        if self.kept:
            return self.kept[self._ranked()[0]]
        large = f"its model would have more than the {self.most_mb:g} MB of success.size_mb" if self.most_mb else ""
        reasons = "; ".join(dict.fromkeys(f"{t.learner} on {t.window}: {t.reason or large}" for t in self.trials))
        raise Refusal(
            "HS303",
            f"all {len(self.trials)} trials failed ({reasons})",
            place="learning",
            next_step="look at the reasons, or allow other learners, windows or more rows",
        )

    def picked(self, bench: Bench, seed: int, *, in_order: bool) -> list[tuple[Good, float]]:
        """The members of an ensemble that pays, with their weights; none when the winner alone does as well."""
        numbers = self._ranked()
        known = [self.kept[number] for number in numbers]
        room = Room(tuple(each.size_mb for each in known), min(self._most, self.ensemble_mb))
        weights = ensemble([each.scores for each in known], bench.judged(), self.metric, seed, in_order=in_order, room=room)
        return [] if weights is None else [(each, float(w)) for each, w in zip(known, weights, strict=True) if w > 0]

    @property
    def _most(self) -> float:
        return float("inf") if self.most_mb is None else self.most_mb

    def report(self) -> None:
        """Tell how far the search is."""
        if self.progress is None:
            return
        shares = []
        if self.budget.seconds is not None:
            shares.append(self.seconds / self.budget.seconds)
        if self.budget.trials is not None:
            shares.append(len(self.trials) / self.budget.trials)
        found = "no result yet"
        if self.kept:
            best = self.winner()
            found = f"best {self.metric.name} {best.value:.5g} ({best.choice.learner}, {best.choice.window.label()})"
        self.progress(f"{len(self.trials)} trials, {found}", min(1.0, max(shares)) if shares else None)
