"""What the search asks of a learner, and what a learner is given and gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from homeostat.core.sections import TaskType
    from homeostat.graph.plan import Floats, Node
    from homeostat.stats.metrics import Metric

_Value = TypeVar("_Value", bound=bool | int | float | str)
Flavour = Literal["tree", "linear"]
Params = Mapping[str, Any]
Watch = Callable[[float, float], bool]
"""Told after a round how far learning is (rounds times rate) and the error of the validation rows by then; True asks to stop here."""


def unwatched(progress: float, error: float) -> bool:
    """A watch that never stops a fit."""
    return False


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Prepared rows: ``features`` (n, p), ``target`` (n,) values or class indices, ``weights`` (n,) or None for 1 everywhere.

    A class index of -1 is a class that training did not know; learners leave such rows out.
    """

    features: Floats
    target: Floats
    weights: Floats | None = None

    def known(self) -> Rows:
        """The rows whose class is known."""
        keep = self.target >= 0
        if keep.all():
            return self
        return Rows(self.features[keep], self.target[keep], None if self.weights is None else self.weights[keep])


@dataclass(frozen=True, slots=True)
class Goal:
    """What is learned: the task, its classes (none for regression), the metric that judges, and the block of the features.

    ``amounts``: no target of the training rows is below 0.
    """

    task: TaskType
    classes: tuple[str, ...]
    metric: Metric
    source: str = "features"
    amounts: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A fitted learner.

    Args:
        nodes: what follows the preparation in a plan; the first reads the block ``Goal.source``, the last holds the scores.
        predict: the library's own prediction, features (n, p) to scores (n, k) as ``Plan`` describes them: the oracle of parity.
        params: what a fit on other rows needs to come to the same model, found round counts included; plain JSON values.
        single: whether the library computes in float32 inside, so that parity allows for its rounding.
        row_us: how long the library takes for a row, where ``predict`` does not show it because it asks another process.
    """

    nodes: tuple[Node, ...]
    predict: Callable[[Floats], Floats]
    params: Params
    single: bool = False
    row_us: float | None = None


class Suggest(Protocol):
    """What a space asks for its values; an Optuna trial is one."""

    def suggest_int(self, name: str, low: int, high: int, /, *, log: bool = False) -> int:
        """A whole number between low and high, both included."""

    def suggest_float(self, name: str, low: float, high: float, /, *, log: bool = False) -> float:
        """A number between low and high."""

    def suggest_categorical(self, name: str, choices: Sequence[_Value], /) -> _Value:
        """One of the choices."""


class Learner(Protocol):
    """A way to learn. A module with these names is one, and so is any object that has them."""

    @property
    def flavour(self) -> Flavour:
        """The preparation it needs: ``linear`` has no NaN and is scaled."""

    @property
    def defaults(self) -> Params:
        """Params that are good on most data; all lie in the space. Empty: there is nothing to search."""

    def portfolio(self, goal: Goal) -> Sequence[Params]:
        """Other params to try before a sampler proposes any: what is good where the defaults are not."""

    def space(self, trial: Suggest, goal: Goal) -> Params:
        """Params asked from ``trial`` one by one, under the names they have in ``defaults``."""

    def fit(self, rows: Rows, goal: Goal, params: Params, seed: int, valid: Rows | None = None, watch: Watch = unwatched) -> Fitted:
        """Fit on ``rows``. With ``valid`` a learner may find its round count there; without, it uses the one in ``params``.

        ``watch`` is asked after each round with ``valid``; what cannot be stopped half way asks nobody.
        """
