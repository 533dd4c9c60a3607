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
    """Naive once; then, window by window, the params of ``start`` (moved into the space) and each learner's defaults."""
    if "naive" in learners:
        yield Choice("naive", windows[0], LEARNERS["naive"].defaults)
    champion = str(start["learner"]) if start and start.get("learner") in learners else ""
    known = clipped(LEARNERS[champion], start.get("params", {})) if start and champion else {}
    for window in windows:
        if known:
            yield Choice(champion, window, known)
        for name in learners:
            defaults = LEARNERS[name].defaults
            if defaults and not (name == champion and dict(known) == dict(defaults)):
                yield Choice(name, window, defaults)


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
class _Asked:
    """Asks an Optuna trial, under names that differ between learners: ``linear.penalty``."""

    trial: Any
    learner: str

    def suggest_int(self, name: str, low: int, high: int, /, *, log: bool = False) -> int:
        return int(self.trial.suggest_int(f"{self.learner}.{name}", low, high, log=log))

    def suggest_float(self, name: str, low: float, high: float, /, *, log: bool = False) -> float:
        return float(self.trial.suggest_float(f"{self.learner}.{name}", low, high, log=log))


class Proposer:
    """A study in memory that learns from every result; equal seeds and results give equal proposals.

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
        sampler = optuna.samplers.TPESampler(seed=seed)
        self._study = optuna.create_study(direction="maximize" if maximise else "minimize", sampler=sampler)
        self._open: Any = None

    @property
    def has_space(self) -> bool:
        """Whether there is anything to propose."""
        return bool(self._learners)

    def announce(self, choice: Choice) -> None:
        """Say that this choice of the first round is tried next, so that ``tell`` can tell what it came to."""
        self._open = None
        if choice.learner in self._learners:
            named = {f"{choice.learner}.{name}": value for name, value in choice.params.items()}
            self._study.enqueue_trial({"learner": choice.learner, "window": choice.window.label(), **named})
            self.propose()

    def propose(self) -> Choice:
        """The choice to try next."""
        self._open = self._study.ask()
        learner = self._open.suggest_categorical("learner", self._learners)
        window = self._open.suggest_categorical("window", list(self._windows))
        return Choice(learner, self._windows[window], LEARNERS[learner].space(_Asked(self._open, learner)))

    def tell(self, value: float | None) -> None:
        """What the choice announced or proposed last came to; None when it failed."""
        from optuna.trial import TrialState

        if self._open is not None and value is not None:
            self._study.tell(self._open, value)
        elif self._open is not None:
            self._study.tell(self._open, state=TrialState.FAIL)
        self._open = None
