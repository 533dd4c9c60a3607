"""A process that dies on the way: for tests of what a kill at any moment leaves behind."""

from __future__ import annotations

import os
from itertools import count
from typing import Any

KILLED = 137


def die_at(step: int, *effects: tuple[Any, str]) -> None:
    """End this process, without any cleaning up, at the n-th moment before or after a call of these ``(owner, name)``."""
    moments = count(1)
    for owner, name in effects:
        setattr(owner, name, _deadly(getattr(owner, name), step, moments))


def _deadly(real: Any, step: int, moments: count[int]) -> Any:
    def call(*arguments: Any, **named: Any) -> Any:
        if next(moments) == step:
            os._exit(KILLED)
        found = real(*arguments, **named)
        if next(moments) == step:
            os._exit(KILLED)
        return found

    return call
