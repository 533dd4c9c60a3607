"""What runs the jobs of a search at once: threads of this process, or the workers of Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
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
        yield Engine(threads, time.monotonic)
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


def threads(
    work: Callable[..., _T],
    jobs: Sequence[tuple[Any, ...]],
    /,
    *,
    done: Callable[[int, _T], None] | None = None,
    lost: Callable[[int, str], _T] | None = None,
) -> list[_T]:
    """Run the jobs in threads: the libraries that do the work let go of the interpreter while they do it.

    Args:
        work: what each job is given to.
        jobs: the arguments of each.
        done: told the place and the result of a job as soon as it has one, in the calling thread.
        lost: never asked: a thread does not die without its process.

    Returns:
        The results in order; the first that raises is raised, when all have ended.
    """
    with ThreadPoolExecutor(max(1, len(jobs))) as pool:
        waiting = {pool.submit(work, *job): at for at, job in enumerate(jobs)}
        for each in as_completed(waiting):
            if done is not None and each.exception() is None:
                done(waiting[each], each.result())
    return [each.result() for each in waiting]
