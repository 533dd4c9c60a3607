"""``homeostat show ID``: one fact and what it is connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, lifecycle_command

if TYPE_CHECKING:
    from pathlib import Path


@click.argument("fact_id")
def _show(project: Path, fact_id: str) -> Answer:
    import json

    from homeostat.flow.project import open_project
    from homeostat.flow.trace import connected

    with open_project(project) as opened:
        told = connected(opened, opened.require(fact_id))
    lines = [f"{key}: {value if isinstance(value, str) else json.dumps(value, indent=2, default=str)}" for key, value in told.items()]
    return Answer(told, lines)


command = lifecycle_command("show", "Show one fact, its causes and its effects.")(_show)
