"""The local engine: calls that run at once, in threads. The libraries that do the work let go of the interpreter while they do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def threads(calls: Sequence[Callable[[], _T]]) -> list[_T]:
    """Run the calls at once and give their results in order; the first that raises is raised, when all have ended."""
    if len(calls) < 2:
        return [call() for call in calls]
    with ThreadPoolExecutor(len(calls)) as pool:
        waiting = [pool.submit(call) for call in calls]
    return [each.result() for each in waiting]
