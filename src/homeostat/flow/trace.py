"""From a served answer back to the raw rows, the code and whoever approved it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from homeostat.charter.effective import SAID
from homeostat.errors import ProjectError
from homeostat.flow.registry import version_numbered
from homeostat.flow.traffic import behind, state_of

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project


def trace(project: Project, prediction_id: str) -> dict[str, Any]:
    """Everything behind one prediction: request, routing, version, gates, run, dataset, contract, source files and rows, code, approver.

    Raises:
        ProjectError: HS605, no prediction of this id is in the log.
    """
    record = prediction(project, prediction_id)
    version = version_numbered(project, int(record["version"]))
    body = version.fact.body
    run = project.require(str(body["run"]))
    dataset = project.require(str(body["dataset"]))
    candidate = project.require(str(body["candidate"]))
    verdict = project.require(str(body["verdict"]))
    promotion = _promotion(project, version.fact, str(record["at"]))
    return {
        "prediction": {key: record[key] for key in ("id", "request", "at", "arm", "inputs", "prediction")},
        "routing": behind(project, record),
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
        "label": _label(project, record),
        "row": _raw_row(project, record),
    }


def prediction(project: Project, prediction_id: str) -> dict[str, Any]:
    """What the log holds of one prediction.

    Raises:
        ProjectError: HS605, no prediction of this id is in the log.
    """
    from homeostat.infra.prediction_records import find

    record = find(project.predictions, prediction_id)
    if record is None:
        raise ProjectError(
            "HS605",
            f"got {prediction_id!r}; no prediction of this id is in the log",
            next_step="ids come with each answer and start with 'pr-'; `homeostat show` takes the ids of other facts",
        )
    return record


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
    return {"id": fact.id, "sha256": fact.body["digest"], **{name: problem[name] for name in SAID}}


def _label(project: Project, record: dict[str, Any]) -> dict[str, Any] | None:
    """The label that counts for the prediction, and the file and line it came from."""
    import polars as pl

    table = project.table("labels")
    if not table.exists():
        return None
    labels = table.read().sort("_taken", maintain_order=True)
    same = (pl.col("prediction_id") == record["id"]).fill_null(False) | _same_entity(project, record, labels)
    return _place(project, labels.filter(same))


def _raw_row(project: Project, record: dict[str, Any]) -> dict[str, Any] | None:
    """The raw row the prediction is about, if it has been delivered since: its file and line."""
    from homeostat.flow.datasets import read_dataset

    newest = project.ledger.find("dataset", limit=1)
    if not newest:
        return None
    rows = read_dataset(project, newest[0])
    return _place(project, rows.filter(_same_entity(project, record, rows)))


def _same_entity(project: Project, record: dict[str, Any], frame: pl.DataFrame) -> pl.Expr:
    """Whether a row is about the prediction's entity, by the texts of its columns, and of a forecast about its moment.

    Never, where the charter names nothing to tell by.
    """
    import polars as pl

    from homeostat.core.targets import text_of, texts
    from homeostat.flow.labels import label_key
    from homeostat.monitoring.windows import moments

    task = project.charter.task
    key = label_key(task)
    if not key or not all(name in record["inputs"] and name in frame.columns for name in key):
        return pl.lit(value=False)
    same = [texts(frame[name]) == text_of(record["inputs"][name]) for name in task.entity]
    if len(key) > len(task.entity):
        asked = moments(pl.Series([str(record["inputs"][key[-1]])]))[0]
        same.append(moments(frame[key[-1]]) == asked)
    return pl.all_horizontal(pl.lit(each).fill_null(False) for each in same)


def _place(project: Project, found: pl.DataFrame) -> dict[str, Any] | None:
    from homeostat.core.objectives import with_combined

    if found.is_empty():
        return None
    charter = project.charter
    row = with_combined(found, charter.task.target, charter.objectives).row(-1, named=True)
    return {"value": row[charter.task.target], "source": row["_source"], "line": row["_line"]}


def connected(project: Project, fact: Fact) -> dict[str, Any]:
    """A fact with what it follows from and what follows from it; with what a charter changed, a version's stage, a traffic's state."""
    from dataclasses import asdict

    from homeostat.flow.promotion import stage_history, stage_of
    from homeostat.flow.revisions import revision

    changed: dict[str, Any] = {"changes": [asdict(one) for one in revision(project, fact)]} if fact.kind == "charter" else {}
    if fact.kind == "version":
        changed = {"stage": stage_of(project, fact), "moves": [one.id for one in stage_history(project, fact)]}
    if fact.kind == "traffic":
        changed = {"routes": str(fact.body["words"]), "state": state_of(project, fact)}
    return {
        "id": fact.id,
        "kind": fact.kind,
        "at": fact.at.isoformat(),
        "actor": fact.actor,
        "body": dict(fact.body),
        **changed,
        "causes": list(fact.causes),
        "effects": [effect.id for effect in project.ledger.effects(fact.id)],
    }
