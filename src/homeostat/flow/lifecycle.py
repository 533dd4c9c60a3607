"""Stages 1 to 8 in one go: each step is keyed by what it is made from, so only what changed is made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.flow.evaluate import evaluate, judging_digest
from homeostat.flow.ingest import ingest
from homeostat.flow.promotion import advance
from homeostat.flow.train import first_order, train
from homeostat.flow.validate import failed_gates, validate

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The facts one run of the lifecycle ended with; ``promotion`` is None when a gate failed."""

    dataset: Fact
    candidate: Fact
    evaluation: Fact
    version: Fact
    promotion: Fact | None
    failed: tuple[str, ...]


def run(project: Project, progress: Progress | None = None) -> Lifecycle:
    """Ingest, train, evaluate, validate, promote. A gate that fails stops the promotion and is told.

    Raises:
        Refusal: HS713 or HS714, the version passed its gates but waits in staging, or for an approval.
    """
    dataset = ingest(project, progress)
    candidate = train(project, first_order(project, dataset), progress)
    evaluation = evaluation_of(project, candidate, progress)
    version = validate(project, evaluation)
    failed = tuple(failed_gates(project, version))
    # A version that was promoted before and has been superseded since stays superseded: only a person brings it back.
    known = project.ledger.find("promotion", subject=version.id, limit=1)
    promotion = known[0] if known else None if failed else advance(project, version, reason="homeostat run")
    return Lifecycle(dataset, candidate, evaluation, version, promotion, failed)


def evaluation_of(project: Project, candidate: Fact, progress: Progress | None = None) -> Fact:
    """The candidate's evaluation: the one that led to its registration if there is one, else a new look at the holdout.

    Clauses that judge and have changed since ask for a new look.

    A version that already serves is not judged again against itself.
    """
    judged_by = judging_digest(project.charter)
    for fact in project.ledger.find("evaluation"):
        same = fact.body["candidate"] == candidate.id and fact.body.get("judged_by") == judged_by
        if same and any(effect.kind == "version" for effect in project.ledger.effects(fact.id)):
            return fact
    if progress:
        progress.update("evaluate on the sealed holdout")
    return evaluate(project, candidate)
