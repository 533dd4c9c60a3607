"""``homeostat score IN OUT``: batch scoring."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.app.cli.output import Answer, lifecycle_command


@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
def _score(project: Path, source: Path, target: Path) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.serving import score_file

    with open_project(project) as opened:
        done = score_file(opened, source.resolve(), target.resolve())
    return Answer(done, [f"{done['rows']} rows scored by version {done['version']} into {target}"])


command = lifecycle_command("score", "Score a CSV or Parquet file with the champion.")(_score)
