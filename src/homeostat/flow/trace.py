"""From a served answer back to the raw rows, the code and whoever approved it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from homeostat.errors import ProjectError
from homeostat.flow.registry import version_numbered

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project


def trace(project: Project, prediction_id: str) -> dict[str, Any]:
    """Everything behind one prediction: request, version, gates, run, dataset, contract, source files and rows, code, approver.

    Raises:
        ProjectError: HS605, no prediction of this id is in the log.
    """
    from homeostat.infra.predictions import find

    record = find(project.predictions, prediction_id)
    if record is None:
        raise ProjectError(
            "HS605",
            f"got {prediction_id!r}; no prediction of this id is in the log",
            next_step="ids come with each answer and start with 'pr-'; `homeostat show` takes the ids of other facts",
        )
    version = version_numbered(project, int(record["version"]))
    body = version.fact.body
    run = project.require(str(body["run"]))
    dataset = project.require(str(body["dataset"]))
    candidate = project.require(str(body["candidate"]))
    verdict = project.require(str(body["verdict"]))
    promotion = _promotion(project, version.fact, str(record["at"]))
    return {
        "prediction": {key: record[key] for key in ("id", "request", "at", "inputs", "prediction")},
        "version": {"number": version.number, "id": version.fact.id, "learner": body["learner"], "bundle": body["bundle"]},
        "gates": [gate["detail"] for gate in verdict.body["gates"]],
        "promotion": {"id": promotion.id, "at": promotion.at.isoformat(), "approved_by": promotion.body.get("approved_by", "")}
        if promotion
        else None,
        "run": {
            "id": run.id,
            "at": run.at.isoformat(),
            "actor": run.actor,
            "purpose": run.body["purpose"],
            "window": candidate.body["window"],
            "params": candidate.body["params"],
            "rows": candidate.body["rows"],
            "left_out": candidate.body["left_out"],
        },
        "code": run.body["code"],
        "environment": run.body["environment"],
        "dataset": {
            "id": dataset.id,
            "table": dataset.body["table"],
            "version": dataset.body["version"],
            "rows": dataset.body["rows"],
            "digest": dataset.body["digest"],
        },
        "contract": dataset.body["contract"],
        "charter": _charter(project, run),
        "sources": dataset.body["sources"],
        "labels": _labels(project, prediction_id, record),
    }


def _promotion(project: Project, version: Fact, at: str) -> Fact | None:
    """What made the version serve at that time: the last promotion of it, or rollback to it, before then."""
    moved = [f for kind in ("promotion", "rollback") for f in project.ledger.find(kind, subject=version.id)]
    asked = datetime.fromisoformat(at)
    before = [f for f in moved if f.at <= asked]
    return max(before, key=lambda f: f.seq, default=None)


def _charter(project: Project, run: Fact) -> dict[str, Any]:
    """What the team wanted when the run was ordered."""
    fact = next(project.require(cause) for cause in run.causes if cause.startswith("charter-"))
    problem = fact.body["content"]["problem"]
    return {"id": fact.id, "sha256": fact.body["digest"], **{k: problem[k] for k in ("objective", "decision", "business_metric")}}


def _labels(project: Project, prediction_id: str, record: dict[str, Any]) -> dict[str, Any] | None:
    """The label that arrived for the prediction, and the file and line it came from."""
    import polars as pl

    from homeostat.core.targets import text_of

    table = project.table("labels")
    if not table.exists():
        return None
    entity = project.charter.task.entity
    same = pl.col("prediction_id") == prediction_id
    if entity and all(name in record["inputs"] for name in entity):
        by_entity = pl.all_horizontal(pl.col(name) == text_of(record["inputs"][name]) for name in entity)
        same = same.fill_null(False) | by_entity.fill_null(False)
    found = table.read().filter(same)
    if found.is_empty():
        return None
    row = found.row(-1, named=True)
    return {"value": row[project.charter.task.target], "source": row["_source"], "line": row["_line"]}


def connected(project: Project, fact: Fact) -> dict[str, Any]:
    """A fact with what it follows from and what follows from it."""
    return {
        "id": fact.id,
        "kind": fact.kind,
        "at": fact.at.isoformat(),
        "actor": fact.actor,
        "body": dict(fact.body),
        "causes": list(fact.causes),
        "effects": [effect.id for effect in project.ledger.effects(fact.id)],
    }
