"""What to try: the first round, then what Optuna's sampler proposes over learners, windows and each learner's params.

Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (NIPS 2011), the tree-structured Parzen estimator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.learning.learners import LEARNERS
from homeostat.learning.trials import Choice

if TYPE_CHECKING:
    from homeostat.core import sections
    from homeostat.learning.learner import Learner, Params


def first_round(learners: tuple[str, ...], windows: tuple[sections.Window, ...], start: Mapping[str, Any] | None) -> Iterator[Choice]:
    """Naive once; then, window by window, the params of ``start`` (moved into the space) and each learner's defaults.

    Of an ensemble each member is such a start.
    """
    if "naive" in learners:
        yield Choice("naive", windows[0], LEARNERS["naive"].defaults)
    every = start.get("params", {}).get("members", [start]) if start else []
    known = [(str(each["learner"]), each.get("params", {})) for each in every if each.get("learner") in learners]
    tried = dict.fromkeys((name, tuple(clipped(LEARNERS[name], params).items())) for name, params in known if LEARNERS[name].defaults)
    tried |= dict.fromkeys((name, tuple(LEARNERS[name].defaults.items())) for name in learners if LEARNERS[name].defaults)
    for window in windows:
        yield from (Choice(name, window, dict(params)) for name, params in tried)


def clipped(learner: Learner, params: Mapping[str, Any]) -> Params:
    """These params moved into the learner's space; its defaults where one is missing, and none that it does not search.

    >>> dict(clipped(LEARNERS["linear"], {"penalty": 1e9, "rounds": 3}))
    {'penalty': 1000.0}
    """
    return learner.space(_Known({**learner.defaults, **params}))


@dataclass(frozen=True, slots=True)
class _Known:
    """Answers a space with given params, moved into their bounds."""

    params: Mapping[str, Any]

    def suggest_int(self, name: str, low: int, high: int, /, *, log: bool = False) -> int:
        return min(max(int(self.params[name]), low), high)

    def suggest_float(self, name: str, low: float, high: float, /, *, log: bool = False) -> float:
        return min(max(float(self.params[name]), low), high)


@dataclass(frozen=True, slots=True)
class _Asks:
    """Asks an Optuna trial, under names that differ between learners: ``linear.penalty``."""

    trial: Any
    learner: str

    def suggest_int(self, name: str, low: int, high: int, /, *, log: bool = False) -> int:
        return int(self.trial.suggest_int(f"{self.learner}.{name}", low, high, log=log))

    def suggest_float(self, name: str, low: float, high: float, /, *, log: bool = False) -> float:
        return float(self.trial.suggest_float(f"{self.learner}.{name}", low, high, log=log))


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A choice to try, and the study's own trial that waits for its value; None for a choice there is nothing to learn from."""

    choice: Choice
    trial: Any = None


class Proposer:
    """A study in memory that learns from every result; equal seeds and results give equal proposals.

    Several choices may be open at once: what is open counts as tried, so that none is proposed twice.

    Args:
        learners: names; those without a space are never proposed.
        windows: the windows that compete.
        seed: of the sampler.
        maximise: whether greater values are better.
    """

    def __init__(self, learners: tuple[str, ...], windows: tuple[sections.Window, ...], seed: int, *, maximise: bool) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._learners = [name for name in learners if LEARNERS[name].defaults]
        self._windows = {window.label(): window for window in windows}
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = optuna.create_study(direction="maximize" if maximise else "minimize", sampler=sampler)

    @property
    def has_space(self) -> bool:
        """Whether there is anything to propose."""
        return bool(self._learners)

    def announce(self, choice: Choice) -> Asked:
        """Say that this choice of the first round is tried next."""
        if choice.learner not in self._learners:
            return Asked(choice)
        named = {f"{choice.learner}.{name}": value for name, value in choice.params.items()}
        self._study.enqueue_trial({"learner": choice.learner, "window": choice.window.label(), **named})
        return Asked(choice, self.propose().trial)

    def propose(self) -> Asked:
        """The choice to try next."""
        trial = self._study.ask()
        learner = trial.suggest_categorical("learner", self._learners)
        window = trial.suggest_categorical("window", list(self._windows))
        return Asked(Choice(learner, self._windows[window], LEARNERS[learner].space(_Asks(trial, learner))), trial)

    def tell(self, asked: Asked, value: float | None) -> None:
        """What a choice came to; None when it failed."""
        from optuna.trial import TrialState

        if asked.trial is not None and value is not None:
            self._study.tell(asked.trial, value)
        elif asked.trial is not None:
            self._study.tell(asked.trial, state=TrialState.FAIL)
