"""The whole analysis of a dataset: every part of the report, from rows, decisions and suspicions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.records import PROVENANCE
from homeostat.preparation.analysis.association import association, correlations
from homeostat.preparation.analysis.columns import profile_columns
from homeostat.preparation.analysis.distributions import bins_of, lengths_of, spans_of, words_of
from homeostat.preparation.analysis.duplicates import duplicates
from homeostat.preparation.analysis.goal import goal_of
from homeostat.preparation.analysis.missing import missing
from homeostat.preparation.analysis.outliers import outliers
from homeostat.preparation.analysis.over_time import Timeline, over_time
from homeostat.preparation.analysis.reading import Readable, as_seconds, readable, shape_of
from homeostat.preparation.analysis.records import Analysis, RowCounts
from homeostat.preparation.analysis.relations import relations
from homeostat.preparation.analysis.remarks import remarks, verdict
from homeostat.preparation.analysis.treatment import treatment

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import polars as pl
    from numpy.typing import NDArray

    from homeostat.core import sections
    from homeostat.core.records import Decision
    from homeostat.core.sections import Kind
    from homeostat.preparation.analysis.goal import Goal
    from homeostat.preparation.analysis.records import ColumnProfile, Importance, Remark, Suspicion

MOST_ROWS = 200_000
"""Plots and associations look at this many rows, drawn at random; counts, extremes, means and duplicates at all of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """``seen``: the rows that may be looked at. ``train``: those of them that may be looked at with the target; may be empty."""

    seen: pl.DataFrame
    train: pl.DataFrame
    counts: RowCounts


@dataclass(frozen=True, slots=True)
class Known:
    """What others found: decisions, suspects, importances, problems; and ``hidden``, the columns whose values stay private."""

    decisions: tuple[Decision, ...] = ()
    suspects: tuple[Suspicion, ...] = ()
    importance: Importance | None = None
    hidden: Collection[str] = ()
    problems: tuple[Remark, ...] = ()


def analyse(evidence: Evidence, task: sections.Task, section: sections.Preparation, known: Known, seed: int) -> Analysis:
    """Everything the report says. No frame is too odd: empty ones, columns without a value or of any type give what can be said of them.

    Args:
        evidence: the rows; columns that say where a row came from are used to say where outliers are.
        task: names the target, the time, and what is left out.
        section: limits that remarks compare with.
        known: what the flow found out elsewhere.
        seed: of the sample, when there are more than 200,000 rows.
    """
    import polars as pl

    seen, train = _sample(evidence.seen, seed), _sample(evidence.train, seed)
    hidden = set(known.hidden) - {task.target}
    columns = [name for name in evidence.seen.columns if not name.startswith("_")]
    shapes = _shapes(seen.frame.select(columns), task, known)
    told = {name: shape for name, shape in shapes.items() if name not in hidden}
    table = readable(seen.frame, told)
    learned = readable(train.frame, {name: shape for name, shape in told.items() if name in train.frame.columns})
    there = task.target in learned.shapes
    goal = goal_of(learned.frame[task.target] if there else pl.Series(task.target, [None] * train.frame.height, dtype=pl.String), task)
    learned = _with_goal(learned, goal)
    related = {name: association(learned.frame[name], goal.values) for name in learned.shapes if name != task.target}
    strengths = {name: value for name, (value, _) in related.items() if value is not None}
    profiles = profile_columns(evidence.seen, shapes, hidden)
    profiles = tuple(_completed(each, table, related, known) for each in profiles)
    inputs = [each.column for each in known.decisions if not each.drop and each.column in evidence.train.columns]
    found = Analysis(
        verdict="",
        task=task.type,
        target=task.target,
        rows=replace(evidence.counts, seen_sample=table.frame.height, train_sample=learned.frame.height),
        remarks=(),
        columns=profiles,
        missing=missing(profiles, pl.DataFrame({name: _empty(seen.frame[name]) for name in columns})),
        correlations=correlations(learned, strengths, task.target),
        outliers=outliers(table, seen.place),
        relations=relations(learned, goal, strengths),
        over_time=over_time(_without(table, task.target), _timeline(seen, task, section), (goal, _timeline(train, task, section).seconds)),
        duplicates=duplicates(evidence.seen.select(columns), evidence.train, task.target, inputs),
        suspects=known.suspects,
        classes=goal.classes,
        importance=known.importance,
    )
    notes = remarks(found, task, section, known.problems)
    return replace(found, remarks=notes, verdict=verdict(found.rows, notes))


@dataclass(frozen=True, slots=True, eq=False)
class _Sampled:
    """Rows drawn without replacement, in their order; ``at``: (n,) their numbers among all rows."""

    frame: pl.DataFrame
    at: NDArray[np.int64]

    def place(self, row: int) -> str:
        """Where a row of the sample came from, in words."""
        if set(PROVENANCE) <= set(self.frame.columns):
            source, line = self.frame.select(PROVENANCE).row(row)
            return f"{source}:{line}"
        return f"row {int(self.at[row]) + 1}"


def _sample(frame: pl.DataFrame, seed: int) -> _Sampled:
    if frame.height <= MOST_ROWS:
        return _Sampled(frame, np.arange(frame.height))
    at = np.sort(np.random.default_rng(seed).choice(frame.height, MOST_ROWS, replace=False))
    return _Sampled(frame[at], at)


def _shapes(frame: pl.DataFrame, task: sections.Task, known: Known) -> dict[str, Kind]:
    decided = {each.column: each.kind for each in known.decisions}
    goal: Kind = "number" if task.type == "regression" else "category"
    return {name: goal if name == task.target else shape_of(frame[name], decided.get(name)) for name in frame.columns}


def _with_goal(table: Readable, goal: Goal) -> Readable:
    return Readable(table.frame.with_columns(goal.values), table.shapes) if goal.values.name in table.shapes else table


def _without(table: Readable, name: str) -> Readable:
    kept = {each: shape for each, shape in table.shapes.items() if each != name}
    return Readable(table.frame.select(list(kept)), kept)


def _completed(
    profile: ColumnProfile, table: Readable, related: Mapping[str, tuple[float | None, str | None]], known: Known
) -> ColumnProfile:
    """With the distribution, the association and the decision."""
    decision = next((each for each in known.decisions if each.column == profile.name), None)
    strength, measure = related.get(profile.name, (None, None))
    profile = replace(
        profile, association=strength, association_kind=measure, decision=decision, treatment=treatment(decision) if decision else ""
    )
    if profile.hidden:
        return profile
    values = table.frame[profile.name]
    if profile.shape == "timestamp":
        return replace(profile, spans=spans_of(values))
    if profile.shape == "text":
        return replace(profile, bins=lengths_of(values), words=words_of(values))
    return replace(profile, bins=bins_of(values)) if profile.shape == "number" else profile


def _empty(series: pl.Series) -> pl.Series:
    return ~series.is_finite().fill_null(False) if series.dtype.is_float() else series.is_null()


def _timeline(sample: _Sampled, task: sections.Task, section: sections.Preparation) -> Timeline:
    """By the time column; without one by the order of the rows, unless the charter splits them as if they had none."""
    if task.time is not None and task.time in sample.frame.columns:
        return Timeline(as_seconds(sample.frame[task.time]).to_numpy().astype(np.float64), task.time)
    ordered = task.time is None and section.split.kind in (None, "time")
    return Timeline(sample.at.astype(np.float64) if ordered else np.full(len(sample.at), np.nan), "")
