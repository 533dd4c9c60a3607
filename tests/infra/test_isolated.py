"""Processes that hang, leak or crash end in time, within their memory, with their children, and in silence."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from homeostat.infra.isolated import Ended, run_isolated

LIMITED = "from homeostat.infra.isolated import limit_this_process as limit; limit({seconds}, {mb})\n"


def ended(folder: Path, code: str, seconds: float = 60.0, over: bool = False) -> Ended:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return run_isolated([sys.executable, "-c", code], folder, environment, seconds, lambda: over)


def gone(pid: int) -> bool:
    """Whether a process without a parent has ended; the system may still be clearing it away."""
    for _ in range(10_000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        os.sched_yield()
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_one_that_hangs_is_ended_by_its_own_alarm_and_its_children_with_it(tmp_path: Path) -> None:
    hangs = "import subprocess, sys\nprint(subprocess.Popen([sys.executable, '-c', 'while True: pass']).pid, flush=True)\nwhile True: pass"
    found = ended(tmp_path, LIMITED.format(seconds=0.5, mb=500) + hangs)
    assert (found.by_us, found.signal) == ("late", "SIGALRM")
    assert gone(int(found.said))


def test_one_that_has_put_its_alarm_off_is_ended_from_outside(tmp_path: Path) -> None:
    assert ended(tmp_path, "import time; time.sleep(600)", seconds=0.3).by_us == "late"
    assert ended(tmp_path, "import time; time.sleep(600)", over=True).by_us == "over"


@pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read where Linux tells it")
def test_memory_is_counted_beside_what_the_process_had(tmp_path: Path) -> None:
    take = "had = bytearray(80_000_000)\n" + LIMITED.format(seconds=60, mb=100) + "more = bytearray({mb}_000_000); print('taken')"
    assert ended(tmp_path, take.format(mb=60)).said == "taken"
    found = ended(tmp_path, take.format(mb=160))
    assert (found.code, found.said.splitlines()[-1]) == (1, "MemoryError")


def test_what_it_says_is_kept_from_us_but_for_its_last_words(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = ended(tmp_path, "print('x' * 9_000); import os, sys; print('last', file=sys.stderr, flush=True); os._exit(7)")
    assert (found.code, found.signal, found.by_us) == (7, "", "")
    assert len(found.said) <= 4_000
    assert "last" in found.said
    assert capfd.readouterr() == ("", "")
    assert ended(tmp_path, "import os; os.abort()").signal == "SIGABRT"
