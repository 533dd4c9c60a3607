"""The traffic as the ledger tells it: which versions answer now, what ended, and what a served answer was routed by.

A traffic stands beside one champion: it names the move that made the champion what it is, and is void as soon as there is another.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from homeostat.core.traffic import CHAMPION as CHAMPION_ARM
from homeostat.core.traffic import SHADOW, Traffic, champion_alone, read_traffic, told
from homeostat.errors import ProjectError
from homeostat.flow.registry import CHAMPION, Version, require_unaltered, version_numbered, version_of
from homeostat.flow.signing import check_pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from homeostat.core.facts import Fact, Pointer
    from homeostat.flow.project import Project

TRAFFIC = "traffic"


def current_traffic(project: Project) -> Traffic | None:
    """What answers now: the traffic in force, else the champion alone; None before the first promotion.

    Raises:
        Refusal: HS711 or HS712, the traffic's signature does not hold.
        ProjectError: HS620, a row of the ledger that it relies on was altered.
    """
    standing = project.ledger.pointer(CHAMPION)
    return None if standing is None else _answering(project, standing, project.ledger.pointer(TRAFFIC))


def following(project: Project) -> Callable[[], Traffic | None]:
    """``current_traffic``, to be asked as often as wanted: two indexed looks, and the same record, while neither pointer has moved."""
    known: dict[tuple[str, str], Traffic] = {}

    def ask() -> Traffic | None:
        standing, routed = project.ledger.pointer(CHAMPION), project.ledger.pointer(TRAFFIC)
        if standing is None:
            return None
        moves = (standing.moved_by, routed.moved_by if routed else "")
        if moves not in known:
            traffic = _answering(project, standing, routed)
            known.clear()
            known[moves] = traffic
        return known[moves]

    return ask


def _answering(project: Project, standing: Pointer, routed: Pointer | None) -> Traffic:
    fact = project.require(routed.fact) if routed is not None else None
    if fact is None or routed is None or beside(fact) != standing.moved_by:
        return champion_alone(version_of(project, standing.fact).number, standing.moved_by)
    require_unaltered(project, fact.id, *fact.body["versions"].values(), pointer=TRAFFIC)
    check_pointer(project, routed)
    return traffic_of(fact)


def versions_in(project: Project, traffic: Traffic) -> dict[int, Version]:
    """The versions of a traffic by their numbers, those in shadow too; ``signing.trusted_bundle`` gives the bundle of each."""
    return {number: version_numbered(project, number) for number in traffic.versions}


def traffic_of(fact: Fact) -> Traffic:
    """The traffic that a fact put in force.

    Raises:
        ProjectError: HS620, the fact holds none.
    """
    try:
        return read_traffic(fact.body["traffic"])
    except (KeyError, ValueError) as damage:
        raise ProjectError("HS620", f"its traffic cannot be read: {damage}", place=fact.id, next_step="`homeostat verify`") from damage


def beside(fact: Fact) -> str:
    """The id of the move beside which a traffic was made."""
    return str(fact.body.get("traffic", {}).get("beside", ""))


def in_force(project: Project) -> Fact | None:
    """The fact of the traffic that is in force and more than the champion alone; None when the champion answers everything."""
    standing, routed = project.ledger.pointer(CHAMPION), project.ledger.pointer(TRAFFIC)
    if standing is None or routed is None:
        return None
    fact = project.require(routed.fact)
    return fact if beside(fact) == standing.moved_by and not traffic_of(fact).plain else None


def ending(project: Project, before: Fact | None) -> str:
    """What to add to the news that the champion moved: the traffic that was in force ``before`` and is no more, in words; else nothing."""
    if before is None or in_force(project) is not None:
        return ""
    return f"this ended {before.id}: {told(traffic_of(before))}"


def last_ended(project: Project) -> str:
    """The traffic that ended with a move of the champion since, and by what it ended; nothing when there was none."""
    routed = project.ledger.pointer(TRAFFIC)
    fact = project.require(routed.fact) if routed is not None else None
    if fact is None or traffic_of(fact).plain:
        return ""
    return f"{fact.id} {state_of(project, fact)}"


def state_of(project: Project, fact: Fact) -> str:
    """What became of a traffic, in words."""
    standing, routed = project.ledger.pointer(CHAMPION), project.ledger.pointer(TRAFFIC)
    if routed is not None and routed.fact != fact.id:
        after = [each for each in project.ledger.find("traffic") if each.seq > fact.seq]
        if beside(after[-1]) == beside(fact):
            return f"ended by {after[-1].id}"
    if standing is None or beside(fact) != standing.moved_by:
        ended = [each for each in _champion_moves(project) if each.seq > project.require(beside(fact)).seq]
        return f"ended by {ended[0].id}: it was beside version {_champion_of(project, fact)}"
    return "in force"


def _champion_of(project: Project, fact: Fact) -> int:
    return version_of(project, str(project.require(beside(fact)).body["version"])).number


def _champion_moves(project: Project) -> list[Fact]:
    """What made versions the champion, oldest first."""
    moves = [fact for kind in ("promotion", "rollback") for fact in project.ledger.find(kind)]
    return sorted(moves, key=lambda fact: fact.seq)


def behind(project: Project, record: Mapping[str, Any]) -> dict[str, Any] | None:
    """What routed a logged prediction to its version; None where the champion answered everything."""
    asked, arm, version = datetime.fromisoformat(str(record["at"])), str(record["arm"]), int(record["version"])
    known = [fact for fact in project.ledger.find("traffic") if fact.at <= asked]
    # A server follows within a second, so that an answer may still be by the traffic before the newest.
    fact = next((each for each in known if _has(traffic_of(each), arm, version)), None)
    if fact is None:
        return None
    if arm == CHAMPION_ARM:
        moves = [each for each in _champion_moves(project) if each.at <= asked]
        if fact is not known[0] or not moves or beside(fact) != moves[-1].id or traffic_of(fact).plain:
            return None
    routed = {name: fact.body[name] for name in ("approved_by", "reason")}
    return {"id": fact.id, "at": fact.at.isoformat(), "by": fact.actor, **routed, "words": told(traffic_of(fact))}


def _has(traffic: Traffic, arm: str, version: int) -> bool:
    if arm == SHADOW:
        return any(each.version == version for each in traffic.shadows)
    return any((each.name, each.version) == (arm, version) for each in traffic.arms)
