"""A candidate's error taken apart: its choice is fitted on resampled training rows and judged on the validation rows, never the holdout."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.ids import digest, fact_id
from homeostat.errors import LearningError

if TYPE_CHECKING:
    from homeostat.charter.schema import Charter
    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.core.records import Split
    from homeostat.flow.develop import Aids
    from homeostat.flow.project import Project
    from homeostat.learning.candidate import Candidate


def bias_and_variance(project: Project, candidate: Fact, refits: int, progress: Progress | None = None) -> Fact:
    """The ``bias_variance`` fact of a candidate and so many refits; made once.

    Learner, params and windows are the candidate's, and so is the rule of decision; training rows are drawn with replacement and kept in
    their order. A resample on which nothing can be learned (one class only) is drawn again.

    Raises:
        LearningError: HS320, ten resamples in a row could not be learned from; HS311 or HS381, it cannot be trained again.
    """
    from homeostat.core import sections
    from homeostat.core.targets import encode_target
    from homeostat.evaluation.bias_variance import decompose
    from homeostat.flow.develop import Aids
    from homeostat.flow.estimators import learners_of
    from homeostat.flow.origins import require_trained
    from homeostat.flow.train import rows_and_split

    require_trained(candidate)
    seed = project.charter.learning.seed
    key = digest({"candidate": candidate.id, "refits": refits, "seed": seed})
    known = project.ledger.get(fact_id("bias_variance", key))
    if known is not None:
        return known
    run, body = project.require(str(candidate.body["run"])), candidate.body
    learning = sections.Learning.model_validate_json(json.dumps(run.body["learning"]))
    dataset = project.require(str(body["dataset"]))
    _, split = rows_and_split(project, dataset, learning, body["left_out"]["windows"], body["labels"])
    aids = Aids(made=body, learners=learners_of(project, learning))
    rng, answers, decisions = np.random.default_rng(seed), [], []
    for at in range(refits):
        if progress:
            progress.update(f"fit on resample {at + 1} of {refits}", done=at / refits)
        found = _refit(project.charter, learning, split, aids, rng)
        answers.append(found.judged)
        decisions.append(_decided(candidate, found))
    classes = tuple(body["classes"])
    y = encode_target(split.validation[project.charter.task.target], classes)
    losses = decompose(y, np.stack(answers), np.stack(decisions) if classes else None)
    told = {
        "candidate": candidate.id,
        "refits": refits,
        "rows": split.validation.height,
        "seed": seed,
        "losses": [asdict(each) for each in losses],
    }
    return project.record("bias_variance", key, told, subject=candidate.id, causes=(candidate.id,))


def _refit(charter: Charter, learning: Any, split: Split, aids: Aids, rng: np.random.Generator) -> Candidate:
    from homeostat.charter.effective import effective_task, never_inputs
    from homeostat.flow.develop import develop
    from homeostat.preparation.decide import decide

    decisions = decide(split.train, effective_task(charter), charter.preparation, never_inputs(charter))
    for _ in range(10):
        drawn = np.sort(rng.integers(0, split.train.height, split.train.height))
        resampled = replace(split, train=split.train[drawn], folds=())
        try:
            return develop(charter, learning, resampled, decisions, aids)
        except LearningError as error:
            if error.code not in {"HS301", "HS302"}:
                raise
            reason = error.message
    raise LearningError(
        "HS320",
        f"ten resamples of the {split.train.height} training rows could not be learned from: {reason}",
        place="--bias-variance",
        next_step="give more rows of the rarest class",
    )


def _decided(candidate: Fact, found: Candidate) -> Any:
    """The classes (n,) that the candidate's own rule decides of a refit's scores."""
    from homeostat.stats.decisions import DecisionRule

    costs = () if found.plan.costs is None else tuple(tuple(row) for row in found.plan.costs.tolist())
    return DecisionRule(float(candidate.body["threshold"]), costs).classes(found.judged)
