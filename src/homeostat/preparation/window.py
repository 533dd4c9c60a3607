"""The training window: which rows a fit uses and how much each weighs, measured back from the newest row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.errors import CharterError
from homeostat.preparation.moments import seconds_of

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.graph.plan import Floats


def select(frame: pl.DataFrame, task: sections.Task, window: sections.Window) -> tuple[pl.DataFrame, Floats | None]:
    """The rows of the window and their weights, (n,) float64; None is weight 1 everywhere.

    ``all``: every row. ``recent``: time > newest - length. ``decay``: every row, weight 0.5 ** (age / length), so the newest
    row weighs 1. A row without a time is not in a ``recent`` window and weighs 0 in ``decay``.

    Raises:
        CharterError: HS106, the window is cut by time and there is no time column, or it lacks its length.
    """
    if window.kind == "all" or not frame.height:
        return frame, None
    if task.time is None:
        raise _contradiction(f"kind {window.kind} is cut by time, and task.time is not set", "set task.time, or use kind all")
    if window.length is None:
        raise _contradiction(f"kind {window.kind} has no length", "give a duration such as 90d")
    seconds = seconds_of(frame, task.time)
    age = np.nanmax(seconds) - seconds if np.isfinite(seconds).any() else seconds
    length = window.length.total_seconds()
    if window.kind == "recent":
        return frame[np.flatnonzero(age < length)], None
    return frame, np.nan_to_num(0.5 ** (age / length), nan=0.0)


def _contradiction(message: str, next_step: str) -> CharterError:
    return CharterError("HS106", message, place="learning.windows", next_step=next_step)
