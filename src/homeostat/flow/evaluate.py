"""Stage 6 as a journey: open the sealed holdout, score the candidate, the baseline and the champion on the same rows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.ids import digest
from homeostat.errors import ProjectError
from homeostat.flow.baseline import naive_scores
from homeostat.flow.blocks import block_length
from homeostat.flow.registry import champion, load_bundle
from homeostat.flow.train import split_rows
from homeostat.flow.training_rows import training_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from homeostat.core.facts import Fact
    from homeostat.core.records import Split
    from homeostat.flow.project import Project


def evaluate(project: Project, candidate: Fact) -> Fact:
    """Score a candidate on its holdout and return the ``evaluation`` fact; each look at a holdout is a fact of its own.

    The same candidate against the same champion is not looked at twice: the evaluation that is there is returned.

    Raises:
        ProjectError: HS608, the charter's split has changed since the candidate was trained.
    """
    from homeostat.core.ids import fact_id

    current = champion(project)
    key = digest({"candidate": candidate.id, "champion": current.fact.id if current else ""})
    known = project.ledger.get(fact_id("evaluation", key))
    if known is not None:
        return known
    dataset = project.require(str(candidate.body["dataset"]))
    rows = training_rows(project, dataset, candidate.body["left_out"]["windows"], candidate.body.get("labels"))
    split = split_rows(project, rows.frame)
    look = _open_holdout(project, split, candidate)
    arrays = _score_all(project, candidate, split, current.bundle if current else None)
    block = block_length(project.charter, split.holdout)
    scores = _judge(project, candidate, split, arrays, block)
    body: dict[str, object] = {
        "candidate": candidate.id,
        "champion": current.fact.id if current else "",
        "holdout": look.subject,
        "looks": len(project.ledger.find("holdout", subject=look.subject)),
        "rows": split.holdout.height,
        "block": block,
        "arrays": project.blobs.put(dump_arrays(arrays)),
        "scores": scores,
    }
    causes = (candidate.id, look.id, *((current.fact.id,) if current else ()))
    return project.record("evaluation", key, body, causes=causes)


def dump_arrays(arrays: Mapping[str, NDArray[np.float64]]) -> bytes:
    """Named float64 arrays as one npz file (no pickle)."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def load_arrays(content: bytes) -> dict[str, NDArray[np.float64]]:
    """What ``dump_arrays`` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _open_holdout(project: Project, split: Split, candidate: Fact) -> Fact:
    from homeostat.dataops.versions import content_digest

    sealed = content_digest(split.holdout)
    if sealed != candidate.body["holdout"]:
        raise ProjectError(
            "HS608",
            "the charter cuts another holdout now than when this candidate was trained; it may hold rows the candidate has seen",
            place="preparation.holdout",
            next_step="run `homeostat train` again",
        )
    body: dict[str, object] = {"rows": split.holdout.height, "candidate": candidate.id}
    return project.record("holdout", f"{sealed}:{candidate.id}", body, subject=sealed, causes=(candidate.id,))


def _score_all(project: Project, candidate: Fact, split: Split, champion_bundle: str | None) -> dict[str, NDArray[np.float64]]:
    import polars as pl

    from homeostat.core.targets import encode_target
    from homeostat.serving.predictor import Predictor

    task = project.charter.task
    classes = tuple(candidate.body["classes"])
    y = encode_target(split.holdout[task.target], classes)
    developed = encode_target(pl.concat([split.train, split.validation])[task.target], classes)
    bundle = load_bundle(project, str(candidate.body["bundle"]))
    arrays = {"y": y, "ours": Predictor(bundle).predict_frame(split.holdout)}
    arrays["baseline"] = naive_scores(project.charter, classes, developed, len(y))
    if champion_bundle is not None:
        serving = load_bundle(project, champion_bundle)
        theirs = Predictor(serving).predict_frame(split.holdout)
        arrays["champion"] = aligned(theirs, tuple(serving.manifest.classes), classes)
    return arrays


def aligned(scores: NDArray[np.float64], have: tuple[str, ...], want: tuple[str, ...]) -> NDArray[np.float64]:
    """Class scores in another order of classes; a class the model does not know gets 0."""
    if have == want:
        return scores
    out = np.zeros((scores.shape[0], len(want)))
    for column, name in enumerate(have):
        if name in want:
            out[:, want.index(name)] = scores[:, column]
    return out


def _judge(project: Project, candidate: Fact, split: Split, arrays: Mapping[str, NDArray[np.float64]], block: int) -> list[dict[str, Any]]:
    from dataclasses import asdict

    from homeostat.evaluation.evaluate import evaluate as score_rows
    from homeostat.evaluation.segments import segment_labels

    charter = project.charter
    scores = score_rows(
        arrays["y"],
        arrays["ours"],
        task_type=charter.task.type,
        classes=tuple(candidate.body["classes"]),
        success=charter.success,
        segments=segment_labels(split.holdout, charter.success.segments),
        value=charter.value,
        threshold=float(candidate.body["threshold"]),
        seed=charter.learning.seed,
        block=block,
    )
    return [asdict(score) for score in scores]
