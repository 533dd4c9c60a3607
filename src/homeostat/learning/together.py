"""How a search runs several calls: one after the other, or handed to an engine that runs them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class Together(Protocol):
    """Runs calls at once."""

    def __call__(self, calls: Sequence[Callable[[], _T]], /) -> list[_T]:
        """The results in the order of the calls; the first that raises is raised."""


def one_by_one(calls: Sequence[Callable[[], _T]], /) -> list[_T]:
    """The calls in order, one after the other."""
    return [call() for call in calls]
