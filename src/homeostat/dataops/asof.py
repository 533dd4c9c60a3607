"""Point-in-time joins: each row gets the values of another table that were known at the row's own time, never a later one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core.casts import logical_type, present, read_as
from homeostat.core.features import Lookup, aggregates_of, lookup_of
from homeostat.core.records import PROVENANCE
from homeostat.core.targets import texts
from homeostat.dataops.aggregate import aggregates
from homeostat.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    A column whose name the rows have already becomes ``<table>_<column>``. Behind the columns come the aggregates, each over the events
    that were known at the row's time (``dataops.aggregate``). Where the clause has a ``key``, rows of ``other`` with equal keys are
    one event, known since the first of them, and those with a null in it are none.

    Raises:
        DataError: HS203, a column is missing; HS225, a time cannot be read or a name is taken twice; HS450, a text is to be added up.
    """
    import polars as pl

    moment = join.as_of or time
    made = aggregates_of(join)
    _require(rows, (moment, *join.on), "the main rows")
    taken = joined_names(rows.columns, other.columns, join)
    keys = [f"key{n}" for n in range(len(join.on))]
    asked = _keyed([key_text(rows[name]) for name in join.on], _moments(rows, moment, "the main rows"))
    known = known_events(other, lookup_of(join, moment, taken))
    latest = known.unique([*keys, "time"], keep="last", maintain_order=True).rename({"place": "match", "time": "since"}).sort("since")
    found = asked.sort("time").join_asof(
        latest, left_on="time", right_on="since", by=keys or None, strategy="backward", check_sortedness=False
    )
    if join.tolerance is not None:
        found = found.filter(pl.col("time") - pl.col("since") <= join.tolerance)
    place = pl.select(place=pl.int_range(rows.height, dtype=pl.UInt32)).join(found, on="place", how="left", maintain_order="left")
    joined = rows.hstack(other.select(pl.col(column).gather(pl.lit(place["match"])).alias(name) for column, name in taken.items()))
    if not made:
        return joined
    features = place.select("place").join(aggregates(asked, known, other, made, join.table), on="place", how="left", maintain_order="left")
    return joined.hstack(features.drop("place"))


def lookup_as_joined(rows: Sequence[str], other: Sequence[str], join: sections.Join, time: str) -> Lookup:
    """What ``join_as_of`` adds to rows with these columns, as it is looked up elsewhere.

    Raises:
        DataError: HS225, a name is taken twice.
    """
    return lookup_of(join, join.as_of or time, joined_names(rows, other, join))


def joined_names(rows: Sequence[str], other: Sequence[str], join: sections.Join) -> dict[str, str]:
    """The columns that are taken, with the names they get.

    Raises:
        DataError: HS225, a name is taken twice.
    """
    left = {join.valid_from, *join.on, *PROVENANCE}
    columns = join.columns or (() if join.aggregates else tuple(name for name in other if name not in left))
    names = {name: f"{join.table}_{name}" if name in rows else name for name in columns}
    given = [*names.values(), *join.aggregates]
    doubled = next((name for at, name in enumerate(given) if name in rows or name in given[:at]), None)
    if doubled is not None:
        raise DataError(
            "HS225",
            f"got two columns that would both be called {doubled!r}",
            place=f"data.joins {join.table!r}",
            next_step="rename one at the source or in the aggregates, or take it out of the join's columns",
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


def key_text(series: pl.Series) -> pl.Series:
    """A key column as the texts by which keys are compared (``core.features.key_text``)."""
    import polars as pl

    if series.dtype == pl.Datetime:
        instants = series.to_frame().select(read_as(series.name, series.dtype, "timestamp")).to_series()
        return instants.cast(pl.String).str.replace(r"\.0+$", "").str.strip_suffix(" 00:00:00")
    return texts(series)


def known_events(other: pl.DataFrame, lookup: Lookup) -> pl.DataFrame:
    """``place``, ``time`` and the key texts ``key0`` ... of the rows of a table that can be found, each event once, in the table's order.

    Raises:
        DataError: HS203, a column is missing; HS225, a time cannot be read.
    """
    place = f"table {lookup.table!r}"
    _require(other, (lookup.time, *lookup.on, *lookup.key, *lookup.columns), place)
    known = _keyed([key_text(other[name]) for name in lookup.on], _moments(other, lookup.time, place))
    return _once(known, other.select(key_text(other[name]).alias(name) for name in lookup.key)) if lookup.key else known


def _once(known: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Of the events of one key the first that was known; those with a null in it are left out. ``keys`` (n) are by ``place``."""
    import polars as pl

    named = known.with_columns(keys[name].gather(known["place"]).alias(f"event{n}") for n, name in enumerate(keys.columns))
    names = named.columns[known.width :]
    first = named.drop_nulls(names).sort("time", "place").unique(names, keep="first", maintain_order=True)
    return first.drop(names).sort(pl.col("place"))


def moments_of(rows: pl.DataFrame, name: str) -> pl.Series:
    """A time column of the main rows as microseconds of UTC, null where it has no value.

    Raises:
        DataError: HS225, a value cannot be read as a time.
    """
    return _moments(rows, name, "the main rows")


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
