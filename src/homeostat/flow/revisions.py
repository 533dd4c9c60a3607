"""How a project's charter changed: each ``charter`` fact against the one before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeostat.charter.revisions import Change
    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project


def revision(project: Project, fact: Fact) -> tuple[Change, ...]:
    """The clauses that a ``charter`` fact changed; none for the first charter of a project."""
    from homeostat.charter.revisions import changes

    before = next((project.require(cause) for cause in fact.causes if cause.startswith("charter-")), None)
    return changes(before.body["content"], fact.body["content"]) if before is not None else ()
