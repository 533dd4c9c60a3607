"""Stage 9 as a journey: each window that is due is profiled, judged and diagnosed once, and all of it recorded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from homeostat.flow.performance import judge_performance
from homeostat.flow.registry import Version, champion, load_bundle, version_numbered
from homeostat.flow.watching import Served, labelled, load_profile, read_served, scores_of, told_prediction, told_target
from homeostat.monitoring.diagnose import Context
from homeostat.monitoring.observe import Breaches

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project
    from homeostat.monitoring.profile import Profile
    from homeostat.serving.bundle import Bundle


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One window of one version, ready to be judged."""

    start: datetime
    end: datetime
    version: Version
    rows: pl.DataFrame
    labelled: pl.DataFrame

    @property
    def coverage(self) -> float:
        """Share of the window's rows that have a label."""
        return self.labelled.height / self.rows.height if self.rows.height else 0.0


def monitor(project: Project, as_of: datetime, progress: Progress | None = None) -> list[Fact]:
    """Evaluate every window that ended by ``as_of`` and has something new to say; return its ``diagnosis`` facts, oldest first.

    A window is judged on its inputs once it has ended, and again, with its performance, once enough labels are there.
    Judging is idempotent: what has been judged on the same evidence is returned from the ledger, not made again.
    """
    served = read_served(project)
    current = champion(project)
    if served.frame.is_empty() or current is None:
        return []
    diagnoses = []
    for view in _views(project, served, as_of):
        stage = "performance" if view.coverage >= project.charter.monitor.min_labels else "inputs"
        key = f"{view.start.isoformat()}:{project.charter.monitor.window}:{stage}"
        known = _known(project, key)
        if known is None and progress:
            progress.update(f"monitor {view.start:%Y-%m-%d} to {view.end:%Y-%m-%d} ({stage})")
        diagnoses.append(known or _judge(project, view, key, stage))
    return diagnoses


def _known(project: Project, key: str) -> Fact | None:
    from homeostat.core.ids import fact_id

    return project.ledger.get(fact_id("diagnosis", key))


def _views(project: Project, served: Served, as_of: datetime) -> list[View]:
    from homeostat.monitoring.windows import due, rows_in, windows_between

    length = project.charter.monitor.window
    frame = served.frame
    joined = labelled(project, frame)
    ordered = frame["_moment"].sort()
    first, last = ordered[0], ordered[-1]
    views = []
    for span in due(windows_between(first, last, length), as_of):
        rows = rows_in(frame, "_moment", span)
        if rows.height:
            # A window that saw a swap is judged against the version that answered most of it.
            number = rows["_version"].value_counts(sort=True)["_version"][0]
            views.append(View(span.start, span.end, version_numbered(project, int(number)), rows, rows_in(joined, "_moment", span)))
    return views


def _judge(project: Project, view: View, key: str, stage: str) -> Fact:
    from homeostat.core.ids import canonical
    from homeostat.monitoring.diagnose import diagnose
    from homeostat.monitoring.observe import observe

    charter = project.charter
    reference = load_profile(project, str(view.version.fact.body["profile"]))
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
    window = project.record("window", key, body, causes=(view.version.fact.id,))
    facts = [
        project.record("finding", f"{key}:{n}", asdict(found), subject=window.id, causes=(window.id,)) for n, found in enumerate(findings)
    ]
    usable = view.rows.height - (breaches.broken if breaches else 0)
    base = Context(rows=usable, min_rows=charter.monitor.min_rows, degradation=charter.monitor.degradation)
    diagnosis = diagnose(tuple(findings), performance.context(base) if performance else base)
    told: dict[str, object] = {
        **asdict(diagnosis),
        "window": window.id,
        "stage": stage,
        "start": body["start"],
        "end": body["end"],
        "findings": [f.id for f in facts],
    }
    return project.record("diagnosis", key, told, subject=window.id, causes=(window.id, *(f.id for f in facts)))


def _profile(project: Project, view: View, bundle: Bundle, reference: Profile) -> Profile:
    from homeostat.monitoring.profile import profile

    target = told_target(bundle, view.labelled[project.charter.task.target]) if view.labelled.height else None
    return profile(view.rows, reference, prediction=told_prediction(bundle, scores_of(view.rows)), target=target)


def _breaches(project: Project, view: View, bundle: Bundle) -> Breaches | None:
    """What the contract says of the inputs of the window's rows; None without a contract."""
    from homeostat.dataops.check import check_values
    from homeostat.flow.ingest import load_contract

    contract = load_contract(project)
    if contract is None:
        return None
    report = check_values(view.rows, contract, [source.name for source in bundle.manifest.inputs])
    columns = {rule: rule.rsplit(".", 1)[0] for rule in report.failures}
    return Breaches(report.rows, report.quarantined.height, report.failures, columns)


def window_span(fact: Fact) -> tuple[datetime, datetime]:
    """Start and end of the window a diagnosis or window fact is about."""
    return datetime.fromisoformat(str(fact.body["start"])), datetime.fromisoformat(str(fact.body["end"]))


def newest_first(diagnoses: list[Fact]) -> list[Fact]:
    """Diagnoses by the end of their window, newest first."""
    return sorted(diagnoses, key=lambda fact: window_span(fact)[1], reverse=True)
