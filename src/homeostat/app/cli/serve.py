"""``homeostat serve``: the champion over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, lifecycle_command

if TYPE_CHECKING:
    from pathlib import Path


@click.option("--host", default=None, help="By default the charter's deploy.host.")
@click.option("--port", type=click.IntRange(0, 65_535), default=None, help="By default the charter's deploy.port; 0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 256), default=None, help="Processes that serve; by default the charter's deploy.workers.")
@click.option("--open", "is_open", is_flag=True, help="Answer whoever reaches the server, without tokens.")
def _serve(project: Path, host: str | None, port: int | None, workers: int | None, is_open: bool) -> Answer:
    from homeostat.app.rest.project import Asked, serve_project

    counts = serve_project(project, Asked(host, port, workers, is_open), _ready)
    return Answer(counts, [f"stopped; {counts['predictions']} predictions were answered and logged"])


def _ready(url: str, name: str, version: int | None) -> None:
    click.echo(json.dumps({"event": "ready", "url": url, "model": name, "version": version}))
    state = f"{name} version {version}" if version else f"{name}: no version is promoted yet; it will be served as soon as one is"
    click.echo(f"serving {state} on {url}  (POST {url}/predict, Ctrl-C ends)", err=True)


command = lifecycle_command("serve", "Serve the champion over HTTP; follows promotions and rollbacks by itself.")(_serve)
