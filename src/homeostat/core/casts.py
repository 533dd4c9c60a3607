"""Reading a column as a logical type: the same text means the same value in a file, in a contract and in a check.

Every function gives Polars expressions and never raises on a value: what cannot be read as the type is null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from homeostat.core.targets import texts

if TYPE_CHECKING:
    import polars as pl
    from polars.datatypes import DataType, DataTypeClass

LogicalType = Literal["number", "integer", "string", "boolean", "date", "timestamp"]


def dtype_of(kind: LogicalType) -> DataType:
    """The one Polars type that holds values of a logical type.

    Timestamps are microseconds of wall time without a zone.
    """
    import polars as pl

    return {
        "number": pl.Float64(),
        "integer": pl.Int64(),
        "string": pl.String(),
        "boolean": pl.Boolean(),
        "date": pl.Date(),
        "timestamp": pl.Datetime("us"),
    }[kind]


def logical_type(dtype: DataType | DataTypeClass) -> LogicalType | None:
    """The logical type whose values a Polars type holds; None for nested, binary, duration and all-null columns.

    >>> import polars as pl
    >>> logical_type(pl.Int16()), logical_type(pl.Categorical()), logical_type(pl.List(pl.Int8))
    ('integer', 'string', None)
    """
    import polars as pl

    if dtype.is_integer():
        return "integer"
    if dtype.is_float() or dtype.is_decimal():
        return "number"
    named: dict[str, LogicalType] = {"Boolean": "boolean", "Date": "date", "Datetime": "timestamp"}
    if dtype.base_type() in (pl.String, pl.Categorical, pl.Enum, pl.Time):
        return "string"
    return named.get(dtype.base_type().__name__)


def present(name: str, dtype: DataType) -> pl.Expr:
    """True where the column has a value: not null, not NaN."""
    import polars as pl

    column = pl.col(name)
    return column.is_not_null() & column.is_not_nan() if dtype.is_float() else column.is_not_null()


def read_as(name: str, dtype: DataType, kind: LogicalType) -> pl.Expr:
    """The column as ``dtype_of(kind)``; null where there is no value or where it cannot be read as ``kind``.

    Nothing is rounded or cut off to fit: 3.5 is no integer, 14:30 on a day is no date. NaN, also as text, is null; infinity is
    kept in numbers. A timestamp with a zone becomes UTC. Only ISO 8601 dates are read, since 01/02/2011 has two meanings.
    """
    import polars as pl

    column = pl.col(name)
    if dtype == pl.Null:
        return column.cast(dtype_of(kind))
    known = logical_type(dtype)
    if known == "string":
        column = column.cast(pl.String)
    readers = {"number": _number, "integer": _integer, "string": _string, "boolean": _boolean, "date": _date, "timestamp": _timestamp}
    value = None if known is None else readers[kind](column, known, dtype)
    return (pl.lit(None) if value is None else value).cast(dtype_of(kind)).alias(name)


def _number(column: pl.Expr, known: LogicalType, _: DataType) -> pl.Expr | None:
    import polars as pl

    if known == "string":
        return column.str.strip_chars().cast(pl.Float64, strict=False).fill_nan(None)
    return column.cast(pl.Float64).fill_nan(None) if known in ("number", "integer") else None


def _integer(column: pl.Expr, known: LogicalType, _: DataType) -> pl.Expr | None:
    import polars as pl

    if known == "integer":
        return column.cast(pl.Int64, strict=False)
    number = _number(column, known, _)
    if number is None:
        return None
    # Beyond 2^53 a float no longer names one integer, so only exact texts are read there.
    whole = pl.when((number == number.round(0)) & (number.abs() <= 2.0**53)).then(number.cast(pl.Int64, strict=False))
    return pl.coalesce(column.str.strip_chars().cast(pl.Int64, strict=False), whole) if known == "string" else whole


def _string(column: pl.Expr, known: LogicalType, _: DataType) -> pl.Expr:
    import polars as pl

    # One rule for the text of a value everywhere: 1.0 and 1 are the same text.
    return column if known == "string" else column.map_batches(texts, return_dtype=pl.String)


def _boolean(column: pl.Expr, known: LogicalType, _: DataType) -> pl.Expr | None:
    import polars as pl

    if known == "boolean":
        return column
    if known == "string":
        text = column.str.strip_chars().str.to_lowercase()
        return pl.when(text.is_in(["true", "1"])).then(True).when(text.is_in(["false", "0"])).then(False)
    return pl.when(column == 1).then(True).when(column == 0).then(False) if known in ("number", "integer") else None


def _timestamp(column: pl.Expr, known: LogicalType, dtype: DataType) -> pl.Expr | None:
    import polars as pl

    if known == "timestamp":
        if getattr(dtype, "time_zone", None) is not None:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return column.cast(pl.Datetime("us"))
    if known == "date":
        return column.cast(pl.Datetime("us"))
    if known != "string":
        return None
    text = column.str.strip_chars().str.replace(r"^(\d{4}-\d{2}-\d{2})[Tt]", "${1} ")
    zoned = text.str.replace(r"[Zz]$", "+00:00").str.to_datetime("%Y-%m-%d %H:%M:%S%.f%#z", strict=False, time_unit="us")
    formats = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")
    plain = [text.str.to_datetime(form, strict=False, time_unit="us") for form in formats]
    day = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
    return pl.coalesce(*plain, day, zoned.dt.replace_time_zone(None))


def _date(column: pl.Expr, known: LogicalType, dtype: DataType) -> pl.Expr | None:
    import polars as pl

    if known == "date":
        return column
    moment = _timestamp(column, known, dtype)
    return None if moment is None else pl.when(moment.dt.truncate("1d") == moment).then(moment.dt.date())
