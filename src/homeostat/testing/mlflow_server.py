"""A real MLflow server on loopback, for tests: its own process, its own folder, gone afterwards."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from homeostat.testing.servers import CannotStart

LONGEST_S = 600.0
"""A busy machine takes minutes for what takes 10 s alone: the server loads much."""


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """The address of a server with SQLite and files in a folder, when it answers.

    Raises:
        CannotStart: it ended, or does not answer in time.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "artifacts").mkdir(parents=True)
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = (folder / "server.log").open("wb")
    # A group of its own: the server starts workers, which must end with it.
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **quiet}, start_new_session=True)  # noqa: S603
    url = f"http://127.0.0.1:{port}"
    try:
        _await(url, process)
        yield url
    finally:
        _end(process)
        log.close()


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise CannotStart(f"mlflow server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):  # noqa: S310 - our own loopback address
                return
        except (urllib.error.URLError, OSError):
            try:
                process.wait(0.25)  # ends the loop early when the server does
            except subprocess.TimeoutExpired:
                continue
    raise CannotStart(f"mlflow server does not answer within {LONGEST_S:.0f} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    import signal

    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(15)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
