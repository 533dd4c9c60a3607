"""A model from outside as a candidate: wrapped, its parity proved, with the reference rows it is judged by and compared with."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from homeostat.charter.effective import never_inputs
from homeostat.core.ids import canonical, digest, fact_id
from homeostat.errors import DataError, LearningError, Refusal
from homeostat.flow.reference_rows import take_reference
from homeostat.flow.train import sealed
from homeostat.flow.training_rows import split_rows, training_rows

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.core.records import Split
    from homeostat.flow.project import Project
    from homeostat.flow.training_rows import TrainingRows
    from homeostat.infra.model_files import ModelFile
    from homeostat.serving.adopt import Asked, Wrapped
    from homeostat.serving.bundle import Bundle
    from homeostat.serving.parity import ParityReport

ADOPTED = "adopted"
PARITY_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to adopt: ``reference`` rows (None: the project's newest dataset version), and what a person says of the model.

    ``said`` maps the model's inputs to columns, ``output`` names its answer, ``classes`` those of the answer's columns in their order.
    ``fill_nulls`` gives it the reference's medians for nulls, ``trust`` lets code run that came with it, ``sha256`` is what it must be.
    """

    reference: Path | None = None
    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    output: str = ""
    classes: tuple[str, ...] = ()
    fill_nulls: bool = False
    trust: bool = False
    sha256: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Reference:
    """The reference rows: ``seen`` may be looked at; ``rows`` and ``split`` are there where they have labels."""

    fact: Fact
    seen: pl.DataFrame
    rows: TrainingRows | None
    split: Split | None

    @property
    def sample(self) -> pl.DataFrame:
        """Rows that are measured on: of a split those of validation."""
        return self.split.validation if self.split else self.seen


def adopt(
    project: Project, path: Path, wanted: Wanted, *, origin: Mapping[str, str] | None = None, progress: Progress | None = None
) -> Fact:
    """Wrap a model file or folder and return the ``candidate`` fact; the same model with the same rows and words is adopted once.

    Args:
        project: whose charter names the task, the target and the columns.
        path: an ONNX file, or the folder of an MLflow model.
        wanted: the reference rows and what is said of the model.
        origin: where it came from, if it is known better than by its path.
        progress: told what is being done.

    Raises:
        LearningError: HS375 to HS379 and HS385, it cannot be adopted, with the reason; HS384, a package is missing.
        DataError: the reference rows cannot be read; HS204, none of them has the target.
        Refusal: HS380, reading it would run code that came with it.
    """
    from homeostat.infra.model_files import read_model

    started = time.perf_counter()
    if project.charter.objectives:
        raise LearningError("HS376", "the charter adds up several objectives; a model from outside is one", place="objectives")
    found = read_model(path)
    if wanted.sha256 and found.sha256 != wanted.sha256.lower():
        raise LearningError("HS375", f"got SHA-256 {found.sha256}, wanted {wanted.sha256}: it was altered, or is another", place=str(path))
    reference = _reference(project, wanted)
    key = _key(project, found, wanted, reference.fact)
    known = project.ledger.get(fact_id("candidate", key))
    if known is not None:
        return known
    if progress is not None:
        progress.update(f"wrap {path.name}")
    wrapped, how = _wrapped(found, reference.seen, _asked(project, wanted, reference), trust=wanted.trust)
    wrapped = _deciding(project, wrapped, reference)
    run = _open_run(project, reference.fact, key)
    told = {"flavour": found.flavour, "path": str(path), "sha256": found.sha256}
    made_from = {**told, "how": how, **found.told, **(origin or {})}
    bundle, parity = _bundle(project, wrapped, reference, run, how, made_from)
    body = {
        **_about(project, wrapped, bundle, reference),
        "run": run.id,
        "dataset": reference.fact.id,
        "order": key,
        **_kept(project, bundle, parity, reference),
        "origin": made_from,
        "inputs": {name: list(columns) for name, columns in wrapped.columns.items()},
        "seconds": round(time.perf_counter() - started, 3),
        "trials": 0,
    }
    return project.ledger.record(project.fact("candidate", key, body, causes=(run.id, reference.fact.id, project.charter_fact().id)))


def _key(project: Project, found: ModelFile, wanted: Wanted, reference: Fact) -> str:
    charter = project.charter
    said = {"map": wanted.said, "output": wanted.output, "classes": wanted.classes, "fill": wanted.fill_nulls}
    clauses = {
        "task": charter.task.model_dump(mode="json"),
        "value": charter.value.model_dump(mode="json", include={"payoff", "amount", "costs"}),
        "preparation": charter.preparation.model_dump(mode="json"),
        "metric": charter.success.metric,
    }
    return digest({"adopted": found.sha256, "reference": reference.id, **said, **clauses})


def _reference(project: Project, wanted: Wanted) -> _Reference:
    """The reference rows, cut as the charter says where they have labels."""
    from homeostat.flow.datasets import read_dataset

    if wanted.reference is not None:
        fact = take_reference(project, wanted.reference)
    else:
        fact = project.latest("dataset", "give --reference ROWS, or run `homeostat ingest` first")
    frame, target = read_dataset(project, fact), project.charter.task.target
    if target not in frame.columns or frame[target].null_count() == frame.height:
        if wanted.reference is None:
            raise DataError("HS204", "no row of the dataset version has the target", place=f"column {target!r}")
        return _Reference(fact, frame, None, None)
    rows = training_rows(project, fact)
    split = split_rows(project, rows.frame)
    return _Reference(fact, split.development, rows, split)


def _asked(project: Project, wanted: Wanted, reference: _Reference) -> Asked:
    from homeostat.core.targets import classes_of, text_of
    from homeostat.serving.adopt import Asked

    task = project.charter.task
    left_out = {task.target, *never_inputs(project.charter)}
    return Asked(
        task=task.type,
        target=task.target,
        columns=tuple(name for name in reference.seen.columns if name not in left_out and not name.startswith("_")),
        classes=classes_of(reference.seen[task.target], task) if reference.split else (),
        positive="" if task.positive is None else text_of(task.positive),
        said=wanted.said,
        output=wanted.output,
        named=wanted.classes,
        fill=wanted.fill_nulls,
    )


def _wrapped(found: ModelFile, frame: pl.DataFrame, asked: Asked, *, trust: bool) -> tuple[Wrapped, str]:
    """The wrapped model, and how it was read."""
    from homeostat.graph.ports import ports_of
    from homeostat.infra.model_files import is_native, load_estimator
    from homeostat.serving.adopt import wrap

    if found.flavour == "onnx":
        inputs = ports_of(found.content).inputs
        if found.columns and not asked.said and len(inputs) == 1 and inputs[0].width in (None, len(found.columns)):
            asked = replace(asked, said={inputs[0].name: found.columns})
        return wrap(found.content, frame, asked), "the ONNX graph as it is"
    if found.flavour == "homeostat":
        return _our_own(found, asked), "a bundle that homeostat exported"
    if not is_native(found) and not trust:
        raise Refusal(
            "HS380",
            f"its {found.flavour} model is a pickle: to read it is to run whatever code its maker put there, as you, on this machine",
            place=str(found.path),
            next_step="if you know who made it, and how it came here, say --trust; an ONNX export needs no trust",
        )
    from homeostat.flow.outside_estimators import wrap_estimator
    from homeostat.learning.outside import read_outside
    from homeostat.stats.metrics import metric

    outside = read_outside(load_estimator(found), metric("rmse" if asked.task == "regression" else "log_loss"))
    wrapped, own = wrap_estimator(outside, frame, asked, found.columns)
    return wrapped, "its trees or weights as nodes of a plan" if own else "converted by skl2onnx"


def _our_own(found: ModelFile, asked: Asked) -> Wrapped:
    """A bundle of another project: its plan as it is, its own graph the oracle."""
    from homeostat.graph.encode import load_plan
    from homeostat.serving.adopt import Wrapped, ordered_classes
    from homeostat.serving.bundle import unpack
    from homeostat.serving.predictor import Predictor

    bundle = unpack(found.content)
    plan = load_plan(bundle.plan)
    if (plan.task, plan.target) != (asked.task, asked.target):
        got = f"the bundle answers {plan.target!r}, a {plan.task}; the charter asks for {asked.target!r}, a {asked.task}"
        raise LearningError("HS378", got, place=str(found.path))
    if plan.classes:
        classes, _ = ordered_classes(plan.classes, len(plan.classes), asked)
        if set(classes) == set(plan.classes) and plan.task == "binary" and classes != plan.classes:
            raise LearningError(
                "HS378", f"its positive class is {plan.classes[1]!r}; the charter's is {classes[1]!r}", place="task.positive"
            )
    return Wrapped(plan, Predictor(bundle).predict_frame, {"plan": tuple(each.name for each in plan.inputs)})


def _deciding(project: Project, wrapped: Wrapped, reference: _Reference) -> Wrapped:
    """The model with the charter's rule of decision; scores don't change."""
    from homeostat.core.targets import encode_target
    from homeostat.flow.amounts import amounts
    from homeostat.learning.threshold import with_decision

    value, amount, judged = project.charter.value, None, reference.seen.head(0)
    if reference.split is not None:
        judged = reference.split.validation
        amount = amounts(project.charter, judged)
    y = encode_target(judged[project.charter.task.target], wrapped.plan.classes) if reference.split else np.zeros(0)
    scores = wrapped.oracle(judged) if amount is not None else np.zeros((0, 2))
    return replace(wrapped, plan=with_decision(wrapped.plan, value, y, scores, amount))


def _open_run(project: Project, reference: Fact, key: str) -> Fact:
    from homeostat.infra.provenance import code_commit, environment

    body = {
        "purpose": "adopt",
        "dataset": reference.id,
        "learning": project.charter.learning.model_dump(mode="json"),
        "start": {},
        "code": code_commit(project.root),
        "environment": environment(),
    }
    return project.record("run", key, body, causes=(reference.id, project.charter_fact().id))


def _bundle(
    project: Project, wrapped: Wrapped, reference: _Reference, run: Fact, how: str, origin: Mapping[str, str]
) -> tuple[Bundle, ParityReport]:
    """The bundle, compared with how the model itself answers; of a graph on rows that are made to break it, too.

    Raises:
        LearningError: HS385, it does not answer as the model itself does.
    """
    import polars as pl

    from homeostat.serving.bundle import build
    from homeostat.serving.parity import SINGLE_TOLERANCE, TOLERANCE, parity, stress_frame

    charter, seen = project.charter, reference.seen
    used = {each.name for each in wrapped.plan.inputs}
    ignored = dict.fromkeys([charter.task.target, *(name for name in seen.columns if not name.startswith("_"))])
    facts = {
        "run": run.id,
        "dataset": reference.fact.id,
        "charter": project.charter_digest,
        "learner": ADOPTED,
        **{name: origin[name] for name in ("flavour", "sha256")},
    }
    bundle = build(
        wrapped.plan,
        name=charter.name,
        sample=reference.sample,
        ignored=[name for name in ignored if name not in used],
        facts=facts,
        created=run.at.isoformat(),
    )
    rows = seen.sample(min(PARITY_ROWS, seen.height), seed=charter.learning.seed)
    graph = origin["flavour"] in ("onnx", "homeostat")
    if graph:
        rows = pl.concat([rows, stress_frame(rows, wrapped.plan.inputs, charter.learning.seed)], how="diagonal_relaxed")
    report = parity(bundle, rows, wrapped.oracle(rows), TOLERANCE if graph else SINGLE_TOLERANCE)
    if not report.passed:
        off = f"{report.max_difference:.1e} at most, and {report.flips} of {report.rows} reference rows decided otherwise"
        step = f"allowed are {report.tolerance:g} and none; adopt an ONNX export of it"
        raise LearningError("HS385", f"{how}, its answers are off by {off}", place=origin["path"], next_step=step)
    return bundle.with_parity(report), report


def _about(project: Project, wrapped: Wrapped, bundle: Bundle, reference: _Reference) -> dict[str, object]:
    from homeostat.core import sections
    from homeostat.core.targets import encode_target
    from homeostat.serving.predictor import Predictor
    from homeostat.stats.metrics import metric

    charter, split, rows, value = project.charter, reference.split, reference.rows, None
    if split is not None:
        y = encode_target(split.validation[charter.task.target], wrapped.plan.classes)
        measured = float(metric(charter.success.metric).score(y, Predictor(bundle).predict_frame(split.validation)))
        value = measured if np.isfinite(measured) else None
    return {
        "learner": ADOPTED,
        "window": sections.Window().label(),
        "params": {},
        "threshold": wrapped.plan.threshold,
        "classes": list(wrapped.plan.classes),
        "validation_value": value,
        "calibration": "none",
        "metric": charter.success.metric,
        "rows": {
            "train": 0,
            "validation": split.validation.height if split else reference.seen.height,
            "holdout": split.holdout.height if split else 0,
        },
        "left_out": {
            "unlabelled": rows.unlabelled if rows else reference.seen.height,
            "quarantined": rows.quarantined if rows else 0,
            "windows": list(rows.windows) if rows else [],
            "gap": split.left_out if split else 0,
            "undrawn": 0,
        },
        "labels": rows.labels if rows else None,
        "weakly_labelled": 0,
        "holdout": sealed(project, split) if split else "",
    }


def _kept(project: Project, bundle: Bundle, parity: ParityReport, reference: _Reference) -> dict[str, object]:
    from homeostat.flow.footprint import measure_footprint
    from homeostat.flow.references import scored_profile
    from homeostat.serving.bundle import pack

    packed = pack(bundle)
    return {
        "bundle": project.blobs.put(packed),
        "size_mb": round(len(packed) / 1e6, 4),
        **asdict(measure_footprint(bundle, reference.sample)),
        "parity": {**asdict(parity), "passed": parity.passed},
        "profile": project.blobs.put(canonical(scored_profile(project.charter, bundle, reference.seen).to_dict())),
    }
