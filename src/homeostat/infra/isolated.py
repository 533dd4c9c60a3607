"""A process of its own for code that may hang, leak or crash: it ends in time with all its children, within its memory, and in silence.

The time runs by an alarm of the kernel in the process itself, so that a process whose parent was killed ends too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY_S = 0.2
STATUS = Path("/proc/self/status")
LONGEST_SAID = 4_000


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code, below 0 the signal that ended it; why we ended it, empty when we did not; its last words."""

    code: int
    by_us: str = ""
    said: str = ""

    @property
    def signal(self) -> str:
        """The name of the signal that ended it, empty when none did."""
        return signal.Signals(-self.code).name if self.code < 0 else ""


def run_isolated(command: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float, over: Callable[[], bool]) -> Ended:
    """Run a command in a session of its own until it ends, the seconds are over, or ``over`` says so; then end all that is left of it.

    Args:
        command: what to run.
        folder: its working folder, where what it says is kept, too.
        environment: its variables.
        seconds: after which it is ended from outside, should it have put its own alarm off.
        over: asked a few times a second.
    """
    said = folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own words
            command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            by_us = _waited(process, seconds, over)
        finally:
            with contextlib.suppress(ProcessLookupError):  # nothing is left of it
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
    if by_us == "" and code == -signal.SIGALRM:
        by_us = "late"
    return Ended(code, by_us, _tail(said))


def _waited(process: subprocess.Popen[bytes], seconds: float, over: Callable[[], bool]) -> str:
    left = seconds
    while left > 0:
        try:
            process.wait(min(left, LOOK_EVERY_S))
        except subprocess.TimeoutExpired:
            left -= LOOK_EVERY_S
            if over():
                return "over"
        else:
            return ""
    return "late"


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LONGEST_SAID))
        return file.read().decode("utf-8", "replace").strip()


def limit_this_process(seconds: float, memory_mb: float) -> None:
    """From now on: so many seconds until the kernel ends this process, so much memory beside what it has, no larger file, no core dump.

    A larger demand of memory raises MemoryError. Where the system does not tell what the process has, the limit holds for all of it.
    """
    import resource

    more = int(memory_mb * 1e6)
    for which, wanted in ((_memory_limit(resource), _held() + more), (resource.RLIMIT_FSIZE, more), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(which)[1]
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(which, (most, most))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _memory_limit(resource: object) -> int:
    """On Linux what the process may write to; address space that is only reserved, as allocators do, costs nothing there."""
    return int(getattr(resource, "RLIMIT_DATA" if STATUS.exists() else "RLIMIT_AS"))


def _held() -> int:
    """Bytes of writable memory this process has now; 0 where the system does not say."""
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:")), 0)
