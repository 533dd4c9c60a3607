"""What is on record of a candidate, gathered for those who tell it: the report and the model card are made from this alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.flow.examine import examination
from homeostat.flow.registry import versions

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project
    from homeostat.flow.registry import Version


@dataclass(frozen=True, slots=True)
class Recorded:
    """The facts behind an evaluation; what was never recorded is None.

    ``examination`` is the evaluation's, ``decomposition`` the newest of the candidate into bias and variance. ``charter`` is the charter as
    it stood when the holdout was opened. ``importance`` is what each input is worth to the candidate: name and mean absolute contribution.
    """

    charter: dict[str, Any]
    dataset: Fact
    run: Fact
    candidate: Fact
    evaluation: Fact
    examination: dict[str, Any]
    decomposition: Fact | None
    importance: list[tuple[str, float]] | None
    verdict: Fact | None
    version: Version | None

    @property
    def task(self) -> dict[str, Any]:
        """The charter's task."""
        found: dict[str, Any] = self.charter["task"]
        return found

    def score(self, metric: str) -> dict[str, Any] | None:
        """The whole score of a metric on the holdout, with its interval."""
        scores = self.evaluation.body["scores"]
        return next((each for each in scores if each["metric"] == metric and not each["segment"] and not each.get("objective")), None)


def recorded(project: Project, evaluation: Fact) -> Recorded:
    """Everything on record behind an evaluation."""
    candidate = project.require(str(evaluation.body["candidate"]))
    run = project.require(str(candidate.body["run"]))
    version = next((each for each in versions(project) if each.fact.body["evaluation"] == evaluation.id), None)
    apart = project.ledger.find("bias_variance", subject=candidate.id, limit=1)
    explained = project.ledger.find("explanation", subject=candidate.id, limit=1)
    return Recorded(
        charter=_charter(project, evaluation),
        dataset=project.require(str(candidate.body["dataset"])),
        run=run,
        candidate=candidate,
        evaluation=evaluation,
        examination=examination(project, evaluation),
        decomposition=apart[0] if apart else None,
        importance=[(str(each["column"]), float(each["mean_abs"])) for each in explained[0].body["columns"]] if explained else None,
        verdict=project.require(str(version.fact.body["verdict"])) if version else None,
        version=version,
    )


def _charter(project: Project, evaluation: Fact) -> dict[str, Any]:
    """The newest charter that was on record when the evaluation was."""
    known = [fact for fact in project.ledger.find("charter") if fact.seq < evaluation.seq]
    found: dict[str, Any] = dict(max(known, key=lambda fact: fact.seq).body["content"])
    return found
