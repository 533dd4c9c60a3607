"""``homeostat rollback``: the previous champion serves again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, lifecycle_command

if TYPE_CHECKING:
    from pathlib import Path


@click.option("--reason", default="asked for", help="Why, for the record.")
def _rollback(project: Path, reason: str) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.promotion import rollback
    from homeostat.flow.registry import champion
    from homeostat.flow.traffic import ending, in_force

    with open_project(project) as opened:
        routed = in_force(opened)
        moved = rollback(opened, reason=reason)
        ended = ending(opened, routed)
        now = champion(opened)
        number = now.number if now else 0
        lines = [f"version {number} is the champion again ({moved.id}); a running server follows within a second"]
        lines += [ended] if ended else []
    return Answer({"rollback": moved.id, "version": number, "from": moved.body["from"], "ended": ended}, lines)


command = lifecycle_command("rollback", "Put the previous champion back.")(_rollback)
