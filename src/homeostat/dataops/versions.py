"""Names for content: the digest of rows, its schema, and how two schemas differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from homeostat.core.casts import logical_type
from homeostat.core.ids import digest

if TYPE_CHECKING:
    import polars as pl


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


@dataclass(slots=True)
class ContentHash:
    """The digest of rows that come in batches: any cutting of the same rows into batches gives the same digest.

    Memory is that of one batch. Every batch has the same columns and logical types.
    """

    _schema: dict[str, str] = field(default_factory=dict)
    _rows: int = 0
    _parts: dict[str, tuple[Any, Any, Any]] = field(default_factory=dict)

    def update(self, frame: pl.DataFrame) -> None:
        """Take in the next rows.

        Raises:
            ValueError: other columns or logical types than in the batches before.
        """
        schema = schema_of(frame)
        if not self._parts:
            self._schema = schema
            self._parts = {name: (hashlib.sha256(), hashlib.sha256(), hashlib.sha256()) for name in schema}
        elif schema != self._schema:
            raise ValueError(f"got a batch of {schema}, expected {self._schema}")
        for name, kind in schema.items():
            _feed(self._parts[name], _plain(frame[name], kind), self._rows)
        self._rows += frame.height

    def hexdigest(self) -> str:
        """64 hex characters over the number of rows, the schema and every value."""
        columns = [(name, self._schema[name], *(part.hexdigest() for part in self._parts[name])) for name in sorted(self._schema)]
        return hashlib.sha256(repr((self._rows, columns)).encode()).hexdigest()


def content_digest(frame: pl.DataFrame) -> str:
    """SHA-256 over the schema and the rows in their order: 64 hex characters.

    Equal for reordered columns, other chunks, and narrower or wider types of the same kind (Int32 and Int64); different when
    a cell, a name, a logical type or the order of rows differs, or a row comes once more. NaN equals null and -0.0 equals 0.0.
    The bytes hashed are those of the values (float64, int64, UTF-8), so the digest does not depend on a library's version or hash.
    """
    found = ContentHash()
    found.update(frame)
    return found.hexdigest()


def dataset_digest(deliveries: Iterable[tuple[str, str]]) -> str:
    """The digest of a dataset that consists of deliveries: pairs of a source's name and the digest of its rows, in any order."""
    return digest(sorted([name, content] for name, content in deliveries))


def _plain(series: pl.Series, kind: str) -> pl.Series:
    """The column as Float64, Int64 or String, whose bytes are plain."""
    import polars as pl

    if kind == "number":
        return series.cast(pl.Float64).fill_nan(None)
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


def _feed(parts: tuple[Any, Any, Any], series: pl.Series, before: int) -> None:
    """Into three hashes: the places of nulls, the values, and the lengths of texts, so that ("ab", "c") is not ("a", "bc")."""
    import polars as pl

    nulls, values, lengths = parts
    if series.null_count():
        nulls.update((series.is_null().arg_true().cast(pl.Int64) + before).to_numpy().astype("<i8"))
    if series.dtype == pl.String:
        filled = series.fill_null("")
        lengths.update(filled.str.len_bytes().cast(pl.Int64).to_numpy().astype("<i8"))
        values.update(str(filled.str.join("").item()).encode())
    elif series.dtype == pl.Float64:
        values.update((series.fill_null(0.0).to_numpy() + 0.0).astype("<f8", copy=False))  # -0.0 + 0.0 is 0.0
    else:
        values.update(series.fill_null(0).to_numpy().astype("<i8", copy=False))
