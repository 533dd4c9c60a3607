"""Types for CSV columns: a text column becomes numbers, booleans, dates or timestamps only when no value is changed by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core.casts import LogicalType, read_as

if TYPE_CHECKING:
    import polars as pl

SAMPLE = 1_000
_SHAPES: dict[LogicalType, str] = {
    # No leading zeros and no plus sign: "007" and "+49" name something, they do not count it.
    "integer": r"^-?(0|[1-9]\d*)$",
    "number": r"^-?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?$|^(?i:[+-]?(nan|inf|infinity))$",
    "boolean": r"^(?i:true|false)$",
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "timestamp": r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:?\d{2})?)?$",
}
_TOO_LONG = r"^-?\d{16,}$"  # as a float64 such a whole number could become another one


def typed(series: pl.Series, null_values: list[str]) -> pl.Series:
    """The column with its null texts as nulls and its type inferred over all values; a column without values is text."""
    import polars as pl

    values = series.cast(pl.String)
    if null_values:
        values = values.set(values.is_in(null_values), None)
    filled = values.drop_nulls()
    if filled.is_empty():
        return values
    for kind in _SHAPES:
        if _has_shape(filled.head(SAMPLE), kind) and _has_shape(filled, kind):
            found = values.to_frame().select(read_as(values.name, values.dtype, kind)).to_series()
            if kind == "number":
                return _with_nan(found, values)
            if found.null_count() == values.null_count():
                return found
    return values


def _has_shape(filled: pl.Series, kind: LogicalType) -> bool:
    if kind == "number" and filled.str.contains(_TOO_LONG).any():
        return False
    return bool(filled.str.contains(_SHAPES[kind]).all())


def _with_nan(found: pl.Series, values: pl.Series) -> pl.Series:
    """Put NaN back where the text said so: the file's null texts and its NaN stay apart until the contract is checked."""
    return found.set(found.is_null() & values.is_not_null(), float("nan"))
