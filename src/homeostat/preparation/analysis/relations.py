"""How the target changes with a column: its mean, or the shares of its classes, in groups of training rows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from homeostat.preparation.analysis.reading import finite, hardly_repeats, iso, short
from homeostat.preparation.analysis.records import Group, Relation
from homeostat.stats.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from homeostat.core.sections import Kind
    from homeostat.preparation.analysis.goal import Goal
    from homeostat.preparation.analysis.reading import Readable

MOST_BINS = 10
MOST_VALUES = 12
NO_VALUE, OTHER = "(no value)", "(other values)"
Interval = tuple[float | None, float | None]
By = Literal["value", "bin", "time", "length"]


def relations(table: Readable, goal: Goal, associations: Mapping[str, float | None]) -> tuple[Relation, ...]:
    """One relation per column that has at least two groups, the strongest association first; none for names that hardly come twice.

    Args:
        table: training rows; the target's own column is not looked at.
        goal: the target of the same rows.
        associations: of each column with the target.
    """
    y, classes = encoded(goal)
    found = []
    for name, shape in table.shapes.items():
        if name == goal.values.name or (shape not in ("number", "timestamp", "text") and hardly_repeats(table.frame[name])):
            continue
        by, labels, place = grouped(table.frame[name], shape)
        groups = target_groups(labels, place, y, classes)
        if sum(group.label != NO_VALUE for group in groups) > 1 or len(groups) > 1:
            found.append(Relation(name, by, associations.get(name), groups))
    return tuple(sorted(found, key=lambda each: -abs(each.association or 0.0)))


def encoded(goal: Goal) -> tuple[NDArray[np.float64], int]:
    """The target as numbers (class indices), NaN where unknown, and the number of classes (0: a number target)."""
    import polars as pl

    if goal.values.dtype.is_float():
        return goal.values.to_numpy().astype(np.float64), 0
    index = {name: float(at) for at, name in enumerate(goal.names)}
    codes = (
        goal.values.replace_strict(index, default=None, return_dtype=pl.Float64) if index else goal.values.cast(pl.Float64, strict=False)
    )
    return codes.to_numpy().astype(np.float64), len(index)


def grouped(series: pl.Series, shape: Kind) -> tuple[By, tuple[str, ...], NDArray[np.int64]]:
    """What the groups are, their labels in order, and the group of each row. Nulls are the last group."""
    import polars as pl

    if shape == "text":
        series = series.str.len_chars().cast(pl.Float64)
    if series.dtype.is_float():
        by: By = "time" if shape == "timestamp" else "length" if shape == "text" else "bin"
        return _number_groups(series, by)
    counted = series.drop_nulls().alias("value").to_frame().group_by("value").len("rows")
    top = counted.sort(pl.col("rows"), pl.col("value"), descending=[True, False])["value"].head(MOST_VALUES).to_list()
    index = {value: at for at, value in enumerate(top)}
    known = (
        series.replace_strict(index, default=len(top), return_dtype=pl.Int64) if top else pl.Series([None] * len(series), dtype=pl.Int64)
    )
    place = known.set(series.is_null(), len(top) + 1).to_numpy()
    return "value", (*(short(str(value)) for value in top), OTHER, NO_VALUE), np.asarray(place, dtype=np.int64)


def _number_groups(series: pl.Series, by: By) -> tuple[By, tuple[str, ...], NDArray[np.int64]]:
    values = series.to_numpy()
    there = ~np.isnan(values)
    known = values[there]
    distinct = np.unique(known)
    say = iso if by == "time" else _number
    if len(distinct) <= MOST_VALUES:
        place = np.searchsorted(distinct, values)
        labels = tuple(say(float(value)) for value in distinct)
        by = "value" if by == "bin" else by
    else:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, MOST_BINS + 1), method="closest_observation"))
        place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
        labels = tuple(f"{say(float(low))} to {say(float(high))}" for low, high in pairwise(edges))
    return by, (*labels, NO_VALUE), np.where(there, place, len(labels)).astype(np.int64)


def _number(value: float) -> str:
    return f"{value:.5g}"


def target_groups(labels: Sequence[str], place: NDArray[np.int64], y: NDArray[np.float64], classes: int) -> tuple[Group, ...]:
    """The target in each group that has rows with a target."""
    known = ~np.isnan(y)
    place, y = place[known], y[known]
    rows = np.bincount(place, minlength=len(labels))
    if classes > 2 or classes == 1:
        shares = [np.bincount(place[y == at], minlength=len(labels)) / np.maximum(rows, 1) for at in range(classes)]
        return tuple(
            Group(label, int(n), shares=tuple(float(share[at]) for share in shares))
            for at, (label, n) in enumerate(zip(labels, rows, strict=True))
            if n
        )
    if classes == 2:
        hits = np.bincount(place[y == 0], minlength=len(labels))
        bounds: list[Interval] = [wilson(int(k), int(n)) for k, n in zip(hits, rows, strict=True)]
        values = [k / n if n else None for k, n in zip(hits, rows, strict=True)]
    else:
        values, bounds = _means(place, y, rows)
    return tuple(
        Group(label, int(n), finite(value), finite(bound[0]), finite(bound[1]))
        for label, n, value, bound in zip(labels, rows, values, bounds, strict=True)
        if n
    )


def _means(place: NDArray[np.int64], y: NDArray[np.float64], rows: NDArray[np.int64]) -> tuple[list[float | None], list[Interval]]:
    """Means, and their 95 % intervals by Student's t; no interval for a group of one row."""
    from scipy.stats import t

    n = np.maximum(rows, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.bincount(place, weights=y, minlength=len(rows)) / n
        squares = np.bincount(place, weights=(y - mean[place]) ** 2, minlength=len(rows))
        half = t.ppf(0.975, np.maximum(rows - 1, 1)) * np.sqrt(squares / np.maximum(rows - 1, 1) / n)
    bounds: list[Interval] = [(float(m - h), float(m + h)) if k > 1 else (None, None) for m, h, k in zip(mean, half, rows, strict=True)]
    return [float(m) for m in mean], bounds
