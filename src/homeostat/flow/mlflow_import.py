"""A model of an MLflow server adopted: found by its address there, fetched, and taken in as any model folder."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeostat.core.addresses import without_secrets
from homeostat.errors import LearningError
from homeostat.flow.adopt import Wanted, adopt

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project

_ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[^/@]+))|runs:/(?P<run>[^/]+)/(?P<path>.+)")


def import_model(project: Project, uri: str, address: str, wanted: Wanted, progress: Progress | None = None) -> Fact:
    """Fetch a model and return the ``candidate`` fact that adopting it makes; it says which run, version and alias it was.

    Args:
        project: the project.
        uri: of the server.
        address: ``models:/name@alias``, ``models:/name/version`` or ``runs:/id/path``.
        wanted: see ``adopt``.
        progress: told what is being done.

    Raises:
        Unreachable: HS801, the server does not answer.
        LearningError: HS383, the address names nothing; HS386, the server refuses; else as ``adopt``.
        Refusal: HS380, see ``adopt``.
    """
    from homeostat.infra.mlflow_server import asking, quiet_mlflow

    with tempfile.TemporaryDirectory() as folder:
        with asking(uri) as client:
            origin, source = _located(client, address)
            if progress is not None:
                progress.update(f"fetch {address}")
            mlflow = quiet_mlflow()
            found = mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=folder, tracking_uri=uri, registry_uri=uri)
        told = {"path": address, "mlflow.server": without_secrets(uri), **origin}
        return adopt(project, Path(found), wanted, origin=told, progress=progress)


def _located(client: Any, address: str) -> tuple[dict[str, str], str]:
    """What is known of the model at an address, and where its files are."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        allowed = "models:/NAME@ALIAS, models:/NAME/VERSION, runs:/ID/PATH"
        raise LearningError("HS383", f"got {address!r}; allowed: {allowed}", place="the model's address")
    if found["run"]:
        run = client.get_run(found["run"])
        return {"mlflow.run": str(run.info.run_id)}, address
    if found["alias"]:
        version = client.get_model_version_by_alias(found["name"], found["alias"])
    elif found["version"].isdigit():
        version = client.get_model_version(found["name"], found["version"])
    else:
        raise LearningError("HS383", f"got the version {found['version']!r}; a version is a number", place=address)
    told = {"mlflow.model": str(version.name), "mlflow.version": str(version.version), "mlflow.run": str(version.run_id or "")}
    alias = {"mlflow.alias": found["alias"]} if found["alias"] else {}
    return {**told, **alias}, f"models:/{version.name}/{version.version}"
