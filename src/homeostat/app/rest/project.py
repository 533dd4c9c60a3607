"""The prediction server of a project: what serves is where the ledger's pointer stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from homeostat.app.rest.protocol import Limits
from homeostat.app.rest.server import Resolve, ServeSettings, serve
from homeostat.app.rest.service import Current
from homeostat.flow.privacy import served_shield
from homeostat.flow.project import open_project
from homeostat.flow.registry import CHAMPION, require_unaltered, version_of
from homeostat.flow.signing import check_pointer, trusted_bundle
from homeostat.infra.predictions import PredictionLog

if TYPE_CHECKING:
    from homeostat.flow.project import Project

Ready = Callable[[str, str, int | None], None]


def serve_project(root: Path, *, host: str | None, port: int | None, ready: Ready) -> dict[str, int]:
    """Serve a project's champion until a signal; returns how many predictions it logged.

    ``ready`` is called with the URL, the model's name and the version that serves (None before the first promotion).

    Raises:
        ProjectError: HS601, no project; HS602, the log cannot be written; HS604, the port is in use.
    """
    with open_project(root) as project:
        deploy = project.charter.deploy
        settings = ServeSettings(
            name=project.charter.name,
            host=host or deploy.host,
            port=deploy.port if port is None else port,
            limits=Limits(max_body_bytes=int(deploy.max_body_mb * 1e6), max_rows=deploy.max_rows),
            shield=served_shield(project),
        )
        resolve = pointer_of(project)
        said = deploy.log
        with PredictionLog(project.predictions, strict=said.mode == "strict", group_s=said.group_ms / 1e3) as log:
            now = resolve()
            serve(settings, resolve, log, on_ready=lambda url: ready(url, settings.name, now.version if now else None))
        return {"predictions": log.records}


def pointer_of(project: Project) -> Resolve:
    """What should serve now, asked as often as wanted: one indexed look while the pointer has not moved.

    A version whose signature, or that of its promotion, does not hold is refused (HS711, HS712): the last good one goes on serving.
    """
    known: dict[str, Current] = {}

    def resolve() -> Current | None:
        pointer = project.ledger.pointer(CHAMPION)
        if pointer is None:
            return None
        if pointer.moved_by not in known:
            require_unaltered(project, pointer.fact, pointer=CHAMPION)
            version = version_of(project, pointer.fact)
            check_pointer(project, pointer)
            known[pointer.moved_by] = Current(version.number, version.bundle, lambda: trusted_bundle(project, version))
        return known[pointer.moved_by]

    return resolve
