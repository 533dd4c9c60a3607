"""Names for content: the digest of a frame, its schema, and how two schemas differ."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.core.casts import logical_type

if TYPE_CHECKING:
    import polars as pl

SLICE = 1_000_000


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """How a delivery's columns differ from what was agreed. ``changed`` gives (column, old type, new type).

    ``breaking`` when a column is gone or its values need not fit the old type. Added columns break nothing.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[tuple[str, str, str], ...]
    breaking: bool


def schema_of(frame: pl.DataFrame) -> dict[str, str]:
    """Column names and logical types: number, integer, string, boolean, date, timestamp.

    ``null`` for a column that has no type because it has no value, and the Polars type's name for anything else.
    """
    import polars as pl

    return {name: "null" if dtype == pl.Null else logical_type(dtype) or str(dtype) for name, dtype in frame.schema.items()}


def compare_schemas(old: Mapping[str, str], new: Mapping[str, str]) -> SchemaChange:
    """What ``new`` adds, lacks and has as another type.

    Breaks nothing: whole numbers where numbers were, dates where timestamps were, any simple type where texts were, a column
    with no values at all.

    >>> compare_schemas({"a": "number", "b": "date"}, {"a": "integer", "c": "string"})
    SchemaChange(added=('c',), removed=('b',), changed=(('a', 'number', 'integer'),), breaking=True)
    """
    changed = tuple((name, old[name], new[name]) for name in old if name in new and old[name] != new[name])
    removed = tuple(name for name in old if name not in new)
    return SchemaChange(
        added=tuple(name for name in new if name not in old),
        removed=removed,
        changed=changed,
        breaking=bool(removed) or not all(_fits(before, after) for _, before, after in changed),
    )


def _fits(before: str, after: str) -> bool:
    simple = {"number", "integer", "boolean", "date", "timestamp"}
    return after == "null" or (before, after) in {("number", "integer"), ("timestamp", "date")} or (before == "string" and after in simple)


def content_digest(frame: pl.DataFrame) -> str:
    """SHA-256 over the schema and the rows as a multiset: 64 hex characters.

    Equal for permuted rows, reordered columns, other chunks, and narrower or wider types of the same kind (Int32 and Int64); different when
    a cell, a name or a logical type differs, or a row comes once more. NaN equals null and -0.0 equals 0.0.
    The bytes hashed are those of the values (float64, int64, UTF-8), so the digest does not depend on a library's version or hash.
    """
    import polars as pl

    schema = schema_of(frame)
    names = sorted(schema)
    plain = frame.select(_plain(frame[name], schema[name]) for name in names)
    rows = plain.sort(pl.all(), nulls_last=False) if plain.width else plain
    found = hashlib.sha256(repr((rows.height, [(name, schema[name]) for name in names])).encode())
    for name in names:
        for part in rows[name].rechunk().to_frame().iter_slices(SLICE):
            _feed(found, part.to_series())
    return found.hexdigest()


def _plain(series: pl.Series, kind: str) -> pl.Series:
    """The column as Float64, Int64 or String, whose order and bytes are plain."""
    import polars as pl

    if kind == "number":
        numbers = series.cast(pl.Float64).fill_nan(None)
        return numbers.set(numbers == 0, 0.0)  # -0.0 too
    if kind in ("integer", "boolean"):
        wide = series.dtype in (pl.UInt64, pl.Int128, pl.UInt128)
        return series.cast(pl.String) if wide else series.cast(pl.Int64)
    if kind == "date":
        return series.cast(pl.Int32).cast(pl.Int64)
    if kind == "timestamp":
        return series.cast(pl.Datetime("us", getattr(series.dtype, "time_zone", None))).cast(pl.Int64)
    if series.dtype.is_nested():
        return series.to_frame().select(pl.struct(pl.all()).struct.json_encode()).to_series().alias(series.name)
    return series.bin.encode("hex") if series.dtype == pl.Binary else series.cast(pl.String)


def _feed(found: Any, series: pl.Series) -> None:
    import polars as pl

    found.update(series.is_null().cast(pl.UInt8).to_numpy().tobytes())
    if series.dtype == pl.String:
        filled = series.fill_null("")
        found.update(filled.str.len_bytes().cast(pl.Int64).to_numpy().astype("<i8").tobytes())
        found.update(str(filled.str.join("").item()).encode())
        return
    order = "<f8" if series.dtype == pl.Float64 else "<i8"
    found.update(series.fill_null(0).to_numpy().astype(order).tobytes())
