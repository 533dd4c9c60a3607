"""Why a model says what it says: over all rows, in a segment, and of single rows. The holdout is not looked at.

What it takes to explain a row, counts of the leaves that training rows reach, means, a few rows, is kept with the explanation.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.ids import digest, fact_id
from homeostat.errors import DataError
from homeostat.flow.arrays import dump_arrays, load_arrays
from homeostat.flow.origins import charter_then, learning_then, split_then
from homeostat.flow.registry import champion, load_bundle, version_numbered
from homeostat.graph.explain import Explained, Reference, exactly, explain, reference_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.core.records import Split
    from homeostat.evaluation.importance import Importance
    from homeostat.flow.project import Project
    from homeostat.graph.plan import Plan
    from homeostat.serving.predictor import Predictor

REFERENCE_ROWS = 20_000
EXACT_ROWS, SAMPLED_ROWS = 2_000, 100
"""Validation rows that are explained at most: a sampled one asks the model some thousand times."""
RESAMPLES = 500
FORMAT = 1
"""Part of what names an explanation: one of another format is made anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What one row's score is made of: ``base`` and what each column adds sum to ``score``, for one of the outputs."""

    row: int
    output: str
    base: float
    score: float
    added: tuple[tuple[str, Any, float], ...]
    errors: tuple[float, ...] = ()


def candidate_to_explain(project: Project, version: int | None) -> Fact:
    """The candidate behind a version; of none asked for the champion's, or the newest there is.

    Raises:
        ProjectError: HS605, no such version; HS608, nothing is trained yet.
    """
    chosen = champion(project) if version is None else version_numbered(project, version)
    if chosen is None:
        return project.latest("candidate", "run `homeostat train` first")
    return project.require(str(chosen.fact.body["candidate"]))


def explain_candidate(project: Project, candidate: Fact, progress: Progress | None = None) -> Fact:
    """The ``explanation`` fact of a candidate: what it leans on over its validation rows and in each of the charter's segments.

    A candidate is explained once for each set of segments.

    Raises:
        LearningError: HS311, what it was trained on is not to be had.
    """
    from homeostat.evaluation.importance import importances
    from homeostat.evaluation.segments import judged_segments, segment_labels

    segments = sorted(project.charter.success.segments)
    key = digest({"candidate": candidate.id, "segments": segments, "format": FORMAT})
    known = project.ledger.get(fact_id("explanation", key))
    if known is not None:
        return known
    plan, predictor = _model(project, str(candidate.body["bundle"]))
    if progress is not None:
        progress.update(f"explain {candidate.body['learner']}")
    seed = project.charter.learning.seed
    rows, judged = _rows(project, candidate, plan)
    reference = reference_of(plan, rows, seed)
    found = _explained(plan, predictor, judged, reference, seed)
    how = _how(project)
    labels = segment_labels(judged, [name for name in segments if name in judged.columns])
    parts = {f"{column}={label}": at for column, said in labels.items() for label, at in judged_segments(said).items()}
    arrays = {"values": found.values, "base": found.base, **reference.arrays()}
    body = {
        "candidate": candidate.id,
        "bundle": candidate.body["bundle"],
        "of": "validation",
        "rows": judged.height,
        "method": found.method,
        "scale": found.scale,
        "outputs": list(found.outputs),
        "inputs": list(found.columns),
        "base": found.base.tolist(),
        "standard_error": None if found.errors is None else float(found.errors.mean()),
        "confidence": how.confidence,
        "columns": _plain(importances(found, how)),
        "segments": {name: {"rows": len(at), "columns": _plain(importances(found, how, at))} for name, at in parts.items()},
        "arrays": project.blobs.put(dump_arrays(arrays if found.errors is None else arrays | {"errors": found.errors})),
    }
    return project.record("explanation", key, body, subject=candidate.id, causes=(candidate.id,))


def explain_segment(project: Project, explanation: Fact, asked: str) -> dict[str, Any]:
    """What the model leans on in the rows of a segment, ``column=value``, the charter's or any other.

    Raises:
        DataError: HS330, it is written otherwise, names no column, or no explained row lies in it; HS203, no such column.
    """
    from homeostat.evaluation.importance import importances
    from homeostat.evaluation.segments import segment_labels

    column, given, value = asked.partition("=")
    if not given or not column:
        raise DataError("HS330", f"got {asked!r}; a segment is written column=value", place="--segment")
    candidate = project.require(str(explanation.body["candidate"]))
    plan, _ = _model(project, str(explanation.body["bundle"]))
    _, judged = _rows(project, candidate, plan)
    labels = segment_labels(judged, [column])[column]
    at = np.array([row for row, label in enumerate(labels) if label == value], dtype=np.int64)
    if not len(at):
        have = ", ".join(repr(each) for each in sorted(set(labels))[:12])
        raise DataError("HS330", f"none of the {len(labels)} explained rows has {column}={value}; they have {have}", place="--segment")
    return {"segment": asked, "rows": len(at), "columns": _plain(importances(explained_of(project, explanation), _how(project), at))}


def explain_rows(project: Project, explanation: Fact, frame: pl.DataFrame) -> tuple[Told, ...]:
    """What each column adds to the scores of given rows, the largest first; of several classes, to that of the most likely one.

    Raises:
        DataError: HS203, an input is missing; HS205, a value of the wrong kind.
    """
    plan, predictor = _model(project, str(explanation.body["bundle"]))
    reference = Reference.of_arrays(load_arrays(project.blobs.get(str(explanation.body["arrays"]))))
    found = _explained(plan, predictor, frame, reference, project.charter.learning.seed)
    scores = found.base + found.values.sum(axis=1)
    return tuple(_told(found, frame, row, int(np.argmax(scores[row])), scores) for row in range(frame.height))


def explain_predictions(project: Project, ids: Sequence[str], progress: Progress | None = None) -> list[tuple[Fact, Told]]:
    """Served answers explained by the version that gave them: each with the explanation of its model.

    Raises:
        ProjectError: HS605, no prediction of such an id is in the log.
    """
    import polars as pl

    from homeostat.flow.trace import prediction

    found = []
    for each in ids:
        record = prediction(project, each)
        fact = explain_candidate(project, candidate_to_explain(project, int(record["version"])), progress)
        row = pl.DataFrame([{name: record["inputs"].get(name) for name in fact.body["inputs"]}], infer_schema_length=None)
        found.append((fact, explain_rows(project, fact, row)[0]))
    return found


def explained_of(project: Project, explanation: Fact) -> Explained:
    """The explained validation rows of an explanation, from its blob."""
    body, arrays = explanation.body, load_arrays(project.blobs.get(str(explanation.body["arrays"])))
    return Explained(
        tuple(body["inputs"]), tuple(body["outputs"]), body["scale"], body["method"], arrays["base"], arrays["values"], arrays.get("errors")
    )


def _model(project: Project, bundle: str) -> tuple[Plan, Predictor]:
    from homeostat.graph.encode import load_plan
    from homeostat.serving.predictor import Predictor

    kept = load_bundle(project, bundle)
    return load_plan(kept.plan), Predictor(kept)


def _explained(plan: Plan, predictor: Predictor, frame: pl.DataFrame, reference: Reference, seed: int) -> Explained:
    from homeostat.graph.decode import decode_frame

    return explain(plan, decode_frame(plan.inputs, frame), reference, predictor.score_decoded, seed)


def _rows(project: Project, candidate: Fact, plan: Plan) -> tuple[Any, pl.DataFrame]:
    """Decoded rows that the model learned from, and the validation rows that are explained: some of each, the same ones every time."""
    from homeostat.graph.decode import decode_frame

    run = project.require(str(candidate.body["run"]))
    learning = learning_then(run)
    with replace(project, charter=charter_then(project, candidate, run)) as then:
        split = split_then(then, candidate, run, learning)
        learned = _learned_from(then, candidate, learning.windows, split)
    rng = np.random.default_rng(learning.seed)
    some = _some(learned, REFERENCE_ROWS, rng)
    return decode_frame(plan.inputs, some), _some(split.validation, EXACT_ROWS if exactly(plan) else SAMPLED_ROWS, rng)


def _learned_from(project: Project, candidate: Fact, windows: Sequence[Any], split: Split) -> pl.DataFrame:
    from homeostat.core import sections
    from homeostat.flow.preparing import training_window

    window = next((each for each in windows if each.label() == candidate.body["window"]), sections.Window())
    return training_window(project.charter, split.development, window)[0]


def _some(frame: pl.DataFrame, most: int, rng: np.random.Generator) -> pl.DataFrame:
    return frame if frame.height <= most else frame[np.sort(rng.choice(frame.height, most, replace=False))]


def _how(project: Project) -> Any:
    from homeostat.stats.resample import Resampling

    return Resampling(project.charter.success.confidence, RESAMPLES, project.charter.learning.seed)


def _plain(found: Sequence[Importance]) -> list[Mapping[str, Any]]:
    """Importances as a fact tells them: without what no number can be given for."""
    return [{name: value for name, value in asdict(each).items() if isinstance(value, str) or np.isfinite(value)} for each in found]


def _told(found: Explained, frame: pl.DataFrame, row: int, output: int, scores: Any) -> Told:
    added = found.values[row, :, output]
    order = np.argsort(-np.abs(added), kind="stable")
    names = [(found.columns[at], frame[found.columns[at]][row], float(added[at])) for at in order.tolist()]
    errors = () if found.errors is None else tuple(float(found.errors[row, at, output]) for at in order.tolist())
    return Told(row, found.outputs[output], float(found.base[output]), float(scores[row, output]), tuple(names), errors)
