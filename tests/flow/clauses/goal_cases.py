"""What the charter says of the problem, of money and of success: rules, gates, thresholds, scores, and what a version carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from homeostat.charter.load import load_charter, parse_charter
from homeostat.core import sections
from homeostat.core.records import Robustness, Score
from homeostat.errors import CharterError, HomeostatError
from homeostat.evaluation.evaluate import Decided, evaluate
from homeostat.flow.baseline import baseline_scores
from homeostat.learning.threshold import with_decision
from homeostat.testing.charters import broken_rules, revised
from homeostat.validation.gates import Evidence
from homeostat.validation.validate import validate as judge

if TYPE_CHECKING:
    import pytest

    from homeostat.flow.project import Project

Outcomes = tuple[Any, Any]
BIKE_FILE = Path(__file__).resolve().parents[3] / "examples" / "bike-demand" / "homeostat.yaml"
BIKE = load_charter(BIKE_FILE)


def rule(changes: dict[str, Any], also: dict[str, Any]) -> Callable[[], Outcomes]:
    return lambda: (broken_rules(BIKE, also), broken_rules(BIKE, {**also, **changes}))


# Evidence of a model, for gates

RNG = np.random.default_rng(4)
Y = RNG.normal(200, 60, 400)
EVIDENCE = Evidence(
    metric="mae",
    y=Y,
    scores=(Y + RNG.normal(0, 20, 400))[:, None],
    baseline_scores=(Y + RNG.normal(0, 30, 400))[:, None],
    champion_scores=(Y + RNG.normal(0, 25, 400))[:, None],
    latency_p99_ms=2.0,
    size_mb=0.5,
    memory_mb=80.0,
    capacity_per_second=900.0,
    parity_difference=0.0,
    parity_flips=0,
    inputs=("hr",),
    champion_inputs=("hr",),
    robustness=Robustness(9, (), {"hr": 0.1}),
)


def verdict(success: dict[str, Any], problem: dict[str, Any] | None = None) -> Any:
    """Each gate with its answer and its sentence."""
    told = sections.Problem.model_validate({**BIKE.problem.model_dump(), **(problem or {})})
    found = judge(EVIDENCE, sections.Success.model_validate({"metric": "mae", **success}), problem=told)
    return [(one.gate, one.passed) for one in found.results]


def gate(before: dict[str, Any], after: dict[str, Any]) -> Callable[[], Outcomes]:
    return lambda: (verdict(before), verdict(after))


def calibrated(limit: float | None) -> Any:
    """The gates of a binary model that is too sure of itself."""
    sure = np.column_stack([1 - np.round(P), np.round(P)])
    evidence = replace(EVIDENCE, metric="auc", y=CAME, scores=sure, baseline_scores=BINARY, champion_scores=BINARY)
    return [(one.gate, one.passed) for one in judge(evidence, sections.Success(metric="auc", calibration_error=limit)).results]


def covered(asked: float) -> Any:
    """The gates of a model whose intervals hold 85 % of the truths."""
    y = EVIDENCE.y
    ends = np.column_stack([y - 1, y + np.where(np.arange(len(y)) < 0.85 * len(y), 1.0, -0.5)])
    found = judge(replace(EVIDENCE, ends=ends), sections.Success(metric="mae"), coverage=asked)
    return [(one.gate, one.passed) for one in found.results]


def objective(**limit: float) -> Any:
    """The gate of one of several objectives, whose error was 20 on the holdout."""
    one = sections.Objective.model_validate({"name": "size", "target": "y", "metric": "mae" if "at_most" in limit else "r2", **limit})
    scores = [Score(name, value, value - 1, value + 1, 400, objective="size") for name, value in (("mae", 20.0), ("r2", 0.8))]
    found = judge(replace(EVIDENCE, segment_scores=scores), sections.Success(metric="mae"), objectives=[one])
    return [(each.gate, each.passed) for each in found.results if each.gate.startswith("objective")]


# Scores and decisions

P = RNG.random(400)
CAME = (RNG.random(400) < P).astype(np.float64)
BINARY = np.column_stack([1 - P, P])
AMOUNT = RNG.uniform(1, 100, 400)


def binary_scores(value: dict[str, Any]) -> Any:
    section = sections.Value.model_validate(value)
    decided = Decided(0.3, AMOUNT if section.amount else None)
    success = sections.Success(metric="auc")
    return evaluate(CAME, BINARY, task_type="binary", success=success, classes=("no", "yes"), value=section, decided=decided)


def plan(task: str, classes: tuple[str, ...]) -> Any:
    from homeostat.graph.plan import Constant, Input, Plan

    return Plan(task, "y", (Input("a", "number"),), (Constant("o", np.ones(len(classes))),), classes)  # type: ignore[arg-type]


def threshold(value: dict[str, Any]) -> float:
    section = sections.Value.model_validate(value)
    return float(with_decision(plan("binary", ("no", "yes")), section, CAME, BINARY, AMOUNT if section.amount else None).threshold)


PAYOFF = {"true_positive": 9.0, "false_positive": -2.0, "true_negative": 0.0, "false_negative": -1.0}


def fixed(outcome: str) -> Callable[[], Outcomes]:
    return lambda: (threshold({"payoff": PAYOFF}), threshold({"payoff": PAYOFF | {outcome: PAYOFF[outcome] + 0.5}}))


def per_amount(outcome: str) -> Callable[[], Outcomes]:
    more = {"fixed": PAYOFF[outcome], "per_amount": 0.3}
    return lambda: (binary_scores({"payoff": PAYOFF, "amount": "a"}), binary_scores({"payoff": PAYOFF | {outcome: more}, "amount": "a"}))


def regression_scores(value: dict[str, Any], **success: Any) -> Any:
    section = sections.Success.model_validate({"metric": "mae", **success})
    segments = {name: ["high" if y > 200 else "low" for y in Y] for name in section.segments}
    given = sections.Value.model_validate({"over": 1, "under": 2, **value})
    return evaluate(Y, EVIDENCE.scores, task_type="regression", success=section, segments=segments, value=given)


DAYS = pl.DataFrame(
    {
        "t": [date(2024, 1, 1) + timedelta(days=n) for n in range(100)],
        "y": RNG.normal(size=100),
        "old": RNG.normal(size=100),
        "older": RNG.normal(size=100),
    }
)


def baseline(changes: dict[str, Any]) -> Any:
    rows = {"task": {"type": "regression", "target": "y", "time": "t"}, "preparation": {}, "success": {"metric": "mae"}}
    return baseline_scores(revised(BIKE, {**rows, **changes}), (), DAYS[:60], DAYS[60:]).tolist()


def approved(name: str, role: str) -> Callable[[pytest.FixtureRequest], Outcomes]:
    def case(request: pytest.FixtureRequest) -> Outcomes:
        from homeostat.flow.approvals import approve

        project: Project = request.getfixturevalue("project")

        def code(stakeholders: list[dict[str, str]]) -> str:
            other = replace(project, charter=revised(project.charter, {"problem.stakeholders": stakeholders}))
            with other:
                try:
                    return approve(other, 1, "Ada").kind
                except HomeostatError as error:
                    return error.code

        return code([{"name": "Ada", "role": "approver"}]), code([{"name": name, "role": role}])

    return case


def said_otherwise(where: str, name: str = "") -> Callable[[pytest.FixtureRequest], Outcomes]:
    def case(request: pytest.FixtureRequest) -> Outcomes:
        before, after = request.getfixturevalue("said")
        return (before[where][name], after[where][name]) if name else (before[where], after[where])

    return case


def code_of(text: str) -> str:
    try:
        parse_charter(text, "x")
    except CharterError as error:
        return error.code
    return ""


BIKE_TEXT = BIKE_FILE.read_text()
MAPPING = {"metric": "mae", "business_better": "lower", "business_then": "falls", "because": "it is so"}
SEASON = {"kind": "seasonal", "period": "7d"}
COSTS = {"a": {"a": 0.0, "b": 1.0}, "b": {"a": 5.0, "b": 0.0}}


def metrics(name: str) -> Any:
    return evaluate(Y, EVIDENCE.scores, task_type="regression", success=sections.Success(metric=name))[0].metric


CASES = {
    "version": lambda: (code_of(BIKE_TEXT), code_of(BIKE_TEXT.replace("version: 1", "version: 9"))),
    "name": said_otherwise("manifest", "name"),
    "problem.statement": said_otherwise("manifest", "statement"),
    "problem.objective": said_otherwise("manifest", "objective"),
    "problem.decision": said_otherwise("manifest", "decision"),
    "problem.business_metric": said_otherwise("manifest", "business_metric"),
    "problem.metric_mapping.metric": rule({"problem.metric_mapping": MAPPING | {"metric": "rmse"}}, {"problem.metric_mapping": MAPPING}),
    "problem.metric_mapping.business_better": rule(
        {"problem.metric_mapping": MAPPING | {"business_better": "higher"}}, {"problem.metric_mapping": MAPPING}
    ),
    "problem.metric_mapping.business_then": rule(
        {"problem.metric_mapping": MAPPING | {"business_then": "rises"}}, {"problem.metric_mapping": MAPPING}
    ),
    "problem.metric_mapping.because": said_otherwise("version", "metric_mapping"),
    "problem.stakeholders[].name": approved("Grace", "approver"),
    "problem.stakeholders[].role": approved("Ada", "user"),
    "problem.mode": lambda: (verdict({}), verdict({}, {"mode": "batch"})),
    "problem.scale.requests_per_second": lambda: (verdict({}), verdict({}, {"scale": {"requests_per_second": 901}})),
    "problem.scale.peak_requests_per_second": lambda: (verdict({}), verdict({}, {"scale": {"peak_requests_per_second": 901}})),
    "objectives[].at_least": lambda: (objective(at_least=0.7), objective(at_least=0.9)),
    "objectives[].at_most": lambda: (objective(at_most=25.0), objective(at_most=15.0)),
    "value.currency": said_otherwise("currency"),
    **{f"value.payoff.{outcome}.fixed": fixed(outcome) for outcome in PAYOFF},
    **{f"value.payoff.{outcome}.per_amount": per_amount(outcome) for outcome in PAYOFF},
    "value.amount": lambda: tuple(
        threshold({"payoff": PAYOFF | {"true_positive": {"fixed": 0, "per_amount": 0.05}}, "amount": amount}) for amount in (None, "a")
    ),
    "value.costs": lambda: tuple(
        with_decision(plan("multiclass", ("a", "b")), sections.Value(costs=costs), CAME, BINARY, None).costs is None
        for costs in (None, COSTS)
    ),
    "value.over": lambda: (regression_scores({}), regression_scores({"over": 3})),
    "value.under": lambda: (regression_scores({}), regression_scores({"under": 3})),
    "value.per_prediction": lambda: (regression_scores({}), regression_scores({"per_prediction": 0.1})),
    "value.per_month": lambda: tuple(regression_scores({"rows_per_month": 10, "per_month": cost}) for cost in (0, 5)),
    "value.rows_per_month": lambda: (regression_scores({}), regression_scores({"rows_per_month": 10})),
    "success.metric": lambda: (metrics("mae"), metrics("rmse")),
    "success.threshold": gate({"threshold": 60}, {"threshold": 5}),
    "success.baseline.kind": gate({}, {"baseline": "none"}),
    "success.baseline.column": lambda: (
        baseline({"success.baseline": {"kind": "column", "column": "old"}}),
        baseline({"success.baseline": {"kind": "column", "column": "older"}}),
    ),
    "success.baseline.rule": lambda: tuple(baseline({"success.baseline": {"kind": "rule", "rule": sql}}) for sql in ("old", "old + 1")),
    "success.baseline.period": lambda: tuple(baseline({"success.baseline": SEASON | {"period": period}}) for period in ("7d", "1d")),
    "success.improvement": gate({"improvement": 0.05}, {"improvement": 0.9}),
    "success.champion_margin": gate({"champion_margin": 0.01}, {"champion_margin": 0.5}),
    "success.test": lambda: tuple(
        judge(EVIDENCE, sections.Success(metric="mae", test=name)).results[0].detail for name in ("bootstrap", "diebold_mariano")
    ),
    "learning.intervals.coverage": lambda: (covered(0.8), covered(0.95)),
    "success.calibration_error": lambda: (calibrated(None), calibrated(0.001)),
    "success.robustness": gate({"robustness": 0.1}, {"robustness": 0.09}),
    "success.confidence": lambda: tuple(
        judge(EVIDENCE, sections.Success(metric="mae", threshold=60, confidence=share)).results[0].detail for share in (0.8, 0.99)
    ),
    "success.segments": lambda: (regression_scores({}), regression_scores({}, segments=["place"])),
    "success.segment_gap": gate({"segments": ["place"]}, {"segments": ["place"], "segment_gap": 0.1}),
    "success.guardrails[].metric": gate(
        {"guardrails": [{"metric": "rmse", "at_most": 99}]}, {"guardrails": [{"metric": "r2", "at_most": 99}]}
    ),
    "success.guardrails[].at_least": gate(
        {"guardrails": [{"metric": "r2", "at_least": 0.1}]}, {"guardrails": [{"metric": "r2", "at_least": 0.99}]}
    ),
    "success.guardrails[].at_most": gate(
        {"guardrails": [{"metric": "rmse", "at_most": 99}]}, {"guardrails": [{"metric": "rmse", "at_most": 9}]}
    ),
    "success.latency_p99_ms": gate({"latency_p99_ms": 2}, {"latency_p99_ms": 1}),
    "success.size_mb": gate({"size_mb": 0.5}, {"size_mb": 0.4}),
    "success.memory_mb": gate({"memory_mb": 80}, {"memory_mb": 79}),
}
