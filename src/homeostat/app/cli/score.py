"""``homeostat score IN OUT``: batch scoring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command

if TYPE_CHECKING:
    from homeostat.flow.score_part import BadRows


@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option(
    "--bad-rows",
    type=click.Choice(["refuse", "null"]),
    default="refuse",
    show_default=True,
    help="A row that cannot be scored ends the batch, or has an empty answer and says why in the column `problem`.",
)
def _score(project: Path, source: str, target: str, bad_rows: str) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.score import score

    with open_project(project) as opened:
        progress = StderrProgress()
        try:
            done = score(opened, source, target, root=Path.cwd(), bad_rows=cast("BadRows", bad_rows), progress=progress)
        finally:
            progress.close()
    bad = f", {done['bad']} of them without an answer: see the column `problem`" if done["bad"] else ""
    return Answer(done, [f"{done['rows']} rows scored by version {done['version']} into {done['output']}{bad}"])


command = lifecycle_command("score", "Score all rows of files, a table, a folder or a bucket with the champion; run again, it goes on.")(
    _score
)
