"""``homeostat mlflow``: versions to an MLflow server, and models from one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from homeostat.app.cli.adopt import adopting, told, wanted_of
from homeostat.app.cli.output import Answer, StderrProgress, command_group, lifecycle_command


@click.argument("version", type=int, required=False)
@click.option("--to", "uri", required=True, help="The server's address: http://HOST:PORT, or sqlite:///FILE.")
@click.option("--experiment", default="", help="The experiment's name; by default the project's.")
@click.option("--model-name", default="", help="The registered model's name; by default the project's.")
@click.option("--trials", type=click.IntRange(0, 1000), default=20, show_default=True, help="So many of the best trials as runs.")
def _export(project: Path, version: int | None, uri: str, experiment: str, model_name: str, trials: int) -> Answer:
    from homeostat.core.addresses import without_secrets
    from homeostat.errors import ProjectError
    from homeostat.flow.mlflow_export import export_version
    from homeostat.flow.project import open_project
    from homeostat.flow.registry import champion, version_numbered

    with open_project(project) as opened:
        chosen = version_numbered(opened, version) if version is not None else champion(opened)
        if chosen is None:
            raise ProjectError("HS608", "no version is promoted yet", next_step="name one: `homeostat versions` lists them")
        progress = StderrProgress()
        done = export_version(opened, chosen, uri, experiment=experiment, model=model_name, trials=trials, progress=progress)
        progress.close()
    what = "exported" if done.new else "was there already; its stage is brought up to date"
    alias = f", alias {done.alias}" if done.alias else ", no alias"
    lines = [
        f"version {chosen.number} {what}: model {done.model}, version {done.number}{alias}; run {done.run}",
        f"load it: mlflow.set_tracking_uri({without_secrets(uri)!r}); mlflow.pyfunc.load_model('models:/{done.model}/{done.number}')",
    ]
    data = {"version": chosen.number, "run": done.run, "model": done.model, "number": done.number, "alias": done.alias, "new": done.new}
    return Answer(data, lines)


@click.argument("uri")
@click.argument("address")
@adopting
def _import(project: Path, uri: str, address: str, **options: Any) -> Answer:
    from homeostat.flow.mlflow_import import import_model
    from homeostat.flow.project import open_project

    wanted = wanted_of(options)
    with open_project(project) as opened:
        progress = StderrProgress()
        candidate = import_model(opened, uri, address, wanted, progress)
        progress.close()
    return Answer({"candidate": candidate.id, **dict(candidate.body)}, told(candidate))


command = command_group(
    "mlflow",
    "Export versions to an MLflow server, and adopt models from one.",
    lifecycle_command("export", "Bring a version (by default the champion) to a server: run, metrics, model, alias.")(_export),
    lifecycle_command("import", "Adopt the model at ADDRESS (models:/NAME@ALIAS, models:/NAME/3, runs:/ID/PATH) of a server.")(_import),
)
