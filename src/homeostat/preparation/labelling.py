"""Weak labels: rules vote on rows, and what they say teaches with less weight and never judges.

Of several rules that hold on a row the majority counts; a tie abstains. Where a true label is known it is kept, and shows how good
the rules are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.casts import dtype_of, logical_type, read_as
from homeostat.core.targets import text_of, texts
from homeostat.errors import DataError
from homeostat.preparation.moments import seconds_of

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray
    from polars.datatypes import DataType

    from homeostat.core import sections
    from homeostat.core.records import Split
    from homeostat.graph.plan import Floats, Ints

LABEL = "_label"
"""The column that says where a label came from: ``source``, ``imported`` or ``rule``."""


@dataclass(frozen=True, slots=True)
class RuleReport:
    """How one rule did: rows it holds on, rows where another rule says otherwise, and how often it is right on rows with a label.

    ``accuracy`` is None where no labelled row is covered.
    """

    name: str
    label: str
    covered: int
    conflicts: int
    labelled: int
    accuracy: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """``labels``: the winning label of each row as text, null where no rule holds or none wins. ``ties`` counts the latter."""

    labels: pl.Series
    ties: int
    rules: tuple[RuleReport, ...]


def vote(frame: pl.DataFrame, known: pl.Series, section: sections.Labelling) -> Votes:
    """Let the rules vote on every row. A condition that is null on a row does not hold there.

    Args:
        frame: the rows; a rule may read any of its columns.
        known: the labels that are known, as texts, (n,); null where there is none.
        section: the rules, in SQL that Polars reads.

    Raises:
        DataError: HS231, a condition cannot be read, names a missing column, or is not true or false.
    """
    import polars as pl

    holds = [_holds(frame, rule) for rule in section.rules]
    named = [text_of(rule.label) for rule in section.rules]
    candidates = list(dict.fromkeys(named))
    counts = np.zeros((frame.height, len(candidates) + 1), dtype=np.int64)  # the last column is for no rule at all
    for held, name in zip(holds, named, strict=True):
        counts[:, candidates.index(name)] += held
    most = counts.max(axis=1)
    tied = (counts == most[:, None]).sum(axis=1) > 1
    winner = np.where((most > 0) & ~tied, counts.argmax(axis=1), -1)
    labels = pl.Series([candidates[place] if place >= 0 else None for place in winner.tolist()], dtype=pl.String)
    rules = tuple(_report(rule.name, name, held, counts, known) for rule, name, held in zip(section.rules, named, holds, strict=True))
    return Votes(labels, int(((most > 0) & tied).sum()), rules)


def _holds(frame: pl.DataFrame, rule: sections.LabelRule) -> NDArray[np.bool_]:
    import polars as pl

    place = f"labelling.rules {rule.name!r}"
    try:
        found = frame.with_columns(pl.sql_expr(rule.when).alias("_held"))["_held"]
    except pl.exceptions.PolarsError as error:
        reason = " ".join(str(error).split())
        message = f"got {rule.when!r}, which cannot be asked of the rows: {reason}"
        raise DataError("HS231", message, place=place, next_step="write a condition such as amount > 100") from error
    if found.dtype != pl.Boolean:
        raise DataError("HS231", f"got {rule.when!r}, which gives {found.dtype}; a condition is true or false", place=place)
    return np.asarray(found.fill_null(False).to_numpy(), dtype=np.bool_)


def _report(name: str, label: str, held: NDArray[np.bool_], counts: Ints, known: pl.Series) -> RuleReport:
    same = np.array([text == label for text in known.to_list()], dtype=bool)
    judged = held & known.is_not_null().to_numpy()
    others = counts.sum(axis=1) > counts.max(axis=1)
    right = float(same[judged].mean()) if judged.any() else None
    return RuleReport(name, label, int(held.sum()), int((held & others).sum()), int(judged.sum()), right)


def known_labels(frame: pl.DataFrame, target: str) -> pl.Series:
    """The labels of a frame as texts; null where there is none (NaN is none)."""
    return texts(frame[target])


def labels_as(labels: pl.Series, dtype: DataType) -> pl.Series:
    """Label texts as values of the target column's type; null where a text is no such value."""
    import polars as pl

    kind = logical_type(dtype) or "string"
    named = labels.alias("label").to_frame()
    return named.select(read_as("label", pl.String(), kind).cast(dtype if kind != "string" else dtype_of(kind), strict=False)).to_series()


def with_weak(parts: Split, weak: pl.DataFrame, task: sections.Task, group: str | None = None) -> Split:
    """The split with weakly labelled rows added to ``train``, those that no judging part can tell anything about.

    Left out are rows later than the newest train row (with a time column), and rows of a group that validation or holdout has.
    ``validation`` and ``holdout`` are untouched: a weak label judges nothing. With folds the same holds for each of them.
    """
    import polars as pl

    if weak.is_empty():
        return parts
    kept = weak.filter(pl.Series(_may_teach(weak, parts.train, pl.concat([parts.validation, parts.holdout]), task, group)))
    kept = kept.select(parts.train.columns)
    train = pl.concat([parts.train, kept])
    order = np.arange(train.height) if task.time is None else np.argsort(seconds_of(train, task.time), kind="stable")
    place = np.argsort(order)  # where each row of the concatenation stands in the new train
    moved = np.concatenate([place[: parts.train.height], train.height + np.arange(parts.development.height - parts.train.height)])
    folds = []
    for taught, judged in parts.folds:
        development = parts.development
        may = _may_teach(kept, development[taught], pl.concat([development[judged], parts.holdout]), task, group)
        folds.append((np.concatenate([moved[taught], place[parts.train.height :][may]]), moved[judged]))
    return replace(parts, train=train[order], folds=tuple(folds))


def _may_teach(
    weak: pl.DataFrame, taught: pl.DataFrame, judging: pl.DataFrame, task: sections.Task, group: str | None
) -> NDArray[np.bool_]:
    """Which weakly labelled rows tell nothing about the judging rows: none later than the newest taught row, none of a judged group."""
    may = np.ones(weak.height, dtype=np.bool_)
    if task.time is not None and taught.height:
        may &= seconds_of(weak, task.time) <= np.nanmax(seconds_of(taught, task.time))
    if group is not None:
        may &= ~weak[group].is_in(judging[group].unique().implode()).fill_null(False).to_numpy()
    return may


def weigh(frame: pl.DataFrame, weights: Floats | None, weight: float) -> Floats | None:
    """The weights of a window's rows, (n,) or None for 1, times ``weight`` on weakly labelled rows."""
    if LABEL not in frame.columns:
        return weights
    weak = (frame[LABEL] == "rule").fill_null(False).to_numpy()
    if not weak.any():
        return weights
    return np.where(weak, weight, 1.0) * (1.0 if weights is None else weights)
