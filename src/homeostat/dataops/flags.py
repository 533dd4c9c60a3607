"""Rules on rows as flags: one Polars expression per rule over values in their types, true where a row breaks it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from homeostat.core.casts import dtype_of, present, read_as

if TYPE_CHECKING:
    import polars as pl
    from polars.datatypes import DataType

    from homeostat.core.records import Severity
    from homeostat.dataops.rules import ColumnRule

RAW = "_raw:"


@dataclass(frozen=True, slots=True)
class Flag:
    """One rule on rows: its name, the columns it looks at, the rows that break it, what is allowed in words, its severity."""

    name: str
    columns: tuple[str, ...]
    broken: pl.Expr
    allowed: str
    severity: Severity


def read_values(frame: pl.DataFrame, columns: list[ColumnRule]) -> pl.DataFrame:
    """The columns in their types: a column that has its type already is the frame's own, not a copy.

    Where values may not be what they should (another type, NaN or infinity among numbers), the column as it came stands beside it,
    its name after ``_raw:``.
    """
    import polars as pl

    finite = _finite(frame, columns)
    wanted: list[pl.Expr] = []
    for column in columns:
        dtype = frame.schema[column.name]
        if dtype == dtype_of(column.kind) and (column.kind != "number" or column.name in finite):
            wanted.append(pl.col(column.name))
        else:
            wanted += [read_as(column.name, dtype, column.kind), pl.col(column.name).alias(RAW + column.name)]
    return frame.select(wanted)


def _finite(frame: pl.DataFrame, columns: list[ColumnRule]) -> set[str]:
    """Columns of floats whose sum is finite: then each of them is, and one pass without a result of its own has shown it."""
    import polars as pl

    floats = [column.name for column in columns if column.kind == "number" and frame.schema[column.name] == pl.Float64]
    sums = frame.select(pl.col(name).sum() for name in floats).row(0, named=True) if floats else {}
    return {name for name, total in sums.items() if math.isfinite(total)}


def column_flags(column: ColumnRule, values: pl.DataFrame) -> Iterator[Flag]:
    """The flags of one column's rules, ``unique`` aside. Rules that no row can break, as the data show at no cost, have none."""
    import polars as pl

    name, value = column.name, pl.col(column.name)
    raw = values.schema.get(RAW + name)
    if raw is not None:
        yield _flag(column, "type", _unreadable(column, raw), _TYPES[column.kind])
    if column.required and (raw is not None or values[name].null_count()):
        there = value.is_not_null() if raw is None else present(RAW + name, raw) & _not_nan_text(column, raw)
        yield _flag(column, "required", ~there, "a value")
    if column.bounds:
        outside = pl.any_horizontal(_beyond(column, field, bound) for field, bound in column.bounds)
        yield _flag(
            column, "range", outside & value.is_finite() if raw is not None and column.kind == "number" else outside, _range(column)
        )
    if column.shortest is not None or column.longest is not None:
        length = value.str.len_chars()
        limits = [length < column.shortest] if column.shortest is not None else []
        limits += [length > column.longest] if column.longest is not None else []
        yield _flag(column, "length", pl.any_horizontal(limits), _length(column))
    if column.pattern is not None:
        yield _flag(column, "pattern", ~value.str.contains(column.pattern), f"a text with the pattern {column.pattern}")
    if column.allowed is not None:
        yield _flag(column, "allowed", _not_allowed(column), "one of " + ", ".join(column.allowed[:10]))


def _flag(column: ColumnRule, check: str, broken: pl.Expr, allowed: str) -> Flag:
    return Flag(f"{column.name}.{check}", (column.name,), broken, allowed, column.severity(check))


def _not_nan_text(column: ColumnRule, raw: DataType) -> pl.Expr:
    """Without NaN written as text, which is no value where numbers are meant."""
    import polars as pl

    if column.kind in ("number", "integer") and raw in (pl.String, pl.Categorical, pl.Enum):
        return pl.col(RAW + column.name).cast(pl.String).str.strip_chars().str.to_lowercase() != "nan"
    return pl.lit(True)


def _unreadable(column: ColumnRule, raw: DataType) -> pl.Expr:
    import polars as pl

    value = pl.col(column.name)
    if column.kind == "number" and raw == pl.Float64:
        return value.is_infinite()
    unreadable = present(RAW + column.name, raw) & _not_nan_text(column, raw) & value.is_null()
    return unreadable | value.is_infinite() if column.kind == "number" else unreadable


def _beyond(column: ColumnRule, field: str, bound: float | str) -> pl.Expr:
    import polars as pl

    value = pl.col(column.name)
    limit = pl.lit(datetime.fromisoformat(bound)).cast(dtype_of(column.kind)) if isinstance(bound, str) else bound
    return {"minimum": value.__lt__, "above": value.__le__, "maximum": value.__gt__, "below": value.__ge__}[field](limit)


def equal_to(column: ColumnRule, texts: tuple[str, ...]) -> pl.Expr:
    """True where the column's value is one of those that the texts name."""
    import polars as pl

    value = pl.col(column.name)
    if column.kind == "number":
        return value.is_in([float(text) for text in texts])
    if column.kind == "integer":
        return value.is_in(pl.Series([int(text) for text in texts], dtype=pl.Int64).implode())
    return (value if column.kind == "string" else value.cast(pl.String)).is_in(list(texts))


def _not_allowed(column: ColumnRule) -> pl.Expr:
    import polars as pl

    unlisted = ~equal_to(column, column.allowed or ())
    return unlisted & pl.col(column.name).is_finite() if column.kind == "number" else unlisted


_TYPES = {
    "number": "a finite number",
    "integer": "a whole number",
    "string": "a text",
    "boolean": "true or false",
    "date": "a date such as 2024-01-31",
    "timestamp": "a timestamp such as 2024-01-31T18:00:00",
}


def _range(column: ColumnRule) -> str:
    if column.minimum is not None and column.maximum is not None and len(column.bounds) == 2:
        return f"{column.minimum} to {column.maximum}"
    words = {"minimum": "at least", "above": "above", "maximum": "at most", "below": "below"}
    return " and ".join(f"{words[field]} {bound}" for field, bound in column.bounds)


def _length(column: ColumnRule) -> str:
    if column.shortest is not None and column.longest is not None:
        return f"{column.shortest} to {column.longest} characters"
    return f"at least {column.shortest} characters" if column.longest is None else f"at most {column.longest} characters"


def mark(rows: pl.DataFrame, flags: pl.DataFrame, rules: list[Flag]) -> pl.DataFrame:
    """Add ``_rules`` and ``_reasons`` to bad rows; ``flags`` has one column per rule and the same rows."""
    import polars as pl

    if not rules:
        return rows.with_columns(pl.lit(None, dtype=pl.List(pl.String)).alias("_rules"), pl.lit("").alias("_reasons"))
    names = pl.concat_list([pl.when(rule.name).then(pl.lit(rule.name)) for rule in rules]).list.drop_nulls()
    columns = dict.fromkeys(name for rule in rules for name in rule.columns if name in rows.columns)
    got = rows.select(_as_text(name, rows.schema[name]).alias(name) for name in columns)
    reasons = [pl.when(rule.name).then(_reason(rule, got)) for rule in rules]
    marks = flags.select(names.alias("_rules"), pl.concat_str(reasons, separator="; ", ignore_nulls=True).alias("_reasons"))
    return rows.hstack(marks)


def _reason(rule: Flag, got: pl.DataFrame) -> pl.Expr:
    import polars as pl

    there = [name for name in rule.columns if name in got.columns]
    if len(rule.columns) == 1 and there:
        told = [pl.lit(f"{there[0]}: got "), pl.lit(got[there[0]])]
    else:
        told = [pl.lit(f"{rule.name}: got ")]
        for i, name in enumerate(there):
            told += [pl.lit(f"{', ' if i else ''}{name} "), pl.lit(got[name])]
    return pl.concat_str(*told, pl.lit(f", allowed: {rule.allowed}"))


def _as_text(name: str, dtype: DataType) -> pl.Expr:
    import polars as pl

    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        return pl.lit(f"a {dtype}")
    text = pl.col(name).cast(pl.String).str.head(80)
    quoted = pl.concat_str(pl.lit("'"), text, pl.lit("'")) if dtype in (pl.String, pl.Categorical, pl.Enum) else text
    return quoted.fill_null("nothing")
