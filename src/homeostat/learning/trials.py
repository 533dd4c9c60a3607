"""One trial: a learner on a window of the training rows, judged on the validation rows, or so on each fold and judged by the mean.

A failing trial is a record, not a crash.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.records import Balanced, Split, Trial
from homeostat.core.targets import encode_target
from homeostat.errors import HomeostatError
from homeostat.graph.decode import decode_frame
from homeostat.graph.interpret import moved_prior, transform
from homeostat.graph.plan import Prior
from homeostat.learning.learner import Fitted, Flavour, Goal, Params, Rows
from homeostat.learning.learners import LEARNERS

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.graph.plan import Floats, Preparation

LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Stages:
    """What a search is given of stage 4.

    ``fit_preparation(frame, flavour)`` gives the preparation and the features the learner trains on; ``select_window(frame, window)`` the
    rows and their weights; ``balance(y, weights)`` of these rows what the learner sees where classes are rare, None: them as they are.
    """

    fit_preparation: Callable[[pl.DataFrame, Flavour], tuple[Preparation, Floats]]
    select_window: Callable[[pl.DataFrame, sections.Window], tuple[pl.DataFrame, Floats | None]]
    balance: Callable[[Floats, Floats | None], Balanced | None] = lambda y, weights: None


@dataclass(frozen=True, slots=True)
class Choice:
    """What a trial tries."""

    learner: str
    window: sections.Window
    params: Params


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A fitted preparation and the learner fitted behind it."""

    preparation: Preparation
    fitted: Fitted

    def predict(self, frame: pl.DataFrame) -> Floats:
        """Scores (n, k) by the library's own predict."""
        return self.fitted.predict(features_of(self.preparation, frame))


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Training rows behind their preparation; ``ratio`` (k,) by how much each class weighs more than it should, None: as it should."""

    preparation: Preparation
    rows: Rows
    ratio: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A trial, its scores (n, k) of the judged rows, round after round, and the model it fitted; none when it fitted one per fold.

    A failed trial has neither.
    """

    trial: Trial
    scores: Floats | None = None
    model: Model | None = None


@dataclass(slots=True)
class Bench:
    """Runs trials on one split. What a window and a flavour prepare is kept, since many trials share it."""

    split: Split
    target: str
    goal: Goal
    stages: Stages
    seed: int
    clock: Callable[[], float]
    kept: dict[tuple[str, Flavour, int], tuple[Prepared, Rows]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, number: int, choice: Choice) -> Outcome:
        """Fit on the window of the train rows and score on the validation rows; with folds on each, and the mean is the score.

        What a library raises ends the trial and not the search; so does a window with too few rows. Other refusals of ours pass,
        since every trial would meet them, and so does an interrupt.
        """
        started = self.clock()
        value, reason, params = None, "", choice.params
        model: Model | None = None
        scores: Floats | None = None
        try:
            tries = [self._try(choice, at) for at in range(self.split.rounds)]
            params = agreed([model.fitted.params for model, _, _ in tries])
            value = math.fsum(score for _, score, _ in tries) / len(tries)
            scores = np.vstack([judged for _, _, judged in tries])
            model = tries[0][0] if len(tries) == 1 else None
        except HomeostatError as error:
            if error.code != "HS302":
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
        )
        return Outcome(trial, scores, model) if value is not None else Outcome(trial)

    def _try(self, choice: Choice, at: int) -> tuple[Model, float, Floats]:
        prepared, valid = self._prepared(choice, at)
        model = Model(prepared.preparation, self._fitted(choice, prepared, valid))
        scores = model.fitted.predict(valid.features)
        return model, self.goal.metric.score(valid.target, scores), scores

    def judged(self) -> Floats:
        """The targets (n,) of the judged rows, round after round: what ``Outcome.scores`` is about."""
        return np.concatenate([encode_target(self.split.round(at)[1][self.target], self.goal.classes) for at in range(self.split.rounds)])

    def prepare(self, frame: pl.DataFrame, choice: Choice) -> Prepared:
        """The window of a frame behind the preparation that the choice's learner asks for."""
        return self._prepare(frame, choice.window, LEARNERS[choice.learner].flavour)

    def fit(self, frame: pl.DataFrame, choice: Choice) -> Model:
        """Fit on the window of a frame, without judging: the same params on other rows."""
        prepared = self.prepare(frame, choice)
        return Model(prepared.preparation, self._fitted(choice, prepared))

    def _fitted(self, choice: Choice, prepared: Prepared, valid: Rows | None = None) -> Fitted:
        goal = replace(self.goal, source=prepared.preparation.out)
        if prepared.ratio is None:
            return LEARNERS[choice.learner].fit(prepared.rows, goal, choice.params, self.seed, valid)
        # A learner that stops by the validation rows must see them as it sees its own; the trial is judged on them as they are.
        alike = None if valid is None else replace(valid, weights=np.append(prepared.ratio, 1.0)[valid.target.astype(np.int64)])
        return at_true_shares(LEARNERS[choice.learner].fit(prepared.rows, goal, choice.params, self.seed, alike), prepared.ratio)

    def _prepared(self, choice: Choice, at: int) -> tuple[Prepared, Rows]:
        flavour = LEARNERS[choice.learner].flavour
        key = (choice.window.label(), flavour, at)
        with self.lock:  # trials that run at once wait for what they share instead of preparing it twice
            if key not in self.kept:
                train, judged = self.split.round(at)
                prepared = self._prepare(train, choice.window, flavour)
                y = encode_target(judged[self.target], self.goal.classes)
                self.kept[key] = (prepared, Rows(features_of(prepared.preparation, judged), y))
            return self.kept[key]

    def _prepare(self, frame: pl.DataFrame, window: sections.Window, flavour: Flavour) -> Prepared:
        selected, weights = self.stages.select_window(frame, window)
        preparation, features = self.stages.fit_preparation(selected, flavour)
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
