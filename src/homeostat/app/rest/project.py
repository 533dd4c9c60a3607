"""The prediction server of a project: what serves is where the ledger's pointers stand."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from homeostat.app.rest.protocol import Limits
from homeostat.app.rest.server import Resolve, ServeSettings, Shared, bind, serve
from homeostat.app.rest.service import Current, Push, Wanted
from homeostat.app.rest.workers import Siblings, supervise
from homeostat.errors import ProjectError
from homeostat.flow.enriching import open_enricher
from homeostat.flow.explained import training_rows
from homeostat.flow.online import is_online, online_path, push
from homeostat.flow.privacy import served_shield
from homeostat.flow.project import open_project
from homeostat.flow.registry import CHAMPION, require_unaltered
from homeostat.flow.signing import check_pointer, trusted_bundle
from homeostat.flow.tokens import known
from homeostat.flow.traffic import following, versions_in
from homeostat.infra.online_store import OnlineStore
from homeostat.infra.predictions import PredictionLog
from homeostat.infra.segment import left_behind

if TYPE_CHECKING:
    from homeostat.core.traffic import Traffic
    from homeostat.flow.enriching import Enricher
    from homeostat.flow.project import Project
    from homeostat.flow.registry import Version
    from homeostat.serving.manifest import Manifest

Ready = Callable[[str, str, int | None], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says in place of the charter (None: the charter). ``open``: whoever reaches the server may ask it."""

    host: str | None = None
    port: int | None = None
    workers: int | None = None
    open: bool = False


def serve_project(root: Path, asked: Asked, ready: Ready) -> dict[str, int]:
    """Serve a project's champion until a signal; returns how many predictions it logged.

    ``ready`` is called with the URL, the model's name and the version that serves (None before the first promotion).

    Raises:
        ProjectError: HS601, no project; HS602, the log cannot be written; HS604, the port is in use; HS472, it would be open to others.
    """
    with open_project(root) as project:
        settings = settings_of(project, asked)
        now = wanted_of(project)()
        strict, group_s = project.charter.deploy.log.mode == "strict", project.charter.deploy.log.group_ms / 1e3
        workers = asked.workers or project.charter.deploy.workers
        folder = project.predictions
    version = now.versions[0].version if now else None
    begun_ns = time.time_ns()
    listener = bind(settings.host, settings.port)
    with closing(listener), TemporaryDirectory(prefix="homeostat-") as counts:

        def work(place: int, tell: Callable[[], object]) -> None:
            shared = Shared(listener, Siblings(Path(counts), place) if workers > 1 else None)
            with open_project(root) as own, PredictionLog(own.predictions, strict=strict, group_s=group_s) as log:
                mine = replace(settings, push=pushing(own), training_rows=lambda bundle: training_rows(own, bundle))
                serve(mine, wanted_of(own), log, on_ready=lambda _: tell(), shared=shared)
            (Path(counts) / f"logged-{os.getpid()}").write_text(str(log.records))

        url = settings.url(listener)
        if workers == 1:
            work(0, lambda: ready(url, settings.name, version))
        else:
            supervise(workers, work, lambda: ready(url, settings.name, version))
        logged = sum(int(path.read_text()) for path in Path(counts).glob("logged-*"))
    return {"predictions": logged + left_behind(folder, begun_ns)}  # of workers that were killed, too


def settings_of(project: Project, asked: Asked) -> ServeSettings:
    """How the charter and the command line want the server.

    Raises:
        ProjectError: HS472, it would listen to other machines and ask nobody for a token; HS601, a file of its certificate is missing.
    """
    deploy = project.charter.deploy
    host = asked.host or deploy.host
    if not (asked.open or _only_here(host)) and known(project) is None:
        step = "`homeostat token add NAME` makes the first token; --open serves whoever reaches it"
        raise ProjectError("HS472", "other machines can reach this address, and there are no tokens", place=f"host {host}", next_step=step)
    tls = None
    if deploy.tls is not None:
        files = [project.root / deploy.tls.certificate, project.root / deploy.tls.key]
        missing = next((path for path in files if not path.is_file()), None)
        if missing is not None:
            raise ProjectError("HS601", "no such file", place=f"deploy.tls: {missing}", next_step="correct the path in the charter")
        tls = (str(files[0]), str(files[1]))
    return ServeSettings(
        name=project.charter.name,
        host=host,
        port=deploy.port if asked.port is None else asked.port,
        limits=Limits(int(deploy.max_body_mb * 1e6), deploy.max_rows, deploy.body_timeout.total_seconds(), deploy.max_waiting),
        shield=served_shield(project),
        tls=tls,
    )


def _only_here(host: str) -> bool:
    """Whether an address is this machine's own, out of reach for others."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, which may stand for any address
        return False


def wanted_of(project: Project) -> Resolve:
    """What should serve now, asked as often as wanted: two indexed looks while no pointer has moved, and one for tokens.

    A version whose signature, or that of its promotion, does not hold is refused (HS711, HS712): the last good state goes on serving.
    """
    ask = following(project)
    last: dict[Traffic, Wanted] = {}

    def resolve() -> Wanted | None:
        traffic, tokens = ask(), known(project)
        if traffic is None:
            return None
        if traffic not in last:
            pointer = project.ledger.pointer(CHAMPION)
            if pointer is not None:
                require_unaltered(project, pointer.fact, pointer=CHAMPION)
                check_pointer(project, pointer)
            found = versions_in(project, traffic)
            last.clear()
            last[traffic] = Wanted(traffic, tuple(_current(project, each) for each in found.values()))
        return replace(last[traffic], tokens=tokens)

    return resolve


def _current(project: Project, version: Version) -> Current:
    def enricher(manifest: Manifest) -> Enricher | None:
        return open_enricher(project, version, manifest.required(), manifest.accepted())

    return Current(version.number, version.bundle, lambda: trusted_bundle(project, version), enricher)


def pushing(project: Project) -> Push | None:
    """What takes in events of a project's online tables; None where its charter has none."""
    if not is_online(project):
        return None

    def take(table: str | None, fields: list[dict[str, Any]]) -> dict[str, Any]:
        with OnlineStore(online_path(project)) as store:
            done, refused = push(project, store, table, fields)
        told = [{"event": place, "code": error.code, "message": error.message} for place, error in refused]
        return {"taken": done.taken, "repeated": done.repeated, "late": done.late, "refused": told}

    return take
