"""Stages 4 and 5 as a journey: split, decisions, search, and a candidate packed into a bundle whose parity is proved."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from homeostat.charter.effective import effective_task, purpose
from homeostat.core.ids import digest
from homeostat.flow.footprint import measure_footprint
from homeostat.flow.labelling import labels_version
from homeostat.flow.training_rows import TrainingRows, training_rows
from homeostat.preparation.labelling import LABEL, with_weak

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from homeostat.core import sections
    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.core.records import Decision, Split
    from homeostat.flow.project import Project
    from homeostat.learning.search import Candidate
    from homeostat.serving.bundle import Bundle
    from homeostat.serving.parity import ParityReport

PARITY_ROWS = 2_000


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
    parts = {
        "dataset": order.dataset,
        "task": effective_task(charter).model_dump(mode="json"),
        "preparation": charter.preparation.model_dump(mode="json"),
        "learning": order.learning.model_dump(mode="json"),
        "metric": charter.success.metric,
        "value": decided_by,
        "purpose": order.purpose,
        "start": dict(order.start or {}),
        "quarantined": quarantined,
        "labels": labels_version(project),
        "labelling": charter.labelling.model_dump(mode="json"),
    }
    return digest(parts)


def train(project: Project, order: Order, progress: Progress | None = None) -> Fact:
    """Search under the order's budget, pack the winner, prove its parity, and return the ``candidate`` fact.

    The same order on the same project returns the candidate that is already there.
    """
    from homeostat.core.ids import fact_id
    from homeostat.dataops.versions import content_digest

    key = order_key(project, order)
    known = project.ledger.get(fact_id("candidate", key))
    if known is not None:
        return known
    started = time.perf_counter()
    rows = training_rows(project, project.require(order.dataset))
    split = with_weak(split_rows(project, rows.frame), rows.weak, project.charter.task, project.charter.preparation.split.group)
    run = _open_run(project, order, key)
    decisions, decided = _decide(project, order, rows, split)
    found = _search(project, order, split, decisions, progress)
    bundle, parity = _pack(project, found, split, run)
    packed = _store(project, bundle)
    trials = _trials(project, run, found)
    body = {
        **_about(found, rows, split),
        "metric": project.charter.success.metric,
        "run": run.id,
        "dataset": order.dataset,
        "holdout": content_digest(split.holdout),
        "bundle": packed,
        "size_mb": round(len(project.blobs.get(packed)) / 1e6, 4),
        **asdict(measure_footprint(bundle, split.validation)),
        "parity": {"rows": parity.rows, "max_difference": parity.max_difference, "flips": parity.flips, "passed": parity.passed},
        "profile": _reference_profile(project, order, bundle, split),
        "seconds": round(time.perf_counter() - started, 3),
        "trials": len(trials),
    }
    made = project.fact("candidate", key, body, causes=(run.id, decided.id, *(trial.id for trial in trials)))
    return project.ledger.record(made, *trials)


def split_rows(project: Project, frame: pl.DataFrame) -> Split:
    """The charter's split of the training rows."""
    from homeostat.preparation.split import split

    return split(frame, project.charter.task, project.charter.preparation)


def _open_run(project: Project, order: Order, key: str) -> Fact:
    from homeostat.infra.provenance import code_commit, environment

    body = {
        "purpose": order.purpose,
        "dataset": order.dataset,
        "learning": order.learning.model_dump(mode="json"),
        "start": dict(order.start or {}),
        "code": code_commit(project.root),
        "environment": environment(),
    }
    return project.record("run", key, body, causes=(order.dataset, project.charter_fact().id))


def _decide(project: Project, order: Order, rows: TrainingRows, split: Split) -> tuple[tuple[Decision, ...], Fact]:
    """The decisions about columns, from the training rows, and the fact that tells them: one for equal rows and clauses."""
    from homeostat.flow.preparing import told
    from homeostat.preparation.decide import decide

    charter, task = project.charter, effective_task(project.charter)
    decisions = decide(split.train, task, charter.preparation)
    clauses = {"task": task.model_dump(mode="json"), "preparation": charter.preparation.model_dump(mode="json")}
    key = digest({"dataset": order.dataset, "quarantined": sorted(rows.windows), **clauses})
    body = {"dataset": order.dataset, "rows": split.train.height, "columns": told(decisions)}
    return decisions, project.record("decisions", key, body, causes=(order.dataset,))


def _search(project: Project, order: Order, split: Split, decisions: tuple[Decision, ...], progress: Progress | None) -> Candidate:
    from homeostat.core.targets import classes_of, encode_target
    from homeostat.flow.amounts import amounts
    from homeostat.flow.preparing import stages_of
    from homeostat.learning.search import search
    from homeostat.learning.threshold import with_decision
    from homeostat.stats.metrics import metric

    charter, task = project.charter, effective_task(project.charter)
    classes = classes_of(split.train[charter.task.target], task)
    found = search(
        split,
        task,
        order.learning,
        metric(charter.success.metric),
        stages_of(charter, split, decisions),
        clock=time.monotonic,
        start=order.start,
        progress=partial(_say, progress) if progress else None,
    )
    y = encode_target(split.validation[task.target], classes)
    return replace(found, plan=with_decision(found.plan, charter.value, y, found.judged, amounts(charter, split.validation)))


def _say(progress: Progress, message: str, done: float | None = None) -> None:
    progress.update(f"train {message}", done=done)


def _pack(project: Project, found: Candidate, split: Split, run: Fact) -> tuple[Bundle, ParityReport]:
    import polars as pl

    from homeostat.serving.bundle import build
    from homeostat.serving.parity import parity, stress_frame

    charter = project.charter
    used = {source.name for source in found.plan.inputs}
    ignored = [name for name in split.train.columns if name not in used and not name.startswith("_")]
    facts = {
        "run": run.id,
        "dataset": str(run.body["dataset"]),
        "charter": project.charter_digest,
        "commit": str(run.body["code"].get("commit", "")),
        "learner": found.learner,
        "window": found.window,
        **{name: str(said) for name, said in purpose(charter).items() if name in ("statement", "objective", "decision", "business_metric")},
    }
    seen = split.development
    sample = seen.sample(min(PARITY_ROWS, seen.height), seed=charter.learning.seed)
    rows = pl.concat([sample, stress_frame(sample, found.plan.inputs, charter.learning.seed)], how="diagonal_relaxed")
    bundle = build(found.plan, name=charter.name, sample=split.validation, ignored=ignored, facts=facts, created=run.at.isoformat())
    report = parity(bundle, rows, found.oracle(rows))
    return bundle.with_parity(report), report


def _store(project: Project, bundle: Bundle) -> str:
    from homeostat.serving.bundle import pack

    return project.blobs.put(pack(bundle))


def _trials(project: Project, run: Fact, found: Candidate) -> list[Fact]:
    facts = []
    for trial in found.trials:
        body = {
            "number": trial.number,
            "learner": trial.learner,
            "window": trial.window,
            "params": dict(trial.params),
            "value": trial.value,
            "seconds": round(trial.seconds, 4),
            "reason": trial.reason,
        }
        facts.append(project.fact("trial", f"{run.id}:{trial.number}", body, subject=run.id, causes=(run.id,)))
    return facts


def _about(found: Candidate, rows: TrainingRows, split: Split) -> dict[str, object]:
    return {
        "learner": found.learner,
        "window": found.window,
        "params": dict(found.params),
        "threshold": found.plan.threshold,
        "classes": list(found.plan.classes),
        "validation_value": found.value,
        "rows": {"train": split.train.height, "validation": split.validation.height, "holdout": split.holdout.height},
        "left_out": {
            "unlabelled": rows.unlabelled,
            "quarantined": rows.quarantined,
            "windows": list(rows.windows),
            "gap": split.left_out,
        },
        "labels": rows.labels,
        "weakly_labelled": int((split.train[LABEL] == "rule").sum()),
    }


def _reference_profile(project: Project, order: Order, bundle: Bundle, split: Split) -> str:
    """Digest of the profile of the rows the model learned from, with its predictions and the targets."""
    from homeostat.core.ids import canonical
    from homeostat.flow.references import scored_profile
    from homeostat.preparation.window import select

    window = next(each for each in order.learning.windows if each.label() == bundle.manifest.facts["window"])
    rows, _ = select(split.development, project.charter.task, window)
    return project.blobs.put(canonical(scored_profile(project.charter, bundle, rows).to_dict()))
