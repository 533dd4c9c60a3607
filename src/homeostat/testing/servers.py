"""Real servers for tests: PostgreSQL in a temporary folder, an S3 server on loopback, and an HTTP server that fails as it is told."""

from __future__ import annotations

import logging
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

START_S = 60


class CannotStart(Exception):
    """A server cannot be started here; the text says why."""


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of its own, on loopback, while the block runs; gives the URL of its empty database ``postgres``.

    PostgreSQL refuses to run as root: then it runs as the user ``postgres`` or ``nobody``.

    Raises:
        CannotStart: its programs are not installed, or it does not start.
    """
    programs = _postgresql_programs()
    folder = Path(tempfile.mkdtemp(prefix="homeostat-postgresql-"))
    user = _unprivileged(folder)
    data, log = folder / "data", folder / "log"

    def call(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        # pg_ctl hands its own output on to the server, which would keep a pipe open for ever: so into a file.
        with (folder / "output").open("w+") as output:
            done = subprocess.run(command, cwd=folder, user=user, stdout=output, stderr=output, check=False)  # noqa: S603 - our own words
            output.seek(0)
            if done.returncode:
                raise CannotStart(f"{program} failed: {output.read()[-500:].strip()}{log.read_text()[-500:] if log.exists() else ''}")

    try:
        call("initdb", "-D", str(data), "-U", "homeostat", "-A", "trust", "--no-sync", "--locale=C", "--encoding=UTF8")
        port = _free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c full_page_writes=off"
        call("pg_ctl", "-D", str(data), "-l", str(log), "-w", "-t", str(START_S), "-o", options, "start")
        try:
            yield f"postgresql://homeostat@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgresql_programs() -> Path:
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if config := shutil.which("pg_config"):
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603 - found on the PATH
        folders.insert(0, Path(told.stdout.strip()))
    if ctl := shutil.which("pg_ctl"):
        folders.append(Path(ctl).resolve().parent)
    for folder in folders:
        if all((folder / program).exists() for program in ("initdb", "pg_ctl", "postgres")):
            return folder
    raise CannotStart("the programs of a PostgreSQL server (initdb, pg_ctl, postgres) are not installed")


def _unprivileged(folder: Path) -> int | None:
    """Whom the server runs as: None for ourselves; for root somebody else, who gets the folder."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known.get("nobody")
    if entry is None:
        raise CannotStart("we are root, and there is no user postgres or nobody to run the server as")
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return entry.pw_uid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def s3() -> Iterator[dict[str, str]]:
    """An S3 server in this process while the block runs; gives the ``AWS_*`` variables by which clients find it.

    Raises:
        CannotStart: moto is not installed.
    """
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise CannotStart("moto[server] is not installed") from error
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request otherwise
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing-secret",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.stop()


@dataclass
class Document:
    """What the HTTP server answers at one path. Each request takes the next of ``faults``; when they are used up it answers well.

    A fault is a status (``503``), ``"truncate"`` (half the body), ``"reset"`` (no answer at all) or ``"slow"`` (waits until released).
    """

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    faults: list[int | str] = field(default_factory=list)
    head: bool = True
    status: int = 200
    asked: list[str] = field(default_factory=list)
    authorized: list[str] = field(default_factory=list)


@dataclass
class Web:
    """A running HTTP server: its address and what it answers, by path."""

    address: str
    documents: dict[str, Document]
    released: threading.Event


@contextmanager
def web() -> Iterator[Web]:
    """An HTTP server on loopback while the block runs."""
    documents: dict[str, Document] = {}
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, documents, released, body=True)

        def do_HEAD(self) -> None:
            _answer(self, documents, released, body=False)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has in the base class
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Web(f"http://127.0.0.1:{server.server_address[1]}", documents, released)
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(request: BaseHTTPRequestHandler, documents: dict[str, Document], released: threading.Event, *, body: bool) -> None:
    document = documents.get(request.path.partition("?")[0])
    if document is None:
        request.send_error(404)
        return
    document.asked.append(request.command)
    document.authorized.append(request.headers.get("Authorization", ""))
    if not body and not document.head:
        request.send_error(405)
        return
    fault = document.faults.pop(0) if document.faults else None
    if isinstance(fault, int):
        request.send_error(fault)
        return
    if fault == "reset":
        request.close_connection = True
        request.connection.shutdown(socket.SHUT_RDWR)
        return
    if fault == "slow":
        released.wait(timeout=START_S)
    request.send_response(document.status)
    request.send_header("Content-Length", str(len(document.body)))
    for name, value in document.headers.items():
        request.send_header(name, value)
    request.end_headers()
    if body:
        request.wfile.write(document.body[: len(document.body) // 2] if fault == "truncate" else document.body)
