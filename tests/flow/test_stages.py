"""Stages and approvals: what moves where, who must agree, and in what words it is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from homeostat.errors import Refusal
from homeostat.flow.approvals import approve, refuse
from homeostat.flow.lifecycle import run
from homeostat.flow.project import Project, open_project
from homeostat.flow.promotion import advance, promote, rollback, stage, stage_history, stage_of
from homeostat.flow.registry import champion, versions
from homeostat.flow.signing import signed
from homeostat.testing.charters import revised

if TYPE_CHECKING:
    from homeostat.core.facts import Fact

PEOPLE = [
    {"name": "Ada", "role": "risk"},
    {"name": "Grace", "role": "owner"},
    {"name": "Grace", "role": "risk"},
    {"name": "Linus", "role": "legal"},
]
APPROVALS = [{"role": "risk", "checklist": ["segments read", "costs agreed"]}, {"role": "legal"}]
TICKS = ("segments read", "costs agreed")


def stages(project: Project) -> dict[str, str]:
    return {each.fact.id: stage_of(project, each.fact) for each in versions(project)}


def with_clauses(project: Project, **clauses: Any) -> Project:
    return replace(project, charter=revised(project.charter, {f"deploy.{name}": value for name, value in clauses.items()}))


def approved_project(project: Project, **clauses: Any) -> Project:
    charter = revised(project.charter, {"problem.stakeholders": PEOPLE})
    return with_clauses(replace(project, charter=charter), approval="manual", approvals=APPROVALS, **clauses)


def another(project: Project, name: str, passed: bool = True) -> Fact:
    first = project.ledger.find("version")[-1]
    body = {each: value for each, value in first.body.items() if each != "signature"} | {"passed": passed}
    return project.record("version", name, signed(project, "version", name, body, first.causes), causes=first.causes)


def refused(do: Any, code: str) -> str:
    with pytest.raises(Refusal) as error:
        do()
    assert error.value.code == code
    return error.value.line()


class TestStages:
    def test_pointers_and_history_say_where_each_version_is(self, project: Project) -> None:
        first = project.ledger.find("version")[0]
        second, third = another(project, "2"), another(project, "3", passed=False)
        assert stages(project) == {first.id: "champion", second.id: "candidate", third.id: "archived"}
        stage(project, second)
        assert stages(project)[second.id] == "staging"
        promote(project, second)
        assert stages(project) == {first.id: "archived", second.id: "champion", third.id: "archived"}
        rollback(project)
        assert stages(project) == {first.id: "champion", second.id: "staging", third.id: "archived"}
        assert [fact.kind for fact in stage_history(project, second)] == ["staging", "promotion", "rollback"]
        assert [fact.kind for fact in stage_history(project, first)] == ["promotion", "promotion", "rollback"]

    def test_staging_is_one_move_and_again_nothing(self, project: Project) -> None:
        second, third = another(project, "2"), another(project, "3")
        moved = stage(project, second)
        assert stage(project, second).id == moved.id
        stage(project, third)
        assert stages(project)[second.id] == "archived"
        assert stage(project, second).id != moved.id
        assert champion(project).number == 1  # type: ignore[union-attr]

    def test_where_the_charter_asks_for_it_staging_comes_first(self, project: Project) -> None:
        strict = with_clauses(project, staging="required")
        with strict:
            second = another(strict, "2")
            told = refused(lambda: promote(strict, second), "HS713")
            assert "version 2 was never in staging; homeostat promote 2 --to staging" in told
            stage(strict, second)
            assert promote(strict, second).body["version"] == second.id

    def test_a_program_stages_and_a_person_promotes(self, project: Project) -> None:
        strict = with_clauses(project, staging="required")
        with strict:
            second = another(strict, "2")
            told = refused(lambda: advance(strict, second, reason="test"), "HS713")
            assert "version 2 is in staging and waits for a person; when it has proved itself: homeostat promote 2" in told
            assert stages(strict)[second.id] == "staging"
            promote(strict, second)
            assert advance(strict, second, reason="test").body["version"] == second.id

    def test_what_failed_is_not_staged(self, founded: Path) -> None:
        path = founded / "homeostat.yaml"
        path.write_text(path.read_text().replace("threshold: 60", "threshold: 1"))
        with open_project(founded) as project:
            done = run(project)
            assert "no approval replaces them" in refused(lambda: stage(project, done.version), "HS701")
            assert "gate(s) failed" in refused(lambda: promote(project, done.version), "HS701")


class TestApprovals:
    def test_every_role_must_approve_with_every_item_ticked(self, project: Project) -> None:
        asked = approved_project(project)
        with asked:
            second = another(asked, "2")
            told = refused(lambda: promote(asked, second), "HS714")
            assert "version 2: an approval by the role risk is missing: Ada or Grace has not answered" in told
            assert 'homeostat approve 2 --as NAME --role risk --tick "segments read" --tick "costs agreed"' in told
            told = refused(lambda: approve(asked, 2, "Ada", ticked=TICKS[:1]), "HS715")
            assert "Ada has not ticked 'costs agreed'" in told
            first = approve(asked, 2, "Ada", role="risk", ticked=TICKS)
            assert approve(asked, 2, "Ada", ticked=tuple(reversed(TICKS))).id == first.id
            assert "an approval by the role legal is missing: Linus has not answered" in refused(lambda: promote(asked, second), "HS714")
            approve(asked, 2, "Linus")
            promotion = promote(asked, second)
            assert promotion.body["approved_by"] == "Ada, Linus"
            assert first.id in promotion.causes
            assert first.id in promotion.body["signature"]["covers"]

    def test_a_no_blocks_until_the_same_person_says_yes(self, project: Project) -> None:
        asked = approved_project(project)
        with asked:
            second = another(asked, "2")
            approve(asked, 2, "Ada", ticked=TICKS)
            approve(asked, 2, "Linus")
            no = refuse(asked, 2, "Grace", "the night shift is not in the data", role="risk")
            assert (no.kind, no.body["approved"]) == ("approval", False)
            told = refused(lambda: promote(asked, second), "HS714")
            assert "Grace refused it: the night shift is not in the data" in told
            approve(asked, 2, "Grace", role="risk", ticked=TICKS)
            assert promote(asked, second).body["approved_by"] == "Ada, Linus, Grace"

    @pytest.mark.parametrize(
        ("person", "options", "says"),
        [
            ("Eve", {}, "got 'Eve'; the charter names risk: Ada, Grace; legal: Linus"),
            ("Ada", {"role": "legal"}, "got 'Ada'; the charter names legal: Linus"),
            ("Ada", {"role": "board"}, "got the role 'board'; the charter asks for an approval by risk, legal"),
            ("Ada", {"ticked": ("all fine",)}, "got the tick 'all fine'; the checklist of risk has: segments read; costs agreed"),
            ("Linus", {"ticked": ("all fine",)}, "the checklist of legal has: nothing"),
        ],
    )
    def test_who_cannot_approve_is_told_why(self, project: Project, person: str, options: dict[str, Any], says: str) -> None:
        asked = approved_project(project)
        with asked:
            assert says in refused(lambda: approve(asked, 1, person, **options), "HS715")

    def test_a_no_needs_a_reason_and_a_role(self, project: Project) -> None:
        asked = approved_project(project)
        with asked:
            assert "a refusal says why" in refused(lambda: refuse(asked, 1, "Ada", " "), "HS715")
            assert "got 'Eve'" in refused(lambda: refuse(asked, 1, "Eve", "no"), "HS715")

    def test_one_with_two_roles_says_in_which(self, project: Project) -> None:
        people = [{"name": "Ada", "role": "risk"}, {"name": "Ada", "role": "legal"}]
        asked = replace(approved_project(project), charter=revised(approved_project(project).charter, {"problem.stakeholders": people}))
        with asked:
            assert "Ada has the roles risk, legal" in refused(lambda: approve(asked, 1, "Ada", ticked=TICKS), "HS715")
            approve(asked, 1, "Ada", role="legal")

    def test_an_approval_counts_by_what_the_charter_asks_at_promotion(self, project: Project) -> None:
        asked = approved_project(project)
        with asked:
            second = another(asked, "2")
            approve(asked, 2, "Ada", ticked=TICKS)
            approve(asked, 2, "Linus")
            longer = with_clauses(asked, approvals=[{"role": "risk", "checklist": [*TICKS, "fairness read"]}, {"role": "legal"}])
            with longer:
                told = refused(lambda: promote(longer, second), "HS714")
                assert "the role risk is missing: Ada has not ticked 'fairness read'" in told

    def test_the_author_may_not_approve_where_the_charter_says_so(self, project: Project) -> None:
        strict = approved_project(project, approver_is_not_author=True)
        author = project.require(str(project.ledger.find("version")[0].body["run"])).actor
        with strict:
            second = another(strict, "2")
            told = refused(lambda: approve(strict, 2, "Linus"), "HS715")  # by the account it is typed from
            assert "Linus trained this version, and the charter wants another's eyes (identities are claimed, not proved)" in told
            elsewhere = replace(strict, actor="linus")
            with elsewhere:
                approve(elsewhere, 2, "Linus")
                approve(elsewhere, 2, "Ada", ticked=TICKS)
                assert promote(elsewhere, second).body["approved_by"] == "Linus, Ada"
        assert author
