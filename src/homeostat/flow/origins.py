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
