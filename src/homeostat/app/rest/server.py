"""Runs the application: binds the port, follows the registry, swaps models while serving, drains on a signal."""

from __future__ import annotations

import contextlib
import errno
import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

import uvicorn

from homeostat.app.rest.app import make_app
from homeostat.app.rest.batching import Batcher
from homeostat.app.rest.fast import FastLane, Lane
from homeostat.app.rest.guard import Guard
from homeostat.app.rest.listening import Listener
from homeostat.app.rest.protocol import Limits
from homeostat.app.rest.service import Live, Push, Service, Slot, Wanted
from homeostat.core.traffic import SHADOW
from homeostat.errors import HomeostatError, ProjectError
from homeostat.serving.predictor import Predictor
from homeostat.serving.router import Router

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    from homeostat.app.rest.workers import Siblings
    from homeostat.dataops.privacy import RowShield
    from homeostat.graph.explain import Reference
    from homeostat.infra.predictions import PredictionLog

TICKS_A_SECOND = 10
Resolve = Callable[[], Wanted | None]


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Where and what to serve.

    ``port`` 0 takes a free one; ``drain_s`` is how long a stop waits for requests under way; without ``fast`` all requests take the way
    through ASGI; ``push`` takes in events; ``tls`` names the files of the certificate (with its chain) and of its private key;
    ``training_rows`` gives what explanations compare with, by a bundle's digest, where that is kept.
    """

    name: str
    host: str = "127.0.0.1"
    port: int = 8000
    limits: Limits = field(default_factory=Limits)
    poll_s: float = 0.25
    drain_s: int = 10
    shield: RowShield | None = None
    fast: bool = True
    tls: tuple[str, str] | None = None
    push: Push | None = None
    training_rows: Callable[[str], Reference | None] = lambda _: None

    def url(self, listener: socket.socket) -> str:
        """The server's address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{listener.getsockname()[1]}"


@dataclass(frozen=True, slots=True)
class Shared:
    """What several processes share that serve the same: the listener, as ``bind`` gave it, and their counts."""

    listener: socket.socket
    siblings: Siblings | None = None


def announce(url: str) -> None:
    """Write ``{"event": "ready", "url": ...}`` as one line on stdout."""
    sys.stdout.write(json.dumps({"event": "ready", "url": url}) + "\n")
    sys.stdout.flush()


def serve(
    settings: ServeSettings,
    resolve: Resolve,
    log: PredictionLog,
    *,
    on_ready: Callable[[str], object] = announce,
    stop: threading.Event | None = None,
    shared: Shared | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or ``stop``; requests under way are finished first. The caller closes the log.

    ``resolve`` says what should serve; it is asked every ``poll_s`` seconds, and a change is loaded beside the running model and
    put in its place. When it raises, the last good model goes on serving and the problem shows in ``/v2/health``.

    Raises:
        ProjectError: HS604, the port is in use; HS609, the address cannot be used.
        HomeostatError: what ``resolve`` or loading the first model raises.
    """
    service = Service(settings.name, log, settings.limits, settings.shield)
    listener = shared.listener if shared is not None else bind(settings.host, settings.port)
    service.push = settings.push
    service.siblings = shared.siblings if shared is not None else None
    service.explaining.known = settings.training_rows
    with contextlib.closing(listener), service.workers:
        follow(service, resolve())
        lane = Lane(service, open=settings.fast)
        certificate, key = settings.tls or (None, None)
        config = uvicorn.Config(
            make_app(service),
            http=cast("type[HttpToolsProtocol]", partial(FastLane, lane)),
            loop="uvloop",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            proxy_headers=False,
            timeout_keep_alive=int(lane.idle_s),
            timeout_graceful_shutdown=settings.drain_s,
        )
        server = _Server(config, service, lambda: on_ready(settings.url(listener)))
        stop = stop or threading.Event()
        follower = threading.Thread(target=_follow, args=(service, resolve, settings.poll_s, stop, server), name="follower", daemon=True)
        with _signals_kept(server):
            follower.start()
            try:
                server.run(sockets=[listener])
            finally:
                stop.set()
                follower.join()


def bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet.

    Raises:
        ProjectError: HS604, the port is in use; HS609, the host or port cannot be used.
    """
    place = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ProjectError(
            "HS609", f"the address cannot be used: {error.strerror}", place=place, next_step="give another --host or --port"
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)  # here, not later in the event loop: of two servers that start together, one must be refused
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ProjectError(
                "HS604", "another program listens there", place=place, next_step="stop it, or give another --port"
            ) from error
        raise ProjectError(
            "HS609", f"the address cannot be used: {error.strerror}", place=place, next_step="give another --host or --port"
        ) from error
    return listener


def follow(service: Service, wanted: Wanted | None) -> bool:
    """Have what is wanted serve if it does not yet; True when that changed anything. None keeps what serves.

    Raises:
        BundleError: a bundle must not be used; all is as before.
    """
    live = service.live
    if wanted is not None:
        _guard(service, wanted)
    if wanted is None or (live is not None and _same(live.wanted, wanted)):
        return False
    known = {} if live is None else {each.digest: each.predictor for each in (*live.arms, *(heard.slot for heard in live.listeners))}
    for each in wanted.versions:
        if each.digest not in known:
            known[each.digest] = Predictor(each.load())
    versions = {each.version: each for each in wanted.versions}
    enrichers = {each.version: each.enricher(known[each.digest].manifest) for each in wanted.versions}

    def slot(version: int, arm: str) -> Slot:
        digest = versions[version].digest
        return Slot(known[digest], service.name, version, digest, arm, enrichers[version])

    traffic = wanted.traffic
    arms = tuple(slot(arm.version, arm.name) for arm in traffic.arms)
    listeners = tuple(Listener(slot(each.version, SHADOW), each.budget, each.queue) for each in traffic.shadows)
    service.live = Live(wanted, Router(traffic), arms, listeners)
    service.swaps += live is not None
    return True


def _guard(service: Service, wanted: Wanted) -> None:
    """Ask for the tokens that are wanted. Once asked for, they always are: without any left nobody passes."""
    tokens = wanted.tokens if wanted.tokens is not None or service.guard is None else ()
    if tokens is not None and (service.guard is None or service.guard.tokens != tokens):
        service.guard = Guard(tokens)


def _same(one: Wanted, other: Wanted) -> bool:
    bundles = ({(each.version, each.digest) for each in wanted.versions} for wanted in (one, other))
    return one.traffic == other.traffic and next(bundles) == next(bundles)


def _follow(service: Service, resolve: Resolve, poll_s: float, stop: threading.Event, server: uvicorn.Server) -> None:
    while not stop.wait(poll_s):
        try:
            follow(service, resolve())
            problem = ""
        except HomeostatError as error:
            problem = error.line()
        except Exception as error:  # noqa: BLE001  # recorded: a registry that is away must not take the server with it
            problem = f"{type(error).__name__}: {error}"
        if problem and problem != service.problem:
            sys.stderr.write(f"homeostat serve: the last good model goes on serving: {problem}\n")
        service.problem = problem
    server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn's server, with what lives in its loop, telling when it accepts requests."""

    def __init__(self, config: uvicorn.Config, service: Service, on_started: Callable[[], object]) -> None:
        super().__init__(config)
        self._service, self._on_started = service, on_started

    async def on_tick(self, counter: int) -> bool:
        """Once a second, look after the connections and leave the counts to the other workers."""
        if counter % TICKS_A_SECOND == 0:
            now = time.perf_counter()
            for connection in list(self.server_state.connections):
                if isinstance(connection, FastLane):
                    connection.sweep(now)
            siblings = self._service.siblings
            if siblings is not None:
                siblings.leave(self._service.metrics)
                self.should_exit = self.should_exit or siblings.orphaned
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then tell."""
        self._service.batcher = Batcher(self._service)
        await super().startup(sockets)
        if self.started:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is under way."""
        await super().shutdown(sockets)
        self._service.batcher.close()


@contextlib.contextmanager
def _signals_kept(server: uvicorn.Server) -> Iterator[None]:
    """Keep signals ours.

    One that comes before uvicorn listens to them ends the server too, and one that uvicorn raises again after draining does not kill the
    process before its log is closed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, lambda *_: setattr(server, "should_exit", True)) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
