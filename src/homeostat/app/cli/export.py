"""``homeostat export``: the champion as files for other languages and devices."""

from __future__ import annotations

from pathlib import Path

import click

from homeostat.app.cli.output import Answer, lifecycle_command


@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--to", "targets", default="onnx", show_default=True, help="What to write, of onnx,ort,web,js,html,c, separated by commas.")
def _export(project: Path, folder: Path, targets: str) -> Answer:
    from homeostat.flow.export import export
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        done = export(opened, folder.resolve(), tuple(name for target in targets.split(",") if (name := target.strip())))
    shown = [f"version {done['version']} written to {folder}: {', '.join(done['files'])}"]
    return Answer(done, [*shown, f"each target has a check on {done['parity_rows']} rows; see its README.md"])


command = lifecycle_command("export", "Write the champion for use elsewhere: a graph, a phone, a browser, a page, C.")(_export)
