"""A number for each row that follows from its content alone: the same wherever the row stands, in whatever company, on every machine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from homeostat.core.targets import texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from homeostat.graph.plan import Floats

Words = NDArray[np.uint64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STEPS = ((30, np.uint64(0xBF58476D1CE4E5B9)), (27, np.uint64(0x94D049BB133111EB)))


def fingerprints(frame: pl.DataFrame, columns: Sequence[str], seed: int = 0) -> Words:
    """64 bits per row, (n,) uint64, from the values of the columns in whatever order they stand.

    Equal values give equal bits: 1 and 1.0 are equal, null and NaN count as not there, so that a column added later changes no row
    without a value in it. Uniform: any bit is set in half of all rows.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014), the mixing function of SplitMix64.
    """
    total = np.full(frame.height, _mixed(np.array([seed], dtype=np.uint64))[0])
    with np.errstate(over="ignore"):
        for name in columns:
            words, there = _words(frame[name])
            total += np.where(there, _mixed(words ^ _word_of(name)), np.uint64(0))
    return _mixed(total)


def positions(words: Words) -> Floats:
    """Fingerprints as numbers in [0, 1)."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(words: Words) -> Words:
    with np.errstate(over="ignore"):
        mixed = words + _GOLDEN
        for shift, factor in _STEPS:
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * factor
        return mixed ^ (mixed >> np.uint64(31))


def _word_of(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def _words(series: pl.Series) -> tuple[Words, NDArray[np.bool_]]:
    """64 bits for each value, and where there is one."""
    import polars as pl

    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        numbers = series.cast(pl.Float64).to_numpy().astype(np.float64) + 0.0  # -0.0 becomes 0.0
        return numbers.view(np.uint64), ~np.isnan(numbers)
    if series.dtype in (pl.Date, pl.Datetime):
        micros = series.cast(pl.Datetime("us")).to_physical()
        return micros.fill_null(0).to_numpy().astype(np.int64).view(np.uint64), ~series.is_null().to_numpy()
    if series.dtype == pl.Null:
        return np.zeros(len(series), dtype=np.uint64), np.zeros(len(series), dtype=np.bool_)
    odd = series.dtype.is_nested() or series.dtype == pl.Binary  # can be left out of a model, and tells rows apart all the same
    known = pl.Series([None if value is None else str(value) for value in series.to_list()], dtype=pl.String) if odd else texts(series)
    distinct = known.drop_nulls().unique()
    words = pl.Series([int(_word_of(text)) for text in distinct.to_list()], dtype=pl.UInt64)
    found = known.replace_strict(distinct, words, default=None, return_dtype=pl.UInt64)
    return found.fill_null(0).to_numpy().astype(np.uint64), ~known.is_null().to_numpy()
