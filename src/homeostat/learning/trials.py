"""One trial: a learner on a window of the training rows, judged on the validation rows, or so on each fold and judged by the mean.

A failing trial is a record, not a crash.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.records import Balanced, Split, Trial
from homeostat.core.targets import encode_target
from homeostat.errors import HomeostatError
from homeostat.graph.decode import decode_frame
from homeostat.graph.interpret import moved_prior, transform
from homeostat.graph.plan import Prior
from homeostat.graph.size import bundle_mb
from homeostat.learning.learner import Fitted, Flavour, Goal, Learner, Params, Rows, Watch, unwatched
from homeostat.learning.learners import LEARNERS
from homeostat.stats.metrics import error_of

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.graph.plan import Floats, Node, Preparation

LONGEST_REASON = 300
ENDS_A_TRIAL = ("HS302", "HS341")
CATEGORIES = "categories"


@dataclass(frozen=True, slots=True)
class Stages:
    """What a search is given of stage 4, and the learners that it may name.

    ``fit_preparation(frame, flavour, categories)`` gives the preparation and the features the learner trains on;
    ``select_window(frame, window)`` the rows and their weights; ``balance(y, weights)`` of these rows what the learner sees where classes
    are rare, None: them as they are. ``categories`` are the encodings that compete, for learners of a flavour: the first is the one
    decided, and a flavour that is not named has no other. ``learners`` by name: those of this program, and the team's own.
    """

    fit_preparation: Callable[[pl.DataFrame, Flavour, str], tuple[Preparation, Floats]]
    select_window: Callable[[pl.DataFrame, sections.Window], tuple[pl.DataFrame, Floats | None]]
    balance: Callable[[Floats, Floats | None], Balanced | None] = lambda y, weights: None
    categories: Mapping[Flavour, tuple[str, ...]] = field(default_factory=dict)
    learners: Mapping[str, Learner] = field(default_factory=lambda: LEARNERS)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a trial tries. Of the params ``categories`` is for the preparation, all others for the learner."""

    learner: str
    window: sections.Window
    params: Params

    @property
    def categories(self) -> str:
        """How categories are encoded; empty: as decided."""
        return str(self.params.get(CATEGORIES, ""))

    @property
    def learned(self) -> Params:
        """The params of the learner."""
        return {name: value for name, value in self.params.items() if name != CATEGORIES}


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A fitted preparation and the learner fitted behind it."""

    preparation: Preparation
    fitted: Fitted

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All of a plan but its inputs."""
        return (*self.preparation.nodes, *self.fitted.nodes)

    def predict(self, frame: pl.DataFrame) -> Floats:
        """Scores (n, k) by the library's own predict."""
        return self.fitted.predict(features_of(self.preparation, frame))


@dataclass(frozen=True, slots=True)
class Limits:
    """What may end a trial early, as it stands when its batch starts: none of a batch has an end before all are told.

    Args:
        behind: by step, an error that is behind when none on the way to it was as small.
        until: when time is over, by the clock of the bench.
    """

    behind: Mapping[int, float] = field(default_factory=dict)
    until: float = math.inf


UNLIMITED = Limits()


class Race:
    """One trial under its limits: time that is over, or a curve that falls behind those of earlier trials.

    Learning is looked at when it has gone twice as far as at the last look: at a progress of 1, 2, 4, 8 ...
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits, self._clock = limits, clock
        self.curve: list[tuple[int, float]] = []

    def over(self) -> bool:
        """Whether the time is over."""
        return self._clock() >= self._limits.until

    def learning(self, progress: float, error: float) -> bool:
        """Whether a fit ends here; the model it has come to counts."""
        step = int(math.log2(progress)) if progress >= 1 else -1
        if step > (self.curve[-1][0] if self.curve else -1) and self.lags(step, error):
            return True
        return self.over()

    def lags(self, step: int, error: float) -> bool:
        """Write down the error at a step, and say whether it is behind."""
        self.curve.append((step, error))
        limit = self._limits.behind.get(step)
        return limit is not None and min((each for _, each in self.curve if not math.isnan(each)), default=math.inf) > limit


Tried = tuple[Model, float, "Floats", float]
"""One round of a trial: the model, its score, its scores (n, k) of the judged rows, and how long it took for one of them, in us."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Training rows behind their preparation; ``ratio`` (k,) by how much each class weighs more than it should, None: as it should."""

    preparation: Preparation
    rows: Rows
    ratio: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A trial, its scores (n, k) of the judged rows, round after round, and the model it fitted; none when it fitted one per fold.

    A failed trial has neither. The model stays in the process that fitted it: elsewhere it is fitted again where it is needed.
    """

    trial: Trial
    scores: Floats | None = None
    model: Model | None = None

    def __reduce__(self) -> tuple[object, ...]:
        return (Outcome, (self.trial, self.scores))


def lost(number: int, choice: Choice, reason: str) -> Outcome:
    """A trial that nothing is known of but why: the process that ran it is gone."""
    return Outcome(Trial(number, choice.learner, choice.window.label(), dict(choice.params), None, 0.0, reason[:LONGEST_REASON]))


@dataclass(slots=True)
class Bench:
    """Runs trials on one split. What a window and a flavour prepare is kept, since many trials share it.

    Sent to another process it goes without what it keeps, and without the holdout.
    """

    split: Split
    target: str
    goal: Goal
    stages: Stages
    seed: int
    clock: Callable[[], float]
    kept: dict[tuple[str, Flavour, str, int], tuple[Prepared, Rows]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __reduce__(self) -> tuple[object, ...]:
        open_ = replace(self.split, holdout=self.split.holdout.clear())
        return (Bench, (open_, self.target, self.goal, self.stages, self.seed, self.clock))

    def run(self, number: int, choice: Choice, limits: Limits = UNLIMITED) -> Outcome:
        """Fit on the window of the train rows and score on the validation rows; with folds on each, and the mean is the score.

        A fit that its limits end counts as the model it has come to; with folds the trial is given up before the next one.

        What a library raises ends the trial and not the search; so do a window with too few rows and an estimator of the team's own
        that fails. Other refusals of ours pass, since every trial would meet them, and so does an interrupt.
        """
        started, race = self.clock(), Race(limits, self.clock)
        value, reason, params = None, "", choice.params
        size, row_us = 0.0, 0.0
        model: Model | None = None
        scores: Floats | None = None
        try:
            tries = self._tries(choice, race)
            size, row_us = bundle_mb(tries[0][0].nodes), tries[0][3]
            params = agreed([each.fitted.params for each, *_ in tries])
            if len(tries) < self.split.rounds:
                reason = f"given up after {len(tries)} of {self.split.rounds} folds: behind the trials before it, or out of time"
            else:
                value = math.fsum(score for _, score, *_ in tries) / len(tries)
                scores = np.vstack([judged for _, _, judged, _ in tries])
                model = tries[0][0] if len(tries) == 1 else None
        except HomeostatError as error:
            if error.code not in ENDS_A_TRIAL:
                raise
            reason = error.line()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is recorded as the reason of this trial
            reason = f"{type(error).__name__}: {error}"
        if value is not None and not math.isfinite(value):
            value, reason = None, f"{self.goal.metric.name} is {value}: predictions that are no numbers, or one class only"
        trial = Trial(
            number,
            choice.learner,
            choice.window.label(),
            dict(params),
            value,
            self.clock() - started,
            " ".join(reason.split())[:LONGEST_REASON],
            tuple(race.curve),
            round(size, 6),
            round(row_us, 3),
        )
        return Outcome(trial, scores, model) if value is not None else Outcome(trial)

    def _tries(self, choice: Choice, race: Race) -> list[Tried]:
        """The models of all rounds with their scores; fewer when the race gave up between two folds."""
        if self.split.rounds == 1:
            return [self._try(choice, 0, race.learning)]
        tries: list[Tried] = []
        errors = []
        for at in range(self.split.rounds):
            tries.append(self._try(choice, at, lambda progress, error: race.over()))
            errors.append(error_of(self.goal.metric, tries[-1][1]))
            last = at + 1 == self.split.rounds
            if math.isfinite(errors[-1]) and (race.lags(at, math.fsum(errors) / len(errors)) or race.over()) and not last:
                break
        return tries

    def _try(self, choice: Choice, at: int, watch: Watch) -> Tried:
        prepared, valid = self._prepared(choice, at)
        model = Model(prepared.preparation, self._fitted(choice, prepared, valid, watch))
        started = self.clock()
        scores = model.fitted.predict(valid.features)
        row_us = (self.clock() - started) / len(scores) * 1e6 if model.fitted.row_us is None else model.fitted.row_us
        return model, self.goal.metric.score(valid.target, scores), scores, row_us

    def judged(self) -> Floats:
        """The targets (n,) of the judged rows, round after round: what ``Outcome.scores`` is about."""
        return np.concatenate([encode_target(self.split.round(at)[1][self.target], self.goal.classes) for at in range(self.split.rounds)])

    def fit(self, frame: pl.DataFrame, choice: Choice) -> Model:
        """Fit on the window of a frame, without judging: the same params on other rows."""
        prepared = self.prepare(frame, choice)
        return Model(prepared.preparation, self._fitted(choice, prepared))

    def refit(self, choice: Choice) -> Model:
        """Fit on the window of all rows that are not sealed."""
        return self.fit(self.split.development, choice)

    def _fitted(self, choice: Choice, prepared: Prepared, valid: Rows | None = None, watch: Watch = unwatched) -> Fitted:
        goal, ratio = replace(self.goal, source=prepared.preparation.out), prepared.ratio
        if ratio is not None and valid is not None:
            # A learner that stops by the validation rows must see them as it sees its own; the trial is judged on them as they are.
            valid = replace(valid, weights=np.append(ratio, 1.0)[valid.target.astype(np.int64)])
        fitted = self.stages.learners[choice.learner].fit(prepared.rows, goal, choice.learned, self.seed, valid, watch)
        if choice.categories:
            fitted = replace(fitted, params={**fitted.params, CATEGORIES: choice.categories})
        return fitted if ratio is None else at_true_shares(fitted, ratio)

    def _prepared(self, choice: Choice, at: int) -> tuple[Prepared, Rows]:
        key = (choice.window.label(), self.stages.learners[choice.learner].flavour, choice.categories, at)
        with self.lock:  # trials that run at once wait for what they share instead of preparing it twice
            if key not in self.kept:
                train, judged = self.split.round(at)
                prepared = self.prepare(train, choice)
                y = encode_target(judged[self.target], self.goal.classes)
                self.kept[key] = (prepared, Rows(features_of(prepared.preparation, judged), y))
            return self.kept[key]

    def prepare(self, frame: pl.DataFrame, choice: Choice) -> Prepared:
        """The window of a frame behind the preparation that the choice asks for."""
        selected, weights = self.stages.select_window(frame, choice.window)
        preparation, features = self.stages.fit_preparation(selected, self.stages.learners[choice.learner].flavour, choice.categories)
        y = encode_target(selected[self.target], self.goal.classes)
        balanced = self.stages.balance(y, weights)
        if balanced is None:
            return Prepared(preparation, Rows(features, y, weights))
        taken = slice(None) if balanced.rows is None else balanced.rows
        return Prepared(preparation, Rows(features[taken], y[taken], balanced.weights), balanced.ratio)


def features_of(preparation: Preparation, frame: pl.DataFrame) -> Floats:
    """The features (n, p) of a frame."""
    return transform(preparation, *decode_frame(preparation.inputs, frame))


def at_true_shares(fitted: Fitted, ratio: Floats) -> Fitted:
    """A model of rows in which each class weighed ``ratio`` (k,) times its share, as a model of the shares that hold.

    Source: Saerens, Latinne and Decaestecker (2002), equation 2.4; Elkan (2001), theorem 2.
    """
    factors = 1.0 / ratio
    node = Prior("score at true shares", fitted.nodes[-1].out, factors)
    return replace(fitted, nodes=(*fitted.nodes, node), predict=lambda features: moved_prior(fitted.predict(features), factors))


def agreed(found: Sequence[Params]) -> Params:
    """The params of several fits of one choice as one: what they found differently, such as rounds, by its median.

    >>> agreed([{"rounds": 10, "rate": 0.1}, {"rounds": 20, "rate": 0.1}, {"rounds": 90, "rate": 0.1}])
    {'rounds': 20, 'rate': 0.1}
    """
    return {
        name: value if all(params[name] == value for params in found) else int(np.median([params[name] for params in found]))
        for name, value in found[0].items()
    }
