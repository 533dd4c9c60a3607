"""What the charter says of running a model: deployment, monitoring, policy, store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from homeostat.charter.load import dump_charter, load_charter, parse_charter
from homeostat.core import sections
from homeostat.core.records import Diagnosis
from homeostat.errors import HomeostatError, Unreachable
from homeostat.flow.project import Project, open_project
from homeostat.infra.engine import engine_of
from homeostat.testing.charters import revised

if TYPE_CHECKING:
    from homeostat.core.facts import Fact

Outcomes = tuple[Any, Any]
BIKE_FILE = Path(__file__).resolve().parents[3] / "examples" / "bike-demand" / "homeostat.yaml"


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


def edited(folder: Path, changes: dict[str, Any]) -> None:
    path = folder / "homeostat.yaml"
    path.write_text(dump_charter(revised(load_charter(path), changes)))


def served(clause: str, value: Any) -> Callable[[pytest.FixtureRequest], Outcomes]:
    """The settings the server is started with."""

    def case(request: pytest.FixtureRequest) -> Outcomes:
        from homeostat.app.rest import project as rest

        monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        folder: Path = request.getfixturevalue("founded")
        found: list[Any] = []
        monkeypatch.setattr(rest, "serve", lambda settings, *_, **__: found.append(asdict(settings)))
        for changes in ({}, {clause: value}):
            edited(folder, changes)
            rest.serve_project(folder, rest.Asked(), lambda *_: None)
        return found[0], found[1]

    return case


def logged(clause: str, value: Any) -> Callable[[pytest.FixtureRequest], Outcomes]:
    """What the server asks its prediction log for."""

    def case(request: pytest.FixtureRequest) -> Outcomes:
        from homeostat.app.rest import project as rest

        monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        folder: Path = request.getfixturevalue("founded")
        found: list[Any] = []
        real = rest.PredictionLog
        monkeypatch.setattr(rest, "serve", lambda *_, **__: None)
        monkeypatch.setattr(rest, "PredictionLog", lambda at, **asked: (found.append(asked), real(at, **asked))[1])
        for changes in ({}, {clause: value}):
            edited(folder, changes)
            rest.serve_project(folder, rest.Asked(port=0), lambda *_: None)
        return found[0], found[1]

    return case


def retained(request: pytest.FixtureRequest) -> Outcomes:
    """How many predictions of a hundred days ago are still there, when all are kept and when a month of them is."""
    from homeostat.flow.prediction_log import keep_log
    from homeostat.infra.prediction_records import count
    from homeostat.infra.predictions import Prediction, PredictionLog, utc_text

    folder: Path = request.getfixturevalue("founded")
    at = utc_text(datetime.now(UTC) - timedelta(days=100))
    with PredictionLog(folder / ".homeostat" / "predictions") as log:
        log.append([Prediction("pr-1", "rq-1", 0, at, "bike", 1, "champion", {"hr": 1}, [1.0], 1.0, 0.1)])
    found = []
    for changes in ({}, {"deploy.log.keep": "60d"}):
        edited(folder, changes)
        with open_project(folder) as project:
            keep_log(project)
            found.append(count(project.predictions))
    return found[0], found[1]


def crewed(request: pytest.FixtureRequest) -> Outcomes:
    """How many processes the server is started with."""
    from homeostat.app.rest import project as rest

    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    folder: Path = request.getfixturevalue("founded")
    found: list[Any] = []
    monkeypatch.setattr(rest, "serve", lambda *_, **__: found.append(1))
    monkeypatch.setattr(rest, "supervise", lambda count, *_: found.append(count))
    for changes in ({"deploy.port": 0}, {"deploy.workers": 3, "deploy.port": 0}):
        edited(folder, changes)
        rest.serve_project(folder, rest.Asked(), lambda *_: None)
    return found[0], found[1]


def repaired(clause: str, before: Any, after: Any) -> Callable[[pytest.FixtureRequest], Outcomes]:
    """What a retraining of the loop orders."""

    def case(request: pytest.FixtureRequest) -> Outcomes:
        from homeostat.flow import operate

        monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        orders: list[Any] = []
        project: Project = request.getfixturevalue("project")
        known = project.ledger.find("candidate")[0]

        def order(_: Project, given: Any, *__: Any) -> Fact:
            orders.append(given.learning)
            return known

        monkeypatch.setattr(operate, "train", order)
        why = project.record("action", "test", {"name": "retrain"})
        for value in (before, after):
            operate._train(replace(project, charter=revised(project.charter, {clause: value})), why, "dataset", None)
        return orders[0], orders[1]

    return case


def judged_stage(clause: str, value: Any) -> Callable[[pytest.FixtureRequest], Outcomes]:
    """Whether a served month with nine of ten labels is judged by its performance."""

    def case(request: pytest.FixtureRequest) -> Outcomes:
        from homeostat.flow.labels import take_labels
        from homeostat.flow.monitor import monitor

        project, month = request.getfixturevalue("project"), request.getfixturevalue("months")[6]
        request.getfixturevalue("serve_month")(project, month)
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


def promoted(before: dict[str, Any], after: dict[str, Any], *ticks: str) -> Callable[[pytest.FixtureRequest], Outcomes]:
    """How a promotion of the first version ends when nothing serves yet: the fact made, or why not. With ticks, Ada approves first."""

    def case(request: pytest.FixtureRequest) -> Outcomes:
        from homeostat.flow.approvals import approve
        from homeostat.flow.promotion import promote

        folder: Path = request.getfixturevalue("trained")
        found = []
        for number, changes in enumerate((before, after)):
            copy = Path(shutil.copytree(folder, folder.parent / f"copy{number}"))
            with (
                open_project(copy) as opened,
                replace(opened, charter=revised(opened.charter, {"problem.stakeholders": PEOPLE, **changes})) as project,
            ):
                version = trained_anew(project, str(number))
                try:
                    for tick in ticks:
                        approve(project, 2, "Ada", role="risk", ticked=(tick,) if tick else ())
                    found.append(promote(project, version).kind)
                except HomeostatError as error:
                    found.append(error.code)
        return found[0], found[1]

    return case


def trained_anew(project: Project, name: str) -> Fact:
    """Another version of the same bundle, that passed its gates."""
    from homeostat.flow.signing import signed

    first = project.ledger.find("version")[0]
    body = {each: value for each, value in first.body.items() if each != "signature"}
    return project.record("version", name, signed(project, "version", name, body, first.causes), causes=first.causes)


def spans(length: Any) -> Any:
    from homeostat.monitoring.windows import moments, windows_of

    return windows_of(moments(pl.Series([date(2024, 1, day) for day in range(1, 20)])), length)


def kept(request: pytest.FixtureRequest) -> Outcomes:
    """The files of the state, and the facts of a ledger elsewhere."""
    folder: Path = request.getfixturevalue("founded")
    elsewhere = folder / "elsewhere.sqlite"
    found = []
    for url in (None, f"sqlite:///{elsewhere}"):
        edited(folder, {"store.ledger": url})
        with open_project(folder) as project:
            project.charter_fact()
            facts = len(project.ledger.find("charter"))
        found.append((sorted(path.name for path in (folder / ".homeostat").glob("*.sqlite")), elsewhere.exists(), facts))
        shutil.rmtree(folder / ".homeostat")
    return found[0], found[1]


def engine(store: str) -> str:
    """What runs a search's jobs; where it is a cluster that does not answer, what is said of it."""
    asked = parse_charter(f"{BIKE_FILE.read_text()}\nstore: {store}\n", "x").store
    with engine_of(asked, 2) as opened:
        if asked.engine_address is None:
            return type(opened.together).__name__
        with pytest.raises(Unreachable) as refused:
            opened.together(str, [(1,)])
        return refused.value.message


RECENT = {"kind": "recent", "length": "90d"}
PEOPLE = [{"name": "Ada", "role": "approver"}, {"name": "Ada", "role": "risk"}]
RISK = {"deploy.approval": "manual", "deploy.approvals": [{"role": "risk"}]}
LISTED = {"deploy.approval": "manual", "deploy.approvals": [{"role": "risk", "checklist": ["read"]}]}
CASES = {
    "deploy.approval": promoted({}, {"deploy.approval": "manual"}),
    "deploy.approvals[].role": promoted(RISK, {"deploy.approval": "manual", "deploy.approvals": [{"role": "approver"}]}, ""),
    "deploy.approvals[].checklist": promoted(RISK, LISTED, ""),
    "deploy.approver_is_not_author": promoted(RISK, {**RISK, "deploy.approver_is_not_author": True}, ""),
    "deploy.staging": promoted({}, {"deploy.staging": "required"}),
    "deploy.host": served("deploy.host", "127.0.0.2"),
    "deploy.port": served("deploy.port", 8001),
    "deploy.max_body_mb": served("deploy.max_body_mb", 1),
    "deploy.max_rows": served("deploy.max_rows", 7),
    "deploy.log.mode": logged("deploy.log.mode", "strict"),
    "deploy.log.group_ms": logged("deploy.log.group_ms", 5),
    "deploy.log.keep": retained,
    "deploy.max_waiting": served("deploy.max_waiting", 7),
    "deploy.body_timeout": served("deploy.body_timeout", "5s"),
    "deploy.workers": crewed,
    "deploy.tls.certificate": served("deploy.tls", {"certificate": "homeostat.yaml", "key": "homeostat.yaml"}),
    "deploy.tls.key": served("deploy.tls", {"certificate": "homeostat.yaml", "key": "homeostat.yaml"}),
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
    "policy.windows[].kind": repaired("policy.windows", [RECENT], [RECENT | {"kind": "decay"}]),
    "policy.windows[].length": repaired("policy.windows", [RECENT], [RECENT | {"length": "91d"}]),
    "policy.budget.seconds": repaired("policy.budget.seconds", 30, 3),
    "policy.budget.trials": repaired("policy.budget.trials", 6, 2),
    "store.ledger": kept,
    "store.engine": lambda: (engine("{engine: local}"), engine("{engine: ray}")),
    "store.engine_address": lambda: (
        engine("{engine: ray, engine_address: 127.0.0.1:1}"),
        engine("{engine: ray, engine_address: 127.0.0.1:2}"),
    ),
}
