"""One holder at a time, and none that is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from homeostat.errors import ProjectError
from homeostat.infra.lease import Lease

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from homeostat.infra.lease import Lease
with Lease(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_holder_is_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "loop.lock"
    with (
        Lease(path),
        pytest.raises(ProjectError, match=rf"HS603.*loop\.lock.*process {os.getpid()} holds it.*kill {os.getpid()}"),
        Lease(path),
    ):
        raise AssertionError("held twice")
    with Lease(path):
        assert int(path.read_text()) == os.getpid()


def test_it_is_free_again_after_an_error_inside(tmp_path: Path) -> None:
    lease = Lease(tmp_path / "loop.lock")
    with pytest.raises(ZeroDivisionError), lease:
        _ = 1 / 0
    with lease:
        pass


def test_a_killed_holder_holds_no_more(tmp_path: Path) -> None:
    path = tmp_path / "loop.lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ProjectError, match=f"HS603.*process {holder.pid} holds it"), Lease(path):
            raise AssertionError("held twice")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert path.read_text().strip() == str(holder.pid), "a killed process cannot tidy up: the lock must not depend on the text"
        with Lease(path):
            assert int(path.read_text()) == os.getpid()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="HS602"), Lease(tmp_path / "absent" / "loop.lock"):
        raise AssertionError("held nowhere")
