"""``homeostat export``: the champion as files."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.app.cli.output import Answer, lifecycle_command


@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--to", "kinds", default="onnx", show_default=True, help="What to write, separated by commas.")
def _export(project: Path, folder: Path, kinds: str) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.serving import export

    with open_project(project) as opened:
        done = export(opened, folder.resolve(), tuple(kind.strip() for kind in kinds.split(",")))
    return Answer(done, [f"version {done['version']} written to {folder}: {', '.join(done['files'])}"])


command = lifecycle_command("export", "Write the champion for use elsewhere.")(_export)
