"""Columns that know the future: the target of a later row, and figures computed over rows that include the one to be predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.charter.copies import copied_number
from homeostat.charter.probes import FEWEST_ROWS, Suspect, Target, codes_of, numbers_of, ranks, skill
from homeostat.core.targets import texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from homeostat.stats.kernels import Floats

LAGS = (1, 2, 3, 7, 12, 24, 28, 30, 48, 168)
"""Rows ahead: the next ones, and a day, a week or a month of usual data."""
MOST_ROWS = 20_000  # rows of the series looked at, neighbouring ones: gaps would hide what stands one row later
MOST_SCREENED = 5_000  # of them, the last ones are screened for columns that only nearly hold a later value
SCREENED = 0.3  # rank correlation with a later row's target below which a number is not looked at further
EQUAL = 0.95  # share of rows that must agree
STRONG = 0.9  # skill for a later row's target
AHEAD = 0.03  # by how much the skill for a later row must exceed that for its own row and for earlier ones
MOST_ENTITIES = 10  # columns tried as what a series is about
FEWEST_GROUPS = 5
MOST_MERGED = 3  # groups that happen to have the same sum, and so look like one
EXACT = 2e-3  # standard deviations of the target by which a figure may miss it: roundings


def later_values(ordered: pl.DataFrame, target: Target, inputs: list[str], entity: Sequence[str] = ()) -> Iterator[Suspect]:
    """Columns that hold the target of a later row, in the order of time or within an entity; exactly, or nearly so.

    Args:
        ordered: rows in the order of time.
        target: of these rows.
        inputs: columns to look at.
        entity: what a row is about. Columns whose values repeat are tried as well.
    """
    if ordered.height > MOST_ROWS:
        ordered, target = ordered.tail(MOST_ROWS), target.rows(slice(-MOST_ROWS, None))
    series = [("", None), *_series(ordered, inputs, entity)]
    for name in inputs:
        column = ordered[name]
        if column.dtype.is_nested() or column.dtype.is_temporal() or column.n_unique() < 2:
            continue
        alike = _has_values_of(column, target)
        for of, order in series:
            if of == name:
                continue
            found = _equal_ahead(column, target, order) if alike else None
            if found is None and not of:
                found = _nearly_ahead(column.tail(MOST_SCREENED), target.rows(slice(-MOST_SCREENED, None)))
            if found is not None:
                lag, number, word = found
                within = f" with the same {of}" if of else ""
                rows = "the next row" if lag == 1 else f"the row {lag} further on"
                reason = f"{word} the target of {rows}{within} ({number:.1%}): a value from the future"
                yield Suspect((name,), "future", number, reason)
                break


def _has_values_of(column: pl.Series, target: Target) -> bool:
    """Whether nearly all of the column's values are values of the target, by a few of them: only then can it equal one."""
    known = column.drop_nulls().head(200)
    if target.task != "regression":
        return set(texts(known).drop_nulls().to_list()) <= set(target.classes)
    return known.dtype.is_numeric() and float(np.isin(known.cast(float).to_numpy(), target.y[:, 0]).mean()) > EQUAL / 2


def _series(ordered: pl.DataFrame, inputs: list[str], entity: Sequence[str]) -> list[tuple[str, NDArray[np.int64]]]:
    """Ways to cut the rows into series: a name, and for each row (group, place) as one sorted order with group ends marked by -1."""
    names = [name for name in entity if name in ordered.columns]
    few = [name for name in inputs if name not in names and 2 <= ordered[name].n_unique() <= ordered.height // 5]
    few = [name for name in few if not ordered[name].dtype.is_float() and not ordered[name].dtype.is_nested()]
    few.sort(key=lambda name: -ordered[name].n_unique())
    return [(name, codes_of_values(ordered[name])) for name in [*names, *few][:MOST_ENTITIES]]


def codes_of_values(column: pl.Series) -> NDArray[np.int64]:
    """Equal values, equal numbers; null is 0."""
    return column.rank("dense").fill_null(0).cast(int).to_numpy().astype(np.int64)


def _equal_ahead(column: pl.Series, target: Target, groups: NDArray[np.int64] | None) -> tuple[int, float, str] | None:
    """The first lag at which the column equals the target of the later row, where that says something."""
    if target.task == "regression":
        if not column.dtype.is_numeric():
            return None
        x, y = column.cast(float).fill_null(np.nan).to_numpy(), target.y[:, 0]
    else:
        place = {name: float(at) for at, name in enumerate(target.classes)}
        if not 2 <= column.n_unique() <= len(place) + 1:
            return None
        words = texts(column).to_list()
        x, y = np.array([place.get(str(word), np.nan) for word in words]), target.index.astype(float)
    order = np.arange(len(y)) if groups is None else np.argsort(groups, kind="stable")
    x, y, group = x[order], y[order], (np.zeros(len(y)) if groups is None else groups[order])
    for lag in LAGS if groups is None else LAGS[:3]:
        if len(y) <= lag + FEWEST_ROWS:
            break
        same = (group[:-lag] == group[lag:]) & np.isfinite(x[:-lag])
        if same.sum() < FEWEST_ROWS:
            break
        a, b = x[:-lag][same], y[lag:][same]
        share = float(np.isclose(a, b, rtol=1e-9, atol=1e-9).mean())
        if share >= EQUAL and _beyond_chance(share, a, b) and float(np.isclose(a, y[:-lag][same], rtol=1e-9, atol=1e-9).mean()) < share:
            return lag, share, "equals"
    return None


def _beyond_chance(share: float, a: Floats, b: Floats) -> bool:
    """Whether two columns agree far more often than the same values in another order."""
    chance = float(np.isclose(a, np.random.default_rng(0).permutation(b), rtol=1e-9, atol=1e-9).mean())
    return (share - chance) / (1 - chance) >= 0.9 if chance < 1 else False


def _nearly_ahead(column: pl.Series, target: Target) -> tuple[int, float, str] | None:
    """The lag at which the column nearly holds a later row's target: predicts it, or is a copy of it with noise."""
    if target.task == "regression" and column.dtype.is_numeric():
        x, y = column.cast(float).fill_null(np.nan).to_numpy(), target.y[:, 0]
        order = ranks(np.nan_to_num(x, nan=-np.inf))
        if max(abs(_correlation(order[:-lag], ranks(y)[lag:])) for lag in LAGS if len(y) > 2 * lag + FEWEST_ROWS) < SCREENED:
            return None
        return _strong_ahead(column, target) or _copied_ahead(x, target)
    return _strong_ahead(column, target)


def _strong_ahead(column: pl.Series, target: Target) -> tuple[int, float, str] | None:
    """The lag at which the column predicts a later row's target nearly perfectly, and better than its own or an earlier one's."""
    codes, rows = codes_of(column), len(column)
    lags = [lag for lag in LAGS if rows > 2 * lag + FEWEST_ROWS]

    def at(lag: int) -> float:
        if lag >= 0:
            return float(np.nan_to_num(skill(codes[: rows - lag], target.rows(slice(lag, None)))[0]))
        return float(np.nan_to_num(skill(codes[-lag:], target.rows(slice(None, lag)))[0]))

    ahead = {lag: at(lag) for lag in lags}
    best = max(ahead, key=lambda lag: ahead[lag], default=None)
    if best is None or ahead[best] < STRONG:
        return None
    if ahead[best] <= at(0) + AHEAD or ahead[best] <= max(at(-lag) for lag in lags) + AHEAD:
        return None
    return best, ahead[best], "predicts"


def _copied_ahead(x: Floats, target: Target) -> tuple[int, float, str] | None:
    """The lag at which the column is a later row's target plus noise (see ``copies``), closer to it than to its own or an earlier one."""
    y = target.y[:, 0]
    lags = [lag for lag in LAGS if len(y) > 2 * lag + FEWEST_ROWS]
    ahead = {lag: _correlation(x[:-lag], y[lag:]) for lag in lags}
    best = max(ahead, key=lambda lag: ahead[lag], default=None)
    if best is None or ahead[best] <= max(_correlation(x, y), *(_correlation(x[lag:], y[:-lag]) for lag in lags)) + AHEAD:
        return None
    noise = copied_number(x[:-best], target.rows(slice(best, None)))
    return None if noise is None else (best, min(1.0, 1 / (1 + noise**2)), "is, but for noise,")


def _correlation(x: Floats, y: Floats) -> float:
    """Pearson's correlation over the rows where both are finite; 0 when one side is constant there."""
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < FEWEST_ROWS or x[known].std() == 0 or y[known].std() == 0:
        return 0.0
    return float(np.corrcoef(x[known], y[known])[0, 1])


def aggregates(rows: pl.DataFrame, target: Target, inputs: list[str]) -> Iterator[Suspect]:
    """Numbers that are the target's own mean, sum, smallest or largest value over the rows that share the number.

    A figure per customer, day or category that was computed over the whole period holds the answer of each of its rows. It shows
    in the numbers alone: among the rows in which it is 12.7, the target's mean is 12.7.
    """
    names = [name for name in inputs if rows[name].dtype.is_numeric() and _are_shared(rows[name])]
    for name, x in numbers_of(rows, names).items():
        known = np.isfinite(x)
        values, group, sizes = np.unique(x[known], return_inverse=True, return_counts=True)
        shared = sizes > 1
        if shared.sum() < FEWEST_GROUPS or sizes[shared].sum() < len(x) / 2:
            continue
        found = _aggregate(values, group, sizes, target.rows(known))
        if found is not None:
            word, share = found
            reason = f"is the target's {word} over the rows that share it ({share:.1%} of its values): computed with the answers"
            yield Suspect((name,), "aggregate", share, reason)


def _are_shared(column: pl.Series) -> bool:
    """Whether half of all rows can share their value with another: n rows of u values have at least 2u - n that no other has."""
    return 4 * (len(column) - column.n_unique()) >= len(column)


def _aggregate(values: Floats, group: NDArray[np.intp], sizes: NDArray[np.intp], target: Target) -> tuple[str, float] | None:
    """Which figure of the target the values are, in nearly all groups of two rows or more."""
    shared = sizes > 1
    columns = (
        [("", target.y[:, 0])]
        if target.task == "regression"
        else [(f" of {n}", y) for n, y in zip(target.classes, target.y.T, strict=True)]
    )
    for of, y in columns:
        sums = np.bincount(group, weights=y)
        low, high = np.full(len(values), np.inf), np.full(len(values), -np.inf)
        np.minimum.at(low, group, y)
        np.maximum.at(high, group, y)
        varied = shared & (high > low)
        if varied.sum() < FEWEST_GROUPS:
            continue
        figures = {"mean": sums / sizes, "sum": sums}
        if target.task == "regression":
            figures |= {"largest value": high, "smallest value": low}
        for word, figure in figures.items():
            times = np.clip(np.round(figure / values), 1, MOST_MERGED) if word == "sum" and values.min() >= FEWEST_GROUPS else 1.0
            close = np.abs(figure - times * values) <= EXACT * float(y.std())
            share = float(close[varied].mean())
            if share >= EQUAL and len(np.unique(np.round(values[varied], 12))) >= FEWEST_GROUPS:
                return ("share" + of if of and word == "mean" else "count" + of if of else word), share
    return None
