"""Who may promote: answers, roles, checklists and authors, as values."""

from __future__ import annotations

import pytest

from homeostat.core.sections import Approval
from homeostat.validation.promotion import Given, promotion_allowed, same_person

RISK, LEGAL = Approval(role="risk", checklist=("a", "b")), Approval(role="legal")
PEOPLE = {"risk": ("Ada", "Grace"), "legal": ("Linus",)}
ADA, LINUS = Given("Ada", "risk", True, ("b", "a")), Given("Linus", "legal", True)


@pytest.mark.parametrize(
    ("asked", "given", "yes", "says"),
    [
        ((), (), True, "the charter asks for no approval"),
        ((), (Given("Ada", "risk", False, because="late"),), True, "asks for no approval"),
        ((RISK,), (), False, "an approval by the role risk is missing: Ada or Grace has not answered"),
        ((RISK,), (ADA,), True, "Ada approved as risk"),
        ((RISK, LEGAL), (ADA,), False, "the role legal is missing: Linus has not answered"),
        ((RISK, LEGAL), (LINUS, ADA), True, "Ada approved as risk, Linus approved as legal"),
        ((RISK,), (Given("Ada", "risk", True, ("a",)),), False, "Ada has not ticked 'b'"),
        ((RISK,), (Given("Eve", "risk", True, ("a", "b")),), False, "Eve does not have the role risk; the charter names Ada or Grace"),
        ((RISK,), (Given("Ada", "legal", True, ("a", "b")),), False, "has not answered"),
        ((RISK,), (ADA, Given("Grace", "risk", False, because="late")), False, "Grace refused it: late"),
        ((RISK,), (Given("Ada", "risk", False, because="late"), ADA), True, "Ada approved"),
        ((RISK,), (ADA, Given("Ada", "risk", False, because="late")), False, "Ada refused it: late"),
        ((RISK,), (ADA, Given("Eve", "risk", False, because="spite")), True, "Ada approved"),
        ((Approval(role="board"),), (), False, "the role board is missing: nobody has it"),
    ],
)
def test_rules(asked: tuple[Approval, ...], given: tuple[Given, ...], yes: bool, says: str) -> None:
    allowed = promotion_allowed(asked, PEOPLE, given)
    assert allowed.yes is yes
    assert bool(allowed) is yes
    assert says in allowed.reason


def test_the_author_counts_only_where_the_charter_lets_them() -> None:
    own = (Given("Ada", "risk", True, ("a", "b"), is_author=True),)
    assert promotion_allowed([RISK], PEOPLE, own)
    assert not promotion_allowed([RISK], PEOPLE, own, author_may=False)
    both = (*own, Given("Grace", "risk", True, ("a", "b")))
    assert promotion_allowed([RISK], PEOPLE, both, author_may=False).reason == "Grace approved as risk"


@pytest.mark.parametrize("name", ["Ada Lovelace", "ada@example.org", "al", "Ada Lovelace <ada@example.org> (al)", " ADA LOVELACE "])
def test_a_name_is_an_actors_by_each_of_its_parts(name: str) -> None:
    assert same_person(name, "Ada Lovelace <ada@example.org> (al)")


@pytest.mark.parametrize(("name", "actor"), [("", "Ada (al)"), ("Ada", "Adam (al)"), ("x", ""), ("Ada", "al")])
def test_another_is_another(name: str, actor: str) -> None:
    assert not same_person(name, actor)
