"""Stage 7 as a journey: gates, verdict, registration; promotion and rollback, each one ledger transaction."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from homeostat.charter.effective import purpose
from homeostat.core.ids import fact_id
from homeostat.errors import ProjectError, Refusal
from homeostat.flow.arrays import load_arrays
from homeostat.flow.evaluate import judging_digest
from homeostat.flow.measure import served_rule
from homeostat.flow.registry import CHAMPION, Version, champion, load_bundle, version_of

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.core.records import Verdict
    from homeostat.flow.project import Project
    from homeostat.serving.manifest import Manifest


def validate(project: Project, evaluation: Fact) -> Fact:
    """Put an evaluated candidate through the charter's gates, register it with the verdict, return the ``version`` fact.

    A version that failed is registered too: what was rejected, and why, is evidence.

    Raises:
        ProjectError: HS608, the charter judges by other clauses now than when the holdout was opened.
    """
    if evaluation.body["judged_by"] != judging_digest(project.charter):
        raise ProjectError(
            "HS608",
            "the charter's success, objectives, value, problem or seed changed since this evaluation",
            place="success",
            next_step="run `homeostat evaluate` again",
        )
    candidate = project.require(str(evaluation.body["candidate"]))
    verdict_key = evaluation.id
    known = project.ledger.get(fact_id("version", verdict_key))
    if known is not None:
        return known
    verdict = _verdict(project, candidate, evaluation)
    body: dict[str, object] = {"passed": verdict.passed, "gates": [asdict(result) for result in verdict.results]}
    charter = project.charter_fact()
    judged = project.record("verdict", verdict_key, body, causes=(evaluation.id, charter.id))
    whole = next(s for s in evaluation.body["scores"] if s["metric"] == candidate.body["metric"] and not s["segment"])
    version: dict[str, object] = {
        "name": project.charter.name,
        "problem": purpose(project.charter),
        "charter": charter.id,
        "bundle": candidate.body["bundle"],
        "profile": candidate.body["profile"],
        "candidate": candidate.id,
        "evaluation": evaluation.id,
        "verdict": judged.id,
        "dataset": candidate.body["dataset"],
        "run": candidate.body["run"],
        "learner": candidate.body["learner"],
        **({"objectives": [each.model_dump(mode="json") for each in project.charter.objectives]} if project.charter.objectives else {}),
        "window": candidate.body["window"],
        "metric": candidate.body["metric"],
        "value": whole["value"],
        "low": whole["low"],
        "high": whole["high"],
        "passed": verdict.passed,
    }
    return project.record("version", verdict_key, version, causes=(candidate.id, evaluation.id, judged.id))


def _verdict(project: Project, candidate: Fact, evaluation: Fact) -> Verdict:
    from homeostat.core.records import Score
    from homeostat.validation.gates import Evidence
    from homeostat.validation.validate import validate as judge

    arrays = load_arrays(project.blobs.get(str(evaluation.body["arrays"])))
    parity = candidate.body["parity"]
    serving = project.ledger.get(str(evaluation.body["champion"])) if evaluation.body["champion"] else None
    ours = load_bundle(project, str(candidate.body["bundle"])).manifest
    theirs = load_bundle(project, str(serving.body["bundle"])).manifest if serving else None
    evidence = Evidence(
        metric=project.charter.success.metric,
        y=arrays["y"],
        scores=arrays["ours"],
        baseline_scores=arrays.get("baseline"),
        champion_scores=arrays.get("champion"),
        segment_scores=tuple(Score(**score) for score in evaluation.body["scores"]),
        latency_p99_ms=float(candidate.body["latency_p99_ms"]),
        size_mb=float(candidate.body["size_mb"]),
        memory_mb=candidate.body["memory_mb"],
        capacity_per_second=float(candidate.body["capacity_per_second"]),
        parity_difference=float(parity["max_difference"]),
        parity_flips=int(parity["flips"]),
        parity_limit=float(parity["tolerance"]),
        inputs=_fields(ours),
        champion_inputs=_fields(theirs) if theirs else None,
        block=int(evaluation.body["block"]),
        rule=served_rule(ours),
        champion_rule=served_rule(theirs) if theirs else served_rule(ours),
    )
    charter = project.charter
    return judge(evidence, charter.success, charter.learning.seed, charter.problem, charter.objectives)


def _fields(manifest: Manifest) -> dict[str, str]:
    return {source.name: source.kind for source in manifest.inputs}


def failed_gates(project: Project, version: Fact) -> list[str]:
    """The sentences of the gates a version failed; empty when it passed."""
    verdict = project.require(str(version.body["verdict"]))
    return [str(gate["detail"]) for gate in verdict.body["gates"] if not gate["passed"]]


def promote(project: Project, version: Fact, *, reason: str = "asked for", intent: str | None = None) -> Fact:
    """Make a version the champion: gates checked, pointer, monitor baseline and rollback target in one transaction.

    Promoting the version that already serves changes nothing and returns what made it serve. ``intent`` names who wants it (an
    action): one intent promotes a version once, whatever happened to the champion since.

    Raises:
        Refusal: HS701, a gate failed or the approval is missing; HS705, the champion changed in between.
    """
    pointer = project.ledger.pointer(CHAMPION)
    key = f"{version.id}:{intent or (pointer.moves if pointer else 0)}"
    done = project.ledger.get(fact_id("promotion", key)) if intent else None
    if done is not None:
        return done
    if pointer is not None and pointer.fact == version.id:
        return project.require(pointer.moved_by)
    current = champion(project)
    approver = _approver(project, version)
    body: dict[str, object] = {
        "version": version.id,
        "bundle": version.body["bundle"],
        "profile": version.body["profile"],
        "rollback_to": current.fact.id if current else "",
        "approved_by": approver,
        "reason": reason,
    }
    because = project.fact("promotion", key, body, subject=version.id, causes=_causes(version, current))
    return project.ledger.move(CHAMPION, to=version.id, expected=current.fact.id if current else None, because=because)


def rollback(project: Project, *, reason: str = "asked for", intent: str | None = None) -> Fact:
    """Put the champion's rollback target back, in one transaction, and return the ``rollback`` fact.

    ``intent`` names who wants it (an action): one intent rolls back once.

    Raises:
        Refusal: HS703, there is no earlier champion; HS705, the champion changed in between.
    """
    pointer = project.ledger.pointer(CHAMPION)
    key = intent or f"{pointer.fact}:{pointer.moves}" if pointer else ""
    done = project.ledger.get(fact_id("rollback", key))
    if done is not None:
        return done
    promotion = next(iter(project.ledger.find("promotion", subject=pointer.fact, limit=1)), None) if pointer else None
    if pointer is None or promotion is None or not promotion.body["rollback_to"]:
        raise Refusal(
            "HS703", "there is no earlier champion to go back to", next_step="`homeostat history --kind promotion` lists what served"
        )
    target = version_of(project, str(promotion.body["rollback_to"]))
    body: dict[str, object] = {
        "version": target.fact.id,
        "bundle": target.bundle,
        "profile": target.fact.body["profile"],
        "from": pointer.fact,
        "reason": reason,
    }
    because = project.fact("rollback", key, body, subject=target.fact.id, causes=(promotion.id, target.fact.id))
    return project.ledger.move(CHAMPION, to=target.fact.id, expected=pointer.fact, because=because)


def _approver(project: Project, version: Fact) -> str:
    """Who lets the version be promoted: a person, or ``auto`` where the charter asks for none."""
    from homeostat.validation.promotion import promotion_allowed

    failed = failed_gates(project, version)
    if failed:
        raise Refusal(
            "HS701", f"{len(failed)} gate(s) failed: {'; '.join(failed)}", next_step=f"`homeostat show {version.id}` shows all of them"
        )
    approvers = tuple(s.name for s in project.charter.problem.stakeholders if s.role == "approver")
    recorded = _approval(project, version)
    allowed = promotion_allowed(passed=True, approval=project.charter.deploy.approval, approved_by=recorded, approvers=approvers)
    if not allowed.yes:
        number = version_of(project, version.id).number
        raise Refusal("HS701", allowed.reason, next_step=f"an approver runs `homeostat approve {number} --as NAME`")
    return recorded if recorded and project.charter.deploy.approval == "manual" else "auto"


def _approval(project: Project, version: Fact) -> str | None:
    approvals = project.ledger.find("approval", subject=version.id, limit=1)
    return str(approvals[0].body["approver"]) if approvals else None


def _causes(version: Fact, current: Version | None) -> tuple[str, ...]:
    verdict = str(version.body["verdict"])
    return (version.id, verdict, *((current.fact.id,) if current else ()))


def approve(project: Project, number: int, approver: str) -> Fact:
    """Record a person's approval of a version.

    Raises:
        Refusal: HS701, the charter names no such approver, or the version failed a gate.
        ProjectError: HS605, no such version.
    """
    from homeostat.flow.registry import version_numbered

    version = version_numbered(project, number).fact
    approvers = sorted(s.name for s in project.charter.problem.stakeholders if s.role == "approver")
    if approver not in approvers:
        named = ", ".join(approvers) or "nobody"
        raise Refusal("HS701", f"got {approver!r}; the charter names {named} as approver", place="problem.stakeholders")
    failed = failed_gates(project, version)
    if failed:
        raise Refusal(
            "HS701", f"{len(failed)} gate(s) failed: {'; '.join(failed)}", next_step="a version that failed a gate cannot be approved"
        )
    return project.record(
        "approval", f"{version.id}:{approver}", {"version": version.id, "approver": approver}, subject=version.id, causes=(version.id,)
    )
