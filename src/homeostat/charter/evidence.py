"""What was measured before anyone trains for long: the numbers behind a feasibility verdict, each with its interval where it has one.

A *saving* is a share of a reference's error: 0.12 is 12 % less error (``stats.paired``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeostat.stats.learning_curve import LearningCurve
    from homeostat.stats.noise import Ceiling
    from homeostat.stats.power import Power

SIGNAL_CONFIDENCE = 0.99
"""Of the tests that "there is no signal" hangs on, all together: stricter than the gates', since a wrong "go" costs a project."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A reference on the judged rows, and the share of its error that the quick model saves, between ``low`` and ``high``.

    Each end holds at the charter's confidence, one-sided. ``name`` is what it is called, ``words`` what it answers.
    """

    name: str
    words: str
    value: float
    saving: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Carried:
    """Columns without which a quick model would save only ``without`` of the naive baseline's error instead of ``saving``."""

    columns: tuple[str, ...]
    saving: float
    without: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What the quick model took: seconds of one trial, the bundle's size, the 99th percentile of one prediction's time.

    ``seconds`` is the time the charter's search will take, ``trials`` how many trials fit into it.
    """

    seconds_per_trial: float
    seconds: float
    trials: float
    size_mb: float
    latency_p99_ms: float


@dataclass(frozen=True, slots=True)
class Balance:
    """Money a month that the quick model earns over the baseline, less what it costs to run; ``costs`` are those alone."""

    currency: str
    per_month: float
    low: float
    high: float
    costs: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was measured; None is what could not be, or was not since there is no signal.

    Attributes:
        metric: name of the success metric, and which way it is better.
        learner: what the quick model is.
        quick: its metric on the judged rows, between ``low`` and ``high`` (two-sided).
        naive: the best constant.
        signal_low: what the quick models or the rule surely save of the naive baseline's error, at ``SIGNAL_CONFIDENCE``, or at the
            charter's, if that is higher.
        baseline: the charter's baseline where it is another than the naive one.
        rule: the best rule of thumb.
        power: of the gate against the baseline on the holdout.
        champion_power: of the gate against a champion: the spread is that between the quick model and one fitted on fewer rows.
        spread: standard deviation of the metric on the holdout.
        rows, judged_rows, holdout_rows: in all, those that judged the quick model, those that are sealed.
        every: one of so many rows was used, where there are very many.
        repeated: share of the judged rows whose inputs and target stand in a training row as well, None where that can be chance.
    """

    metric: str
    greater_is_better: bool
    learner: str
    quick: float
    low: float
    high: float
    naive: Compared
    signal_low: float
    rows: int
    judged_rows: int
    holdout_rows: int
    every: int = 1
    baseline: Compared | None = None
    rule: Compared | None = None
    power: Power | None = None
    champion_power: Power | None = None
    spread: float = math.nan
    curve: LearningCurve | None = None
    ceiling: Ceiling | None = None
    carried: Carried | None = None
    cost: Cost | None = None
    balance: Balance | None = None
    repeated: float | None = None

    @property
    def announced_power(self) -> float:
        """The chance that the baseline gate passes a model as good as the quick one on the holdout; NaN where it is not known."""
        return self.power.chance(self.reference.saving) if self.power is not None else math.nan

    @property
    def signal(self) -> bool:
        """Whether anything beyond chance can be learned from these inputs."""
        return self.signal_low > 0

    @property
    def reference(self) -> Compared:
        """What the charter's baseline gate compares with."""
        return self.baseline or self.naive
