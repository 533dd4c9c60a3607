"""How a search runs several jobs: one after the other, or handed to an engine that runs them at once, here or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

_T = TypeVar("_T")


class Together(Protocol):
    """Runs jobs at once. Work and jobs are data: an engine may send them to another process."""

    def __call__(
        self,
        work: Callable[..., _T],
        jobs: Sequence[tuple[Any, ...]],
        /,
        *,
        done: Callable[[int, _T], None] | None = None,
        lost: Callable[[int, str], _T] | None = None,
    ) -> list[_T]:
        """What ``work(*job)`` gives for each job, in the order of the jobs; the first that raises is raised, when all have ended.

        Args:
            work: what the jobs share, such as a method of the rows they are about: it is sent once.
            jobs: the arguments of each.
            done: told the place of a job and its result as soon as there is one, by the thread that called.
            lost: told the place of a job whose process died each time, and why, gives what counts as its result; without it that raises.
        """


def one_by_one(
    work: Callable[..., _T],
    jobs: Sequence[tuple[Any, ...]],
    /,
    *,
    done: Callable[[int, _T], None] | None = None,
    lost: Callable[[int, str], _T] | None = None,
) -> list[_T]:
    """The jobs in order, one after the other; the first that raises ends them."""
    found = []
    for at, job in enumerate(jobs):
        found.append(work(*job))
        if done is not None:
            done(at, found[at])
    return found
