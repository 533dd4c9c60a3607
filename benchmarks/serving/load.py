"""A server as a process on one core: started, asked, watched, loaded by wrk from the other core, and ended."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("rotate.lua")
SERVER_CORE, LOAD_CORE = "1", "0"
LONGEST_START_S = 120.0
JSON = {"Content-Type": "application/json"}


class FailedError(Exception):
    """A server that did not start, answered wrongly or died; the text is what it said last."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers: its process, its port, and how long it took from its start to its first answer."""

    process: subprocess.Popen[bytes]
    port: int
    ready_s: float

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Let the server and what is started here run ahead of all other work of the machine, where that is allowed.

        The system still gives a twentieth of each second to others that wait, which shows in p99.
        """
        _schedule(["-r", "10"], [*_family(self.process.pid), os.getpid()])
        try:
            yield
        finally:
            _schedule(["-o", "0"], [*_family(self.process.pid), os.getpid()])

    def memory_mb(self) -> dict[str, float]:
        """Resident memory: of the largest process, and of all together, where what two share counts once."""
        sizes = [size for pid in _family(self.process.pid) if (size := _sizes_kb(pid))]
        if not sizes:
            raise FailedError("the server is gone")
        return {"resident_mb": round(max(rss for rss, _ in sizes) / 1024, 1), "together_mb": round(sum(pss for _, pss in sizes) / 1024, 1)}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], port: int, first: Callable[[], None], said: Path) -> Iterator[Running]:
    """Start a server on its core and wait until ``first``, a request, is answered; at the end its whole session is ended.

    ``said`` takes what it writes.

    Raises:
        FailedError: it ended, or did not answer within ``LONGEST_START_S``.
    """
    started = time.perf_counter()
    with said.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, *command],
            env=dict(environment),
            cwd=Path(__file__).parents[2],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        _wait(process, first, started, said)
        yield Running(process, port, round(time.perf_counter() - started, 3))
    finally:
        _end(process)


def _wait(process: subprocess.Popen[bytes], first: Callable[[], None], started: float, said: Path) -> None:
    while True:
        try:
            return first()
        except (OSError, http.client.HTTPException, FailedError) as error:
            if process.poll() is not None or time.perf_counter() - started > LONGEST_START_S:
                lines = said.read_text(errors="replace").strip().splitlines()
                raise FailedError(f"no answer ({error}): {(lines or ['no word'])[-1][:300]}") from error
        time.sleep(0.005)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the server and all it started to end, and end it."""
    family = _family(process.pid)
    for each, patience in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
        for pid in _living(family):
            with suppress(ProcessLookupError):
                os.kill(pid, each)
        until = time.monotonic() + patience
        while _living(family) and time.monotonic() < until:
            process.poll()
            time.sleep(0.02)
    process.wait()


def _stats() -> dict[int, tuple[int, int]]:
    """Parent and session of each living process."""
    found = {}
    for pid in (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()):
        with suppress(OSError):
            state, parent, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
            if state != "Z":
                found[pid] = int(parent), int(session)
    return found


def _family(leader: int) -> set[int]:
    """The living processes of a session and all that these started, in whatever session."""
    known = _stats()
    family = {pid for pid, (_, session) in known.items() if session == leader}
    while more := {pid for pid, (parent, _) in known.items() if parent in family} - family:
        family |= more
    return family


def _living(pids: set[int]) -> set[int]:
    return pids & _stats().keys()


def _schedule(policy: Sequence[str], pids: Sequence[int]) -> None:
    for pid in pids:
        subprocess.run(["chrt", "-a", *policy[:1], "-p", *policy[1:], str(pid)], capture_output=True, check=False)


def _sizes_kb(pid: int) -> tuple[int, int] | None:
    with suppress(OSError):
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
        return int(lines["Rss"].split()[0]), int(lines["Pss"].split()[0])
    return None


def ask(connection: http.client.HTTPConnection, path: str, body: bytes) -> tuple[Any, int]:
    """The reply to one request as JSON, and how many bytes it has.

    Raises:
        FailedError: any status but 200.
    """
    connection.request("POST", path, body, JSON)
    reply = connection.getresponse()
    content = reply.read()
    if reply.status != 200:
        raise FailedError(f"{reply.status} {content[:300].decode(errors='replace')}")
    return json.loads(content), len(content)


def wrk(port: int, path: str, bodies: Path, connections: int, seconds: float) -> dict[str, float]:
    """Load a server with the bodies of a file by turns, from the other core; requests per second, latencies in ms, and what went wrong.

    Raises:
        FailedError: wrk is not installed, or ended without its figures.
    """
    program = shutil.which("wrk")
    if program is None:
        raise FailedError("wrk is not installed; on Debian: apt-get install wrk")
    given = ["-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20s", "-s", str(SCRIPT), f"http://127.0.0.1:{port}{path}"]
    done = subprocess.run(["taskset", "-c", LOAD_CORE, program, *given, "--", str(bodies)], capture_output=True, text=True, check=False)
    line = next((each for each in done.stdout.splitlines() if each.startswith("FIGURES ")), None)
    if line is None:
        raise FailedError(f"wrk gave no figures: {done.stderr[:300]}")
    found = json.loads(line.removeprefix("FIGURES "))
    rounded = {name: round(found[name], 3) for name in ("p50_ms", "p99_ms", "max_ms")}
    return {"requests_s": round(found["requests"] / found["seconds"], 1), **rounded, "refused": found["refused"], "failed": found["failed"]}
