"""``homeostat check``: is the charter valid, and is the goal feasible on this data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command

if TYPE_CHECKING:
    from pathlib import Path


def _check(project: Path) -> Answer:
    from homeostat.app.cli.scoping import data_of, lines_of
    from homeostat.flow.feasible import check
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        progress = StderrProgress()
        told = check(opened, progress)
        progress.close()
    return Answer(data_of(told), lines_of(opened.charter.name, told), exit_code=3 if told.verdict == "no-go" else 0)


command = lifecycle_command("check", "Validate the charter, then say from the data whether the goal is feasible.")(_check)
