"""The prediction server of a project: what serves is where the ledger's pointers stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from homeostat.app.rest.protocol import Limits
from homeostat.app.rest.server import Resolve, ServeSettings, serve
from homeostat.app.rest.service import Current, Wanted
from homeostat.flow.privacy import served_shield
from homeostat.flow.project import open_project
from homeostat.flow.registry import CHAMPION, require_unaltered
from homeostat.flow.signing import check_pointer, trusted_bundle
from homeostat.flow.traffic import following, versions_in
from homeostat.infra.predictions import PredictionLog, count

if TYPE_CHECKING:
    from homeostat.core.traffic import Traffic
    from homeostat.flow.project import Project
    from homeostat.flow.registry import Version

Ready = Callable[[str, str, int | None], None]


def serve_project(root: Path, *, host: str | None, port: int | None, ready: Ready) -> dict[str, int]:
    """Serve a project's champion until a signal; returns how many predictions were logged meanwhile.

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
        resolve = wanted_of(project)
        before = count(project.predictions)
        with PredictionLog(project.predictions) as log:
            now = resolve()
            serve(settings, resolve, log, on_ready=lambda url: ready(url, settings.name, now.versions[0].version if now else None))
        return {"predictions": count(project.predictions) - before}


def wanted_of(project: Project) -> Resolve:
    """What should serve now, asked as often as wanted: two indexed looks while no pointer has moved.

    A version whose signature, or that of its promotion, does not hold is refused (HS711, HS712): the last good state goes on serving.
    """
    ask = following(project)
    known: dict[Traffic, Wanted] = {}

    def resolve() -> Wanted | None:
        traffic = ask()
        if traffic is None:
            return None
        if traffic not in known:
            pointer = project.ledger.pointer(CHAMPION)
            if pointer is not None:
                require_unaltered(project, pointer.fact, pointer=CHAMPION)
                check_pointer(project, pointer)
            found = versions_in(project, traffic)
            known.clear()
            known[traffic] = Wanted(traffic, tuple(_current(project, each) for each in found.values()))
        return known[traffic]

    return resolve


def _current(project: Project, version: Version) -> Current:
    return Current(version.number, version.bundle, lambda: trusted_bundle(project, version))
