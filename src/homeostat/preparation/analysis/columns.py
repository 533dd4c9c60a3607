"""The numbers of each column by itself, over all the rows that may be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.core.casts import logical_type
from homeostat.preparation.analysis.reading import EARLIEST_S, LATEST_S, LONGEST, as_numbers, as_seconds, as_texts, finite, iso
from homeostat.preparation.analysis.records import ColumnProfile

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import polars as pl

    from homeostat.core.sections import Kind

TOP = 10
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def profile_columns(frame: pl.DataFrame, shapes: Mapping[str, Kind], hidden: Collection[str] = ()) -> tuple[ColumnProfile, ...]:
    """One profile per column named in ``shapes``, in that order. Works on empty frames and all-null columns.

    Args:
        frame: any rows.
        shapes: what each column is analysed as.
        hidden: columns whose values must not be told: only how many there are.
    """
    return tuple(_profile(frame[name], shape, hidden=name in hidden) for name, shape in shapes.items())


def _profile(series: pl.Series, shape: Kind, *, hidden: bool) -> ColumnProfile:
    numeric = logical_type(series.dtype) in ("number", "integer")
    values = as_numbers(series) if numeric else series
    filled = values.drop_nulls()
    distinct = filled.n_unique() if filled.len() else 0
    known: dict[str, Any] = {
        "name": series.name,
        "kind": logical_type(series.dtype) or ("null" if filled.is_empty() else str(series.dtype)),
        "shape": shape,
        "rows": series.len(),
        "nulls": series.len() - filled.len(),
        "distinct": distinct,
        "constant": distinct <= 1,
        "infinite": int(series.is_infinite().sum()) if series.dtype.is_float() else 0,
        "hidden": hidden,
    }
    if not hidden and filled.len():
        known.update(_numbers(series, filled) if numeric else _others(filled, shape))
    return ColumnProfile(**known)


def _numbers(series: pl.Series, filled: pl.Series) -> dict[str, Any]:
    whole = series.dtype.is_integer()
    return {
        "minimum": series.min() if whole else filled.min(),
        "maximum": series.max() if whole else filled.max(),
        "mean": finite(filled.mean()),
        "std": finite(filled.std()),
        "quantiles": {str(q): value for q in QUANTILES if (value := finite(filled.quantile(q, "linear"))) is not None},
    }


def _others(filled: pl.Series, shape: Kind) -> dict[str, Any]:
    if shape == "timestamp" or filled.dtype.is_temporal():
        seconds = as_seconds(filled)
        low, high = finite(seconds.min()), finite(seconds.max())
        return {} if low is None or high is None else {"minimum": iso(low), "maximum": iso(min(max(high, EARLIEST_S), LATEST_S))}
    return {"top": tuple((str(value), int(count)) for value, count in _counts(as_texts(filled)).rows())}


def _counts(filled: pl.Series) -> pl.DataFrame:
    import polars as pl

    cut = filled.str.slice(0, LONGEST)
    counted = cut.alias("value").to_frame().group_by("value").len("count")
    return counted.sort(pl.col("count"), pl.col("value"), descending=[True, False]).head(TOP)
