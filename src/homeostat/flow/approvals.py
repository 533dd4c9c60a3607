"""People's answers about a version: recorded by role, with the ticked checklist or the reason of a refusal, and asked at promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core import sections
from homeostat.errors import Refusal
from homeostat.flow.registry import version_numbered, version_of
from homeostat.flow.validate import require_gates

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project
    from homeostat.validation.promotion import Given

APPROVER = sections.Approval(role="approver")


def asked_for(project: Project) -> tuple[sections.Approval, ...]:
    """The approvals a promotion needs: one for each role the charter lists; manual without a list: one by an approver; auto: none."""
    deploy = project.charter.deploy
    return (deploy.approvals or (APPROVER,)) if deploy.approval == "manual" else ()


def people_of(project: Project, role: str) -> tuple[str, ...]:
    """The stakeholders with a role."""
    return tuple(one.name for one in project.charter.problem.stakeholders if one.role == role)


def approve(project: Project, number: int, person: str, *, role: str = "", ticked: tuple[str, ...] = ()) -> Fact:
    """Record a person's yes to a version, in a role and with the checklist ticked. The same answer again changes nothing.

    Raises:
        Refusal: HS701, the version failed a gate; HS715, the person does not have the role, is its author, or left an item unticked.
        ProjectError: HS605, no such version.
    """
    from homeostat.validation.promotion import Given, approval_stands

    version = version_numbered(project, number).fact
    asked = _asked(project, person, role)
    require_gates(project, version)
    unknown = [item for item in ticked if item not in asked.checklist]
    if unknown:
        known = "; ".join(asked.checklist) or "nothing"
        raise Refusal("HS715", f"got the tick {unknown[0]!r}; the checklist of {asked.role} has: {known}", place="deploy.approvals")
    given = Given(person, asked.role, True, ticked, is_author=_is_author(project, version, person, project.actor))
    author_may = not project.charter.deploy.approver_is_not_author
    allowed = approval_stands(given, asked, people_of(project, asked.role), author_may=author_may)
    if not allowed:
        raise Refusal("HS715", allowed.reason, place="deploy.approvals", next_step=_how(number, asked))
    return _record(project, version, given)


def refuse(project: Project, number: int, person: str, because: str, *, role: str = "") -> Fact:
    """Record a person's no to a version and why; it blocks the promotion until the same person approves.

    Raises:
        Refusal: HS715, the person does not have the role, or gives no reason.
        ProjectError: HS605, no such version.
    """
    from homeostat.validation.promotion import Given

    version = version_numbered(project, number).fact
    asked = _asked(project, person, role)
    if not because.strip():
        raise Refusal("HS715", "got no reason; a refusal says why", place="--because")
    return _record(project, version, Given(person, asked.role, False, because=because))


def required_approvals(project: Project, version: Fact) -> tuple[Fact, ...]:
    """The facts of the approvals that let a version be promoted; none where the charter asks for none.

    Raises:
        Refusal: HS714, one is missing, was refused, or does not meet what the charter asks now.
    """
    from homeostat.validation.promotion import Given, promotion_allowed

    asked, deploy = asked_for(project), project.charter.deploy
    facts = list(reversed(project.ledger.find("approval", subject=version.id)))
    given = [
        Given(
            str(fact.body["approver"]),
            str(fact.body.get("role", APPROVER.role)),
            bool(fact.body.get("approved", True)),
            tuple(fact.body.get("ticked", ())),
            str(fact.body.get("because", "")),
            is_author=_is_author(project, version, str(fact.body["approver"]), fact.actor),
        )
        for fact in facts
    ]
    people = {each.role: people_of(project, each.role) for each in asked}
    allowed = promotion_allowed(asked, people, given, author_may=not deploy.approver_is_not_author)
    if not allowed:
        number = version_of(project, version.id).number
        step = "; ".join(_how(number, each) for each in asked)
        raise Refusal("HS714", allowed.reason, place=f"version {number}", next_step=step)
    roles = {each.role for each in asked}
    last = {(one.role, one.person): fact for one, fact in zip(given, facts, strict=True) if one.yes and one.role in roles}
    return tuple(last.values())


def _asked(project: Project, person: str, role: str) -> sections.Approval:
    """The approval a person gives: the role named, else the only one of the charter's that the person has."""
    known = project.charter.deploy.approvals or (APPROVER,)
    has = [each for each in known if person in people_of(project, each.role)]
    found = [each for each in known if each.role == role] if role else has
    if role and not found:
        roles = ", ".join(each.role for each in known)
        raise Refusal("HS715", f"got the role {role!r}; the charter asks for an approval by {roles}", place="deploy.approvals")
    if not found or person not in people_of(project, found[0].role):
        roles = "; ".join(f"{each.role}: {', '.join(people_of(project, each.role)) or 'nobody'}" for each in (found or known))
        raise Refusal("HS715", f"got {person!r}; the charter names {roles}", place="problem.stakeholders")
    if len(found) > 1:
        roles = ", ".join(each.role for each in found)
        raise Refusal("HS715", f"{person} has the roles {roles}; each is asked for on its own", place="--role", next_step="give --role")
    return found[0]


def _is_author(project: Project, version: Fact, person: str, actor: str) -> bool:
    """Whether who approves is who trained: by the name given, or by the account it is typed from. Both are claimed."""
    from homeostat.validation.promotion import same_person

    author = project.require(str(version.body["run"])).actor
    return actor == author or same_person(person, author)


def _record(project: Project, version: Fact, given: Given) -> Fact:
    body: dict[str, object] = {
        "version": version.id,
        "approver": given.person,
        "role": given.role,
        "approved": given.yes,
        "ticked": sorted(given.ticked),
        "because": given.because,
    }
    earlier = [
        fact
        for fact in project.ledger.find("approval", subject=version.id)
        if (fact.body["approver"], fact.body.get("role")) == (given.person, given.role)
    ]
    if earlier and dict(earlier[0].body) == body:
        return earlier[0]
    key = f"{version.id}:{given.role}:{given.person}:{len(earlier)}"
    return project.record("approval", key, body, subject=version.id, causes=(version.id,))


def _how(number: int, asked: sections.Approval) -> str:
    """The command by which an approval is given."""
    ticks = "".join(f' --tick "{item}"' for item in asked.checklist)
    return f"homeostat approve {number} --as NAME --role {asked.role}{ticks}"
