"""A contract on a frame: good rows with the contract's types, bad rows as they came with the rules they break and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from homeostat.core.casts import dtype_of, present, read_as
from homeostat.core.records import PROVENANCE, ContractReport
from homeostat.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl
    from polars.datatypes import DataType

    from homeostat.dataops.rules import ColumnRule, Contract

_VALUE = "_value:"


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    """One rule on one column: its name, the flag of rows that break it, and what is allowed in words."""

    name: str
    column: str
    broken: pl.Expr
    allowed: str


def check(frame: pl.DataFrame, contract: Contract) -> ContractReport:
    """Split a delivery: each row is either good or quarantined, none is lost and none is changed on its way to quarantine.

    Rules are ``<column>.type``, ``.required``, ``.range``, ``.allowed`` and ``.unique``. A null (or NaN) breaks only
    ``required``; a value that cannot be read as the column's type breaks only ``type``, and so does infinity. ``unique`` looks at this
    delivery alone: each occurrence after the first breaks it, whatever else is wrong with the first.

    ``good`` has the contract's columns, in its order and types (an absent optional column is null), then ``_source`` and
    ``_line`` if they came in. Columns the contract does not know are left out of it; ``compare_schemas`` tells of them.
    ``quarantined`` has all columns that came in, and ``_rules`` and ``_reasons``.

    Raises:
        DataError: HS203, columns are missing that must be there.
    """
    import polars as pl

    missing = [rule.name for rule in contract.columns if not rule.optional and rule.name not in frame.columns]
    if missing:
        raise DataError(
            "HS203",
            f"got the columns {', '.join(c for c in frame.columns if c not in PROVENANCE)}; missing: {', '.join(missing)}",
            place=f"contract {contract.name!r}",
            next_step="mend the delivery, or mark the columns as mayBeAbsent in the contract",
        )
    here = [rule for rule in contract.columns if rule.name in frame.columns]
    report = _judge(frame, here, unique=True)
    absent = [pl.lit(None, dtype=dtype_of(rule.kind)).alias(rule.name) for rule in contract.columns if rule.name not in frame.columns]
    order = [rule.name for rule in contract.columns] + [name for name in PROVENANCE if name in frame.columns]
    return ContractReport(report.good.with_columns(absent).select(order), report.quarantined, report.failures)


def check_values(frame: pl.DataFrame, contract: Contract, columns: Collection[str]) -> ContractReport:
    """The value rules (all but ``unique``) of those of the given columns that are in both the frame and the contract.

    For rows that are not a whole delivery, such as served inputs. ``good`` keeps every column of the frame.
    """
    here = [rule for rule in contract.columns if rule.name in columns and rule.name in frame.columns]
    return _judge(frame, here, unique=False)


def _judge(frame: pl.DataFrame, columns: list[ColumnRule], *, unique: bool) -> ContractReport:
    import polars as pl

    # First every value in its type, then every flag: two passes over the columns, however many rules there are.
    typed = frame.select(
        pl.all(), *(read_as(column.name, frame.schema[column.name], column.kind).alias(_VALUE + column.name) for column in columns)
    )
    rules = [rule for column in columns for rule in _rules(column, frame.schema[column.name], unique=unique)]
    if not rules:
        marked = frame.clear().with_columns(pl.lit(None, dtype=pl.List(pl.String)).alias("_rules"), pl.lit("").alias("_reasons"))
        return ContractReport(frame, marked, {})
    flags = typed.select(rule.broken.alias(rule.name) for rule in rules)
    bad = flags.select(pl.any_horizontal(pl.all())).to_series()
    good = typed.filter(~bad).select(
        pl.col(_VALUE + name).alias(name) if _VALUE + name in typed.columns else pl.col(name) for name in frame.columns
    )
    failures = {name: int(count) for name, count in flags.sum().row(0, named=True).items() if count}
    return ContractReport(good, _mark(frame.filter(bad), flags.filter(bad), rules), failures)


def _rules(column: ColumnRule, dtype: DataType, *, unique: bool) -> list[_Rule]:
    import polars as pl

    name, value = column.name, pl.col(_VALUE + column.name)
    there = present(name, dtype)
    if column.kind in ("number", "integer") and dtype in (pl.String, pl.Categorical, pl.Enum):
        there = there & (pl.col(name).cast(pl.String).str.strip_chars().str.to_lowercase() != "nan")  # NaN written as text
    unreadable = there & value.is_null()
    if column.kind == "number":
        unreadable = unreadable | value.is_infinite()
    rules = [_Rule(f"{name}.type", name, unreadable, _type_words(column))]
    if column.required:
        rules.append(_Rule(f"{name}.required", name, ~there, "a value"))
    outside = _outside(column, value)
    if outside is not None:
        rules.append(_Rule(f"{name}.range", name, outside, _range_words(column)))
    if column.allowed is not None:
        rules.append(_Rule(f"{name}.allowed", name, _not_allowed(column, value), "one of " + ", ".join(column.allowed[:10])))
    if column.unique and unique:
        rules.append(_Rule(f"{name}.unique", name, value.is_not_null() & ~value.is_first_distinct(), "a value not seen before"))
    return [_Rule(rule.name, rule.column, rule.broken.fill_null(False), rule.allowed) for rule in rules]


def _outside(column: ColumnRule, value: pl.Expr) -> pl.Expr | None:
    import polars as pl

    limits = []
    for bound, beyond in ((column.minimum, value.__lt__), (column.maximum, value.__gt__)):
        if bound is not None:
            limits.append(beyond(pl.lit(datetime.fromisoformat(bound)).cast(dtype_of(column.kind)) if isinstance(bound, str) else bound))
    if not limits:
        return None
    outside = pl.any_horizontal(limits)
    return outside & value.is_finite() if column.kind == "number" else outside


def _not_allowed(column: ColumnRule, value: pl.Expr) -> pl.Expr:
    import polars as pl

    texts = column.allowed or ()
    if column.kind == "number":
        return ~value.is_in([float(text) for text in texts]) & value.is_finite()
    if column.kind == "integer":
        return ~value.is_in(pl.Series([int(text) for text in texts], dtype=pl.Int64).implode())
    return ~value.cast(pl.String).is_in(list(texts))


def _type_words(column: ColumnRule) -> str:
    words = {
        "number": "a finite number",
        "integer": "a whole number",
        "string": "a text",
        "boolean": "true or false",
        "date": "a date such as 2024-01-31",
        "timestamp": "a timestamp such as 2024-01-31T18:00:00",
    }
    return words[column.kind]


def _range_words(column: ColumnRule) -> str:
    if column.minimum is not None and column.maximum is not None:
        return f"{column.minimum} to {column.maximum}"
    return f"at least {column.minimum}" if column.maximum is None else f"at most {column.maximum}"


def _mark(rows: pl.DataFrame, flags: pl.DataFrame, rules: list[_Rule]) -> pl.DataFrame:
    """Add ``_rules`` and ``_reasons`` to the bad rows; ``flags`` has one column per rule and the same rows."""
    import polars as pl

    names = pl.concat_list([pl.when(rule.name).then(pl.lit(rule.name)) for rule in rules]).list.drop_nulls()
    got = rows.select(_as_text(name, rows.schema[name]).alias(name) for name in dict.fromkeys(rule.column for rule in rules))
    reasons = [
        pl.when(rule.name).then(
            pl.concat_str(pl.lit(f"{rule.column}: got "), pl.lit(got[rule.column]), pl.lit(f", allowed: {rule.allowed}"))
        )
        for rule in rules
    ]
    marks = flags.select(names.alias("_rules"), pl.concat_str(reasons, separator="; ", ignore_nulls=True).alias("_reasons"))
    return rows.hstack(marks)


def _as_text(name: str, dtype: DataType) -> pl.Expr:
    import polars as pl

    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        return pl.lit(f"a {dtype}")
    text = pl.col(name).cast(pl.String).str.head(80)
    quoted = pl.concat_str(pl.lit("'"), text, pl.lit("'")) if dtype in (pl.String, pl.Categorical, pl.Enum) else text
    return quoted.fill_null("nothing")
