"""Finished trials in the ledger, each with its scores: a training that was cut off finds them and goes on, and none is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.flow.arrays import dump_arrays, load_arrays

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project
    from homeostat.learning.trials import Choice, Outcome


@dataclass(frozen=True, slots=True, eq=False)
class LedgerMemo:
    """The trials of one run, of one of its objectives where there are several.

    A trial is a fact of its own: what was tried, what it came to, how long it took, and its scores of the judged rows as a blob.
    """

    project: Project
    run: Fact
    objective: str = ""

    def recall(self, number: int, choice: Choice) -> Outcome | None:
        """What the trial of this number came to, if it was this choice."""
        from homeostat.core.ids import fact_id
        from homeostat.core.records import Trial
        from homeostat.learning.trials import Outcome

        fact = self.project.ledger.get(fact_id("trial", self._key(number)))
        if fact is None or fact.body["choice"] != _told(choice):
            return None
        body = fact.body
        told = (dict(body["params"]), body["value"], body["seconds"], body["reason"])
        curve = tuple((int(step), float(error)) for step, error in body.get("curve", ()))
        trial = Trial(number, choice.learner, choice.window.label(), *told, curve=curve)
        scores = load_arrays(self.project.blobs.get(str(body["scores"])))["scores"] if body["scores"] else None
        return Outcome(trial, scores)

    def keep(self, choice: Choice, outcome: Outcome) -> None:
        """Record a finished trial."""
        trial = outcome.trial
        body: dict[str, object] = {
            "number": trial.number,
            **({"objective": self.objective} if self.objective else {}),
            "choice": _told(choice),
            "learner": trial.learner,
            "window": trial.window,
            "params": dict(trial.params),
            "value": trial.value,
            "seconds": round(trial.seconds, 4),
            "reason": trial.reason,
            **({"curve": [list(point) for point in trial.curve]} if trial.curve else {}),
            "scores": "" if outcome.scores is None else self.project.blobs.put(dump_arrays({"scores": outcome.scores})),
        }
        self.project.record("trial", self._key(trial.number), body, subject=self.run.id, causes=(self.run.id,))

    def _key(self, number: int) -> str:
        return f"{self.run.id}:{self.objective}:{number}" if self.objective else f"{self.run.id}:{number}"


def _told(choice: Choice) -> dict[str, Any]:
    """What was proposed, before the fit found its rounds."""
    return {"learner": choice.learner, "window": choice.window.label(), "params": dict(choice.params)}
