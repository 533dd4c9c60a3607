"""What runs the jobs of a search or a batch at once: threads of this process, or the workers of Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from homeostat.core import sections
    from homeostat.core.ports import Together

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs jobs, and a clock in seconds that the caller and all who run them read alike."""

    together: Together
    clock: Callable[[], float]


@contextmanager
def engine_of(store: sections.Store, at_once: int) -> Iterator[Engine]:
    """The engine that a charter names, for the length of a search; nothing of it starts before its first job.

    Args:
        store: names the engine, and where it answers.
        at_once: jobs that are open at the same time.
    """
    if store.engine == "local":
        yield Engine(Threads(at_once), time.monotonic)
        return
    from homeostat.infra.ray_engine import RayJobs

    with closing(RayJobs(store.engine_address, at_once)) as jobs:
        yield Engine(jobs, time.time)  # machines share no other clock


@contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra in one thread: how many there are decides in which order it sums, and trials run beside each other as it is."""
    import scipy.linalg  # noqa: F401 - it brings a library of its own, which is told only once it is there
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1, user_api="blas"):
        yield


class Threads:
    """Runs jobs in threads: the libraries that do the work let go of the interpreter while they do it.

    Args:
        at_once: threads at most; None: one for each job.
    """

    def __init__(self, at_once: int | None = None) -> None:
        self._at_once = at_once

    def __call__(
        self,
        work: Callable[..., _T],
        jobs: Sequence[tuple[Any, ...]],
        /,
        *,
        done: Callable[[int, _T], None] | None = None,
        lost: Callable[[int, str], _T] | None = None,
    ) -> list[_T]:
        """What ``work(*job)`` gives for each job, in order; the first that raises is raised, when all that had begun have ended.

        Args:
            work: what each job is given to.
            jobs: the arguments of each.
            done: told the place and the result of a job as soon as it has one, in the calling thread.
            lost: never asked: a thread does not die without its process.
        """
        with ThreadPoolExecutor(self._at_once or max(1, len(jobs))) as pool:
            waiting = {pool.submit(work, *job): at for at, job in enumerate(jobs)}
            try:
                for each in as_completed(waiting):
                    if each.cancelled():
                        continue
                    if each.exception() is not None:
                        self._stop(waiting)
                    elif done is not None:
                        done(waiting[each], each.result())
            finally:
                self._stop(waiting)
        return [each.result() for each in waiting if not each.cancelled()]

    def _stop(self, jobs: Iterable[Future[Any]]) -> None:
        """Let no job begin that waits for a thread."""
        if self._at_once is not None:
            for each in jobs:
                each.cancel()


threads = Threads()
