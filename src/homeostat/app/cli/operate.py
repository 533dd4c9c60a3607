"""``homeostat operate``: the loop."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, StderrProgress, lifecycle_command
from homeostat.app.cli.times import MOMENT, SECONDS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


@click.option("--as-of", type=MOMENT, default=None, help="Turn as if it were this moment (UTC); by default now.")
@click.option("--once", is_flag=True, help="One turn, then end.")
@click.option("--every", type=SECONDS, default=30.0, show_default=True, help="Seconds between two turns.")
def _operate(project: Path, as_of: datetime | None, once: bool, every: float) -> Answer | Iterator[Answer]:
    turns = _turns(project, as_of, every, once=once)
    if not once:
        return turns
    with closing(turns):
        return next(turns)


def _turns(project: Path, as_of: datetime | None, every: float, *, once: bool) -> Generator[Answer]:
    from homeostat.errors import HomeostatError
    from homeostat.flow.operate import describe, failure
    from homeostat.flow.operating import operating
    from homeostat.flow.project import open_project

    progress = StderrProgress()
    said = ""
    with open_project(project) as opened, operating(opened, progress) as turn:
        while True:
            try:
                done = turn(as_of)
            except HomeostatError as error:
                # One bad turn must not end the watch; a single turn that was asked for tells its fault as any command does.
                if once:
                    raise
                click.echo(failure(error), err=True)
            else:
                progress.close()
                line = describe(opened, done)
                if line != said:
                    yield Answer({**asdict(done), "summary": line}, [line])
                said = line
            time.sleep(every)


command = lifecycle_command("operate", "Run the loop: take in data, watch, diagnose, repair. One process per project.")(_operate)
