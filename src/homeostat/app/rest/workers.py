"""Several processes that serve on one listener: started, started again when one dies, ended together; and their counts as one."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from homeostat.app.rest.metrics import Metrics
from homeostat.errors import HomeostatError, ProjectError

if TYPE_CHECKING:
    from types import FrameType

SHORT_LIFE_S, SHORT_LIVES = 5.0, 5
"""Workers that die so soon and so often in a row will not get better by being started again."""


ENDINGS = (signal.SIGTERM, signal.SIGINT)
Work = Callable[[int, Callable[[], object]], None]


def supervise(count: int, work: Work, ready: Callable[[], None]) -> None:
    """Run ``work(place, tell)`` in that many processes until SIGTERM or SIGINT; ``ready`` is called when each has called its ``tell``.

    A worker that dies is replaced. The caller must not have started threads: workers are forked.

    Raises:
        ProjectError: HS473, workers die as soon as they are started.
    """
    told, tell = os.pipe()
    crew = _Crew(work, lambda: os.write(tell, b"."))
    with crew:
        for place in range(count):
            crew.start(place)
        os.set_blocking(told, False)
        waited_for, short = count, 0
        while crew.members:
            ended = crew.wait()
            with suppress(BlockingIOError):
                waited_for -= len(os.read(told, count)) if waited_for > 0 else 0
                if waited_for == 0:
                    waited_for = -1
                    ready()
            for place, lived_s in ended:
                short = short + 1 if lived_s < SHORT_LIFE_S else 0
                if short >= SHORT_LIVES:
                    crew.end()
                    raise ProjectError("HS473", f"{short} workers in a row died within {SHORT_LIFE_S:g} s", next_step="see what they said")
                crew.start(place)


class _Crew:
    """The worker processes, by their ids; inside ``with``, signals to end are passed on to them."""

    def __init__(self, work: Work, tell: Callable[[], object]) -> None:
        self._work, self._tell = work, tell
        self.members: dict[int, tuple[int, float]] = {}
        self._ending = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> _Crew:
        self._before = {each: signal.signal(each, self._signalled) for each in ENDINGS}
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        for each, handler in self._before.items():
            signal.signal(each, handler)  # type: ignore[arg-type]  # what signal gave it takes

    def start(self, place: int) -> None:
        """Fork a worker."""
        sys.stdout.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)  # a signal to end that comes meanwhile is for the new one too
        if self._ending:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
            return
        process = os.fork()
        if process:
            self.members[process] = (place, time.monotonic())
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
            return
        code = 1
        try:
            for each in ENDINGS:
                signal.signal(each, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
            self._work(place, self._tell)
            code = 0
        except HomeostatError as error:
            sys.stderr.write(error.line() + "\n")
            code = error.exit_code
        except BaseException:  # noqa: BLE001  # this process ends here, whatever it was
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def wait(self) -> list[tuple[int, float]]:
        """Wait a moment; the places of workers that ended without being told to, and the seconds they lived."""
        time.sleep(0.05)
        ended = []
        for process in list(self.members):
            if os.waitpid(process, os.WNOHANG)[0]:
                place, started = self.members.pop(process)
                if not self._ending:
                    ended.append((place, time.monotonic() - started))
        return ended

    def end(self) -> None:
        """Have all workers finish what is under way, and wait for them."""
        self._signalled(signal.SIGTERM, None)
        for process in list(self.members):
            with suppress(ChildProcessError):
                os.waitpid(process, 0)
            self.members.pop(process, None)

    def _signalled(self, number: int, _: FrameType | None) -> None:
        self._ending = True
        for process in list(self.members):
            with suppress(ProcessLookupError):
                os.kill(process, number)


@dataclass(frozen=True, slots=True)
class Siblings:
    """Where the workers of a server leave their counts for each other, a file each; and the process they serve for."""

    folder: Path
    place: int
    supervisor: int = field(default_factory=os.getppid)

    @property
    def orphaned(self) -> bool:
        """Whether the process that started the workers is gone, so that nobody would end them."""
        return os.getppid() != self.supervisor

    def leave(self, metrics: Metrics) -> None:
        """Leave the counts of this worker, in one step."""
        path = self.folder / f"{self.place}.counts"
        beside = path.with_suffix(".new")
        beside.write_bytes(msgspec.json.encode(metrics.plain()))
        beside.replace(path)

    def others(self) -> Sequence[Metrics]:
        """The counts that the others left last."""
        files = [path for path in sorted(self.folder.glob("*.counts")) if path.stem != str(self.place)]
        return [Metrics.of_plain(msgspec.json.decode(path.read_bytes())) for path in files]
