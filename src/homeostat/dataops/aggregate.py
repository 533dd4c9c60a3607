"""Aggregates of events at training time: for each row a function over the events of its entity up to its own moment, never a later one.

All rows are answered at once: events lie sorted by entity and time, so that each row's events are one stretch between two places.
Sums are exact and rounded once, so they don't depend on the order of the events.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.casts import logical_type
from homeostat.core.features import rounded
from homeostat.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from homeostat.core.features import Feature

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def aggregates(asked: pl.DataFrame, known: pl.DataFrame, other: pl.DataFrame, features: Sequence[Feature], table: str) -> pl.DataFrame:
    """The features of each asked row, by ``place``, in columns of their names.

    An event counts that has equal keys, ``time`` not after the row's and no more than the window before it. ``count`` and ``sum`` of
    nothing are 0, any other function null. Nulls, NaN and infinity are passed over, but by ``count`` and ``last``; a sum or mean
    outside float64 is null.

    Args:
        asked: ``place``, ``time`` and the keys of the rows, without nulls.
        known: the same of the events; ``place`` is the row in ``other``, and of equal times the later place is the newer event.
        other: the events' table.
        features: what is wanted.
        table: what the table is called.

    Raises:
        DataError: HS450, a column is no number where one is needed.
    """
    import polars as pl

    stretches = _Stretches(asked, known)
    taken = {name: _numbers(other, name, table) for name in {each.column for each in features if each.function not in ("count", "last")}}
    sorted_values = {name: values[stretches.places] for name, values in taken.items()}
    made = []
    for each in features:
        start, stop = stretches.of(each.window_us)
        if each.function == "count":
            made.append(pl.Series(each.name, stop - start))
        elif each.function == "last":
            made.append(_last(other, each, np.where(stop > start, stop, 0), stretches.places))
        else:
            values = sorted_values[each.column]
            found = _extremes if each.function in ("min", "max") else _totals
            made.append(pl.Series(each.name, found(values, start, stop, each.function)).fill_nan(None))
    return asked.select("place").hstack(made)


class _Stretches:
    """Events sorted by entity, time and place, and for each asked row where the events it may see begin and end."""

    def __init__(self, asked: pl.DataFrame, known: pl.DataFrame) -> None:
        import polars as pl

        keys = [name for name in known.columns if name not in ("place", "time")]
        if keys:
            groups = known.select(keys).unique(maintain_order=True).with_row_index("group")
            known = known.join(groups, on=keys, maintain_order="left")
            asked = asked.join(groups, on=keys, how="left", maintain_order="left")
        else:
            known, asked = (each.with_columns(group=pl.lit(0, dtype=pl.UInt32)) for each in (known, asked))
        known = known.sort("group", "time", "place")
        self.places: Ints = known["place"].to_numpy().astype(np.int64)
        times = known["time"].to_physical().to_numpy().astype(np.int64)
        self._moments = np.unique(times)
        self._wide = len(self._moments) + 1
        self._order = known["group"].to_numpy().astype(np.int64) * self._wide + np.searchsorted(self._moments, times)
        self._times = asked["time"].to_physical().to_numpy().astype(np.int64)
        self._known = asked["group"].is_not_null().to_numpy()
        self._group = asked["group"].fill_null(0).to_numpy().astype(np.int64) * self._wide

    def of(self, window_us: int | None) -> tuple[Ints, Ints]:
        """First event and the one behind the last of each asked row; equal where there is none."""
        stop = self._before(np.searchsorted(self._moments, self._times, "right"))
        start = self._before(0 if window_us is None else np.searchsorted(self._moments, self._times - window_us, "left"))
        return np.where(self._known, start, 0), np.where(self._known, stop, 0)

    def _before(self, moments: Any) -> Ints:
        """How many events lie before the entity's events of so many moments on."""
        found: Ints = np.searchsorted(self._order, self._group + moments, "left").astype(np.int64)
        return found


def _numbers(other: pl.DataFrame, name: str, table: str) -> Floats:
    """The column as float64, NaN where it has no finite value; minus zero is zero."""
    import polars as pl

    dtype = other.schema[name]
    if logical_type(dtype) not in ("number", "integer", "boolean") and dtype != pl.Null:
        raise DataError(
            "HS450",
            f"got {name!r} of type {dtype}; sum, mean, min and max are taken of numbers, true and false",
            place=f"data.joins, table {table!r}",
            next_step="take count or last of it, or let a contract of type number read it",
        )
    values = other[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(values), values + 0.0, np.nan)


def _last(other: pl.DataFrame, feature: Feature, stop: Ints, places: Ints) -> pl.Series:
    import polars as pl

    newest = np.append(-1, places)[stop]
    at = pl.Series(newest).replace(-1, None)
    return other.select(pl.col(feature.column).gather(pl.lit(at)).alias(feature.name)).to_series()


def _totals(values: Floats, start: Ints, stop: Ints, function: str) -> Floats:
    """Sums, or means as the rounded sum over the number of values."""
    there = np.isfinite(values)
    sums, exponent = _prefix_sums(np.where(there, values, 0.0))
    counts = np.append(0, np.cumsum(there))
    count = counts[stop] - counts[start]
    stretches, place = np.unique(start * len(sums) + stop, return_inverse=True)
    ends = (divmod(each, len(sums)) for each in stretches.tolist())
    distinct = np.asarray([rounded(sums[end] - sums[begin], exponent) for begin, end in ends], dtype=np.float64)
    total = np.where(np.isfinite(distinct), distinct, np.nan)[place]
    if function == "sum":
        return total
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan)


def _prefix_sums(values: Floats) -> tuple[list[int], int]:
    """Sums of the first 0, 1, ... n values as whole multiples of 2**exponent, and the exponent; exact."""
    mantissas, exponents = np.frexp(values)
    whole = (mantissas * 2.0**53).astype(np.int64)
    least = int(exponents[whole != 0].min(initial=1_024))
    shifts = np.where(whole != 0, exponents - least, 0)
    terms = (each << shift for each, shift in zip(whole.tolist(), shifts.tolist(), strict=True))
    return list(accumulate(terms, initial=0)), least - 53


def _extremes(values: Floats, start: Ints, stop: Ints, function: str) -> Floats:
    """Least or largest value of each stretch, NaN where it has none: each stretch is covered by two that are a power of two long."""
    best = np.fmin if function == "min" else np.fmax
    found = np.full(len(start), np.nan)
    level = np.frexp((stop - start).astype(np.float64))[1] - 1  # -1: empty
    table, span = values, 1
    for at in range(int(level.max(initial=-1)) + 1):
        if at:
            table, span = best(table[:-span], table[span:]), span * 2
        here = np.flatnonzero(level == at)
        found[here] = best(table[start[here]], table[stop[here] - span])
    return found
