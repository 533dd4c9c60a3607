"""What a candidate on record was made from: the charter, the section of learning and the rows as they were then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from homeostat.errors import LearningError

if TYPE_CHECKING:
    from homeostat.charter.schema import Charter
    from homeostat.core import sections
    from homeostat.core.facts import Fact
    from homeostat.core.records import Split
    from homeostat.flow.project import Project


def charter_then(project: Project, candidate: Fact, run: Fact) -> Charter:
    """The charter as it stood when the candidate was made.

    Raises:
        LearningError: HS311, this program does not accept it.
    """
    from homeostat.charter.load import validate

    told = next(project.require(cause) for cause in (*candidate.causes, *run.causes) if cause.startswith("charter-"))
    charter, found = validate(dict(told.body["content"]))
    if charter is None or found:
        reasons = "; ".join(violation.message for violation in found)
        raise LearningError(
            "HS311",
            f"this program does not accept the charter of then: {reasons}",
            place=told.id,
            next_step=f"use homeostat {run.body['environment']['homeostat']}, which made the version",
        )
    return charter


def learning_then(run: Fact) -> sections.Learning:
    """The section of learning of the run that made a candidate."""
    from homeostat.core import sections

    return sections.Learning.model_validate_json(json.dumps(run.body["learning"]))


def split_then(project: Project, candidate: Fact, run: Fact, learning: sections.Learning) -> Split:
    """The rows that a candidate was trained and judged on, of a project with the charter of then.

    Raises:
        LearningError: HS311, the rows are no longer the ones of the record.
    """
    from homeostat.flow.train import rows_and_split, sealed

    body, dataset = candidate.body, project.require(str(run.body["dataset"]))
    _, split = rows_and_split(project, dataset, learning, body["left_out"]["windows"], body["labels"])
    if sealed(project, split) != body["holdout"]:
        raise LearningError(
            "HS311",
            "the rows that come out of the dataset version are no longer those of the record",
            place=dataset.id,
            next_step="look at `homeostat data log`: its table was altered by something else than this program",
        )
    return split


def require_labels(candidate: Fact) -> None:
    """Make sure that a candidate can be judged.

    Raises:
        LearningError: HS382, it was adopted with reference rows that have no labels.
    """
    if "origin" in candidate.body and not candidate.body["holdout"]:
        step = "adopt it again with --reference rows that have the target; or, without --reference, with the project's own rows"
        raise LearningError("HS382", "nothing says how good it is", place=candidate.id, next_step=step)


def require_trained(candidate: Fact) -> None:
    """Make sure that a candidate was trained here.

    Raises:
        LearningError: HS381, it was adopted.
    """
    origin = candidate.body.get("origin")
    if origin is not None:
        step = "`homeostat train` trains a model of this project's own; `homeostat explain` explains this one"
        raise LearningError(
            "HS381", f"it was adopted from {origin['path']} and trained elsewhere, on rows unknown here", place=candidate.id, next_step=step
        )
