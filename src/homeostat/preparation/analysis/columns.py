"""The numbers of each column by itself, over all the rows that may be seen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from homeostat.core.casts import logical_type
from homeostat.preparation.analysis.reading import as_numbers, as_seconds, as_texts, finite, iso, short
from homeostat.preparation.analysis.records import ColumnProfile

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

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
    kind = logical_type(series.dtype)
    numeric = kind in ("number", "integer")
    filled = (as_numbers(series) if numeric else series).drop_nulls()
    distinct, told = _numbers(series, filled) if numeric else _others(filled, shape)
    return ColumnProfile(
        name=series.name,
        kind=kind or ("null" if filled.is_empty() else str(series.dtype)),
        shape=shape,
        rows=series.len(),
        nulls=series.len() - filled.len(),
        distinct=distinct,
        constant=distinct <= 1,
        infinite=int(series.is_infinite().sum()) if series.dtype.is_float() else 0,
        hidden=hidden,
        **({} if hidden else told),
    )


def _numbers(series: pl.Series, filled: pl.Series) -> tuple[int, dict[str, Any]]:
    """How many values there are, and what they are: all from one sort."""
    if filled.is_empty():
        return 0, {}
    ordered = filled.sort().to_numpy()
    whole = series.dtype.is_integer()
    distinct = filled.n_unique() if whole else int((ordered[1:] != ordered[:-1]).sum()) + 1
    return distinct, {
        "minimum": series.min() if whole else float(ordered[0]),
        "maximum": series.max() if whole else float(ordered[-1]),
        "mean": finite(filled.mean()),
        "std": finite(filled.std()),
        "quantiles": {str(q): value for q in QUANTILES if (value := _quantile(ordered, q)) is not None},
    }


def _quantile(ordered: NDArray[np.float64], q: float) -> float | None:
    """Linear between the two nearest values. Source: Hyndman and Fan 1996, type 7."""
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return finite(ordered[low] * (1 - (place - low)) + ordered[high] * (place - low))


def _others(filled: pl.Series, shape: Kind) -> tuple[int, dict[str, Any]]:
    import polars as pl

    if shape == "timestamp" or filled.dtype.is_temporal():
        seconds = as_seconds(filled)
        low, high = finite(seconds.min()), finite(seconds.max())
        return filled.n_unique() if len(filled) else 0, {} if low is None or high is None else {"minimum": iso(low), "maximum": iso(high)}
    counted = as_texts(filled).alias("value").to_frame().group_by("value").len("count")
    top = counted.sort(pl.col("count"), pl.col("value"), descending=[True, False]).head(TOP)
    return counted.height, {"top": tuple((short(str(value)), int(count)) for value, count in top.rows())}
