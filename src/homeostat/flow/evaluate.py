"""Stage 6 as a journey: open the sealed holdout, score the candidate, the baseline and the champion on the same rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.ids import digest
from homeostat.errors import ProjectError
from homeostat.flow.amounts import amounts
from homeostat.flow.arrays import dump_arrays
from homeostat.flow.baseline import baseline_answers
from homeostat.flow.blocks import judged_block
from homeostat.flow.examine import examine
from homeostat.flow.objectives import objective_scores
from homeostat.flow.registry import champion, load_bundle
from homeostat.flow.reweigh import require_weights
from homeostat.flow.train import sealed
from homeostat.flow.training_rows import split_rows, training_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from homeostat.charter.schema import Charter
    from homeostat.core.facts import Fact
    from homeostat.core.records import Robustness, Split
    from homeostat.flow.project import Project


def evaluate(project: Project, candidate: Fact) -> Fact:
    """Score a candidate on its holdout and return the ``evaluation`` fact; each look at a holdout is a fact of its own.

    The same candidate against the same champion, by the same clauses, is not looked at twice: the evaluation that is there is returned.
    A champion whose charter changed is judged anew by itself, not against itself.

    Raises:
        ProjectError: HS608, the charter's split, or the weights of its objectives, have changed since the candidate was made.
    """
    from homeostat.core.ids import fact_id

    require_weights(project.charter, candidate)
    current = champion(project)
    if current is not None and current.fact.body["candidate"] == candidate.id:
        current = None
    judged_by = judging_digest(project.charter)
    key = digest({"candidate": candidate.id, "champion": current.fact.id if current else "", "judged_by": judged_by})
    known = project.ledger.get(fact_id("evaluation", key))
    if known is not None:
        return known
    dataset = project.require(str(candidate.body["dataset"]))
    rows = training_rows(project, dataset, candidate.body["left_out"]["windows"], candidate.body.get("labels"))
    split = split_rows(project, rows.frame)
    look = _open_holdout(project, split, candidate, key)
    arrays, without = _score_all(project, candidate, split, current.bundle if current else None)
    block = judged_block(project.charter, split.holdout)
    scores = _judge(project, candidate, split, arrays, block) + objective_scores(project, candidate, split, block)
    body: dict[str, object] = {
        "candidate": candidate.id,
        "champion": current.fact.id if current else "",
        "holdout": look.subject,
        "looks": len(project.ledger.find("holdout", subject=look.subject)),
        "rows": split.holdout.height,
        "block": block,
        "judged_by": judged_by,
        "baseline": {"kind": project.charter.success.baseline.label(), "rows_without": without},
        "currency": project.charter.value.currency,
        "arrays": project.blobs.put(dump_arrays(arrays)),
        "examination": examine(project, candidate, split, arrays, block),
        "scores": scores,
        "robustness": asdict(_robustness(project, candidate, split, arrays["y"])),
        **_intervals(project, candidate, split, arrays, block),
    }
    causes = (candidate.id, look.id, *((current.fact.id,) if current else ()))
    return project.record("evaluation", key, body, causes=causes)


def judging_digest(charter: Charter) -> str:
    """Name of everything a candidate is judged by: when one of these clauses changes, what was judged before is judged again."""
    return digest(
        {
            "success": charter.success.model_dump(mode="json"),
            "objectives": [each.model_dump(mode="json") for each in charter.objectives],
            "value": charter.value.model_dump(mode="json"),
            "mode": charter.problem.mode,
            "scale": charter.problem.scale.model_dump(mode="json"),
            "seed": charter.learning.seed,
            **({"coverage": charter.learning.intervals.coverage} if charter.learning.intervals is not None else {}),
        }
    )


def _open_holdout(project: Project, split: Split, candidate: Fact, evaluation: str) -> Fact:
    name = sealed(project, split)
    if name != candidate.body["holdout"]:
        raise ProjectError(
            "HS608",
            "the charter cuts another holdout now than when this candidate was trained; it may hold rows the candidate has seen",
            place="preparation.holdout",
            next_step="run `homeostat train` again",
        )
    body: dict[str, object] = {"rows": split.holdout.height, "candidate": candidate.id}
    return project.record("holdout", f"{name}:{evaluation}", body, subject=name, causes=(candidate.id,))


def _score_all(project: Project, candidate: Fact, split: Split, champion_bundle: str | None) -> tuple[dict[str, NDArray[np.float64]], int]:
    """Targets, scores and ends of intervals on the holdout by name, and for how many rows the baseline had no answer of its own."""
    from homeostat.core.targets import encode_target
    from homeostat.serving.predictor import Predictor

    task = project.charter.task
    classes = tuple(candidate.body["classes"])
    y = encode_target(split.holdout[task.target], classes)
    bundle = load_bundle(project, str(candidate.body["bundle"]))
    said = Predictor(bundle).say_frame(split.holdout)
    arrays = {"y": y, "ours": said.scores} | ({} if said.ends is None else {"ends": said.ends})
    answers = baseline_answers(project.charter, classes, split.development, split.holdout)
    arrays["baseline"] = answers.scores
    if champion_bundle is not None:
        serving = load_bundle(project, champion_bundle)
        theirs = Predictor(serving).predict_frame(split.holdout)
        arrays["champion"] = aligned(theirs, tuple(serving.manifest.classes), classes)
    return arrays, answers.without


def _intervals(
    project: Project, candidate: Fact, split: Split, arrays: Mapping[str, NDArray[np.float64]], block: int
) -> dict[str, list[dict[str, Any]]]:
    """What the candidate's intervals are worth on the holdout; nothing of one that has none."""
    from homeostat.evaluation.coverage import covered
    from homeostat.evaluation.segments import segment_labels
    from homeostat.stats.resample import Resampling

    if "ends" not in arrays:
        return {}
    charter = project.charter
    how = Resampling(charter.success.confidence, seed=charter.learning.seed, block=block)
    segments = segment_labels(split.holdout, charter.success.segments)
    found = covered(arrays["y"], arrays["ends"], float(candidate.body["intervals"]["coverage"]), segments, how)
    return {"intervals": [asdict(each) for each in found]}


def _robustness(project: Project, candidate: Fact, split: Split, y: NDArray[np.float64]) -> Robustness:
    """How the bundle takes rows of the holdout that are made to break it."""
    from homeostat.serving.robustness import robustness

    charter = project.charter
    return robustness(load_bundle(project, str(candidate.body["bundle"])), split.holdout, y, charter.success.metric, charter.learning.seed)


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
    from homeostat.evaluation.evaluate import Decided
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
        decided=Decided(float(candidate.body["threshold"]), amounts(charter, split.holdout)),
        seed=charter.learning.seed,
        block=block,
    )
    return [asdict(score) for score in scores]
