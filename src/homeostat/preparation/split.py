"""Cuts labelled rows into train, validation and the sealed holdout, and development rows into folds.

| kind       | the holdout is                                    | folds are                                                            |
|------------|---------------------------------------------------|----------------------------------------------------------------------|
| time       | the newest rows                                   | parts of the validation span, each judged by all rows before it      |
| random     | rows by their content                             | parts of the development rows by their content                       |
| stratified | the same share of each class, or tenth of values  | the same share of each class in each fold                            |
| group      | whole groups                                      | whole groups                                                         |

What is not cut by time is placed by fingerprints, so neither the order of the rows nor a copy of a row matters: all copies lie on one side.
A row that a random split has sealed stays sealed whatever rows come; where shares are kept exact (stratified, group), new rows can move
the few that lie at the border.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.records import Split
from homeostat.errors import CharterError, DataError, LearningError
from homeostat.preparation.fingerprints import fingerprints, positions
from homeostat.preparation.moments import seconds_of
from homeostat.preparation.strata import strata_of

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.graph.plan import Floats, Ints
    from homeostat.preparation.fingerprints import Words

LEAST_TRAIN, LEAST_VALIDATION, LEAST_HOLDOUT = 20, 10, 10
"""Fewer rows than these and nothing that is measured means anything."""

WORDS = "_words"
"""A column with the fingerprints of rows of which the other columns are elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Eligible:
    """The rows a model can learn from, oldest first, and how many were left out: without a target, without a time."""

    frame: pl.DataFrame
    without_target: int
    without_time: int


def eligible(frame: pl.DataFrame, task: sections.Task, *, by_time: bool = True) -> Eligible:
    """The rows with a target, stably sorted by time, and of a split by time with a time.

    Without a time column the order of the rows is their order in time. Rows without a time, where they may stay, come first.

    Raises:
        DataError: HS204 or HS203, the target or the time column is missing; HS205, a time cannot be read.
    """
    for name, code in ((task.target, "HS204"), (task.time, "HS203")):
        if name is not None and name not in frame.columns:
            raise DataError(code, f"missing; the data has {', '.join(frame.columns)}", place=f"column {name!r}")
    known = frame[task.target].is_not_null()
    if frame.schema[task.target].is_float():
        known &= frame[task.target].is_not_nan()
    labelled = only(frame, known)
    without_target = frame.height - labelled.height
    if task.time is None:
        return Eligible(labelled, without_target, 0)
    seconds = seconds_of(labelled, task.time)
    placed = np.flatnonzero(~np.isnan(seconds)) if by_time else np.arange(labelled.height)
    order = placed[np.argsort(np.nan_to_num(seconds[placed], nan=-np.inf), kind="stable")]
    stands = len(order) == labelled.height and bool((np.diff(order) > 0).all())  # then there is no need of a second copy
    return Eligible(labelled if stands else labelled[order], without_target, labelled.height - len(order))


def only(frame: pl.DataFrame, chosen: pl.Series) -> pl.DataFrame:
    """The chosen rows; where they are all rows, the frame itself and no second copy of it."""
    return frame if chosen.all() else frame.filter(chosen)


def split(frame: pl.DataFrame, task: sections.Task, section: sections.Preparation, seed: int = 0) -> Split:
    """Three disjoint frames and the folds; every eligible row is in one of the three, between, or counted as left out.

    By time, rows of one timestamp are never on both sides of a cut; the holdout is the newest share of the rows (at the nearest change
    of time) or the newest span (time > newest - span), validation is the same of what is left, and what is within the gap before either
    trains nothing that is judged behind it. Without a time column the order of the rows is the only order there is, and shares are cut
    from its end.

    Args:
        frame: all rows; those without a target (by time: or without a time) are in no part, ``eligible`` counts them.
        task: names the target and the time column.
        section: kind, shares, gap and folds.
        seed: of every kind but time. Another seed seals another holdout, so whoever wants a holdout to stay sealed keeps it.

    Raises:
        CharterError: HS106, a span or a gap without a split by time, by time without a time column, by group without a group.
        DataError: see ``eligible``; HS203, the group column is missing.
        LearningError: HS302, too few rows in a part; HS309, too few distinct rows or groups to fill every part or fold.
    """
    plan = section.split
    _refuse_contradictions(task, section)
    by_time = plan.kind in (None, "time")
    rows = eligible(frame, task, by_time=by_time).frame
    if by_time:
        return _by_time(rows, task, section)
    place = _places(rows, task, plan, seed)
    holdout, validation = (part for part in (section.holdout, section.validation) if not isinstance(part, timedelta))  # refused above
    sealed = place >= 1 - holdout
    within = place / (1 - holdout)
    judged = ~sealed & (within >= 1 - validation)
    train = ~sealed & ~judged
    _refuse_small(int(train.sum()), int(judged.sum()), int(sealed.sum()), kinds=len(np.unique(place)))
    order = np.concatenate([np.flatnonzero(train), np.flatnonzero(judged)])
    folds = _folds(np.minimum((within[order] * plan.folds).astype(np.int64), plan.folds - 1), plan.folds) if plan.folds > 1 else ()
    return Split(rows.filter(train), rows.filter(judged), rows.filter(sealed), folds)


def _refuse_contradictions(task: sections.Task, section: sections.Preparation) -> None:
    plan = section.split
    by_time = plan.kind in (None, "time")
    for clause, part in (("holdout", section.holdout), ("validation", section.validation), ("split.gap", plan.gap or 0.0)):
        if isinstance(part, timedelta) and (task.time is None or not by_time):
            because = f"preparation.split.kind is {plan.kind}" if not by_time else "task.time is not set"
            step = "set task.time, or give a share such as 0.2" if by_time else "give a share such as 0.2, or cut by time"
            raise CharterError("HS106", f"got a duration, and {because}", place=f"preparation.{clause}", next_step=step)
    if plan.kind == "time" and task.time is None:
        raise CharterError("HS106", "got time, and task.time is not set", place="preparation.split.kind", next_step="set task.time")
    if (plan.kind == "group") != (plan.group is not None):
        message = "got group without a column" if plan.group is None else f"got {plan.group!r}, and the kind is {plan.kind or 'time'}"
        raise CharterError("HS106", message, place="preparation.split.group", next_step="give both kind: group and group: COLUMN")


def _by_time(rows: pl.DataFrame, task: sections.Task, section: sections.Preparation) -> Split:
    seconds = seconds_of(rows, task.time) if task.time is not None else np.arange(rows.height, dtype=np.float64)
    gap = section.split.gap.total_seconds()
    sealed = _cut(seconds, section.holdout)
    known = _before(seconds, sealed, gap)
    judged = _cut(seconds[:known], section.validation)
    learned = _before(seconds, judged, gap)
    _refuse_small(learned, known - judged, rows.height - sealed)
    folds = _rolling(seconds[:known], judged, section.split.folds, gap)
    return Split(rows[:learned], rows[judged:known], rows[sealed:], folds, rows[learned:judged], sealed - known)


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


def _before(seconds: Floats, cut: int, gap: float) -> int:
    """How many rows lie at least the gap before the first row behind a cut."""
    if gap <= 0 or cut >= len(seconds):
        return cut
    return min(cut, int(np.searchsorted(seconds, seconds[cut] - gap, side="right")))


def _rolling(seconds: Floats, judged: int, folds: int, gap: float) -> tuple[tuple[Ints, Ints], ...]:
    """The rows from ``judged`` on in ``folds`` parts of about equal size, each with all rows that lie the gap and more before it.

    Source: Tashman, "Out-of-sample tests of forecasting accuracy" (International Journal of Forecasting 2000), rolling origins.
    """
    if folds == 1:
        return ()
    changes = judged + np.append(0, np.flatnonzero(np.diff(seconds[judged:]) > 0) + 1)
    size = (len(seconds) - judged) / folds
    starts = np.unique([changes[np.argmin(np.abs(changes - (judged + part * size)))] for part in range(folds)])
    if len(starts) < folds:
        raise LearningError(
            "HS309",
            f"the validation rows have {len(changes)} times, too few to cut {folds} folds",
            place="preparation.split.folds",
            next_step="give fewer folds or a longer validation",
        )
    ends = [*starts[1:], len(seconds)]
    return _large_enough(
        [(np.arange(_before(seconds, start, gap)), np.arange(start, end)) for start, end in zip(starts, ends, strict=True)]
    )


def _places(rows: pl.DataFrame, task: sections.Task, plan: sections.SplitPlan, seed: int) -> Floats:
    """Where each row stands in [0, 1): equal for copies of a row, and for the rows of a group."""
    words = rows[WORDS].to_numpy() if WORDS in rows.columns else content_words(rows, task, seed)
    if plan.kind == "random":
        return positions(words)
    if plan.kind == "stratified":
        return _ranked(words, strata_of(rows[task.target], task))
    if plan.group not in rows.columns:
        raise DataError("HS203", f"missing; the data has {', '.join(rows.columns[:20])}", place=f"column {plan.group!r}")
    known = ~rows[plan.group].is_null().to_numpy()
    groups = np.where(known, fingerprints(rows, [plan.group], seed), words)  # a row without a group is one of its own
    return _ranked(groups, np.zeros(rows.height, dtype=np.int64))


def content_words(rows: pl.DataFrame, task: sections.Task, seed: int = 0) -> Words:
    """The fingerprints of the rows' content: all columns but the target and ours, (n,)."""
    return fingerprints(rows, [name for name in rows.columns if name != task.target and not name.startswith("_")], seed)


def _ranked(words: Words, strata: Ints) -> Floats:
    """The share of the stratum's rows that come before each row in the order of the fingerprints; equal ones stand in their middle."""
    place = np.empty(len(words))
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        _, inverse, counts = np.unique(words[rows], return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        place[rows] = ((ends - counts / 2) / len(rows))[inverse]
    return place


def _folds(part: Ints, folds: int) -> tuple[tuple[Ints, Ints], ...]:
    return _large_enough([(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(folds)])


def _large_enough(folds: list[tuple[Ints, Ints]]) -> tuple[tuple[Ints, Ints], ...]:
    short = min(len(judged) for _, judged in folds)
    if short < LEAST_VALIDATION:
        raise LearningError(
            "HS309",
            f"the smallest of {len(folds)} folds has {short} rows to judge; at least {LEAST_VALIDATION} are needed",
            place="preparation.split.folds",
            next_step="give fewer folds, or bring more distinct rows or groups",
        )
    return tuple(folds)


def _refuse_small(train: int, validation: int, holdout: int, *, kinds: int | None = None) -> None:
    """Refuse parts too small to mean anything; ``kinds``: how many different rows or groups there were to place."""
    parts = (("train", train, LEAST_TRAIN), ("validation", validation, LEAST_VALIDATION), ("holdout", holdout, LEAST_HOLDOUT))
    short = [f"{name} {rows} (at least {least})" for name, rows, least in parts if rows < least]
    if short:
        total = train + validation + holdout
        few = f"; they are {kinds} different rows or groups, and copies stay together" if kinds is not None and kinds < total / 2 else ""
        raise LearningError(
            "HS302",
            f"{total} labelled rows split into train {train}, validation {validation}, holdout {holdout}; "
            f"too few in {', '.join(short)}{few}",
            place="preparation",
            next_step="change preparation.holdout or preparation.validation, or bring more rows",
        )
