"""Ray as an engine, without a cluster that is there: what is missing is told, and a cluster of one's own leaves nothing behind."""

from __future__ import annotations

import importlib.util
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from homeostat.core.sections import Store
from homeostat.errors import LearningError, Unreachable
from homeostat.infra.engine import engine_of

# Says in which folder Ray works and which processes it has, and waits in two jobs until it is interrupted.
WAITING = """
import os, sys, threading
from pathlib import Path
from homeostat.core.sections import Store
from homeostat.infra.engine import engine_of

def waits(folder, number):
    if number:
        return number
    return threading.Event().wait()

def done(at, found):
    own = {os.getpid()}
    for _ in range(4):  # children of children
        for each in Path("/proc").glob("[0-9]*/stat"):
            try:
                if int(each.read_text().rpartition(")")[2].split()[1]) in own:
                    own.add(int(each.parent.name))
            except OSError:
                continue
    sys.__stdout__.write(f"{found} {sorted(own)}\\n")
    sys.__stdout__.flush()

with engine_of(Store(engine="ray"), 2) as engine:
    try:
        engine.together(waits, [(".", 0), (".", 7)], done=done)
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_no_ray_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with engine_of(Store(engine="ray"), 2) as engine, pytest.raises(LearningError, match=r"HS365.*homeostat\[ray\]"):
        engine.together(str, [(1,)])


def test_an_address_where_nobody_answers_is_told_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        store = Store(engine="ray", engine_address=address)
        with engine_of(store, 2) as engine, pytest.raises(Unreachable, match=rf"HS801\] store.engine_address: .*{address}.*ray status"):
            engine.together(str, [(1,)])


def test_no_job_needs_no_cluster() -> None:
    with engine_of(Store(engine="ray", engine_address="127.0.0.1:1"), 2) as engine:
        assert engine.together(str, []) == []


@pytest.mark.slow
def test_a_cluster_of_its_own_ends_with_an_interrupted_search(quick_ray: dict[str, str], tmp_path: Path) -> None:
    """Job 7 has ended and is told while the other one waits; then nothing of Ray is left, no process and no folder."""
    before = set(Path("/tmp").glob("hs-ray-*"))  # noqa: S108 - where the program puts it
    command = [sys.executable, "-c", WAITING]
    errors = (tmp_path / "errors").open("w+")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **quick_ray}) as running:
        assert running.stdout is not None
        said = running.stdout.readline()
        errors.seek(0)
        assert said.startswith("7 ["), errors.read()
        pids = [int(pid) for pid in said[3:-2].split(",")]
        assert len(pids) > 3, "the program, and Ray's processes"
        watched = [os.pidfd_open(pid) for pid in pids if Path(f"/proc/{pid}").exists()]
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=120)
        assert running.returncode == 0
    for each in watched:
        assert select.select([each], [], [], 60)[0], "each process ends"
        os.close(each)
    errors.seek(0)
    told = errors.read()
    errors.close()
    assert "interrupted" in told, "while Ray is there, what is printed goes to stderr"
    assert "Traceback" not in told
    assert set(Path("/tmp").glob("hs-ray-*")) <= before  # noqa: S108 - where the program puts it
