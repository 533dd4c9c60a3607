"""The transformation of rows by SQL: every output row leads back to its source line, and no row vanishes uncounted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.casts import dtype_of, logical_type
from homeostat.core.records import PROVENANCE
from homeostat.dataops.feature_sql import MAIN, FeatureSql, feature_sql, refuse_words, sql_error
from homeostat.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    import polars as pl

WHOLE = ("HUGEINT", "UHUGEINT", "UBIGINT")  # what sums of whole numbers are; here they must fit 64 bits
LINES = 10**12
UNREADABLE = ("INTERVAL", "BIT", "BLOB", "VARIANT", "GEOMETRY")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a transformation may use: memory, and a folder for what does not fit into it (none: it must fit).

    ``unseen`` are columns of the main rows that no feature may be derived from (``privacy.never_use``): the SQL does not see them,
    and they stay with their rows.
    """

    memory_mb: int = 1024
    spill: Path | None = None
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Transformed:
    """The rows that came out, in the order they went in, and the input rows that did not come out, whole."""

    frame: pl.DataFrame
    dropped: pl.DataFrame


def transform(rows: pl.DataFrame, tables: Mapping[str, pl.DataFrame], sql: FeatureSql | str, limits: Limits | None = None) -> Transformed:
    """Run row-level SQL: ``data`` are the rows, the other tables go by their names.

    The result has the selected columns as the types of ``core.casts`` (decimals are numbers, sums of whole numbers integers, zoned
    times UTC), then ``_source`` and ``_line``. Each input row gives one output row or none. The SQL reaches no file, network,
    extension or setting. Unless the statement is row by row it runs on one thread, since the last digit of a sum depends on
    the order it is added up in. A row-level statement (``sql.row_level``) may be given the rows in batches.

    Args:
        rows: the main rows with ``_source`` and ``_line``, which together name a row once.
        tables: the other tables whole.
        sql: the statement, checked by ``feature_sql`` or as text.
        limits: memory and spill folder.

    Raises:
        DataError: HS226, the statement fails on these tables; HS227, rows are doubled or their origin is lost; HS228, it reads the clock.
    """
    import duckdb

    limits = limits or Limits()
    sql = feature_sql(sql) if isinstance(sql, str) else sql
    unseen = [name for name in limits.unseen if name in rows.columns]
    given = {name.lower(): frame for name, frame in tables.items()} | {MAIN: rows.drop(unseen)}
    missing = sorted(sql.tables - set(given))
    if missing:
        raise DataError("HS226", f"got the table {missing[0]!r}; there are {', '.join(sorted(given))}", place=sql.name)
    refuse_words(sql, [column for frame in given.values() for column in frame.columns])
    with duckdb.connect(":memory:") as connection:
        try:
            for name in sql.tables:
                connection.register(name, _ArrowStream(_readable(given[name], name)))
            _close_off(connection, limits, one_thread=not sql.row_level)
            relation = connection.sql(sql.text)
            kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
            _check_columns(relation.columns, kinds, sql.name)
            result = _arrived(relation)
        except duckdb.OutOfMemoryException as error:
            step = "give more memory or a spill folder, or write a simpler statement"
            raise DataError("HS226", "it needs more memory than it is allowed", place=sql.name, next_step=step) from error
        except duckdb.Error as error:
            raise sql_error(error, sql.text, sql.name) from error
    return _lead_back(_plain(result, kinds, sql.name), rows, unseen, sql.name)


class _ArrowStream:
    """A frame as an Arrow stream and nothing else: as a Polars frame DuckDB would read it by way of pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        return self._frame.__arrow_c_stream__(requested_schema)


def _arrived(relation: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(relation)


def _readable(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """The frame with columns that have no type as texts; names that differ by case only are refused, since SQL takes them for one."""
    import polars as pl

    folded: dict[str, str] = {}
    for column in frame.columns:
        twin = folded.setdefault(column.lower(), column)
        if twin != column:
            raise DataError(
                "HS226",
                f"got the columns {twin!r} and {column!r}, which SQL takes for one",
                place=f"table {name!r}",
                next_step="rename one",
            )
    return frame.with_columns(pl.selectors.by_dtype(pl.Null).cast(pl.String))


def _close_off(connection: duckdb.DuckDBPyConnection, limits: Limits, *, one_thread: bool) -> None:
    spill = "" if limits.spill is None else str(limits.spill).replace("'", "''")
    settings = {
        "python_enable_replacements": "false",
        "TimeZone": "'UTC'",
        "memory_limit": f"'{limits.memory_mb}MB'",
        "temp_directory": f"'{spill}'",
        **({"threads": "1"} if one_thread else {}),
        "enable_external_access": "false",
        "lock_configuration": "true",  # last: nothing can be changed from here on
    }
    for name, value in settings.items():
        connection.execute(f"SET {name} = {value}")


def _check_columns(columns: list[str], kinds: Mapping[str, str], place: str) -> None:
    lost = [name for name in PROVENANCE if name not in columns]
    if lost:
        raise DataError(
            "HS227",
            f"the SELECT leaves out {' and '.join(lost)}, by which a row leads back to its source line",
            place=place,
            next_step="add _source, _line to the SELECT",
        )
    kept = [name for name in columns if name.startswith("_") and name not in PROVENANCE]
    if kept:
        message = f"got a column {kept[0]!r}; names that begin with an underscore are kept for what is added to rows, such as _source"
        raise DataError("HS226", message, place=place, next_step="give it another name with AS")
    folded = [name.lower() for name in columns]  # tables take names that differ by case only for one
    twice = [name for at, name in enumerate(columns) if name.lower() in folded[:at]]
    if twice:
        raise DataError(
            "HS226", f"got the column {twice[0]!r} twice; each name is allowed once", place=place, next_step="rename one with AS"
        )
    wrong = [name for name in columns if kinds[name].startswith((*UNREADABLE, "STRUCT", "MAP", "UNION")) or kinds[name].endswith("]")]
    if wrong:
        message = f"got {wrong[0]!r} of type {kinds[wrong[0]]}; allowed: numbers, texts, true or false, dates and timestamps"
        raise DataError("HS226", message, place=place, next_step="take its parts, or cast it")


def _plain(result: pl.DataFrame, kinds: Mapping[str, str], place: str) -> pl.DataFrame:
    """The columns in the one type of their logical type."""
    import polars as pl

    plain = []
    for column in result.iter_columns():
        kind = "integer" if kinds[column.name] in WHOLE else logical_type(column.dtype) or "string"
        cast = column.cast(dtype_of(kind), strict=False)
        if cast.null_count() > column.null_count() or not _in_calendar(cast):
            raise DataError(
                "HS226",
                f"got values in {column.name!r} ({kinds[column.name]}) that do not fit: {kind}s of 64 bits, years 1 to 9999",
                place=place,
                next_step="cast it to DOUBLE, or limit it",
            )
        plain.append(cast)
    order = [name for name in result.columns if name not in PROVENANCE]
    return pl.DataFrame(plain).select(*order, *PROVENANCE)


def _in_calendar(column: pl.Series) -> bool:
    """Whether all dates are ones that Python can tell; SQL's infinity is not."""
    from datetime import date, datetime

    import polars as pl

    if column.dtype == pl.Date:
        return bool(column.is_between(date.min, date.max).all())
    return bool(column.is_between(datetime.min, datetime.max).all()) if column.dtype == pl.Datetime else True


def _lead_back(result: pl.DataFrame, rows: pl.DataFrame, unseen: list[str], name: str) -> Transformed:
    """The result in the order of the rows, each output row held against the row it says it is from."""
    import polars as pl

    taken = [column for column in unseen if column in result.columns]
    if taken:
        step = "give the new column another name"
        raise DataError("HS226", f"got a column {taken[0]!r}, which privacy.never_use keeps apart", place=name, next_step=step)
    place = _places(result, rows)
    if place.null_count():
        source, line = result.filter(place.is_null()).select(PROVENANCE).row(0)
        message = f"{place.null_count()} row(s) that came out are of no row that went in (the first says {source}:{line})"
        raise DataError("HS227", message, place=name, next_step="select _source and _line of `data` unchanged")
    times = np.bincount(place.to_numpy(), minlength=rows.height)
    doubled = np.flatnonzero(times > 1)
    if len(doubled):
        source, line = rows.select(PROVENANCE).row(int(doubled[0]))
        message = f"{len(doubled)} row(s) came out more than once (the first: {source}:{line}, {times[doubled[0]]} times)"
        step = "join on columns that are unique in the other table, or group it by them first"
        raise DataError("HS227", message, place=name, next_step=step)
    ordered = result if place.is_sorted() else result[place.arg_sort()]
    came = pl.Series(times > 0)
    order = [*result.columns[: -len(PROVENANCE)], *unseen, *PROVENANCE]
    frame = ordered.with_columns(rows[column].filter(came) for column in unseen).select(order)
    return Transformed(frame, rows.filter(~came))


def _places(result: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
    """Which row each output row says it is from, (n,); null where there is none."""
    import polars as pl

    if result.select(PROVENANCE).equals(rows.select(PROVENANCE)):  # as most statements leave them
        return pl.int_range(rows.height, dtype=pl.Int64, eager=True)
    sources = rows["_source"].unique()
    code = pl.col("_source").replace_strict(sources, range(sources.len()), default=None, return_dtype=pl.Int64)
    # One number a row joins faster than a text and a number. No file has a million million lines.
    key = (code * LINES + pl.when(pl.col("_line").is_between(0, LINES - 1)).then("_line")).alias("key")
    known = rows.select(key, place=pl.int_range(pl.len(), dtype=pl.Int64))
    return result.select(key).join(known, on="key", how="left", maintain_order="left")["place"]
