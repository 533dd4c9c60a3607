"""Columns as numbers or texts, whatever they were stored as; what cannot be read so is null."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.core.casts import logical_type, read_as
from homeostat.core.targets import texts
from homeostat.preparation.kinds import infer_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from homeostat.core.sections import Kind

LONGEST = 120  # characters of a value that are told
EARLIEST_S, LATEST_S = -62_135_596_800.0, 253_402_300_799.0  # the years 1 to 9999
WORDS_IN_A_TEXT = 5.0
DISTINCT_TEXTS = 0.5
FEWEST = 3  # rows per name, on average, for an association to mean anything


@dataclass(frozen=True, slots=True, eq=False)
class Readable:
    """Columns one can calculate with: numbers and times (seconds since 1970) are Float64, the rest String; null where no value is."""

    frame: pl.DataFrame
    shapes: Mapping[str, Kind]

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the Float64 columns."""
        return tuple(name for name, dtype in self.frame.schema.items() if dtype.is_float())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the String columns."""
        return tuple(name for name, dtype in self.frame.schema.items() if not dtype.is_float())


def readable(frame: pl.DataFrame, shapes: Mapping[str, Kind]) -> Readable:
    """The named columns of the frame, read by their shapes."""
    import polars as pl

    return Readable(pl.DataFrame({name: read(frame[name], shape) for name, shape in shapes.items()}), dict(shapes))


FEW = 50
"""How many categories a column that nobody decided on may have, as preparation's own default."""


def read(series: pl.Series, shape: Kind) -> pl.Series:
    """One column by its shape: Float64 for numbers and times, String for the rest."""
    if shape == "number":
        return as_numbers(series)
    return as_seconds(series) if shape == "timestamp" else as_texts(series)


def shape_of(series: pl.Series, decided: Kind | None = None) -> Kind:
    """What a column is analysed as: what preparation decided on, or by its type and values; an unknown type is a category."""
    found = decided or infer_kind(series, FEW) or "category"
    if found != "category" or decided is not None or logical_type(series.dtype) != "string":
        return found
    known = series.drop_nulls().cast(_string())
    if known.is_empty() or known.n_unique() <= DISTINCT_TEXTS * len(known):
        return found
    words = known.str.slice(0, 2_000).str.count_matches(r"\s+").mean()
    return "text" if isinstance(words, float) and words + 1 > WORDS_IN_A_TEXT else found


def as_numbers(series: pl.Series) -> pl.Series:
    """Float64; NaN, infinity and what is no number are null. True and False are 1 and 0."""
    import polars as pl

    kind = logical_type(series.dtype)
    if kind == "string":
        numbers = series.to_frame().select(read_as(series.name, series.dtype, "number")).to_series()
    elif kind in ("number", "integer", "boolean"):
        numbers = series.cast(pl.Float64)
    else:
        numbers = pl.Series(series.name, [None] * len(series), dtype=pl.Float64)
    return numbers.set(~numbers.is_finite(), None)


def as_seconds(series: pl.Series) -> pl.Series:
    """Seconds since 1970 as Float64; null for what is no time between the years 1 and 9999. Numbers are seconds already."""
    import polars as pl

    kind = logical_type(series.dtype)
    if kind in ("date", "timestamp", "string"):
        moments = series.to_frame().select(read_as(series.name, series.dtype, "timestamp")).to_series()
        seconds = moments.to_physical().cast(pl.Float64) / 1e6
    else:
        seconds = as_numbers(series)
    return seconds.set((seconds < EARLIEST_S) | (seconds > LATEST_S), None)


def as_texts(series: pl.Series) -> pl.Series:
    """String, one text for equal values (``core.targets.text_of``); nested values as JSON, bytes as hexadecimal digits."""
    import polars as pl

    dtype = series.dtype
    if dtype == pl.Null or logical_type(dtype) is not None:
        return texts(series)
    if dtype == pl.Binary:
        return series.bin.encode("hex")
    if dtype.is_nested() and "Binary" not in str(dtype):
        encoded = series.to_frame().select(pl.struct(pl.all()).struct.json_encode()).to_series()
        return encoded.alias(series.name).set(series.is_null(), None)
    return series.hash().cast(pl.String).alias(series.name).set(series.is_null(), None)


def hardly_repeats(names: pl.Series) -> bool:
    """Whether names come fewer than three times on average: they would explain anything, and none of them says anything."""
    known = names.drop_nulls()
    return len(known) > 0 and known.n_unique() * FEWEST > len(known)


def iso(seconds: float) -> str:
    """Seconds since 1970 as an ISO 8601 text, as short as it can be said.

    >>> iso(0.0), iso(3600.0), iso(-86400.5)
    ('1970-01-01', '1970-01-01T01:00', '1969-12-30T23:59:59.500000')
    """
    from datetime import datetime, timedelta

    moment = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    if not (moment.hour or moment.minute or moment.second or moment.microsecond):
        return moment.date().isoformat()
    return moment.isoformat(timespec="auto" if moment.second or moment.microsecond else "minutes")


def short(text: str) -> str:
    """A value as it is told: at most 120 characters."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def finite(value: Any) -> float | None:
    """The number, or None when it is none or not finite."""
    return float(value) if value is not None and math.isfinite(value) else None


def _string() -> Any:
    import polars as pl

    return pl.String
