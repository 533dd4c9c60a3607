"""Which gates a charter's success section becomes."""

from __future__ import annotations

import numpy as np

from homeostat.core.sections import Guardrail, Objective, Problem, Scale, Success
from homeostat.validation.gates import Evidence, compile_gates

WHY = {"statement": "s", "objective": "o", "decision": "d", "business_metric": "b"}


def test_a_short_charter_still_has_the_gates_that_always_hold() -> None:
    assert [(g.name, g.limit) for g in compile_gates(Success(metric="mae", baseline="none"))] == [
        ("champion", 0.0),
        ("robustness", None),
        ("parity", None),
        ("contract", None),
    ]


def test_every_clause_becomes_a_gate() -> None:
    success = Success(
        metric="mae",
        threshold=0.0,
        improvement=0.1,
        champion_margin=0.02,
        segments=("a",),
        segment_gap=0.5,
        latency_p99_ms=5,
        size_mb=10,
        memory_mb=200,
        calibration_error=0.03,
        robustness=0.2,
        guardrails=(Guardrail(metric="rmse", at_most=9), Guardrail(metric="r2", at_least=0.2)),
    )
    online = Problem(**WHY, scale=Scale(requests_per_second=2))
    assert {f"{g.name} {g.metric}".strip(): (g.limit, g.clause) for g in compile_gates(success, online)} == {
        "threshold": (0.0, "success.threshold"),
        "guardrail rmse": (9, "success.guardrails[0]"),
        "guardrail r2": (0.2, "success.guardrails[1]"),
        "baseline": (0.1, "success.improvement"),
        "champion": (0.02, "success.champion_margin"),
        "segments": (0.5, "success.segment_gap"),
        "calibration": (0.03, "success.calibration_error"),
        "robustness": (0.2, "success.robustness"),
        "latency_p99_ms": (5, "success.latency_p99_ms"),
        "size_mb": (10, "success.size_mb"),
        "memory_mb": (200, "success.memory_mb"),
        "capacity": (2, "problem.scale.requests_per_second"),
        "parity": (None, "always"),
        "contract": (None, "always"),
    }


def test_a_coverage_that_is_asked_for_is_a_gate() -> None:
    gates = compile_gates(Success(metric="mae", baseline="none"), coverage=0.8)
    assert [(g.name, g.limit, g.clause) for g in gates if g.name == "coverage"] == [("coverage", 0.8, "learning.intervals.coverage")]


def test_each_objective_with_a_limit_has_a_gate_of_its_own() -> None:
    every = (
        Objective(name="a", target="a", metric="mae"),
        Objective(name="b", target="b", metric="mae", at_most=3),
        Objective(name="c", target="c", type="binary", positive=1, metric="auc", at_least=0.7),
    )
    gates = [g for g in compile_gates(Success(metric="mae"), objectives=every) if g.name == "objective"]
    assert [(g.objective, g.metric, g.limit, g.clause) for g in gates] == [
        ("b", "mae", 3, "objectives[1].at_most"),
        ("c", "auc", 0.7, "objectives[2].at_least"),
    ]


def test_only_an_online_model_must_carry_its_traffic_and_the_peak_counts() -> None:
    success = Success(metric="mae")
    peak = Problem(**WHY, scale=Scale(requests_per_second=2, peak_requests_per_second=30))
    (gate,) = [g for g in compile_gates(success, peak) if g.name == "capacity"]
    assert (gate.limit, gate.clause) == (30, "problem.scale.peak_requests_per_second")
    for mode in ("batch", "edge"):
        assert "capacity" not in [g.name for g in compile_gates(success, Problem(**WHY, mode=mode))]


def test_segments_without_a_gap_are_shown_but_not_judged() -> None:
    assert "segments" not in [g.name for g in compile_gates(Success(metric="mae", segments=("a",)))]


def test_either_sign_of_a_champion_is_enough() -> None:
    y, scores = np.zeros(3), np.zeros((3, 1))
    assert not Evidence("mae", y, scores).has_champion
    assert Evidence("mae", y, scores, champion_scores=scores).has_champion
    assert Evidence("mae", y, scores, champion_inputs=("a",)).has_champion
    assert Evidence("mae", y, scores).rows == 3
