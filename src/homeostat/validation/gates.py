"""The charter's success clauses compiled to gates, and the evidence that gates judge."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from homeostat.stats.decisions import HALF, DecisionRule

if TYPE_CHECKING:
    from homeostat.core.records import Robustness, Score
    from homeostat.core.sections import Guardrail, Objective, Problem, Success
    from homeostat.stats.kernels import Floats

GateName = Literal[
    "threshold",
    "guardrail",
    "objective",
    "baseline",
    "champion",
    "segments",
    "calibration",
    "coverage",
    "robustness",
    "latency_p99_ms",
    "size_mb",
    "memory_mb",
    "capacity",
    "parity",
    "contract",
]

Fields = Mapping[str, str] | Collection[str]
"""Field names, with or without kinds (``{"age": "number"}``); kinds are compared where both sides know them."""

PARITY_LIMIT = 1e-7
"""Largest difference between the bundle's graph and the library's own prediction."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition a candidate must meet. ``clause`` is where it comes from; ``limit`` is what is allowed, None when it isn't a number.

    ``metric`` is the one a guardrail or an objective limits; the other gates judge by the success metric, or by none.
    """

    name: GateName
    limit: float | None
    clause: str
    metric: str = ""
    objective: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known of a candidate. What is None or NaN was not measured, and the gate that needs it fails.

    Attributes:
        metric: name of the success metric.
        y: what came on the holdout, ``(n,)``.
        scores: the candidate's scores on the holdout, ``(n, k)``.
        baseline_scores: the baseline's on the same rows.
        champion_scores: the champion's on the same rows; None when there is no champion.
        ends: lower and upper ends of the candidate's intervals on the same rows, ``(n, 2)``; None when it has none.
        segment_scores: scores by segment, and the whole (``segment`` empty), of any metric; those of each objective too.
        latency_p99_ms: 99th percentile of one prediction on the bundle.
        size_mb: size of the bundle.
        memory_mb: resident memory of a fresh process that loaded the bundle and answered rows.
        capacity_per_second: predictions of one row that the bundle makes in a second, one after the other on one core.
        parity_difference: largest difference between the bundle and the library's own prediction on real rows,
            relative for scores beyond 1.
        parity_flips: rows on which the two decide differently.
        parity_limit: the largest difference allowed; a library that computes in float32 inside is allowed its rounding.
        inputs: fields that the candidate accepts, as names or as names with kinds.
        champion_inputs: fields that the champion's callers send, likewise; None when there is no champion.
        champion_optional: fields that they may send besides, which the champion ignores.
        needed_inputs: fields without which the candidate refuses a row; None: it needs all of ``inputs``.
        block: rows resampled together, for rows in time order.
        robustness: how the bundle took rows made to break it, and nulls.
        rule: how the candidate decides; metrics of decisions are of these. A baseline is taken to decide likewise.
        champion_rule: how the champion decides.
    """

    metric: str
    y: Floats
    scores: Floats
    baseline_scores: Floats | None = None
    champion_scores: Floats | None = None
    ends: Floats | None = None
    segment_scores: tuple[Score, ...] = ()
    latency_p99_ms: float | None = None
    size_mb: float | None = None
    memory_mb: float | None = None
    capacity_per_second: float | None = None
    parity_difference: float | None = None
    parity_flips: int | None = None
    parity_limit: float = PARITY_LIMIT
    inputs: Fields | None = None
    champion_inputs: Fields | None = None
    champion_optional: Collection[str] = ()
    needed_inputs: Fields | None = None
    block: int = 1
    robustness: Robustness | None = None
    rule: DecisionRule = HALF
    champion_rule: DecisionRule = HALF

    @property
    def rows(self) -> int:
        """Rows of the holdout."""
        return len(self.y)

    @property
    def has_champion(self) -> bool:
        """Whether anything is known of a champion."""
        return self.champion_scores is not None or self.champion_inputs is not None


def compile_gates(
    success: Success, problem: Problem | None = None, objectives: Sequence[Objective] = (), coverage: float | None = None
) -> tuple[Gate, ...]:
    """The gates of a charter's ``success`` section, and of the ``coverage`` asked of its intervals, in the order they are told.

    Champion, robustness, parity and contract are always there. Each objective with a limit has a gate of its own. With the
    ``problem`` section an online model must also carry its traffic: the peak where one is given, else what is expected.
    """
    gates = [
        Gate("threshold", success.threshold, "success.threshold") if success.threshold is not None else None,
        *(_guardrail(at, guardrail) for at, guardrail in enumerate(success.guardrails)),
        *(_objective(at, each) for at, each in enumerate(objectives) if each.at_least is not None or each.at_most is not None),
        Gate("baseline", success.improvement, "success.improvement") if success.baseline.kind != "none" else None,
        Gate("champion", success.champion_margin, "success.champion_margin"),
        Gate("segments", success.segment_gap, "success.segment_gap") if success.segment_gap is not None else None,
        Gate("calibration", success.calibration_error, "success.calibration_error") if success.calibration_error is not None else None,
        Gate("coverage", coverage, "learning.intervals.coverage") if coverage is not None else None,
        Gate("robustness", success.robustness, "success.robustness" if success.robustness is not None else "always"),
        Gate("latency_p99_ms", success.latency_p99_ms, "success.latency_p99_ms") if success.latency_p99_ms is not None else None,
        Gate("size_mb", success.size_mb, "success.size_mb") if success.size_mb is not None else None,
        Gate("memory_mb", success.memory_mb, "success.memory_mb") if success.memory_mb is not None else None,
        _capacity(problem) if problem is not None and problem.mode == "online" else None,
        Gate("parity", None, "always"),
        Gate("contract", None, "always"),
    ]
    return tuple(gate for gate in gates if gate is not None)


def _guardrail(at: int, guardrail: Guardrail) -> Gate:
    limit = guardrail.at_most if guardrail.at_least is None else guardrail.at_least
    return Gate("guardrail", limit, f"success.guardrails[{at}]", guardrail.metric)


def _objective(at: int, objective: Objective) -> Gate:
    clause, limit = ("at_most", objective.at_most) if objective.at_least is None else ("at_least", objective.at_least)
    return Gate("objective", limit, f"objectives[{at}].{clause}", objective.metric, objective.name)


def _capacity(problem: Problem) -> Gate:
    peak = problem.scale.peak_requests_per_second
    if peak is not None:
        return Gate("capacity", peak, "problem.scale.peak_requests_per_second")
    return Gate("capacity", problem.scale.requests_per_second, "problem.scale.requests_per_second")
