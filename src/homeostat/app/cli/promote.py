"""``homeostat promote``: move the pointer, with the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, lifecycle_command

if TYPE_CHECKING:
    from pathlib import Path


@click.argument("version", type=int, required=False)
def _promote(project: Path, version: int | None) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.registry import champion, version_numbered
    from homeostat.flow.validate import promote

    with open_project(project) as opened:
        number = version if version is not None else opened.index.count("version")
        promotion = promote(opened, version_numbered(opened, number).fact)
        now = champion(opened)
        lines = [f"version {now.number if now else '-'} is the champion ({promotion.id}); a running server follows within a second"]
        data = {"promotion": promotion.id, "version": number, "rollback_to": promotion.body.get("rollback_to", "")}
    return Answer(data, lines)


command = lifecycle_command("promote", "Make a validated version (by default the newest) the champion.")(_promote)
