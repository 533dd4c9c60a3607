"""How a search runs several jobs where no engine is given: one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

_T = TypeVar("_T")


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
