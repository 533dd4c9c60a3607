"""Who may promote: every combination of verdict, approval and approver."""

from __future__ import annotations

import pytest

from homeostat.validation.promotion import promotion_allowed


@pytest.mark.parametrize(
    ("passed", "approval", "by", "approvers", "yes", "says"),
    [
        (True, "auto", None, (), True, "asks for no approval"),
        (True, "auto", None, ("ada",), True, "asks for no approval"),
        (False, "auto", "ada", ("ada",), False, "a gate failed"),
        (False, "manual", "ada", ("ada",), False, "a gate failed"),
        (True, "manual", None, ("bob", "ada"), False, "ada or bob"),
        (True, "manual", "  ", (), False, "an approval by anyone"),
        (True, "manual", "eve", ("ada",), False, "eve is not an approver"),
        (True, "manual", "ada", ("ada",), True, "ada approved"),
        (True, "manual", "eve", (), True, "eve approved"),
        (True, "no such kind", None, (), False, "nobody has approved"),
    ],
)
def test_rules(passed: bool, approval: str, by: str | None, approvers: tuple[str, ...], yes: bool, says: str) -> None:
    allowed = promotion_allowed(passed=passed, approval=approval, approved_by=by, approvers=approvers)
    assert allowed.yes is yes
    assert bool(allowed) is yes
    assert says in allowed.reason
