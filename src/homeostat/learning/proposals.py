"""What a search tries next: first the champion's params and every learner's defaults, then a portfolio and a sampler's proposals.

Each learner has a study of its own. The better a learner's best trial, the more often it is its turn.

Source: Bergstra et al., "Algorithms for hyper-parameter optimization" (NIPS 2011), the tree-structured Parzen estimator; Golovin et al.,
"Google Vizier" (KDD 2017), the median stopping rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from homeostat.learning.trials import CATEGORIES, Choice
from homeostat.stats.metrics import error_of

if TYPE_CHECKING:
    from homeostat.core import sections
    from homeostat.learning.learner import Flavour, Goal, Learner, Params, Suggest

STARTUP = 6
"""Trials of a learner before its sampler follows what it has seen."""
JUDGES = 3
"""Finished trials of a learner before a curve of it may be behind."""
SURE_FROM = 2
"""The first step at which a curve of learning may be behind: before it, slow learners look bad."""


_Value = TypeVar("_Value", bound=bool | int | float | str)
Learners = Mapping[str, "Learner"]
Variants = Mapping["Flavour", tuple[str, ...]]
"""The encodings of categories that compete, by the flavour of the learner."""


def first_round(
    learners: Learners, windows: tuple[sections.Window, ...], start: Mapping[str, Any] | None, goal: Goal, variants: Variants
) -> Iterator[Choice]:
    """Naive once; then, window by window, the params of ``start`` (moved into the space) and each other learner's defaults.

    Of an ensemble each member is such a start.
    """
    if "naive" in learners:
        yield Choice("naive", windows[0], dict(learners["naive"].defaults))
    every = start.get("params", {}).get("members", [start]) if start else []
    known = [(str(each["learner"]), each.get("params", {})) for each in every if each.get("learner") in learners]
    asked = [(name, params) for name, params in (*known, *((name, {}) for name in learners)) if name != "naive"]
    tried = dict.fromkeys((name, tuple(clipped(learners[name], params, goal, variants).items())) for name, params in asked)
    for window in windows:
        yield from (Choice(name, window, dict(params)) for name, params in tried)


def asked_of(learner: Learner, trial: Suggest, goal: Goal, variants: Variants) -> Params:
    """The params of a trial: the learner's own, and how categories are encoded for it where that is open."""
    own, encodings = learner.space(trial, goal), variants.get(learner.flavour, ())
    return {**own, CATEGORIES: trial.suggest_categorical(CATEGORIES, encodings)} if encodings else own


def clipped(learner: Learner, params: Mapping[str, Any], goal: Goal, variants: Variants = MappingProxyType({})) -> Params:
    """These params moved into the learner's space; its defaults where one is missing, and none that it does not search.

    >>> from homeostat.learning.learner import Goal
    >>> from homeostat.learning.learners import LEARNERS
    >>> from homeostat.stats.metrics import metric
    >>> dict(clipped(LEARNERS["linear"], {"penalty": 1e9, "rounds": 3}, Goal("regression", (), metric("mae"))))
    {'penalty': 1000.0, 'l1': 0.0}
    """
    return asked_of(learner, _Known({**learner.defaults, **params}), goal, variants)


@dataclass(frozen=True, slots=True)
class _Known:
    """Answers a space with given params, moved into their bounds."""

    params: Mapping[str, Any]

    def suggest_int(self, name: str, low: int, high: int, /, *, log: bool = False) -> int:
        return min(max(int(self.params[name]), low), high)

    def suggest_float(self, name: str, low: float, high: float, /, *, log: bool = False) -> float:
        return min(max(float(self.params[name]), low), high)

    def suggest_categorical(self, name: str, choices: Sequence[_Value], /) -> _Value:
        known = self.params.get(name)
        return next((each for each in choices if each == known and type(each) is type(known)), choices[0])


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A choice to try, and the study's own trial that waits for its value; None for a choice there is nothing to learn from."""

    choice: Choice
    trial: Any = None


@dataclass(slots=True, eq=False)
class _Study:
    """A learner's trials: the study, how many had their turn, and the least error."""

    study: Any
    turns: int = 0
    error: float = field(default=float("inf"))


class Proposer:
    """Studies in memory that learn from every result; equal seeds and results give equal proposals.

    Several choices may be open at once: what is open counts as tried, so that none is proposed twice.

    Args:
        learners: by name; those without a space are never proposed.
        windows: the windows that compete.
        seed: of the samplers.
        goal: what is learned.
        variants: the encodings of categories that compete.
        sure_from: the first step at which a trial may be behind; of trials that are judged on folds the steps are these, from 0.
    """

    def __init__(
        self,
        learners: Learners,
        windows: tuple[sections.Window, ...],
        seed: int,
        goal: Goal,
        variants: Variants = MappingProxyType({}),
        *,
        sure_from: int = SURE_FROM,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._windows = {window.label(): window for window in windows}
        self._learners, self._goal, self._variants, self._sure_from = learners, goal, variants, sure_from
        self._studies: dict[str, _Study] = {}
        for name, learner in learners.items():
            if learner.defaults:
                sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP, constant_liar=True)
                self._studies[name] = _Study(optuna.create_study(sampler=sampler))

    @property
    def has_space(self) -> bool:
        """Whether there is anything to propose."""
        return bool(self._studies)

    def announce(self, choice: Choice) -> Asked:
        """Say that this choice of the first round is tried next."""
        if choice.learner not in self._studies:
            return Asked(choice)
        self._studies[choice.learner].study.enqueue_trial({"window": choice.window.label(), **choice.params})
        return Asked(choice, self._asked(choice.learner).trial)

    def warm_up(self) -> None:
        """After the first round: put each learner's portfolio before what its sampler proposes."""
        for name, known in self._studies.items():
            for params in self._learners[name].portfolio(self._goal):
                known.study.enqueue_trial(dict(clipped(self._learners[name], params, self._goal, self._variants)), skip_if_exists=True)

    def propose(self) -> Asked:
        """The choice to try next: the best learner has every second turn, the next one every fourth, and so on."""
        ranked = sorted(self._studies, key=lambda name: self._studies[name].error)
        shares = {name: 2.0**-rank for rank, name in enumerate(ranked, start=1)}
        return self._asked(min(ranked, key=lambda name: (self._studies[name].turns + 1) / shares[name]))

    def _asked(self, learner: str) -> Asked:
        self._studies[learner].turns += 1
        trial = self._studies[learner].study.ask()
        window = trial.suggest_categorical("window", list(self._windows))
        return Asked(Choice(learner, self._windows[window], asked_of(self._learners[learner], trial, self._goal, self._variants)), trial)

    def behind(self, asked: Asked) -> dict[int, float]:
        """By step, the error that half of the learner's finished trials had at most by then; empty while they are few."""
        from optuna.trial import TrialState

        if asked.trial is None:
            return {}
        finished = self._studies[asked.choice.learner].study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(finished) < JUDGES:
            return {}
        steps = sorted({step for trial in finished for step in trial.intermediate_values if step >= self._sure_from})
        errors = {step: [each.intermediate_values.get(step, math.nan) for each in finished] for step in steps}
        known = {step: [error for error in found if not math.isnan(error)] for step, found in errors.items()}
        return {step: float(np.percentile(found, 50.0)) for step, found in known.items() if found}

    def tell(self, asked: Asked, value: float | None, curve: Sequence[tuple[int, float]] = ()) -> None:
        """What a choice came to, None when it failed or was given up; and its curve."""
        from optuna.trial import TrialState

        if asked.trial is None:
            return
        known = self._studies[asked.choice.learner]
        for step, error in curve:
            asked.trial.report(error, step)
        if value is None:
            known.study.tell(asked.trial, state=TrialState.PRUNED if curve else TrialState.FAIL)
            return
        error = error_of(self._goal.metric, value)
        known.error = min(known.error, error)
        known.study.tell(asked.trial, error)
