"""Every clause acts: for each one a test changes it and sees an outcome change. A clause with no test stands in ``NOT_YET`` with a reason.

A case returns the outcome under one value of its clause and under another; they must differ.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from homeostat.app.demo.months import Month, to_csv
from homeostat.charter.effective import effective_task
from homeostat.charter.effects import EFFECTS
from homeostat.charter.load import load_charter, parse_charter, validate
from homeostat.charter.schema import Charter
from homeostat.core import sections
from homeostat.core.records import Diagnosis
from homeostat.errors import CharterError, HomeostatError
from homeostat.evaluation.evaluate import Decided, evaluate
from homeostat.flow.baseline import baseline_scores, lookback_s
from homeostat.flow.project import Project, open_project
from homeostat.learning.threshold import with_decision
from homeostat.validation.gates import Evidence, compile_gates
from homeostat.validation.validate import validate as judge

if TYPE_CHECKING:
    from homeostat.core.facts import Fact

ROOT = Path(__file__).resolve().parents[2]
BIKE, BANK = (load_charter(ROOT / "examples" / name / "homeostat.yaml") for name in ("bike-demand", "bank-marketing"))
Outcomes = tuple[Any, Any]
SOURCES = "the readers of databases, other files and encodings are written in a part of their own"
PIPELINE = "joins, features and the curated contract are written in a part of their own"
PRIVACY = "what is stored and logged of private columns is decided in a part of its own"
LABELLING = "weak labels and the review queue are written in a part of their own"
PREPARATION = "the new splits, decisions and samples are written in a part of their own"
NOT_YET: dict[str, str] = {
    **{f"data.{name}": SOURCES for name in ("table", "query", "watermark", "slice", "late", "decimal", "encoding", "retries")},
    **{clause: PIPELINE for clause in EFFECTS if clause.startswith(("data.tables.", "data.joins[]."))},
    **dict.fromkeys(("data.features", "data.curated_contract"), PIPELINE),
    **dict.fromkeys(("privacy.never_store", "privacy.never_log", "privacy.pseudonymise"), PRIVACY),
    **{clause: LABELLING for clause in EFFECTS if clause.startswith("labelling.")},
    **{
        clause: PREPARATION
        for clause in EFFECTS
        if clause.startswith(("preparation.split.", "preparation.columns.", "preparation.sample."))
    },
    **{f"preparation.{name}": PREPARATION for name in ("text_terms", "select", "pca", "imbalance")},
}


def revised(charter: Charter, changes: dict[str, Any]) -> Charter:
    """The charter with clauses set by their dotted names, not asked about its rules."""
    raw = copy.deepcopy(charter.model_dump(mode="json"))
    for clause, value in changes.items():
        *at, last = clause.split(".")
        inner = raw
        for part in at:
            inner[part] = inner[part] or {}
            inner = inner[part]
        inner[last] = value
    return Charter.model_validate(raw)


def broken_rules(charter: Charter, changes: dict[str, Any]) -> list[str]:
    """Codes of the rules that the revised charter breaks."""
    return [one.code for one in validate(revised(charter, changes).model_dump(mode="json"))[1]]


def rule(charter: Charter, changes: dict[str, Any], also: dict[str, Any] | None = None) -> Callable[[], Outcomes]:
    return lambda: (broken_rules(charter, also or {}), broken_rules(charter, {**(also or {}), **changes}))


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
)


def verdict(success: dict[str, Any], problem: dict[str, Any] | None = None) -> Any:
    """Each gate with its answer and its sentence."""
    told = sections.Problem.model_validate({**BIKE.problem.model_dump(), **(problem or {})})
    found = judge(EVIDENCE, sections.Success.model_validate({"metric": "mae", **success}), problem=told)
    return [(one.gate, one.passed) for one in found.results]


def gate(before: dict[str, Any], after: dict[str, Any]) -> Callable[[], Outcomes]:
    return lambda: (verdict(before), verdict(after))


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


# Rows

HOURS = pl.DataFrame({"t": [date(2024, 1, 1) + timedelta(days=n // 4) for n in range(400)], "hr": [n % 4 for n in range(400)]})
HOURS = HOURS.with_columns(
    y=pl.Series(RNG.normal(size=400)),
    code=pl.int_range(400) % 60,
    old=pl.Series(RNG.normal(size=400)),
    word=(pl.int_range(400) % 60).cast(pl.String),
)
ROWS = revised(
    BIKE,
    {"task": {"type": "regression", "target": "y", "time": "t", "entity": ["hr", "t"]}, "preparation": {}, "success": {"metric": "mae"}},
)


def inputs(changes: dict[str, Any]) -> dict[str, str]:
    from homeostat.preparation.kinds import choose_columns

    charter = revised(ROWS, changes)
    return dict(choose_columns(HOURS, effective_task(charter), charter.preparation).kinds)


def parts(changes: dict[str, Any]) -> Any:
    from homeostat.preparation.split import split

    charter = revised(ROWS, changes)
    found = split(HOURS, charter.task, charter.preparation)
    return [part["t"].unique().sort().to_list() for part in (found.train, found.validation, found.holdout)]


def baseline(changes: dict[str, Any]) -> Any:
    return baseline_scores(revised(ROWS, changes), (), HOURS[:300], HOURS[300:]).tolist()


def searched(changes: dict[str, Any]) -> Any:
    """Learner, window and params of each trial of a search among linear models."""
    from homeostat.learning.search import Stages, search
    from homeostat.preparation.fit import fit
    from homeostat.preparation.split import split
    from homeostat.preparation.window import select
    from homeostat.stats.metrics import metric

    base = {"learning.learners": ["naive", "linear"], "learning.budget": {"seconds": None, "trials": 4}}
    charter = revised(ROWS, {**base, **changes})
    task, ticks = charter.task, iter(range(10_000))
    stages = Stages(
        lambda frame, flavour: fit(frame, task, charter.preparation, flavour, ()), lambda frame, window: select(frame, task, window)
    )
    cut = split(HOURS, task, charter.preparation)
    found = search(cut, task, charter.learning, metric(charter.success.metric), stages, clock=lambda: float(next(ticks)))
    return [(trial.learner, trial.window, dict(trial.params), trial.value) for trial in found.trials]


def windows(**clauses: Any) -> Any:
    from homeostat.preparation.window import select

    frame, weights = select(HOURS, ROWS.task, sections.Window.model_validate(clauses))
    return frame.height, None if weights is None else weights.sum()


# Monitoring and policy


def findings(changes: dict[str, Any], shift: float = 0.5) -> Any:
    from homeostat.graph.plan import Input
    from homeostat.monitoring.observe import Breaches, observe
    from homeostat.monitoring.profile import profile, reference_profile

    numbers = np.random.default_rng(1)
    reference = reference_profile(pl.DataFrame({"x": numbers.normal(size=3_000)}), [Input("x", "number")])
    window = profile(pl.DataFrame({"x": numbers.normal(size=300) + shift}), reference)
    section = sections.Monitor.model_validate(changes)
    return [(one.kind, one.column) for one in observe(window, reference, section, Breaches(300, 30, {"x.range": 30}))]


def degraded(degradation: float) -> Any:
    from homeostat.monitoring.performance import performance_finding
    from homeostat.stats.metrics import metric

    return performance_finding(13.0, 12.5, 13.5, 10.0, metric("mae"), degradation)


def action(changes: dict[str, Any], cause: Any = "concept_change") -> Any:
    from homeostat.operations.decide import History, decide

    now = datetime(2024, 1, 10, tzinfo=UTC)
    return decide(sections.Policy.model_validate(changes), Diagnosis(cause, "because"), History(now, now - timedelta(days=2)))


def response(cause: str, other: str) -> Callable[[], Outcomes]:
    return lambda: (action({}, cause), action({"responses": {cause: other}}, cause))


# Whole projects


class World:
    """What a case may ask for beyond values: a project of its own, and what several cases share."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.request = request

    @property
    def project(self) -> Project:
        found = self.request.getfixturevalue("project")
        assert isinstance(found, Project)
        return found

    @property
    def founded(self) -> Path:
        return Path(self.request.getfixturevalue("founded"))

    @property
    def said(self) -> tuple[dict[str, Any], dict[str, Any]]:
        found: tuple[dict[str, Any], dict[str, Any]] = self.request.getfixturevalue("said")
        return found


SAID = {
    "name": "other-name",
    "problem.statement": "another statement",
    "problem.objective": "another objective",
    "problem.decision": "another decision",
    "problem.business_metric": "another metric",
    "problem.metric_mapping": {"metric": "mae", "business_better": "lower", "business_then": "falls", "because": "another reason"},
    "value.currency": "USD",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, _trained: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What a version, its evaluation and its bundle carry, from the charter of ``trained`` and from one that says everything otherwise."""
    folder = Path(shutil.copytree(_trained, tmp_path_factory.mktemp("said") / "bike"))
    with open_project(folder) as project:
        before = carried(project, project.ledger.find("version")[0])
        other = replace(project, charter=revised(project.charter, {**SAID, "learning.learners": ["naive"]}))
        with other:
            yield before, carried(other, trained_anew(other))


def trained_anew(project: Project) -> Fact:
    from homeostat.flow.evaluate import evaluate as on_holdout
    from homeostat.flow.train import first_order, train
    from homeostat.flow.validate import validate as register

    return register(project, on_holdout(project, train(project, first_order(project, project.ledger.find("dataset")[0]))))


def carried(project: Project, version: Fact) -> dict[str, Any]:
    from homeostat.flow.registry import load_bundle

    manifest = load_bundle(project, str(version.body["bundle"])).manifest
    evaluation = project.require(str(version.body["evaluation"]))
    return {
        "manifest": {"name": manifest.name, **manifest.facts},
        "version": dict(version.body["problem"]),
        "currency": evaluation.body["currency"],
    }


def edited(folder: Path, changes: dict[str, Any]) -> None:
    from homeostat.charter.load import dump_charter

    path = folder / "homeostat.yaml"
    path.write_text(dump_charter(revised(load_charter(path), changes)))


def taken_in(folder: Path, changes: dict[str, Any]) -> Any:
    """What ``ingest`` ends with: rows and quarantined rows, or the code of its error."""
    from homeostat.flow.ingest import ingest

    edited(folder, changes)
    with open_project(folder) as project:
        try:
            dataset = ingest(project)
        except HomeostatError as error:
            return error.code
        return dataset.body["rows"], dataset.body["quarantined"], dataset.body["schema"]


def a_broken_row(world: World) -> Path:
    months: list[Month] = world.request.getfixturevalue("months")
    rows = [dict(row) for row in months[0].rows]
    for row in rows[:40]:
        row["temp"] = "7.5"
    rows[50]["hum"] = "NA"
    for path in (world.founded / "data").glob("*.csv"):
        path.unlink()
    (world.founded / "data" / "2011-01.csv").write_text(to_csv(rows))
    return world.founded


def ingested(clause: str, value: Any, also: dict[str, Any] | None = None) -> Callable[[World], Outcomes]:
    def case(world: World) -> Outcomes:
        folder = a_broken_row(world)
        before = taken_in(folder, also or {})
        shutil.rmtree(folder / ".homeostat")
        return before, taken_in(folder, {clause: value})

    return case


def served(clause: str, value: Any) -> Callable[[World], Outcomes]:
    """The settings the server is started with."""

    def case(world: World) -> Outcomes:
        from homeostat.app.rest import project as rest

        monkeypatch: pytest.MonkeyPatch = world.request.getfixturevalue("monkeypatch")
        found: list[Any] = []
        monkeypatch.setattr(rest, "serve", lambda settings, *_, **__: found.append(asdict(settings)))
        for changes in ({}, {clause: value}):
            edited(world.founded, changes)
            rest.serve_project(world.founded, host=None, port=None, ready=lambda *_: None)
        return found[0], found[1]

    return case


def repaired(clause: str, value: Any) -> Callable[[World], Outcomes]:
    """What a retraining of the loop orders."""

    def case(world: World) -> Outcomes:
        from homeostat.flow import operate

        monkeypatch: pytest.MonkeyPatch = world.request.getfixturevalue("monkeypatch")
        project, orders = world.project, []
        known = project.ledger.find("candidate")[0]

        def order(_: Project, given: Any, *__: Any) -> Fact:
            orders.append(given.learning)
            return known

        monkeypatch.setattr(operate, "train", order)
        why = project.record("action", "test", {"name": "retrain"})
        for changes in ({}, {clause: value}):
            operate._train(replace(project, charter=revised(project.charter, changes)), why, "dataset", None)
        return orders[0], orders[1]

    return case


def judged_stage(clause: str, value: Any) -> Callable[[World], Outcomes]:
    """Whether a served month with nine of ten labels is judged by its performance."""

    def case(world: World) -> Outcomes:
        from homeostat.flow.labels import take_labels
        from homeostat.flow.monitor import monitor

        project, month = world.project, world.request.getfixturevalue("months")[6]
        world.request.getfixturevalue("serve_month")(project, month)
        labels = project.root / "labels.csv"
        lines = month.labels().splitlines()
        labels.write_text("\n".join(lines[: 1 + round(0.9 * (len(lines) - 1))]) + "\n")
        take_labels(project, labels)
        told = []
        for changes in ({}, {clause: value}):
            other = replace(project, charter=revised(project.charter, changes))
            with other:
                told.append([fact.body["stage"] for fact in monitor(other, month.closes + timedelta(days=1))])
        return told[0], told[1]

    return case


def approved(name: str, role: str) -> Callable[[World], Outcomes]:
    def case(world: World) -> Outcomes:
        from homeostat.flow.validate import approve

        def code(stakeholders: list[dict[str, str]]) -> str:
            other = replace(world.project, charter=revised(world.project.charter, {"problem.stakeholders": stakeholders}))
            with other:
                try:
                    return approve(other, 1, "Ada").kind
                except HomeostatError as error:
                    return error.code

        return code([{"name": "Ada", "role": "approver"}]), code([{"name": name, "role": role}])

    return case


def said_otherwise(where: str, name: str = "") -> Callable[[World], Outcomes]:
    def case(world: World) -> Outcomes:
        before, after = world.said
        return (before[where][name], after[where][name]) if name else (before[where], after[where])

    return case


def code_of(text: str) -> str:
    try:
        parse_charter(text, "x")
    except CharterError as error:
        return error.code
    return ""


BIKE_TEXT = (ROOT / "examples" / "bike-demand" / "homeostat.yaml").read_text()
MAPPING = {"metric": "mae", "business_better": "lower", "business_then": "falls", "because": "it is so"}
SEASON = {"kind": "seasonal", "period": "7d"}
COSTS = {"a": {"a": 0.0, "b": 1.0}, "b": {"a": 5.0, "b": 0.0}}


def approval(value: Any) -> Any:
    from homeostat.validation.promotion import promotion_allowed

    return promotion_allowed(passed=True, approval=value)


def classes(positive: str) -> Any:
    from homeostat.core.targets import classes_of

    return classes_of(pl.Series("y", ["a", "b"]), sections.Task(type="binary", target="y", positive=positive))


def spans(length: Any) -> Any:
    from homeostat.monitoring.windows import moments, windows_of

    return windows_of(moments(HOURS["t"]), length)


def joined(entity: tuple[str, ...]) -> Any:
    from homeostat.monitoring.join import join_labels

    asked = HOURS.select("t", "hr").head(8)
    return join_labels(asked, HOURS.select("t", "hr", "y").head(3), "y", entity).matched


def metrics(name: str) -> Any:
    return evaluate(Y, EVIDENCE.scores, task_type="regression", success=sections.Success(metric=name))[0].metric


CASES: dict[str, Callable[[], Outcomes] | Callable[[World], Outcomes]] = {
    "version": lambda: (code_of(BIKE_TEXT), code_of(BIKE_TEXT.replace("version: 1", "version: 9"))),
    "name": said_otherwise("manifest", "name"),
    "problem.statement": said_otherwise("manifest", "statement"),
    "problem.objective": said_otherwise("manifest", "objective"),
    "problem.decision": said_otherwise("manifest", "decision"),
    "problem.business_metric": said_otherwise("manifest", "business_metric"),
    "problem.metric_mapping.metric": rule(
        BIKE, {"problem.metric_mapping": MAPPING | {"metric": "rmse"}}, {"problem.metric_mapping": MAPPING}
    ),
    "problem.metric_mapping.business_better": rule(
        BIKE, {"problem.metric_mapping": MAPPING | {"business_better": "higher"}}, {"problem.metric_mapping": MAPPING}
    ),
    "problem.metric_mapping.business_then": rule(
        BIKE, {"problem.metric_mapping": MAPPING | {"business_then": "rises"}}, {"problem.metric_mapping": MAPPING}
    ),
    "problem.metric_mapping.because": said_otherwise("version", "metric_mapping"),
    "problem.stakeholders[].name": approved("Grace", "approver"),
    "problem.stakeholders[].role": approved("Ada", "user"),
    "problem.mode": lambda: (verdict({}), verdict({}, {"mode": "batch"})),
    "problem.scale.requests_per_second": lambda: (verdict({}), verdict({}, {"scale": {"requests_per_second": 901}})),
    "problem.scale.peak_requests_per_second": lambda: (verdict({}), verdict({}, {"scale": {"peak_requests_per_second": 901}})),
    "task.type": rule(BIKE, {"task.type": "multiclass", "value": {}}),
    "task.target": lambda: (inputs({}), inputs({"task.target": "old"})),
    "task.positive": lambda: (classes("a"), classes("b")),
    "task.time": lambda: (parts({"preparation.holdout": "14d"}), parts({"preparation.holdout": 0.2, "task.time": None})),
    "task.entity": lambda: (joined(("t",)), joined(("t", "hr"))),
    "task.label_delay": lambda: (
        lookback_s(revised(ROWS, {"success.baseline": SEASON})),
        lookback_s(revised(ROWS, {"success.baseline": SEASON, "task.label_delay": "8d"})),
    ),
    "task.leave_out": lambda: (inputs({}), inputs({"task.leave_out": ["code"]})),
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
        baseline({"success.baseline": {"kind": "column", "column": "code"}}),
    ),
    "success.baseline.rule": lambda: tuple(baseline({"success.baseline": {"kind": "rule", "rule": sql}}) for sql in ("old", "old + 1")),
    "success.baseline.period": lambda: tuple(baseline({"success.baseline": SEASON | {"period": period}}) for period in ("7d", "1d")),
    "success.improvement": gate({"improvement": 0.05}, {"improvement": 0.9}),
    "success.champion_margin": gate({"champion_margin": 0.01}, {"champion_margin": 0.5}),
    "success.confidence": lambda: tuple(
        judge(EVIDENCE, sections.Success(metric="mae", threshold=60, confidence=share)).results[0].detail for share in (0.8, 0.99)
    ),
    "success.segments": lambda: (regression_scores({}), regression_scores({}, segments=["place"])),
    "success.segment_gap": gate({}, {"segment_gap": 0.1, "segments": ["place"]}),
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
    "data.source": ingested("data.source", "elsewhere/"),
    "data.contract": ingested("data.contract", None),
    "data.delimiter": ingested("data.delimiter", ";"),
    "data.null_values": ingested("data.null_values", ["", "NA"], {"data.contract": None}),
    "data.max_quarantined": ingested("data.max_quarantined", 0.01),
    "privacy.never_use": lambda: (inputs({}), inputs({"privacy.never_use": ["code"]})),
    "preparation.types": lambda: (inputs({}), inputs({"preparation.types": {"code": "category"}})),
    "preparation.holdout": lambda: (parts({}), parts({"preparation.holdout": 0.4})),
    "preparation.validation": lambda: (parts({}), parts({"preparation.validation": 0.4})),
    "preparation.max_categories": lambda: tuple(vocabulary(most) for most in (50, 10)),
    "learning.learners": lambda: (searched({}), searched({"learning.learners": ["naive"]})),
    "learning.budget.seconds": lambda: tuple(len(searched({"learning.budget": {"seconds": s, "trials": 30}})) for s in (500, 8)),
    "learning.budget.trials": lambda: tuple(len(searched({"learning.budget": {"seconds": None, "trials": n}})) for n in (4, 6)),
    "learning.seed": lambda: (searched({}), searched({"learning.seed": 1})),
    "learning.windows[].kind": lambda: (windows(kind="recent", length="30d"), windows(kind="decay", length="30d")),
    "learning.windows[].length": lambda: (windows(kind="recent", length="30d"), windows(kind="recent", length="60d")),
    "deploy.approval": lambda: (approval("auto"), approval("manual")),
    "deploy.host": served("deploy.host", "0.0.0.0"),  # noqa: S104 - nothing listens
    "deploy.port": served("deploy.port", 8001),
    "deploy.max_body_mb": served("deploy.max_body_mb", 1),
    "deploy.max_rows": served("deploy.max_rows", 7),
    "monitor.window": lambda: (spans("day"), spans("week")),
    "monitor.significance": lambda: (findings({"min_effect": 0.01}, 0.3), findings({"min_effect": 0.01, "significance": 1e-12}, 0.3)),
    "monitor.min_effect": lambda: (findings({}), findings({"min_effect": 0.9})),
    "monitor.min_rows": lambda: (findings({}), findings({"min_rows": 301})),
    "monitor.min_labels": judged_stage("monitor.min_labels", 0.95),
    "monitor.degradation": lambda: (degraded(0.2), degraded(0.3)),
    "monitor.max_broken": lambda: (findings({}), findings({"max_broken": 0.5})),
    "policy.mode": lambda: (action({}), action({"mode": "observe"})),
    "policy.responses.broken_data": response("broken_data", "ask"),
    "policy.responses.covariate_shift": response("covariate_shift", "retrain"),
    "policy.responses.label_shift": response("label_shift", "none"),
    "policy.responses.concept_change": response("concept_change", "rollback"),
    "policy.cooldown": lambda: (action({}), action({"cooldown": "7d"})),
    "policy.windows[].kind": repaired("policy.windows", [{"kind": "all"}]),
    "policy.windows[].length": repaired("policy.windows", [{"kind": "recent", "length": "91d"}]),
    "policy.budget.seconds": repaired("policy.budget", {"seconds": 3, "trials": 6}),
    "policy.budget.trials": repaired("policy.budget", {"trials": 2}),
    "store.ledger": lambda: tuple(
        Project(ROOT, revised(BIKE, {"store.ledger": url}), None, "me").ledger_url  # type: ignore[arg-type]
        for url in (None, "sqlite:///elsewhere.sqlite")
    ),
    "store.engine": lambda: (code_of(BIKE_TEXT), code_of(BIKE_TEXT + "\nstore: {engine: ray}\n")),
}


def vocabulary(most: int) -> Any:
    from homeostat.preparation.fit import fit

    charter = revised(ROWS, {"preparation.max_categories": most})
    return [len(one.vocabulary) for one in fit(HOURS, charter.task, charter.preparation, "tree", ()).inputs]


def test_every_clause_has_a_case_or_a_reason_why_not_yet() -> None:
    assert set(NOT_YET) <= set(EFFECTS), "a clause that no longer exists"
    assert set(CASES) <= set(EFFECTS)
    assert set(CASES) & set(NOT_YET) == set(), "a clause that acts is not to be excused"
    assert [clause for clause in EFFECTS if clause not in CASES and clause not in NOT_YET] == []
    assert all(len(reason) > 20 for reason in NOT_YET.values())


@pytest.mark.parametrize("clause", CASES)
def test_a_changed_clause_changes_an_outcome(clause: str, request: pytest.FixtureRequest) -> None:
    case = CASES[clause]
    before, after = case(World(request)) if case.__code__.co_argcount else case()  # type: ignore[call-arg]
    assert before != after


def test_the_gates_of_an_unchanged_charter_are_the_same() -> None:
    """The comparison above sees changes only: the same clauses give the same outcome."""
    assert verdict({"threshold": 60}) == verdict({"threshold": 60})
    assert searched({}) == searched({})
    assert compile_gates(BIKE.success, BIKE.problem) == compile_gates(BIKE.success, BIKE.problem)
    assert broken_rules(BIKE, {}) == broken_rules(BANK, {}) == []
