"""Stage 10 as a journey: one turn of the loop, and the repair as a durable workflow.

A turn takes in new data, judges the windows that are due, decides on the newest diagnosis, and acts. The repair is a
chain of named steps; each step's effect is keyed by what it is made from, so that a step that is run again after a kill
finds its own effect and changes nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from homeostat.errors import DataError, HomeostatError, ProjectError, Refusal
from homeostat.flow.evaluate import evaluate
from homeostat.flow.ingest import ingest
from homeostat.flow.monitor import monitor, standing
from homeostat.flow.prediction_log import keep_log
from homeostat.flow.promotion import advance, rollback
from homeostat.flow.registry import champion
from homeostat.flow.train import Order, train
from homeostat.flow.validate import failed_gates, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress, Steps
    from homeostat.core.records import Action
    from homeostat.flow.project import Project

REPAIR = "repair"
WAITS = ("HS713", "HS714")
"""Refusals of a promotion that a person can lift."""


class Workflows(Protocol):
    """Starts durable workflows and waits for them."""

    def start(self, name: str, workflow_id: str, arguments: dict[str, str]) -> None:
        """Start a workflow unless one with this id was ever started."""

    def result(self, workflow_id: str, timeout_s: float) -> str:
        """What a workflow ended with."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of the loop saw and did.

    ``outcome`` is empty when nothing had to be done; ``problem`` says why new data could not be taken in, or the prediction log not
    be tidied, if so.
    """

    dataset: str
    refused: tuple[str, ...]
    diagnoses: tuple[str, ...]
    action: str
    outcome: str
    problem: str = ""


def turn(project: Project, workflows: Workflows, as_of: datetime, progress: Progress | None = None, *, timeout_s: float = 3_600.0) -> Turn:
    """One turn of the loop, as of a moment: ingest, monitor, decide, act.

    What is decided on is what stands against the champion (``monitor.standing``). The first diagnosis that asks for something and
    has not been answered is answered; once that has moved the champion, the others are about a version that no longer serves.
    """
    before = {fact.id for fact in project.ledger.find("delivery")}
    dataset, problem = _take_in(project, progress)
    untidy = _tidy(project)
    new = [fact for fact in project.ledger.find("delivery") if fact.id not in before]
    refused = tuple(str(f.body["path"]) for f in new if f.body["status"] == "refused")
    diagnoses = standing(project, monitor(project, as_of, progress))
    told = tuple(d.id for d in diagnoses)
    decided = [_decide(project, diagnosis, as_of) for diagnosis in diagnoses]
    asked = _to_answer(project, decided)
    outcome = ""
    if asked is not None and asked.body["allowed"] and asked.body["name"] in {"retrain", "rollback"}:
        workflows.start(REPAIR, asked.id, {"action": asked.id})
        outcome = workflows.result(asked.id, timeout_s)
    return Turn(dataset, refused, told, asked.id if asked else "", outcome, problem or untidy)


def _to_answer(project: Project, decided: list[Fact]) -> Fact | None:
    """The first action that asks for something and has no outcome yet; else the first that asks for something; else the first."""
    wanted = [action for action in decided if action.body["name"] != "none"]
    unanswered = [action for action in wanted if not project.ledger.find("outcome", subject=action.id, limit=1)]
    return next(iter([*unanswered, *wanted, *decided]), None)


def workflows_of(project: Project, progress: Progress | None = None) -> Mapping[str, Callable[[Steps, dict[str, str]], str]]:
    """The durable workflows of a project, by name."""
    return {REPAIR: partial(repair, project, progress)}


def repair(project: Project, progress: Progress | None, steps: Steps, arguments: dict[str, str]) -> str:
    """Carry out a decided action; returns the id of the ``outcome`` fact that says how it ended. Every action ends in one."""
    action = project.require(arguments["action"])
    try:
        status, detail, last = _carry_out(project, progress, steps, action)
    except HomeostatError as error:
        status, detail, last = "failed", error.line(), action.id
    return steps.run("close", lambda: _close(project, action, status, detail, last))


def _carry_out(project: Project, progress: Progress | None, steps: Steps, action: Fact) -> tuple[str, str, str]:
    """How the action ended, in what words, and the last fact it made.

    Retraining: the data up to now, a challenger, gates against the champion on the newest labelled rows, and then one
    promotion, or a rejection that says why.
    """
    if action.body["name"] == "rollback":
        moved = steps.run("rollback", lambda: rollback(project, reason=f"action {action.id}", intent=action.id).id)
        return "rolled_back", "the previous champion serves again", moved
    dataset = steps.run("ingest", lambda: _take_in(project, progress)[0])
    candidate = steps.run("train", lambda: _train(project, action, dataset, progress))
    evaluation = steps.run("evaluate", lambda: evaluate(project, project.require(candidate)).id)
    version = steps.run("validate", lambda: validate(project, project.require(evaluation)).id)
    verdict = steps.run("promote", lambda: _promote(project, action, version))
    status, _, detail = verdict.partition(":")
    return status, detail, version


def _take_in(project: Project, progress: Progress | None) -> tuple[str, str]:
    """The newest dataset's id, and what is wrong with the source if it could not be taken in now.

    A source that is unreadable for a while must not stop the loop from watching what is served, so the dataset is then the
    last good one. When there is none, the error is the answer.
    """
    try:
        return ingest(project, progress).id, ""
    except DataError as error:
        known = project.ledger.find("dataset", limit=1)
        if not known:
            raise
        return known[0].id, error.line()


def _tidy(project: Project) -> str:
    """Keep the prediction log small; what is wrong with it must not stop the watch either."""
    try:
        keep_log(project)
    except ProjectError as error:
        return error.line()
    return ""


def _train(project: Project, action: Fact, dataset: str, progress: Progress | None) -> str:
    serving = champion(project)
    start: dict[str, Any] | None = None
    if serving is not None:
        made = project.require(str(serving.fact.body["candidate"])).body
        start = None if "origin" in made else {name: made[name] for name in ("learner", "params", "models") if name in made}
    policy = project.charter.policy
    learning = project.charter.learning.model_copy(update={"windows": policy.windows, "budget": policy.budget})
    return train(project, Order(dataset=dataset, learning=learning, purpose=action.id, start=start), progress).id


def _promote(project: Project, action: Fact, version_id: str) -> str:
    version = project.require(version_id)
    failed = failed_gates(project, version)
    if failed:
        return "rejected:" + "; ".join(failed)
    try:
        promotion = advance(project, version, reason=f"action {action.id}", intent=action.id)
    except Refusal as error:
        return ("waiting:" if error.code in WAITS else "rejected:") + error.line()
    return f"promoted:{promotion.id}"


def _close(project: Project, action: Fact, status: str, detail: str, last: str) -> str:
    body: dict[str, object] = {"action": action.id, "status": status, "detail": detail}
    return project.record("outcome", action.id, body, subject=action.id, causes=(action.id, last)).id


def _decide(project: Project, diagnosis: Fact, as_of: datetime) -> Fact:
    """The action for a diagnosis, decided once and recorded with its reason."""
    from homeostat.core.records import Diagnosis
    from homeostat.operations.decide import decide

    told = Diagnosis(cause=diagnosis.body["cause"], reason=str(diagnosis.body["reason"]), columns=tuple(diagnosis.body["columns"]))
    known = project.ledger.find("action", subject=diagnosis.id, limit=1)
    if known:
        return known[0]
    action: Action = decide(project.charter.policy, told, _history(project, as_of))
    body: dict[str, object] = {
        **asdict(action),
        "cause": told.cause,
        "diagnosis": diagnosis.id,
        "as_of": as_of.isoformat(),
    }
    return project.record("action", diagnosis.id, body, subject=diagnosis.id, causes=(diagnosis.id,))


def _history(project: Project, as_of: datetime) -> Any:
    from homeostat.operations.decide import History

    actions = project.ledger.find("action")
    retrained = [a for a in actions if a.body["name"] == "retrain" and a.body["allowed"]]
    # A promotion, by the loop or a person, a rollback or a changed charter begins a new count.
    newest = (fact for kind in ("promotion", "rollback", "charter") for fact in project.ledger.find(kind, limit=1))
    since = max((fact.seq for fact in newest), default=0)
    rejections = sum(o.seq > since and o.body["status"] == "rejected" for o in project.ledger.find("outcome"))
    last = datetime.fromisoformat(str(retrained[0].body["as_of"])) if retrained else None
    return History(now=as_of, last_retrain=last, consecutive_rejections=rejections)


def describe(project: Project, done: Turn) -> str:
    """A turn in one line."""
    if done.problem:
        return f"{_what_was_done(project, done)}; new data could not be taken in: {done.problem}"
    return _what_was_done(project, done)


def _what_was_done(project: Project, done: Turn) -> str:
    if not done.diagnoses:
        return "nothing is due"
    diagnosis = project.require(str(project.require(done.action).body["diagnosis"]))
    told = f"{diagnosis.body['start'][:10]}: {diagnosis.body['cause']} ({diagnosis.body['reason']})"
    if not done.outcome:
        action = project.require(done.action)
        return f"{told} -> {action.body['name']}: {action.body['reason']}"
    outcome = project.require(done.outcome)
    return f"{told} -> {outcome.body['status']}: {outcome.body['detail']}"


def failure(error: HomeostatError) -> str:
    """A failed turn in one line, for a loop that goes on."""
    return f"this turn failed, the next one tries again: {error.line()}"
