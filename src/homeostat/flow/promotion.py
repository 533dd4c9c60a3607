"""Stages: rules asked, signatures checked, and one ledger transaction that moves a pointer and says why, signed.

Two pointers move, ``staging`` and ``champion``; that a version is a candidate or archived follows from the facts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from homeostat.core.ids import fact_id
from homeostat.errors import Refusal
from homeostat.flow.approvals import required_approvals
from homeostat.flow.registry import CHAMPION, champion, require_unaltered, version_of
from homeostat.flow.signing import check, signed, trusted_bundle
from homeostat.flow.validate import require_gates

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project
    from homeostat.flow.registry import Version


STAGING = "staging"
Stage = Literal["candidate", "staging", "champion", "archived"]


def stage_of(project: Project, version: Fact) -> Stage:
    """The stage of a version: what the pointers say, and what the history of their moves says where none stands at it.

    A version that served or was staged and does neither now, or that failed a gate, is archived.
    """
    for name, standing in ((CHAMPION, "champion"), (STAGING, "staging")):
        pointer = project.ledger.pointer(name)
        if pointer is not None and pointer.fact == version.id:
            return cast("Stage", standing)
    moved = any(project.ledger.find(kind, subject=version.id, limit=1) for kind in ("staging", "promotion", "rollback"))
    return "archived" if moved or not version.body["passed"] else "candidate"


def stage_history(project: Project, version: Fact) -> list[Fact]:
    """What moved a version between stages, oldest first: its staging, promotions, rollbacks to it, and what took its place."""
    moved = [fact for kind in ("staging", "promotion", "rollback") for fact in project.ledger.find(kind)]
    mine = [fact for fact in moved if version.id in (fact.body["version"], fact.body.get("rollback_to"), fact.body.get("from"))]
    return sorted(mine, key=lambda fact: fact.seq)


def stage(project: Project, version: Fact, *, reason: str = "asked for") -> Fact:
    """Put a version in staging: gates and signatures checked, the pointer moved in one transaction. It need not be approved yet.

    Staging the version that is staged changes nothing and returns what put it there.

    Raises:
        Refusal: HS701, a gate failed; HS705, the pointer moved in between; HS710 to HS712, signatures.
        BundleError: HS401, the bundle is missing or altered.
    """
    pointer = project.ledger.pointer(STAGING)
    if pointer is not None and pointer.fact == version.id:
        return project.require(pointer.moved_by)
    require_gates(project, version)
    trusted_bundle(project, version_of(project, version.id))
    key = f"{version.id}:{pointer.moves if pointer else 0}"
    body: dict[str, object] = {"version": version.id, "bundle": version.body["bundle"], "reason": reason}
    causes = (version.id, str(version.body["verdict"]))
    because = project.fact("staging", key, signed(project, "staging", key, body, causes), subject=version.id, causes=causes)
    return project.ledger.move(STAGING, to=version.id, expected=pointer.fact if pointer else None, because=because)


def advance(project: Project, version: Fact, *, reason: str, intent: str | None = None) -> Fact:
    """Promote as far as the charter lets a program do it: to champion; where staging is required, to staging, and a person does the rest.

    Raises:
        Refusal: HS713, the version waits in staging; else as ``promote``.
    """
    if project.charter.deploy.staging == "required" and not project.ledger.find("promotion", subject=version.id, limit=1):
        stage(project, version, reason=reason)
        number = version_of(project, version.id).number
        step = f"when it has proved itself: homeostat promote {number}"
        raise Refusal("HS713", f"version {number} is in staging and waits for a person", place="deploy.staging", next_step=step)
    return promote(project, version, reason=reason, intent=intent)


def promote(project: Project, version: Fact, *, reason: str = "asked for", intent: str | None = None) -> Fact:
    """Make a version the champion: gates checked, pointer, monitor baseline and rollback target in one transaction.

    Promoting the version that already serves changes nothing and returns what made it serve. ``intent`` names who wants it (an
    action): one intent promotes a version once, whatever happened to the champion since.

    Raises:
        Refusal: HS701, a gate failed; HS705, the champion changed in between; HS710 to HS712, it cannot be signed, or the version's
            own signature does not hold; HS713, staging comes first; HS714, an approval is missing or was refused.
        BundleError: HS401, the bundle is missing or altered.
        ProjectError: HS620, a row of the ledger that the promotion relies on was altered.
    """
    pointer = project.ledger.pointer(CHAMPION)
    key = f"{version.id}:{intent or (pointer.moves if pointer else 0)}"
    done = project.ledger.get(fact_id("promotion", key)) if intent else None
    if done is not None:
        return done
    if pointer is not None and pointer.fact == version.id:
        return project.require(pointer.moved_by)
    current = champion(project)
    approvals = let_through(project, version, current)
    body: dict[str, object] = {
        "version": version.id,
        "bundle": version.body["bundle"],
        "profile": version.body["profile"],
        "rollback_to": current.fact.id if current else "",
        "approved_by": ", ".join(str(each.body["approver"]) for each in approvals) or "auto",
        "reason": reason,
    }
    causes = (version.id, str(version.body["verdict"]), *(each.id for each in approvals), *((current.fact.id,) if current else ()))
    because = project.fact("promotion", key, signed(project, "promotion", key, body, causes), subject=version.id, causes=causes)
    return project.ledger.move(CHAMPION, to=version.id, expected=current.fact.id if current else None, because=because)


def _relied_on(project: Project, version: Fact, current: Version | None) -> tuple[str, ...]:
    """Ids of the facts a promotion follows from."""
    behind = (str(version.body[name]) for name in ("verdict", "evaluation", "candidate"))
    approvals = (fact.id for fact in project.ledger.find("approval", subject=version.id))
    return (version.id, *behind, *approvals, *((current.fact.id,) if current else ()))


def let_through(project: Project, version: Fact, current: Version | None) -> tuple[Fact, ...]:
    """The approvals that let a version answer beside the current champion, or in its place; none where the charter asks for none.

    Raises:
        Refusal: HS701, HS711 to HS714; BundleError: HS401; ProjectError: HS620, as of ``promote``.
    """
    require_unaltered(project, *_relied_on(project, version, current), pointer=CHAMPION)
    require_gates(project, version)
    registered = version_of(project, version.id)
    trusted_bundle(project, registered)
    if project.charter.deploy.staging == "required" and not project.ledger.find("staging", subject=version.id, limit=1):
        step = f"homeostat promote {registered.number} --to staging"
        raise Refusal("HS713", f"version {registered.number} was never in staging", place="deploy.staging", next_step=step)
    return required_approvals(project, version)


def rollback(project: Project, *, reason: str = "asked for", intent: str | None = None) -> Fact:
    """Put the champion's rollback target back, in one transaction, and return the ``rollback`` fact.

    ``intent`` names who wants it (an action): one intent rolls back once.

    Raises:
        Refusal: HS703, there is no earlier champion; HS705, the champion changed in between; HS710 to HS712, it cannot be signed, or the
            signature of the version to go back to does not hold.
        BundleError: HS401, its bundle is missing or altered.
        ProjectError: HS620, a row of the ledger that this relies on was altered.
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
    require_unaltered(project, promotion.id, str(promotion.body["rollback_to"]), pointer=CHAMPION)
    check(project, promotion)
    target = version_of(project, str(promotion.body["rollback_to"]))
    trusted_bundle(project, target)
    body: dict[str, object] = {
        "version": target.fact.id,
        "bundle": target.bundle,
        "profile": target.fact.body["profile"],
        "from": pointer.fact,
        "reason": reason,
    }
    causes = (promotion.id, target.fact.id)
    because = project.fact("rollback", key, signed(project, "rollback", key, body, causes), subject=target.fact.id, causes=causes)
    return project.ledger.move(CHAMPION, to=target.fact.id, expected=pointer.fact, because=because)
