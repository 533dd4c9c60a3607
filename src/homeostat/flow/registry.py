"""Versions, numbered in the order they were registered, and the pointer that says which one serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.errors import ProjectError

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project
    from homeostat.serving.bundle import Bundle

CHAMPION = "champion"


@dataclass(frozen=True, slots=True)
class Version:
    """A registered model version: its number (1, 2, ...) and its fact."""

    number: int
    fact: Fact

    @property
    def bundle(self) -> str:
        """Digest of the bundle."""
        return str(self.fact.body["bundle"])


def versions(project: Project) -> list[Version]:
    """All versions, oldest first. The number is the place in the order of registration and never changes."""
    facts = list(reversed(project.ledger.find("version")))
    return [Version(number, fact) for number, fact in enumerate(facts, start=1)]


def version_of(project: Project, fact_id: str) -> Version:
    """The version with this fact id."""
    for version in versions(project):
        if version.fact.id == fact_id:
            return version
    raise ProjectError("HS605", f"{fact_id!r} is not a version of this project", next_step="`homeostat history --kind version` lists them")


def version_numbered(project: Project, number: int) -> Version:
    """The version with this number.

    Raises:
        ProjectError: HS605, there is none.
    """
    known = versions(project)
    if not 1 <= number <= len(known):
        have = f"versions 1 to {len(known)}" if known else "no version yet"
        raise ProjectError("HS605", f"got version {number}; this project has {have}")
    return known[number - 1]


def champion(project: Project) -> Version | None:
    """The version that serves, or None before the first promotion."""
    pointer = project.ledger.pointer(CHAMPION)
    return version_of(project, pointer.fact) if pointer else None


def load_bundle(project: Project, digest: str) -> Bundle:
    """The bundle with this digest, checked.

    Raises:
        BundleError: HS401, missing or altered.
    """
    from homeostat.serving.bundle import unpack

    return unpack(project.blobs.get(digest))


def summary(version: Version) -> dict[str, Any]:
    """What a person wants to know of a version at a glance."""
    body = version.fact.body
    return {
        "version": version.number,
        "id": version.fact.id,
        "learner": body["learner"],
        "window": body["window"],
        "metric": body["metric"],
        "value": body["value"],
        "passed": body["passed"],
        "bundle": body["bundle"],
        "at": version.fact.at.isoformat(),
    }
