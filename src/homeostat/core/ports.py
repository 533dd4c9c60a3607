"""What stages and flows ask of the world; ``infra`` implements these, tests may pass others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

_T = TypeVar("_T")


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The present instant, with a time zone."""


class Steps(Protocol):
    """Runs named steps of a workflow. A durable implementation runs each finished step once, whatever dies in between."""

    def run(self, name: str, do: Callable[[], str]) -> str:
        """Run ``do`` unless a step of this name has finished in this workflow; return its result (a fact id or a short text)."""


class Blobs(Protocol):
    """Content-addressed files: the name of a blob is the SHA-256 of its bytes."""

    def put(self, content: bytes) -> str:
        """Store and return the digest; storing the same bytes again changes nothing."""

    def get(self, digest: str) -> bytes:
        """The bytes, checked against their digest.

        Raises:
            BundleError: HS401, missing or altered.
        """


class Progress(Protocol):
    """Tells a person how long work is going; it never changes a result."""

    def update(self, message: str, *, done: float | None = None) -> None:
        """Say what is being done, and which share of it is (0 to 1)."""

    def note(self, message: str) -> None:
        """Say something that is to stay in sight."""


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
