"""Ray as the engine of a search (extra ``ray``): jobs run on the workers of a cluster, and what dies there is tried again.

What jobs share is put into Ray's object store once, and each worker unpacks it once. A result comes back as bytes of its own, so that
nothing in it is memory of the store. What a job raises is raised here; only the death of its process counts as lost.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from homeostat.errors import LearningError, Unreachable

_T = TypeVar("_T")

CRASHES, SHORT_OF_MEMORY = 3, 1
"""How often a job is tried again whose process or machine died, and one that was stopped because memory ran short."""
ANSWERS_WITHIN_S = 5.0
"""So long may a cluster's address take to accept a connection."""
_PLACE, _ADDRESS = "store.engine", "store.engine_address"
_DIED = "its process died {} times: a library broke off, the machine went away or ran out of memory"
_STOPPED = "it was stopped {} times, because its machine was about to run out of memory"
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the coming default; without it each start warns of it
    "RAY_NUM_REDIS_GET_RETRIES": "2",  # an address that takes connections and is no cluster
}
_kept: dict[str, Callable[..., Any]] = {}
"""In a worker: what its jobs share, unpacked; of the last search only."""


class RayJobs:
    """Runs jobs on a cluster; connects, or starts one of its own, when the first job comes.

    Args:
        address: ``host:port`` of a cluster, ``auto`` for the one on this machine; None: what ``RAY_ADDRESS`` says, else one of its own.
        at_once: workers of a cluster of its own, at most.
    """

    def __init__(self, address: str | None, at_once: int) -> None:
        self._address, self._at_once = address or os.environ.get("RAY_ADDRESS") or None, at_once
        self._opened = ExitStack()
        self._ray: Any = None
        self._shared: dict[Callable[..., Any], Any] = {}

    def __call__(
        self,
        work: Callable[..., _T],
        jobs: Sequence[tuple[Any, ...]],
        /,
        *,
        done: Callable[[int, _T], None] | None = None,
        lost: Callable[[int, str], _T] | None = None,
    ) -> list[_T]:
        """What ``work(*job)`` gives for each job, in order; the first that raises is raised, when all have ended.

        Args:
            work: a function or a method; it is sent once, with all it holds.
            jobs: the arguments of each, a few values.
            done: told the place and the result of a job as soon as it has one.
            lost: told the place of a job whose process died each time, and why, gives what counts as its result.

        Raises:
            LearningError: HS365, Ray is not installed; HS366, it does not start; HS367, no machine of the cluster takes a job;
                HS368, a job's process died each time, and there is no ``lost``.
            Unreachable: HS801, the cluster does not answer.
        """
        if not jobs:
            return []
        ray = self._ray or self._open()
        results: dict[int, _T] = {}
        raised: dict[int, BaseException] = {}
        with _begun(ray, self._sent(work), jobs) as batch:
            while batch.open:
                ended = batch.next()
                if ended.why and lost is None:
                    next_step = "give its machines more memory, lower learning.at_once, or use engine: local"
                    raised[ended.at] = LearningError("HS368", f"a fit did not end: {ended.why}", place=_PLACE, next_step=next_step)
                elif ended.raised is not None:
                    raised[ended.at] = ended.raised
                else:
                    results[ended.at] = lost(ended.at, ended.why) if lost is not None and ended.why else ended.found
                    if done is not None:
                        done(ended.at, results[ended.at])
        if raised:
            raise raised[min(raised)]
        return [results[at] for at in range(len(jobs))]

    def close(self) -> None:
        """Leave the cluster; one of its own ends, with all its processes and files."""
        self._shared.clear()
        self._ray = None
        self._opened.close()

    def _sent(self, work: Callable[..., Any]) -> Any:
        """The reference to what jobs share; what was sent before is let go."""
        if work not in self._shared:
            self._shared = {work: self._ray.put(work)}
        return self._shared[work]

    def _open(self) -> Any:
        _installed()
        if self._address is not None:
            _probe(self._address)
        ray = importlib.import_module("ray")
        with ExitStack() as opened:
            if not ray.is_initialized():  # who calls this program may have joined a cluster
                opened.enter_context(redirect_stdout(sys.stderr))  # Ray prints where a worker died; on stdout are answers
                opened.enter_context(_own_cluster(ray, self._at_once) if self._address is None else _joined(ray, self._address))
            if ray.cluster_resources().get("CPU", 0) < 1:
                next_step = "start Ray on a machine with a CPU for it"
                raise LearningError("HS367", "no machine of the cluster has a CPU that a trial may use", place=_PLACE, next_step=next_step)
            self._opened = opened.pop_all()
        self._ray = ray
        return ray


@dataclass(frozen=True, slots=True)
class _Ended:
    """A job that is over: its place, and its result, what it raised, or why nothing is known of it."""

    at: int
    found: Any = None
    raised: BaseException | None = None
    why: str = ""


class _Batch:
    """Jobs on Ray, each open until it has ended or died too often."""

    def __init__(self, ray: Any, shared: Any, jobs: Sequence[tuple[Any, ...]]) -> None:
        self._ray, self._shared, self._jobs = ray, shared, jobs
        self._call = ray.remote(num_cpus=1, max_retries=0)(_run)
        self._deaths: dict[bool, Counter[int]] = {True: Counter(), False: Counter()}
        self.open: dict[Any, int] = {}
        for at in range(len(jobs)):
            self._submit(at)

    def next(self) -> _Ended:
        """Wait for the job that ends next; those that die on the way are tried again."""
        errors = self._ray.exceptions
        while True:
            (ref, *_), _ = self._ray.wait(list(self.open), num_returns=1)
            at = self.open.pop(ref)
            try:
                return _Ended(at, self._ray.cloudpickle.loads(self._ray.get(ref)))
            except errors.RayTaskError as error:
                return _Ended(at, raised=error.cause if isinstance(error.cause, BaseException) else error)
            except (errors.OutOfMemoryError, errors.WorkerCrashedError, errors.NodeDiedError, errors.ObjectLostError) as error:
                short = isinstance(error, errors.OutOfMemoryError)
            self._deaths[short][at] += 1
            if self._deaths[short][at] > (SHORT_OF_MEMORY if short else CRASHES):
                return _Ended(at, why=(_STOPPED if short else _DIED).format(self._deaths[short][at]))
            self._submit(at)

    def cancel(self) -> None:
        """End what is still open."""
        for ref in self.open:
            self._ray.cancel(ref, force=True)
        self.open.clear()

    def _submit(self, at: int) -> None:
        self.open[self._call.remote([self._shared], self._jobs[at])] = at


@contextmanager
def _begun(ray: Any, shared: Any, jobs: Sequence[tuple[Any, ...]]) -> Iterator[_Batch]:
    """Jobs that are cancelled when whoever waits for them is interrupted."""
    batch = _Batch(ray, shared, jobs)
    try:
        yield batch
    finally:
        batch.cancel()


def _run(shared: Sequence[Any], job: tuple[Any, ...]) -> bytes:
    """In a worker: the work on one job. The reference comes in a list, so that Ray does not unpack it for each."""
    ray = importlib.import_module("ray")
    name = shared[0].hex()
    if name not in _kept:
        _kept.clear()
        _kept[name] = ray.get(shared[0])
    return bytes(ray.cloudpickle.dumps(_kept[name](*job)))


def _installed() -> None:
    if importlib.util.find_spec("ray") is None:
        next_step = "pip install 'homeostat[ray]', or use engine: local"
        raise LearningError("HS365", "Ray is not installed", place=_PLACE, next_step=next_step)


def _probe(address: str) -> None:
    """Look whether anything takes connections there: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), ANSWERS_WITHIN_S).close()
    except OSError as error:
        raise _silent(address, error) from error


def _silent(address: str, error: Exception) -> Unreachable:
    next_step = "see `ray status` there, and that this machine is part of it (ray start --address=...); or use engine: local"
    return Unreachable("HS801", f"the Ray cluster {address} does not answer: {_first_line(error)}", place=_ADDRESS, next_step=next_step)


@contextmanager
def _own_cluster(ray: Any, at_once: int) -> Iterator[None]:
    """A cluster on this machine, in a folder of its own; its processes end with this one however that ends.

    Raises:
        LearningError: HS366, it does not start.
    """
    short = "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108 - a folder of a random name; sockets need a short path
    with tempfile.TemporaryDirectory(prefix="hs-ray-", dir=short, ignore_cleanup_errors=True) as folder:
        cpus = max(1, min(at_once, os.cpu_count() or 1))
        try:
            _init(ray, address="local", num_cpus=cpus, include_dashboard=False, _temp_dir=folder)
        except Exception as error:  # whatever it is, it is told
            ray.shutdown()
            next_step = "see whether the machine has memory and time to spare, or use engine: local"
            raise LearningError("HS366", f"Ray does not start here: {_first_line(error)}", place=_PLACE, next_step=next_step) from error
        try:
            yield
        finally:
            ray.shutdown(wait_for_processes=True)


@contextmanager
def _joined(ray: Any, address: str) -> Iterator[None]:
    """The cluster at an address.

    Raises:
        Unreachable: HS801, it does not answer, or not to this version of Ray.
    """
    try:
        _init(ray, address=address)
    except Exception as error:  # whatever it is, it is told
        ray.shutdown()
        raise _silent(address, error) from error
    try:
        yield
    finally:
        ray.shutdown()


def _init(ray: Any, **how: Any) -> None:
    """Start or join a cluster without a word, and leave this program's answer to SIGTERM as it is."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray").setLevel(logging.ERROR)
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    ray.init(log_to_driver=False, configure_logging=False, **how)
    if main and before is not None:
        signal.signal(signal.SIGTERM, before)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
