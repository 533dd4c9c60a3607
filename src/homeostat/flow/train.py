"""Stages 4 and 5 as a journey: split, decisions, search, and a candidate packed into a bundle whose parity is proved."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.charter.effective import effective_task, never_inputs
from homeostat.core.ids import digest
from homeostat.flow.arrays import dump_arrays
from homeostat.flow.develop import Aids, develop, member_scores, told_interval, weights_of
from homeostat.flow.drawing import drawn
from homeostat.flow.estimators import learners_of, sources_of
from homeostat.flow.labelling import labels_version
from homeostat.flow.out_of_fold import keep_out_of_fold
from homeostat.flow.packing import pack_candidate
from homeostat.flow.reweigh import reweigh, trained_alike
from homeostat.flow.training_rows import NOW, TrainingRows, split_all, split_rows, training_rows
from homeostat.flow.trials import LedgerMemo
from homeostat.preparation.labelling import LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from homeostat.core import sections
    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.core.records import Decision, Split
    from homeostat.flow.project import Project
    from homeostat.learning.candidate import Candidate

LEARNED = {"name", "target", "type", "positive", "metric"}  # of an objective; its weight and limits train nothing


@dataclass(frozen=True, slots=True)
class Order:
    """What to train: on which dataset, with which section of the charter, why, and from where the search starts."""

    dataset: str
    learning: sections.Learning
    purpose: str = "run"
    start: Mapping[str, Any] | None = None


def first_order(project: Project, dataset: Fact) -> Order:
    """The order `train` and `run` give: the charter's learning section on this dataset."""
    return Order(dataset=dataset.id, learning=project.charter.learning)


def order_key(project: Project, order: Order) -> str:
    """Equal orders have equal keys: what a training is repeated for is that one of these changed."""
    charter = project.charter
    decided_by = charter.value.model_dump(mode="json", include={"payoff", "amount", "costs"})
    quarantined = sorted(fact.id for fact in project.ledger.find("quarantine"))
    sources = sources_of(project, order.learning)
    parts = {
        "dataset": order.dataset,
        "task": effective_task(charter).model_dump(mode="json"),
        "preparation": charter.preparation.model_dump(mode="json"),
        "learning": order.learning.model_dump(mode="json"),
        "metric": charter.success.metric,
        "objectives": [each.model_dump(mode="json", include=LEARNED) for each in charter.objectives],
        "value": decided_by,
        **({"size_mb": charter.success.size_mb} if charter.success.size_mb is not None else {}),
        "purpose": order.purpose,
        "start": dict(order.start or {}),
        "quarantined": quarantined,
        "labels": labels_version(project),
        "labelling": charter.labelling.model_dump(mode="json"),
        **({"estimators": {name: told["sha256"] for name, told in sources.items()}} if sources else {}),
    }
    return digest(parts)


def train(project: Project, order: Order, progress: Progress | None = None) -> Fact:
    """Search under the order's budget, pack the winner, prove its parity, and return the ``candidate`` fact.

    The same order on the same project returns the candidate that is already there. Where only the weights of objectives changed since,
    the models that are there are added up anew, and nothing is trained.
    """
    from homeostat.core.ids import fact_id

    key = order_key(project, order)
    weights = weights_of(project.charter)
    named = digest({"order": key, "weights": weights}) if weights else key
    known = project.ledger.get(fact_id("candidate", named))
    if known is not None:
        return known
    trained = trained_alike(project, key) if weights else None
    dataset = project.require(order.dataset)
    if trained is None:
        rows, split = rows_and_split(project, dataset, order.learning)
        return _train(project, order, (key, named), rows, split, progress)
    rows = training_rows(project, dataset, trained.body["left_out"]["windows"], trained.body["labels"])
    return reweigh(project, order, trained, split_rows(project, rows.frame), named)


def _train(project: Project, order: Order, keys: tuple[str, str], rows: TrainingRows, split: Split, progress: Progress | None) -> Fact:
    started = time.perf_counter()
    key, named = keys
    run = _open_run(project, order, key)
    decisions, decided = _decide(project, order, rows, split)
    aids = Aids(order.start, progress, partial(LedgerMemo, project, run), learners=learners_of(project, order.learning))
    found = develop(project.charter, order.learning, split, decisions, aids)
    kept = pack_candidate(project, found, split, run, order.learning)
    trials = sorted(project.ledger.find("trial", subject=run.id), key=lambda fact: (fact.body.get("objective", ""), fact.body["number"]))
    body = {
        **_about(found, rows, split),
        **told_interval(found.plan, order.learning),
        "metric": project.charter.success.metric,
        "run": run.id,
        "dataset": order.dataset,
        "order": key,
        "holdout": sealed(project, split),
        **kept,
        **_members(project, found),
        "out_of_fold": keep_out_of_fold(project, found, split),
        "seconds": round(time.perf_counter() - started, 3),
        "trials": len(trials),
    }
    made = project.fact("candidate", named, body, causes=(run.id, decided.id, *(trial.id for trial in trials)))
    return project.ledger.record(made)


def rows_and_split(
    project: Project, dataset: Fact, learning: sections.Learning, windows: Sequence[str] | None = None, labels: int | None = NOW
) -> tuple[TrainingRows, Split]:
    """What a training uses of a dataset version: all its rows, or with ``preparation.sample`` those that are drawn or judge."""
    if project.charter.preparation.sample:
        return drawn(project, dataset, learning, windows, labels)
    rows = training_rows(project, dataset, windows, labels)
    return rows, split_all(project, rows)


def sealed(project: Project, split: Split) -> str:
    """Name of the holdout: its rows, without a sum of objectives that changes with their weights."""
    from homeostat.dataops.versions import content_digest

    combined = [project.charter.task.target] if project.charter.objectives else []
    return content_digest(split.holdout.drop(combined))


def _open_run(project: Project, order: Order, key: str) -> Fact:
    from homeostat.infra.provenance import code_commit, environment

    sources = sources_of(project, order.learning)
    body = {
        "purpose": order.purpose,
        "dataset": order.dataset,
        "learning": order.learning.model_dump(mode="json"),
        "start": dict(order.start or {}),
        "code": code_commit(project.root),
        "environment": environment(),
        **({"estimators": sources} if sources else {}),
    }
    return project.record("run", key, body, causes=(order.dataset, project.charter_fact().id))


def _decide(project: Project, order: Order, rows: TrainingRows, split: Split) -> tuple[tuple[Decision, ...], Fact]:
    """The decisions about columns, from the training rows, and the fact that tells them: one for equal rows and clauses."""
    from homeostat.flow.preparing import told
    from homeostat.preparation.decide import decide

    charter, task = project.charter, effective_task(project.charter)
    decisions = decide(split.train, task, charter.preparation, never_inputs(charter))
    clauses = {"task": task.model_dump(mode="json"), "preparation": charter.preparation.model_dump(mode="json")}
    key = digest({"dataset": order.dataset, "quarantined": sorted(rows.windows), **clauses})
    body = {"dataset": order.dataset, "rows": split.train.height, "columns": told(decisions)}
    return decisions, project.record("decisions", key, body, causes=(order.dataset,))


def _members(project: Project, found: Candidate) -> dict[str, object]:
    """What is kept of a sum of several models: each one, their weights, and what they said of the validation rows."""
    if not found.members:
        return {}
    judged = np.column_stack([member_scores(member, member.judged) for member in found.members.values()])
    models = {
        name: {"learner": member.learner, "window": member.window, "params": dict(member.params), "value": member.value}
        for name, member in found.members.items()
    }
    return {"models": models, "weights": weights_of(project.charter), "judged": project.blobs.put(dump_arrays({"members": judged}))}


def _about(found: Candidate, rows: TrainingRows, split: Split) -> dict[str, object]:
    return {
        "learner": found.learner,
        "window": found.window,
        "params": dict(found.params),
        "threshold": found.plan.threshold,
        "classes": list(found.plan.classes),
        "validation_value": found.value,
        "calibration": found.calibration,
        "rows": {"train": split.train.height, "validation": split.validation.height, "holdout": split.holdout.height},
        "left_out": {
            "unlabelled": rows.unlabelled,
            "quarantined": rows.quarantined,
            "windows": list(rows.windows),
            "gap": split.left_out,
            "undrawn": rows.undrawn,
        },
        "labels": rows.labels,
        "weakly_labelled": int((split.train[LABEL] == "rule").sum()),
    }
