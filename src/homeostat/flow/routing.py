"""Routing: a traffic asked for, held against the charter's rules and the champion's callers, and put in force by one signed move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core.ids import digest
from homeostat.core.traffic import Asked, Traffic, arrange, champion_alone, told
from homeostat.errors import ProjectError, Refusal
from homeostat.flow.promotion import let_through
from homeostat.flow.registry import CHAMPION, version_numbered, version_of
from homeostat.flow.signing import check_pointer, signed, trusted_bundle
from homeostat.flow.traffic import TRAFFIC, in_force, traffic_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.core.facts import Fact, Pointer
    from homeostat.flow.project import Project
    from homeostat.flow.registry import Version
    from homeostat.serving.manifest import Manifest


def route(project: Project, asked: Asked, *, sticky: tuple[str, ...] | None = None, reason: str = "asked for") -> Fact:
    """Put a traffic in force beside the champion: rules asked, signed, the pointer moved in one transaction. It replaces the one before.

    ``sticky`` None: by the charter's entity, where the champion's callers may send it. What is in force already changes nothing.

    Raises:
        ProjectError: HS430, what is asked for does not add up or names a column that callers may not send; HS605, no such version;
            HS608, nothing is promoted; HS620, the ledger was altered.
        Refusal: HS431, a version is not right for the champion's callers; HS701, it failed a gate; HS705, the traffic was moved in
            between; HS710 to HS712, signatures; HS713 or HS714, staging or an approval is missing.
        BundleError: HS401, a bundle is missing or altered.
    """
    current, pointer = _champion(project)
    manifest = trusted_bundle(project, current).manifest
    columns = _entity(project, manifest) if sticky is None else sticky
    _require_columns(project, manifest, columns, tuple(column for column, _, _ in asked.segments))
    try:
        traffic = arrange(asked, current.number, pointer.moved_by, columns)
    except ValueError as error:
        raise ProjectError("HS430", str(error), next_step="`homeostat route --help` shows how it is written") from error
    others = [version_numbered(project, number) for number in traffic.versions if number != current.number]
    approvals: list[Fact] = []
    for version in others:
        answers = version.number in traffic.answering
        _require_fits(manifest, trusted_bundle(project, version).manifest, version.number, answers=answers)
        approvals += let_through(project, version.fact, current) if answers else ()
    return _move(project, traffic, [current, *others], approvals, reason)


def clear(project: Project, *, reason: str = "asked for") -> Fact | None:
    """Let the champion answer everything again, in one transaction; None when it does already.

    Raises:
        Refusal: HS705, the traffic was moved in between; HS710 to HS712, signatures.
    """
    if in_force(project) is None:
        return None
    current, pointer = _champion(project)
    return _move(project, champion_alone(current.number, pointer.moved_by), [current], (), reason)


def _champion(project: Project) -> tuple[Version, Pointer]:
    pointer = project.ledger.pointer(CHAMPION)
    if pointer is None:
        raise ProjectError("HS608", "no version is promoted yet", next_step="`homeostat run` trains, validates and promotes one")
    check_pointer(project, pointer)
    return version_of(project, pointer.fact), pointer


def _move(project: Project, traffic: Traffic, versions: Sequence[Version], approvals: Sequence[Fact], reason: str) -> Fact:
    standing, pointer = in_force(project), project.ledger.pointer(TRAFFIC)
    if standing is not None and traffic_of(standing) == traffic:
        return standing
    body: dict[str, object] = {
        "traffic": traffic.body(),
        "words": told(traffic),
        "versions": {str(each.number): each.fact.id for each in versions},
        "approved_by": ", ".join(dict.fromkeys(str(each.body["approver"]) for each in approvals)) or "auto",
        "reason": reason,
    }
    key = f"{digest(traffic.body())[:16]}:{pointer.moves if pointer else 0}"
    causes = (traffic.beside, *(each.fact.id for each in versions), *dict.fromkeys(each.id for each in approvals))
    because = project.fact("traffic", key, signed(project, "traffic", key, body, causes), causes=causes)
    return project.ledger.move(TRAFFIC, to=because.id, expected=pointer.fact if pointer else None, because=because)


def _entity(project: Project, manifest: Manifest) -> tuple[str, ...]:
    """The columns that say what a row is about, where callers may send all of them."""
    entity = project.charter.task.entity
    return entity if set(entity) <= set(manifest.accepted()) - set(project.charter.privacy.never_store) else ()


def _require_columns(project: Project, manifest: Manifest, sticky: Sequence[str], segments: Sequence[str]) -> None:
    """A traffic looks only at what callers may send, and writes no value into the ledger that must not be stored in clear."""
    accepted = manifest.accepted()
    for column in (*sticky, *segments):
        if column not in accepted:
            raise ProjectError("HS430", f"got the column {column!r}; the champion's callers may send {', '.join(accepted)}")
    privacy = project.charter.privacy
    private = {*privacy.never_store, *privacy.never_log, *privacy.pseudonymise}
    for column in segments:
        if column in private:
            step = "route by another column; a sticky one may be a pseudonym"
            raise ProjectError("HS430", f"the values of {column!r} are private, and a segment's is written down", next_step=step)
    for column in sticky:
        if column in privacy.never_store:
            raise ProjectError("HS430", f"{column!r} is never stored, and gone from a row before it is routed")


def _require_fits(champion: Manifest, own: Manifest, number: int, *, answers: bool) -> None:
    """Requests made for the champion must be right for a version that sees them; and what it answers, for those who asked."""
    from homeostat.validation.validate import broken_requests

    inputs, theirs = ({each.name: str(each.kind) for each in one.inputs} for one in (own, champion))
    broken = broken_requests(dict.fromkeys(own.ignored, "") | inputs, own.required(), theirs, champion.ignored)
    if answers:
        missing = [each.name for each in champion.outputs if each not in own.outputs]
        broken += [f"{name} is no longer answered as it was" for name in missing]
        if own.classes != champion.classes:
            broken.append(f"it tells the classes {', '.join(own.classes)} and the champion {', '.join(champion.classes)}")
    if broken:
        why, step = "; ".join(broken), f"when its callers have changed, `homeostat promote {number}` moves all at once"
        raise Refusal("HS431", f"requests made for the champion would break: {why}", place=f"version {number}", next_step=step)
