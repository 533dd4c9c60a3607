"""Each objective by itself, on the holdout and among the labels: its own truth, its own model's answers, its own metric."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.charter.effective import charter_of
from homeostat.core.sections import Success

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.core.records import Split
    from homeostat.flow.project import Project
    from homeostat.graph.plan import Floats


def objective_scores(project: Project, candidate: Fact, split: Split, block: int) -> list[dict[str, Any]]:
    """Each objective's metric on the holdout with its interval, by the candidate's member for it; none without objectives."""
    from homeostat.core.targets import classes_of, encode_target
    from homeostat.evaluation.evaluate import evaluate

    charter = project.charter
    said = _members(project, candidate, split) if charter.objectives else np.zeros((0, 0))
    found = []
    for at, each in enumerate(charter.objectives):
        task = charter_of(charter, each).task
        classes = classes_of(split.train[each.target], task)
        own = said[:, at]
        scores = evaluate(
            encode_target(split.holdout[each.target], classes),
            np.column_stack([1.0 - own, own]) if classes else own[:, None],
            task_type=each.type,
            classes=classes,
            success=Success(metric=each.metric, confidence=charter.success.confidence),
            seed=charter.learning.seed,
            block=block,
        )
        found.append(asdict(replace(scores[0], objective=each.name)))
    return found


def _members(project: Project, candidate: Fact, split: Split) -> Floats:
    """What each member says of the holdout rows: (n, k)."""
    from homeostat.flow.registry import load_bundle
    from homeostat.graph.decode import decode_frame
    from homeostat.graph.encode import load_plan
    from homeostat.graph.interpret import run
    from homeostat.graph.merge import members_of

    plan = members_of(load_plan(load_bundle(project, str(candidate.body["bundle"])).plan))
    return run(plan, *decode_frame(plan.inputs, split.holdout))
