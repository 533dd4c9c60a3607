"""The loop's standing: one process per project, its durable workflows launched, its broken work taken up again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from homeostat.flow.operate import Turn, turn, workflows_of

if TYPE_CHECKING:
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project

TAKE_UP_S = 3_600.0
Turning = Callable[[datetime | None], Turn]


@contextmanager
def operating(project: Project, progress: Progress | None = None) -> Iterator[Turning]:
    """Hold the project's lease and its durable workflows; yields a function that makes one turn as of a moment (None: now).

    Launching takes up the workflows a killed process left unfinished, at the step where they were.

    Raises:
        ProjectError: HS603, another process holds the loop.
    """
    from homeostat.infra.durable import Durable
    from homeostat.infra.lease import Lease

    project.charter_fact()
    with Lease(project.state / "loop.lock"), Durable(_durable_url(project), workflows_of(project, progress)) as workflows:
        for workflow in workflows.pending():  # what a killed process left is ended before a new turn is made
            workflows.result(workflow, TAKE_UP_S)
        yield lambda as_of: turn(project, workflows, as_of or project.clock.now(), progress)


def _durable_url(project: Project) -> str:
    if project.charter.store.ledger and not project.charter.store.ledger.startswith("sqlite"):
        return project.charter.store.ledger
    return f"sqlite:///{project.state / 'durable.sqlite'}"
