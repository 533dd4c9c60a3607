"""Who may make a version the champion: rules on values, decided before anything is moved."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Allowed:
    """The answer and its reason, in a sentence."""

    yes: bool
    reason: str

    def __bool__(self) -> bool:
        """True when it is allowed."""
        return self.yes


def promotion_allowed(
    *, passed: bool, approval: Literal["auto", "manual"], approved_by: str | None = None, approvers: Collection[str] = ()
) -> Allowed:
    """Whether a version may be promoted now.

    Args:
        passed: whether every gate of its verdict passed; nobody can approve a version that failed one.
        approval: the charter's ``deploy.approval``.
        approved_by: who approved this version, None when nobody did.
        approvers: names of the charter's stakeholders with the role approver; empty: anyone may approve.

    >>> promotion_allowed(passed=True, approval="manual", approvers=("ada",)).reason
    'the charter asks for an approval by ada, and nobody has approved yet'
    """
    if not passed:
        return Allowed(False, "a gate failed; no approval replaces it")
    if approval == "auto":
        return Allowed(True, "every gate passed and the charter asks for no approval")
    person = (approved_by or "").strip()
    listed = " or ".join(sorted(approvers)) or "anyone"
    if not person:
        return Allowed(False, f"the charter asks for an approval by {listed}, and nobody has approved yet")
    if approvers and person not in approvers:
        return Allowed(False, f"{person} is not an approver; the charter names {listed}")
    return Allowed(True, f"every gate passed and {person} approved")
