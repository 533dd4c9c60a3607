"""Stages 4 and 5 as a journey: split, search, and a candidate packed into a bundle whose parity is proved."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from homeostat.core.ids import digest
from homeostat.flow.labelling import labels_version
from homeostat.flow.training_rows import TrainingRows, training_rows
from homeostat.preparation.labelling import LABEL, weigh, with_weak

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from homeostat.core import sections
    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.core.records import Split
    from homeostat.flow.project import Project
    from homeostat.graph.plan import Floats
    from homeostat.learning.search import Candidate
    from homeostat.serving.bundle import Bundle
    from homeostat.serving.parity import ParityReport

LATENCY_CALLS = 400
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
    quarantined = sorted(fact.id for fact in project.ledger.find("quarantine"))
    parts = {
        "dataset": order.dataset,
        "task": charter.task.model_dump(mode="json"),
        "preparation": charter.preparation.model_dump(mode="json"),
        "learning": order.learning.model_dump(mode="json"),
        "metric": charter.success.metric,
        "value": charter.value.model_dump(mode="json"),
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
    found = _search(project, order, split, progress)
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
        "latency_p99_ms": latency_p99_ms(bundle, split.validation),
        "parity": {"rows": parity.rows, "max_difference": parity.max_difference, "flips": parity.flips, "passed": parity.passed},
        "profile": _reference_profile(project, order, bundle, split),
        "seconds": round(time.perf_counter() - started, 3),
        "trials": len(trials),
    }
    made = project.fact("candidate", key, body, causes=(run.id, *(trial.id for trial in trials)))
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


def _search(project: Project, order: Order, split: Split, progress: Progress | None) -> Candidate:
    from homeostat.core.targets import classes_of
    from homeostat.learning.search import Stages, search
    from homeostat.learning.threshold import payoff_threshold
    from homeostat.preparation.fit import fit
    from homeostat.stats.metrics import metric

    charter = project.charter
    classes = classes_of(split.train[charter.task.target], charter.task)
    stages = Stages(
        fit_preparation=lambda frame, flavour: fit(frame, charter.task, charter.preparation, flavour, classes),
        select_window=partial(_select, project),
    )
    payoff = charter.value.payoff
    return search(
        split,
        charter.task,
        order.learning,
        metric(charter.success.metric),
        stages,
        clock=time.monotonic,
        start=order.start,
        threshold=payoff_threshold(payoff) if payoff else 0.5,
        progress=partial(_say, progress) if progress else None,
    )


def _select(project: Project, frame: pl.DataFrame, window: sections.Window) -> tuple[pl.DataFrame, Floats | None]:
    """The rows of a window and their weights: those of age, times that of weak labels."""
    from homeostat.preparation.window import select

    rows, weights = select(frame, project.charter.task, window)
    return rows, weigh(rows, weights, project.charter.labelling.weight)


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
    }
    seen = pl.concat([split.train, split.validation])
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
        "labels": rows.labels,
        "weakly_labelled": int((split.train[LABEL] == "rule").sum()),
        "left_out": {"unlabelled": rows.unlabelled, "quarantined": rows.quarantined, "windows": list(rows.windows)},
    }


def _reference_profile(project: Project, order: Order, bundle: Bundle, split: Split) -> str:
    """Digest of the profile of the rows the model learned from, with its predictions and the targets."""
    import polars as pl

    from homeostat.core.ids import canonical
    from homeostat.flow.references import scored_profile
    from homeostat.preparation.window import select

    window = next(each for each in order.learning.windows if each.label() == bundle.manifest.facts["window"])
    rows, _ = select(pl.concat([split.train, split.validation]), project.charter.task, window)
    return project.blobs.put(canonical(scored_profile(project.charter, bundle, rows).to_dict()))


def latency_p99_ms(bundle: Bundle, frame: pl.DataFrame) -> float:
    """99th percentile of the time one row takes through the bundle's predictor, in milliseconds."""
    import numpy as np

    from homeostat.serving.predictor import Predictor

    predictor = Predictor(bundle)
    names = [source.name for source in bundle.manifest.inputs]
    rows = [_plain_row(row) for row in frame.select(names).head(50).iter_rows(named=True)]
    times = np.empty(LATENCY_CALLS)
    for call in range(LATENCY_CALLS):
        started = time.perf_counter()
        predictor.predict_rows([rows[call % len(rows)]])
        times[call] = time.perf_counter() - started
    return float(np.quantile(times, 0.99) * 1e3)


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    from datetime import date

    return {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}
