"""``homeostat init``: a commented charter and a contract, inferred from data."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.app.cli.output import Answer, lifecycle_command


@click.option("--from", "source", required=True, type=click.Path(path_type=Path), help="A CSV or Parquet file.")
@click.option("--target", required=True, help="The column to predict.")
@click.option("--name", default=None, help="The model's name; by default the folder's.")
def _init(project: Path, source: Path, target: str, name: str | None) -> Answer:
    from homeostat.flow.founding import found

    written = found(project, source, target, name)
    lines = [
        f"wrote {written.charter} ({written.task} of {target!r}, judged by {written.metric}) and {written.contract}",
        "read the charter: what is inferred is marked with a comment, what only you know is a placeholder",
        "next: homeostat check",
    ]
    data = {
        "charter": written.charter,
        "contract": written.contract,
        "task": written.task,
        "metric": written.metric,
        "leave_out": written.leave_out,
    }
    return Answer(data, lines)


command = lifecycle_command("init", "Write a commented charter and a contract inferred from data.")(_init)
