"""Point-in-time joins: each row gets the values of another table that were known at the row's own time, never a later one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core.casts import logical_type, present, read_as
from homeostat.core.records import PROVENANCE
from homeostat.core.targets import texts
from homeostat.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections


def join_as_of(rows: pl.DataFrame, other: pl.DataFrame, join: sections.Join, time: str) -> pl.DataFrame:
    """The rows in their order and number, with the columns of the newest row of ``other`` that was known at each row's time.

    Known means: equal ``on`` columns, ``valid_from <= time``, and not older than the tolerance (exactly as old is taken). Of several
    with the same ``valid_from`` the last in the table's own order counts. Nulls in keys or times match nothing; a row without a
    match has nulls. Keys are compared as values where both sides have one type, else by the texts of ``core.targets.text_of``;
    a date equals its ISO text and midnight of its day. Times are dates, timestamps (UTC where they have a zone), ISO 8601 texts
    or epoch seconds. Each row is joined by itself, so joining in batches of rows gives the same.

    Args:
        rows: the main rows.
        other: the whole table that ``join.table`` names; in any order.
        join: the clause. Without ``columns`` all but the keys, ``valid_from`` and provenance are taken.
        time: the time column of the main rows where the clause names none (``task.time``).

    A column whose name the rows have already becomes ``<table>_<column>``.

    Raises:
        DataError: HS203, a column is missing; HS225, a time cannot be read or a name is taken twice.
    """
    import polars as pl

    moment = join.as_of or time
    _require(rows, (moment, *join.on), "the main rows")
    _require(other, (join.valid_from, *join.on, *join.columns), f"table {join.table!r}")
    taken = _names(rows, other, join)
    pairs = [_alike(rows[name], other[name]) for name in join.on]
    keys = [f"key{n}" for n in range(len(pairs))]
    asked = _keyed([left for left, _ in pairs], _moments(rows, moment, "the main rows"))
    known = _keyed([right for _, right in pairs], _moments(other, join.valid_from, f"table {join.table!r}"))
    latest = known.unique([*keys, "time"], keep="last", maintain_order=True).rename({"place": "match", "time": "since"}).sort("since")
    found = asked.sort("time").join_asof(
        latest, left_on="time", right_on="since", by=keys or None, strategy="backward", check_sortedness=False
    )
    if join.tolerance is not None:
        found = found.filter(pl.col("time") - pl.col("since") <= join.tolerance)
    place = pl.select(place=pl.int_range(rows.height, dtype=pl.UInt32)).join(found, on="place", how="left", maintain_order="left")
    values = other.select(pl.col(column).gather(pl.lit(place["match"])).alias(name) for column, name in taken.items())
    return rows.hstack(values)


def _names(rows: pl.DataFrame, other: pl.DataFrame, join: sections.Join) -> dict[str, str]:
    """The columns that are taken, with the names they get."""
    left = {join.valid_from, *join.on, *PROVENANCE}
    columns = join.columns or tuple(name for name in other.columns if name not in left)
    names = {name: f"{join.table}_{name}" if name in rows.columns else name for name in columns}
    given = list(names.values())
    doubled = next((name for at, name in enumerate(given) if name in rows.columns or name in given[:at]), None)
    if doubled is not None:
        raise DataError(
            "HS225",
            f"got two columns that would both be called {doubled!r}",
            place=f"data.joins {join.table!r}",
            next_step="rename one at the source, or take it out of the join's columns",
        )
    return names


def _require(frame: pl.DataFrame, names: tuple[str, ...], place: str) -> None:
    for name in names:
        if name not in frame.columns:
            raise DataError(
                "HS203",
                f"got {name!r}, which it does not have; it has {', '.join(frame.columns)}",
                place=f"data.joins, {place}",
                next_step="correct the join, or the table",
            )


def _alike(left: pl.Series, right: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Two key columns so that equal values are equal: integers as they are, everything else as text."""
    import polars as pl

    if left.dtype.is_integer() and right.dtype.is_integer():
        return left.cast(pl.Int128), right.cast(pl.Int128)
    return _key_text(left), _key_text(right)


def _key_text(series: pl.Series) -> pl.Series:
    import polars as pl

    if series.dtype == pl.Datetime:
        instants = series.to_frame().select(read_as(series.name, series.dtype, "timestamp")).to_series()
        return instants.cast(pl.String).str.replace(r"\.0+$", "").str.strip_suffix(" 00:00:00")
    return texts(series)


def _moments(frame: pl.DataFrame, name: str, place: str) -> pl.Series:
    """The column as microseconds of UTC; null where there is no value.

    Raises:
        DataError: HS225, a value that is there cannot be read as a time.
    """
    import polars as pl

    dtype = frame.schema[name]
    value = read_as(name, dtype, "timestamp")
    if logical_type(dtype) in ("number", "integer"):
        value = (pl.col(name).cast(pl.Float64).fill_nan(None) * 1e6).round().cast(pl.Int64, strict=False).cast(pl.Datetime("us"))
    read = frame.select(value.alias("value"), present(name, dtype).alias("there"), pl.col(name).alias("raw"))
    wrong = read.filter(pl.col("there") & pl.col("value").is_null())
    if wrong.height:
        raise DataError(
            "HS225",
            f"got {wrong['raw'][0]!r}, which is no time ({wrong.height} such); allowed: dates, timestamps, ISO 8601, epoch seconds",
            place=f"data.joins, {place}, column {name!r}",
            next_step="mend the values, or let a contract of type timestamp quarantine them",
        )
    return read["value"]


def _keyed(keys: list[pl.Series], times: pl.Series) -> pl.DataFrame:
    """``place``, ``time`` and the keys of the rows that can match at all."""
    import polars as pl

    columns = [times.alias("time"), *(key.alias(f"key{n}") for n, key in enumerate(keys))]
    return pl.DataFrame(columns).with_row_index("place").drop_nulls()
