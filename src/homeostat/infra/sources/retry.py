"""Asking again: what fails for the moment is tried again after ever longer waits, and told in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom
from typing import TypeVar

from homeostat.errors import Unreachable

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
Sleep = Callable[[float], None]
_T = TypeVar("_T")


class Transient(Exception):
    """A failure that may be gone when one asks again. The text says what happened; it holds no password.

    ``code`` is that of the error it becomes when it does not go away.
    """

    def __init__(self, reason: str, code: str = "HS804") -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a source that fails for the moment is asked again, and how one waits (``sleep`` takes seconds)."""

    retries: int
    sleep: Sleep

    def ask(self, question: Callable[[], _T], place: str) -> _T:
        """What ``question`` gives; when it fails for the moment it is asked again.

        The waits double from half a second to a minute at most, each times a random factor from 0.5 to 1.5, so that many who failed
        at once don't come back at once.

        Raises:
            Unreachable: HS804 (or the code of the failure), it failed each time.
        """
        dice = SystemRandom()
        waited = 0.0
        attempt = 0
        while True:
            try:
                return question()
            except Transient as failure:
                if attempt == self.retries:
                    tried = f" (tried {attempt + 1} times in {waited:.0f} s)" if attempt else ""
                    step = "see that it runs and can be reached from here, then run it again"
                    raise Unreachable(failure.code, f"{failure}{tried}", place=place, next_step=step) from None
            wait = min(FIRST_WAIT_S * 2**attempt, LONGEST_WAIT_S) * dice.uniform(0.5, 1.5)
            waited += wait
            attempt += 1
            self.sleep(wait)
