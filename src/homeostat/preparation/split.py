"""Cuts labelled rows into train, validation and the sealed holdout: the newest rows judge, older rows teach."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.records import Split
from homeostat.errors import CharterError, DataError, LearningError
from homeostat.preparation.moments import seconds_of

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.graph.plan import Floats

LEAST_TRAIN, LEAST_VALIDATION, LEAST_HOLDOUT = 20, 10, 10
"""Fewer rows than these and nothing that is measured means anything."""


@dataclass(frozen=True, slots=True, eq=False)
class Eligible:
    """The rows a model can learn from, oldest first, and how many were left out: without a target, without a time."""

    frame: pl.DataFrame
    without_target: int
    without_time: int


def eligible(frame: pl.DataFrame, task: sections.Task) -> Eligible:
    """The rows with a target and a time, stably sorted by time. Without a time column the order of the rows is their order in time.

    Raises:
        DataError: HS204 or HS203, the target or the time column is missing; HS205, a time cannot be read.
    """
    import polars as pl

    for name, code in ((task.target, "HS204"), (task.time, "HS203")):
        if name is not None and name not in frame.columns:
            raise DataError(code, f"missing; the data has {', '.join(frame.columns)}", place=f"column {name!r}")
    known = pl.col(task.target).is_not_null()
    if frame.schema[task.target].is_float():
        known &= pl.col(task.target).is_not_nan()
    labelled = frame.filter(known)
    without_target = frame.height - labelled.height
    if task.time is None:
        return Eligible(labelled, without_target, 0)
    seconds = seconds_of(labelled, task.time)
    placed = np.flatnonzero(~np.isnan(seconds))
    order = placed[np.argsort(seconds[placed], kind="stable")]
    return Eligible(labelled[order], without_target, labelled.height - len(order))


def split(frame: pl.DataFrame, task: sections.Task, section: sections.Preparation) -> Split:
    """Three disjoint frames in time order; rows of one timestamp are never on both sides of a cut.

    The holdout is the newest share of the rows (at the nearest change of time) or the newest span (time > newest - span);
    validation is the same of what is left. Rows without a target or without a time are in none of the three: ``eligible``
    counts them. Without a time column the order of the rows is the only order there is, and shares are cut from its end.

    Raises:
        CharterError: HS106, a span is asked for without a time column.
        DataError: see ``eligible``.
        LearningError: HS302, too few rows in a part.
    """
    rows = eligible(frame, task).frame
    seconds = seconds_of(rows, task.time) if task.time is not None else np.arange(rows.height, dtype=np.float64)
    for clause, part in (("holdout", section.holdout), ("validation", section.validation)):
        if task.time is None and isinstance(part, timedelta):
            raise CharterError(
                "HS106",
                "got a duration, and task.time is not set",
                place=f"preparation.{clause}",
                next_step="set task.time, or give a share such as 0.2",
            )
    sealed = _cut(seconds, section.holdout)
    judged = _cut(seconds[:sealed], section.validation)
    _refuse_small(judged, sealed - judged, rows.height - sealed)
    return Split(train=rows[:judged], validation=rows[judged:sealed], holdout=rows[sealed:])


def _cut(seconds: Floats, part: float | timedelta) -> int:
    """How many rows come before the newest part of ascending times; a whole frame of one time gives 0."""
    if not len(seconds):
        return 0
    if isinstance(part, timedelta):
        return int(np.searchsorted(seconds, seconds[-1] - part.total_seconds(), side="right"))
    wanted = len(seconds) - round(part * len(seconds))
    changes = np.flatnonzero(np.diff(seconds) > 0) + 1
    if not len(changes):
        return 0
    return int(changes[np.argmin(np.abs(changes - wanted))])


def _refuse_small(train: int, validation: int, holdout: int) -> None:
    parts = (("train", train, LEAST_TRAIN), ("validation", validation, LEAST_VALIDATION), ("holdout", holdout, LEAST_HOLDOUT))
    short = [f"{name} {rows} (at least {least})" for name, rows, least in parts if rows < least]
    if short:
        total = train + validation + holdout
        raise LearningError(
            "HS302",
            f"{total} labelled rows split into train {train}, validation {validation}, holdout {holdout}; too few in {', '.join(short)}",
            place="preparation",
            next_step="change preparation.holdout or preparation.validation, or bring more rows",
        )
