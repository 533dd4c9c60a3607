"""Traffic in the ledger: who may answer, what ends it, what is signed, and what later looks tell of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from homeostat.core.ids import canonical
from homeostat.core.traffic import Arm, Asked, Shadow
from homeostat.errors import HomeostatError, ProjectError
from homeostat.flow.approvals import approve
from homeostat.flow.project import Project, open_project
from homeostat.flow.promotion import promote, rollback, stage
from homeostat.flow.registry import champion, version_numbered
from homeostat.flow.routing import clear, route
from homeostat.flow.serving import serving
from homeostat.flow.signing import check, signed
from homeostat.flow.trace import connected, trace
from homeostat.flow.traffic import current_traffic, following, in_force, state_of, traffic_of, versions_in
from homeostat.flow.verify import verify
from homeostat.infra.predictions import Ids, Prediction, PredictionLog, utc_text
from homeostat.serving.bundle import Bundle, pack, unpack
from homeostat.testing.charters import revised

if TYPE_CHECKING:
    from pathlib import Path

    from homeostat.core.facts import Fact

CANARY = Asked(canary=(2, 0.1))


def another(project: Project, name: str, **changes: object) -> Fact:
    """A version like the first one, signed now."""
    first = project.ledger.find("version")[-1]
    body = {each: value for each, value in first.body.items() if each != "signature"} | changes
    return project.record("version", name, signed(project, "version", name, body, first.causes), causes=first.causes)


def failing(project: Project, name: str) -> Fact:
    """A version that failed a gate."""
    verdict = project.record("verdict", name, {"passed": False, "gates": [{"gate": "threshold", "passed": False, "detail": "too bad"}]})
    return another(project, name, passed=False, verdict=verdict.id)


@pytest.fixture
def two(project: Project) -> Project:
    """A project with two versions alike; the first is the champion."""
    another(project, "2")
    return project


def refused(do: Callable[[], object], code: str, *words: str) -> None:
    with pytest.raises(HomeostatError) as error:
        do()
    assert error.value.code == code, error.value.line()
    assert [word for word in words if word not in error.value.line()] == []


def test_a_canary_is_one_signed_move_beside_the_champion(two: Project) -> None:
    promotion = two.ledger.find("promotion")[0]
    assert current_traffic(two) == traffic_alone(two, promotion.id)
    fact = route(two, CANARY, reason="a new season")
    check(two, fact)
    traffic = current_traffic(two)
    assert traffic is not None
    assert traffic.arms == (Arm("champion", 1, 0.9), Arm("canary", 2, 0.1))
    assert (traffic.beside, traffic_of(fact)) == (promotion.id, traffic)
    assert {number: each.fact.id for number, each in versions_in(two, traffic).items()} == {
        1: version_numbered(two, 1).fact.id,
        2: version_numbered(two, 2).fact.id,
    }
    assert (fact.body["approved_by"], fact.body["reason"], fact.actor) == ("auto", "a new season", two.actor)
    assert set(fact.causes) == {promotion.id, version_numbered(two, 1).fact.id, version_numbered(two, 2).fact.id}
    assert route(two, CANARY).id == fact.id  # in force already
    assert len(two.ledger.find("traffic")) == 1
    assert verify(two).problems == ()


def traffic_alone(project: Project, beside: str) -> Any:
    from homeostat.core.traffic import champion_alone

    now = champion(project)
    assert now is not None
    return champion_alone(now.number, beside)


def test_a_canary_that_grows_is_the_same_experiment_and_clear_ends_it(two: Project) -> None:
    first = route(two, CANARY)
    second = route(two, Asked(canary=(2, 0.2)))
    assert traffic_of(first).salt == traffic_of(second).salt != ""
    assert state_of(two, first) == f"ended by {second.id}"
    cleared = clear(two, reason="enough")
    assert cleared is not None
    assert current_traffic(two) == traffic_alone(two, two.ledger.find("promotion")[0].id)
    assert in_force(two) is None
    assert clear(two) is None
    assert (state_of(two, second), state_of(two, cleared)) == (f"ended by {cleared.id}", "in force")
    assert traffic_of(route(two, CANARY)).arms == traffic_of(first).arms
    assert verify(two).problems == ()


@pytest.mark.parametrize("move", ["promote", "rollback"])
def test_a_moved_champion_ends_the_traffic(two: Project, move: str) -> None:
    if move == "rollback":
        promote(two, version_numbered(two, 2).fact)
    routed = route(two, Asked(canary=(2 if move == "promote" else 1, 0.3), shadows=(1,)))
    moved = promote(two, version_numbered(two, 2).fact) if move == "promote" else rollback(two)
    assert current_traffic(two) == traffic_alone(two, moved.id)
    assert in_force(two) is None
    assert state_of(two, routed).startswith(f"ended by {moved.id}: it was beside version")
    third = route(two, Asked(shadows=(1,)))  # a new one stands beside the new champion
    assert traffic_of(third).beside == moved.id
    assert state_of(two, routed).startswith(f"ended by {moved.id}")
    rollback(two) if move == "promote" else promote(two, version_numbered(two, 2).fact)
    assert in_force(two) is None  # what stood beside version 1 before does not come back with it
    assert verify(two).problems == ()


def test_what_answers_is_asked_by_two_looks_while_nothing_moves(two: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = following(two)
    assert ask() == current_traffic(two)
    route(two, CANARY)
    traffic = ask()
    assert traffic is not None
    assert [arm.name for arm in traffic.arms] == ["champion", "canary"]
    looked: list[str] = []
    pointer = type(two.ledger).pointer
    monkeypatch.setattr(type(two.ledger), "pointer", lambda self, name: (looked.append(name), pointer(self, name))[1])
    for name in ("get", "find"):
        monkeypatch.setattr(type(two.ledger), name, None)
    assert ask() is traffic
    assert looked == ["champion", "traffic"]


def test_a_project_without_a_champion_routes_nothing(founded: Path) -> None:
    with open_project(founded) as project:
        assert current_traffic(project) is None
        assert following(project)() is None
        assert in_force(project) is None
        refused(lambda: route(project, CANARY), "HS608", "homeostat run")


def test_only_versions_that_passed_answer_and_any_may_listen(two: Project) -> None:
    failing(two, "3")
    for asked in (Asked(canary=(3, 0.1)), Asked(test=((1, 0.5), (3, 0.5))), Asked(segments=(("season", "1", 3),))):
        refused(lambda asked=asked: route(two, asked), "HS701", "too bad")  # type: ignore[misc]
    traffic = traffic_of(route(two, Asked(shadows=(3, 2), budget=0.2, queue=5)))
    assert traffic.shadows == (Shadow(3, 0.2, 5), Shadow(2, 0.2, 5))
    assert traffic.arms == (Arm("champion", 1, 1.0),)
    refused(lambda: route(two, Asked(shadows=(9,))), "HS605", "versions 1 to 3")


def test_what_the_charter_asks_of_a_promotion_it_asks_of_an_arm(two: Project) -> None:
    people = {
        "problem.stakeholders": [{"name": "Ada", "role": "risk"}],
        "deploy.approval": "manual",
        "deploy.approvals": [{"role": "risk"}],
    }
    strict = replace(two, charter=revised(two.charter, people))
    refused(lambda: route(strict, CANARY), "HS714", "homeostat approve 2")
    route(strict, Asked(shadows=(2,)))  # nobody gets its answers
    answer = approve(strict, 2, "Ada")
    fact = route(strict, CANARY)
    assert fact.body["approved_by"] == "Ada"
    assert answer.id in fact.causes
    assert answer.id in fact.body["signature"]["covers"]
    staged = replace(two, charter=revised(two.charter, {"deploy.staging": "required"}))
    refused(lambda: route(staged, Asked(test=((1, 0.5), (2, 0.5)))), "HS713", "--to staging")


def with_manifest(project: Project, name: str, change: Callable[[Bundle], Bundle]) -> Fact:
    """A version whose bundle takes or answers other things than the champion's."""
    bundle = unpack(project.blobs.get(str(version_numbered(project, 1).fact.body["bundle"])))
    return another(project, name, bundle=project.blobs.put(pack(change(bundle))))


def renamed(bundle: Bundle) -> Bundle:
    first, *rest = bundle.manifest.inputs
    inputs = (msgspec.structs.replace(first, name="wind_gusts"), *rest)
    return replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, inputs=inputs))


def answering_less(bundle: Bundle) -> Bundle:
    return replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, outputs=()))


def test_a_version_that_needs_what_callers_do_not_send_is_refused_by_name(project: Project) -> None:
    with_manifest(project, "2", renamed)
    with_manifest(project, "3", answering_less)
    for asked in (CANARY, Asked(shadows=(2,))):
        refused(lambda asked=asked: route(project, asked), "HS431", "version 2", "wind_gusts is needed and callers don't send it")  # type: ignore[misc]
    refused(lambda: route(project, Asked(canary=(3, 0.1))), "HS431", "prediction is no longer answered as it was")
    route(project, Asked(shadows=(3,)))  # its answers are for nobody


def test_words_that_do_not_add_up_are_refused_before_anything_is_written(two: Project) -> None:
    refused(lambda: route(two, Asked(canary=(1, 0.1))), "HS430", "which is the champion")
    refused(lambda: route(two, Asked(canary=(2, 0.1)), sticky=("customer",)), "HS430", "'customer'", "season")
    refused(lambda: route(two, Asked(segments=(("quarter", "EU", 2),))), "HS430", "'quarter'")
    private = replace(two, charter=revised(two.charter, {"privacy.pseudonymise": ["season"]}))
    refused(lambda: route(private, Asked(segments=(("season", "1", 2),))), "HS430", "private")
    gone = replace(two, charter=revised(two.charter, {"privacy.never_store": ["hr"]}))
    refused(lambda: route(gone, CANARY, sticky=("season", "hr")), "HS430", "'hr' is never stored")
    assert traffic_of(route(gone, CANARY)).sticky == ()  # the charter's entity has such a column
    route(private, CANARY, sticky=("season",))  # a draw keeps no value
    head = "version 1 answers 90% (champion), version 2 10% (canary)"
    words = [fact.body["words"] for fact in two.ledger.find("traffic")]
    assert words == [f"{head}, sticky by season", f"{head}, each request drawn by itself"]


def test_the_charters_entity_is_drawn_unless_asked_otherwise(two: Project) -> None:
    entity = replace(two, charter=revised(two.charter, {"task.entity": ["instant"]}))
    assert traffic_of(route(entity, CANARY)).sticky == ("instant",)
    assert traffic_of(route(entity, CANARY, sticky=())).sticky == ()
    unsent = replace(two, charter=revised(two.charter, {"task.entity": ["customer"]}))
    assert traffic_of(route(unsent, Asked(canary=(2, 0.2)))).sticky == ()


def test_of_two_who_route_at_once_one_is_told(two: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    move = two.ledger.move

    def late(name: str, **given: Any) -> Fact:
        monkeypatch.setattr(two.ledger, "move", move)
        route(two, Asked(shadows=(2,)))
        return move(name, **given)

    monkeypatch.setattr(two.ledger, "move", late)
    refused(lambda: route(two, CANARY), "HS705", "'traffic'")
    assert [fact.body["words"] for fact in two.ledger.find("traffic")] == [
        "version 1 answers everything (champion); version 2 listens (shadow)"
    ]


def edit(project: Project, fact: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a fact's body behind the ledger's back, as one who owns the database can."""
    with closing(sqlite3.connect(project.state / "ledger.sqlite")) as database, database:
        database.execute("DROP TRIGGER IF EXISTS facts_refuse_update")
        body = json.loads(database.execute("SELECT body FROM facts WHERE id = ?", (fact,)).fetchone()[0])
        change(body)
        database.execute("UPDATE facts SET body = ? WHERE id = ?", (canonical(body).decode(), fact))


def test_a_traffic_that_was_altered_is_refused_and_named(two: Project) -> None:
    fact = route(two, CANARY)
    ask = following(two)
    before = ask()
    edit(two, fact.id, lambda body: body["traffic"]["arms"][1].update(version=1))
    refused(lambda: current_traffic(two), "HS620", fact.id)
    assert ask() is before  # who has read it goes on with it
    assert fact.id in {problem.id for problem in verify(two).problems if problem.kind == "signature"}


def test_a_pointer_is_moved_only_by_a_fact_of_its_kind(two: Project) -> None:
    """Not even a fact that is signed can be made the reason of another pointer's move."""
    routed, second, promotion = route(two, CANARY), version_numbered(two, 2).fact, two.ledger.find("promotion")[0]
    two.ledger.move("traffic", to=second.id, expected=routed.id, because=promotion)
    assert current_traffic(two) == traffic_alone(two, promotion.id)
    two.ledger.move("champion", to=second.id, expected=version_numbered(two, 1).fact.id, because=stage(two, second))
    refused(lambda: serving(two), "HS711", "it is no fact that moves the pointer 'champion'")
    assert [problem.what for problem in verify(two).problems if problem.kind == "signature"] == [
        "it is no fact that moves the pointer 'champion'",
        "it is no fact that moves the pointer 'traffic'",
    ]


def log(project: Project, arm: str, version: int, **about: Any) -> str:
    """One logged answer."""
    (name,) = Ids().take(1)
    at = about.get("at", datetime.now(UTC) + timedelta(seconds=1))
    with PredictionLog(project.predictions) as opened:
        opened.append(
            [Prediction(f"pr-{name}", "rq-1", 0, utc_text(at), project.charter.name, version, arm, {"season": 1}, [1.0], 1.0, 0.1)]
        )
    return f"pr-{name}"


def test_a_served_answer_is_traced_to_what_routed_it(two: Project) -> None:
    before = log(two, "champion", 1, at=datetime.now(UTC))
    assert trace(two, before)["routing"] is None
    fact = route(two, Asked(canary=(2, 0.1), shadows=(2,)), reason="a new season")
    for arm, version in (("champion", 1), ("canary", 2), ("shadow", 2)):
        told = trace(two, log(two, arm, version))
        assert (told["prediction"]["arm"], told["routing"]["id"], told["routing"]["reason"]) == (arm, fact.id, "a new season")
        assert told["version"]["number"] == version
    assert trace(two, before)["routing"] is None  # that was asked before
    promote(two, version_numbered(two, 2).fact)
    assert trace(two, log(two, "champion", 2))["routing"] is None
    assert trace(two, log(two, "canary", 2))["routing"]["id"] == fact.id  # a server that had not followed yet


def test_a_traffic_is_shown_with_its_words_and_what_became_of_it(two: Project) -> None:
    fact = route(two, CANARY)
    shown = connected(two, fact)
    assert (shown["routes"], shown["state"]) == (
        "version 1 answers 90% (champion), version 2 10% (canary), sticky by dteday and hr",
        "in force",
    )
    assert fact.id in connected(two, version_numbered(two, 2).fact)["effects"]


def test_a_damaged_body_is_no_traffic(two: Project) -> None:
    with pytest.raises(ProjectError, match=r"HS620.*cannot be read"):
        traffic_of(two.fact("traffic", "x", {"traffic": {"arms": []}}))
