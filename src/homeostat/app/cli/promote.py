"""``homeostat promote``: move the pointer, with the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, lifecycle_command

if TYPE_CHECKING:
    from pathlib import Path


@click.argument("version", type=int, required=False)
@click.option("--to", type=click.Choice(("champion", "staging")), default="champion", show_default=True, help="The stage.")
def _promote(project: Path, version: int | None, to: str) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.promotion import promote, stage
    from homeostat.flow.registry import champion, version_numbered
    from homeostat.flow.traffic import ending, in_force

    with open_project(project) as opened:
        number = version if version is not None else opened.index.count("version")
        wanted = version_numbered(opened, number).fact
        if to == "staging":
            staged = stage(opened, wanted)
            lines = [f"version {number} is in staging ({staged.id}); next: homeostat promote {number}"]
            return Answer({"staging": staged.id, "version": number}, lines)
        routed = in_force(opened)
        promotion = promote(opened, wanted)
        ended = ending(opened, routed)
        now = champion(opened)
        lines = [f"version {now.number if now else '-'} is the champion ({promotion.id}); a running server follows within a second"]
        lines += [ended] if ended else []
        data = {"promotion": promotion.id, "version": number, "rollback_to": promotion.body.get("rollback_to", ""), "ended": ended}
    return Answer(data, lines)


command = lifecycle_command("promote", "Make a validated version (by default the newest) the champion, or put it in staging.")(_promote)
