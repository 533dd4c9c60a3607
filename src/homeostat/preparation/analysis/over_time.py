"""How columns and target behave over time, and how far the newest third of the rows is from the oldest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.preparation.analysis.periods import periods_of
from homeostat.preparation.analysis.reading import finite, hardly_repeats, short
from homeostat.preparation.analysis.records import ColumnOverTime, OverTime
from homeostat.preparation.analysis.relations import encoded, target_groups
from homeostat.stats.distance import chi_squared, ks_p_value, ks_statistic, total_variation

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.core.sections import Kind
    from homeostat.preparation.analysis.goal import Goal
    from homeostat.preparation.analysis.reading import Readable

MOST_PERIODS = 36
TENTHS = 10
FEWEST_ROWS = 60  # fewer rows in all: thirds say nothing
MOST_VALUES = 50
KS_BINS = 128


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """``seconds``: (n,) when each row happened, NaN where unknown; without a time column (``column`` is empty) the row's number."""

    seconds: NDArray[np.float64]
    column: str


def over_time(table: Readable, line: Timeline, train: tuple[Goal, NDArray[np.float64]]) -> OverTime | None:
    """The columns by period; None without a column, with fewer than 60 placed rows, or with a single moment.

    Args:
        table: the sample, with as many rows as ``line``.
        line: when they happened.
        train: the target of the training sample, and when those rows happened.
    """
    placed = np.flatnonzero(~np.isnan(line.seconds))
    seconds = line.seconds[placed]
    if not table.shapes or len(placed) < FEWEST_ROWS or seconds.min() == seconds.max():
        return None
    unit, starts, edges, place = _periods(seconds, line)
    frame = table.frame[placed]
    order = np.argsort(seconds, kind="stable")
    third = len(placed) // 3
    first, last = frame[order[:third]], frame[order[-third:]]
    names = [name for name in frame.columns if name != line.column]
    columns = [_column(frame[name], table.shapes[name], (place, len(starts)), _drift(first[name], last[name])) for name in names]
    goal, when = train
    known = np.flatnonzero(~np.isnan(when))
    y, classes = encoded(goal)
    where = np.clip(np.searchsorted(edges, when[known], side="right") - 1, 0, len(starts) - 1)
    target = target_groups(starts, where, y[known], classes) if len(known) else ()
    by_time = goal.values[known[np.argsort(when[known], kind="stable")]].drop_nulls()
    change = _drift(by_time.head(len(by_time) // 3), by_time.tail(len(by_time) // 3))
    rows = np.bincount(place, minlength=len(starts))
    columns.sort(key=lambda each: -each.drift)
    return OverTime(line.column, unit, starts, tuple(rows.tolist()), tuple(columns), target, *change)


def _periods(seconds: NDArray[np.float64], line: Timeline) -> tuple[str, tuple[str, ...], NDArray[np.float64], NDArray[np.int64]]:
    """Unit, starts, their seconds, and the period of each row."""
    import polars as pl

    if line.column:
        found = periods_of(pl.Series(seconds), MOST_PERIODS)
        return found.unit, found.starts, found.seconds, found.place
    edges = np.floor(np.linspace(seconds.min(), seconds.max() + 1, TENTHS + 1))[:-1]
    place = np.searchsorted(edges, seconds, side="right") - 1
    starts = tuple(f"row {int(edge) + 1:,}" for edge in edges)
    return "tenth of the rows", starts, edges, place.astype(np.int64)


def _column(series: pl.Series, shape: Kind, periods: tuple[NDArray[np.int64], int], drift: tuple[float, float]) -> ColumnOverTime:
    place, count = periods
    empty = series.is_null().to_numpy()
    rows = np.bincount(place, minlength=count)
    nulls = np.bincount(place[empty], minlength=count)
    number = series.dtype.is_float()
    telling = shape != "timestamp" and (number or not hardly_repeats(series))
    of = "" if number or not telling else _most_frequent(series)
    values = (series if number else (series == of)).fill_null(0).to_numpy().astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        means = np.bincount(place, weights=values, minlength=count) / (rows - nulls)
    return ColumnOverTime(
        column=series.name,
        of=short(of),
        values=tuple(finite(value) if telling else None for value in means),
        nulls=tuple(finite(n / k) if k else None for n, k in zip(nulls, rows, strict=True)),
        drift=drift[0],
        statistic="ks" if number else "total variation",
        p_value=drift[1],
    )


def _drift(first: pl.Series, last: pl.Series) -> tuple[float, float]:
    """The distance and its p-value."""
    return _number_drift(first, last) if first.dtype.is_float() else _name_drift(first, last)


def _most_frequent(series: pl.Series) -> str:
    modes = series.drop_nulls().mode().sort()
    return str(modes[0]) if len(modes) else ""


def _number_drift(first: pl.Series, last: pl.Series) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance on at most 128 equal-count bins, null as the lowest value, and its p-value."""
    sides = [side.drop_nulls().to_numpy() for side in (first, last)]
    both = np.concatenate(sides)
    inner = np.unique(np.quantile(both, np.linspace(0, 1, KS_BINS + 1), method="closest_observation")) if len(both) else np.empty(0)
    counts = []
    for side, values in zip((first, last), sides, strict=True):
        binned = np.bincount(np.searchsorted(inner, values, side="left"), minlength=len(inner) + 1)
        counts.append([side.null_count(), *binned.tolist()])
    distance = min(ks_statistic(*counts), 1.0)
    return distance, ks_p_value(distance, len(first), len(last))


def _name_drift(first: pl.Series, last: pl.Series) -> tuple[float, float]:
    """Total variation over the most frequent values, null as one of them and the rest together, and the chi-squared p-value."""
    import polars as pl

    counted = pl.concat([first, last]).alias("value").to_frame().group_by("value").len("rows").sort("rows", "value", descending=True)
    kept = counted["value"].drop_nulls().head(MOST_VALUES).to_list()
    index = {value: at for at, value in enumerate(kept)}
    counts = []
    for side in (first, last):
        known = side.replace_strict(index, default=len(kept), return_dtype=pl.Int64) if kept else pl.Series([0] * len(side), dtype=pl.Int64)
        place = known.set(side.is_null(), len(kept) + 1)
        counts.append(np.bincount(place.to_numpy(), minlength=len(kept) + 2).tolist())
    return min(total_variation(*counts), 1.0), chi_squared(*counts)[1]
