"""One trial: a learner on a window of the training rows, judged on the validation rows. A failing trial is a record, not a crash."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from homeostat.core.records import Split, Trial
from homeostat.core.targets import encode_target
from homeostat.errors import HomeostatError
from homeostat.graph.decode import decode_frame
from homeostat.graph.interpret import transform
from homeostat.learning.learner import Fitted, Flavour, Goal, Params, Rows
from homeostat.learning.learners import LEARNERS

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.graph.plan import Floats, Preparation

LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Stages:
    """What a search is given of stage 4: ``fit_preparation(frame, flavour)`` and ``select_window(frame, window)``."""

    fit_preparation: Callable[[pl.DataFrame, Flavour], Preparation]
    select_window: Callable[[pl.DataFrame, sections.Window], tuple[pl.DataFrame, Floats | None]]


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
class Outcome:
    """A trial, and the model it fitted unless it failed."""

    trial: Trial
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
    kept: dict[tuple[str, Flavour], tuple[Preparation, Rows, Rows]] = field(default_factory=dict)

    def run(self, number: int, choice: Choice) -> Outcome:
        """Fit on the window of the train rows and score on the validation rows.

        What a library raises ends the trial and not the search; so does a window with too few rows. Other refusals of ours pass,
        since every trial would meet them, and so does an interrupt.
        """
        started = self.clock()
        value, reason, params = None, "", choice.params
        model: Model | None = None
        try:
            preparation, rows, valid = self._prepared(choice)
            model = Model(preparation, self._fitted(choice, preparation, rows, valid))
            params = model.fitted.params
            value = self.goal.metric.score(valid.target, model.fitted.predict(valid.features))
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
        return Outcome(trial, model if value is not None else None)

    def fit(self, frame: pl.DataFrame, choice: Choice) -> Model:
        """Fit on the window of a frame, without judging: the same params on other rows."""
        preparation, rows = self._prepare(frame, choice.window, LEARNERS[choice.learner].flavour)
        return Model(preparation, self._fitted(choice, preparation, rows))

    def _fitted(self, choice: Choice, preparation: Preparation, rows: Rows, valid: Rows | None = None) -> Fitted:
        goal = replace(self.goal, source=preparation.out)
        return LEARNERS[choice.learner].fit(rows, goal, choice.params, self.seed, valid)

    def _prepared(self, choice: Choice) -> tuple[Preparation, Rows, Rows]:
        flavour = LEARNERS[choice.learner].flavour
        key = (choice.window.label(), flavour)
        if key not in self.kept:
            preparation, rows = self._prepare(self.split.train, choice.window, flavour)
            self.kept[key] = (preparation, rows, self._rows(preparation, self.split.validation))
        return self.kept[key]

    def _prepare(self, frame: pl.DataFrame, window: sections.Window, flavour: Flavour) -> tuple[Preparation, Rows]:
        selected, weights = self.stages.select_window(frame, window)
        preparation = self.stages.fit_preparation(selected, flavour)
        return preparation, self._rows(preparation, selected, weights)

    def _rows(self, preparation: Preparation, frame: pl.DataFrame, weights: Floats | None = None) -> Rows:
        return Rows(features_of(preparation, frame), encode_target(frame[self.target], self.goal.classes), weights)


def features_of(preparation: Preparation, frame: pl.DataFrame) -> Floats:
    """The features (n, p) of a frame."""
    return transform(preparation, *decode_frame(preparation.inputs, frame))
