"""Who may make a version the champion: rules on values, decided before anything is moved."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeostat.core.sections import Approval


@dataclass(frozen=True, slots=True)
class Given:
    """One person's answer in a role: yes with the items of the checklist that were ticked, or no with a reason."""

    person: str
    role: str
    yes: bool
    ticked: tuple[str, ...] = ()
    because: str = ""
    is_author: bool = False


@dataclass(frozen=True, slots=True)
class Allowed:
    """The answer and its reason, in a sentence."""

    yes: bool
    reason: str

    def __bool__(self) -> bool:
        """True when it is allowed."""
        return self.yes


def approval_stands(given: Given, asked: Approval, people: Collection[str], *, author_may: bool) -> Allowed:
    """Whether an answer counts for a role as the charter asks now. A no counts without a checklist.

    >>> from homeostat.core.sections import Approval
    >>> approval_stands(Given("Eve", "risk", True), Approval(role="risk"), ("Ada",), author_may=True).reason
    'Eve does not have the role risk; the charter names Ada'
    """
    if given.person not in people:
        return Allowed(False, f"{given.person} does not have the role {asked.role}; the charter names {_either(people)}")
    if not given.yes:
        return Allowed(True, f"{given.person} refused it: {given.because}")
    if given.is_author and not author_may:
        return Allowed(
            False, f"{given.person} trained this version, and the charter wants another's eyes (identities are claimed, not proved)"
        )
    left = [item for item in asked.checklist if item not in given.ticked]
    if left:
        return Allowed(False, f"{given.person} has not ticked {'; '.join(repr(item) for item in left)}")
    return Allowed(True, f"{given.person} approved as {asked.role}")


def promotion_allowed(
    asked: Sequence[Approval], people: Mapping[str, Collection[str]], given: Sequence[Given], *, author_may: bool = True
) -> Allowed:
    """Whether the approvals that a version has are those the charter asks for.

    Args:
        asked: one for each role that must approve; none: no approval is asked for.
        people: who has each role.
        given: every answer, oldest first; a person's last answer in a role is the one that counts.
        author_may: whether who trained the version may approve it.

    >>> from homeostat.core.sections import Approval
    >>> promotion_allowed([Approval(role="risk")], {"risk": ["Ada"]}, []).reason
    'an approval by the role risk is missing: Ada has not answered'
    """
    last = {(one.role, one.person): one for one in given}
    names = []
    for each in asked:
        of_role = people.get(each.role, ())
        answers = [one for (role, _), one in last.items() if role == each.role]
        stands = [(one, approval_stands(one, each, of_role, author_may=author_may)) for one in answers]
        refused = [allowed for one, allowed in stands if allowed and not one.yes]
        if refused:
            return Allowed(False, refused[0].reason)
        yes = [one.person for one, allowed in stands if allowed]
        if not yes:
            why = stands[-1][1].reason if stands else f"{_either(of_role)} has not answered" if of_role else "nobody has it"
            return Allowed(False, f"an approval by the role {each.role} is missing: {why}")
        names += [f"{yes[-1]} approved as {each.role}"]
    return Allowed(True, ", ".join(names) or "the charter asks for no approval")


def same_person(name: str, actor: str) -> bool:
    """Whether a name is a claimed actor's: the whole, the git name, the mail or the operating-system user.

    >>> same_person("ada", "Ada <ada@example.org> (al)"), same_person("AL", "Ada <ada@example.org> (al)"), same_person("Eve", "eva")
    (True, True, False)
    """
    found = re.fullmatch(r"\s*(?P<name>[^<(]*?)\s*(?:<(?P<mail>[^>]*)>)?\s*(?:\((?P<user>[^)]*)\))?\s*", actor)
    known = {actor, *(found.groupdict("").values() if found else ())}
    return name.strip().casefold() in {one.strip().casefold() for one in known if one.strip()}


def _either(people: Collection[str]) -> str:
    return " or ".join(sorted(people)) or "nobody"
