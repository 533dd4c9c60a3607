"""Stage 9 as a journey: each window that is due is profiled, judged and diagnosed once, and all of it recorded."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING

from homeostat.core.forecasts import columns_ahead
from homeostat.core.ids import canonical, digest, fact_id
from homeostat.flow.labels import labelled
from homeostat.flow.performance import judge_performance
from homeostat.flow.references import load_profile, told_prediction, told_target
from homeostat.flow.registry import champion, load_bundle, version_numbered
from homeostat.flow.served import Served, View, read_served, scores_of
from homeostat.monitoring.diagnose import Context
from homeostat.monitoring.observe import Breaches

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project
    from homeostat.monitoring.profile import Profile
    from homeostat.serving.bundle import Bundle


def monitor(project: Project, as_of: datetime, progress: Progress | None = None) -> list[Fact]:
    """Evaluate every window that ended by ``as_of`` and has something new to say; return its ``diagnosis`` facts, oldest first.

    A window is judged on its inputs once it has ended, and again, with its performance, once enough labels are there and the label
    delay is over (labels that come early are not a fair sample). Each judgement is made once per window, version and ``monitor``
    section; labels that come or change later than that are kept, and count for windows not judged yet.

    A window with broken data is closed to every training from then on, whatever the policy does about it besides.
    """
    served = read_served(project)
    if served.frame.is_empty() or champion(project) is None:
        return []
    diagnoses = []
    for view in _views(project, served, as_of):
        ripe = as_of - view.end >= project.charter.task.label_delay
        stage = "performance" if ripe and view.coverage >= project.charter.monitor.min_labels else "inputs"
        key = _key(project, view, stage)
        known = project.ledger.get(fact_id("diagnosis", key))
        if known is None and progress:
            progress.update(f"monitor {view.start:%Y-%m-%d} to {view.end:%Y-%m-%d} ({stage})")
        diagnoses.append(known or _judge(project, view, key, stage))
    return diagnoses


def standing(project: Project, diagnoses: list[Fact]) -> list[Fact]:
    """What stands against the champion: its newest judged performance, then its newest window if that is a later one.

    Labels may be many windows late; what they say is not outranked by a later window of which only the inputs are known.
    """
    current = champion(project)
    mine = sorted((d for d in diagnoses if current and d.body["version"] == current.number), key=lambda d: str(d.body["end"]), reverse=True)
    measured = [d for d in mine if d.body["stage"] == "performance"][:1]
    later = [d for d in mine[:1] if d not in measured]
    return [*measured, *later]


def _key(project: Project, view: View, stage: str) -> str:
    section = digest({"monitor": project.charter.monitor.model_dump(mode="json"), "metric": project.charter.success.metric})
    return f"{view.start.isoformat()}:{project.charter.monitor.window}:{stage}:{view.version.fact.id}:{section[:12]}"


def _views(project: Project, served: Served, as_of: datetime) -> list[View]:
    from homeostat.monitoring.windows import due, rows_in, windows_of

    length = project.charter.monitor.window
    frame = served.frame.sort("_moment", maintain_order=True)
    joined = labelled(project, frame)
    views = []
    for span in due(windows_of(frame["_moment"], length), as_of):
        rows = rows_in(frame, "_moment", span)
        for number in _judged(rows, project.charter.monitor.min_rows):
            mine = (part.filter(part["_version"] == number) for part in (rows, rows_in(joined, "_moment", span)))
            views.append(View(span.start, span.end, version_numbered(project, int(number)), *mine))
    return views


def _judged(rows: pl.DataFrame, min_rows: int) -> list[str]:
    """The versions whose rows of a window are judged, most rows first: each by its own rows where a window was routed or saw a swap.

    Those with too few rows to judge are left out, but for the one that has most.
    """
    counts = rows["_version"].value_counts().sort("count", "_version", descending=[True, False])
    return [version for at, (version, count) in enumerate(counts.iter_rows()) if at == 0 or count >= min_rows]


def _judge(project: Project, view: View, key: str, stage: str) -> Fact:
    from homeostat.monitoring.diagnose import diagnose
    from homeostat.monitoring.observe import observe

    charter = project.charter
    reference = _watched(project, load_profile(project, str(view.version.fact.body["profile"])))
    bundle = load_bundle(project, view.version.bundle)
    current = _profile(project, view, bundle, reference)
    breaches = _breaches(project, view, bundle)
    findings = list(observe(current, reference, charter.monitor, breaches))
    performance = judge_performance(project, view, bundle, reference) if stage == "performance" else None
    if performance is not None and performance.finding is not None:
        findings.append(performance.finding)
    body: dict[str, object] = {
        "start": view.start.isoformat(),
        "end": view.end.isoformat(),
        "stage": stage,
        "version": view.version.number,
        "rows": view.rows.height,
        "labelled": view.labelled.height,
        "broken": breaches.broken if breaches else 0,
        "profile": project.blobs.put(canonical(current.to_dict())),
        "metric": charter.success.metric,
        **(performance.told() if performance else {"value": None, "low": None, "high": None, "expected": None}),
    }
    window = project.fact("window", key, body, causes=(view.version.fact.id,))
    facts = [project.fact("finding", f"{key}:{n}", asdict(one), subject=window.id, causes=(window.id,)) for n, one in enumerate(findings)]
    usable = view.rows.height - (breaches.broken if breaches else 0)
    base = Context(rows=usable, min_rows=charter.monitor.min_rows, degradation=charter.monitor.degradation)
    diagnosis = diagnose(tuple(findings), performance.context(base) if performance else base)
    told = {**asdict(diagnosis), "window": window.id, "findings": [f.id for f in facts]}
    told |= {name: body[name] for name in ("start", "end", "stage", "version")}
    made = project.fact("diagnosis", key, told, subject=window.id, causes=(window.id, *(f.id for f in facts)))
    closed = []
    if diagnosis.cause == "broken_data":
        span = {"start": body["start"], "end": body["end"], "reason": diagnosis.reason}
        closed.append(project.fact("quarantine", f"{body['start']}:{body['end']}", span, causes=(made.id,)))
    project.ledger.record(window, *facts, made, *closed)
    return project.require(made.id)


def _watched(project: Project, reference: Profile) -> Profile:
    """The reference without the columns that are never logged: their absence from a window says nothing.

    Of a forecast only columns that say something of the moment that is forecast: the others stand once for each origin, however many
    rows it has, so that they are stuck in a window of few origins, and no test that counts rows is right about them.
    """
    charter = project.charter
    ahead, hidden = columns_ahead(charter.task), charter.privacy.never_log
    kept = {name: column for name, column in reference.columns.items() if name not in hidden and (not ahead or name in ahead)}
    return replace(reference, columns=kept)


def _profile(project: Project, view: View, bundle: Bundle, reference: Profile) -> Profile:
    from homeostat.monitoring.profile import profile

    target = told_target(bundle, view.labelled[project.charter.task.target]) if view.labelled.height else None
    return profile(view.rows, reference, prediction=told_prediction(bundle, scores_of(view.rows)), target=target)


def _breaches(project: Project, view: View, bundle: Bundle) -> Breaches | None:
    """What the contract says of the inputs of the window's rows; None without a contract."""
    from homeostat.dataops.check import check_values
    from homeostat.flow.intake import served_contract

    contract = served_contract(project)
    if contract is None:
        return None
    report = check_values(view.rows, contract, [source.name for source in bundle.manifest.inputs])
    columns = {rule: rule.rsplit(".", 1)[0] for rule in report.failures}
    return Breaches(report.rows, report.quarantined.height, report.failures, columns)
