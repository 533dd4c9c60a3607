"""What reading gives, batch by batch, and the rules for column names that hold for every format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.errors import DataError

if TYPE_CHECKING:
    import polars as pl

BATCH_ROWS = 250_000


@dataclass(frozen=True, slots=True, eq=False)
class SourceRead:
    """Rows of a source, all or a batch: ``frame`` with ``_source`` and ``_line`` last; ``broken`` with ``_line``, ``_text``, ``_reason``.

    ``_source`` is the path below the project, or the path as it was given when it lies elsewhere. ``_line`` counts from 1: the line of
    the file a row starts at (the header is line 1), or the row of a Parquet file. ``encoding`` is that of a file of text;
    ``notes`` say what a person may want to know of the file; of several batches the first has them all.
    """

    frame: pl.DataFrame
    broken: pl.DataFrame
    encoding: str = ""
    notes: tuple[str, ...] = ()


def broken_frame(rows: Iterable[tuple[int, str, str]]) -> pl.DataFrame:
    """Broken lines as a frame."""
    import polars as pl

    return pl.DataFrame(list(rows), schema={"_line": pl.Int64, "_text": pl.String, "_reason": pl.String}, orient="row")


def with_provenance(frame: pl.DataFrame, name: str, lines: pl.Series) -> pl.DataFrame:
    """The frame with ``_source`` and ``_line``."""
    import polars as pl

    where = lines.alias("_line").to_frame().select(pl.lit(name, dtype=pl.String).alias("_source"), "_line")
    return frame.hstack(where) if frame.width else where


def sliced(read: SourceRead, rows: int) -> Iterator[SourceRead]:
    """The same in pieces of at most so many rows; the broken lines are in the first."""
    yield SourceRead(read.frame.head(rows), read.broken, read.encoding, read.notes)
    for start in range(rows, read.frame.height, rows):
        yield SourceRead(read.frame.slice(start, rows), read.broken.clear(), read.encoding)


def check_names(columns: list[str], place: str) -> None:
    """Each column has a name that tables can hold, that no other column has, and that is none of ours.

    Tables and SQL take names that differ by case only for one. Names that begin with an underscore are what is added to rows on their way,
    such as ``_source``.

    Raises:
        DataError: HS205.
    """
    seen: dict[str, str] = {}
    for column in columns:
        twin = seen.get(column.lower())
        seen[column.lower()] = column
        if twin == column:
            raise DataError("HS205", f"got the column {column!r} twice; each name is allowed once", place=place, next_step="rename one")
        if twin is not None:
            message = f"got the columns {twin!r} and {column!r}, which differ by case only; tables and SQL take them for one"
            raise DataError("HS205", message, place=place, next_step="rename one")
        if "\0" in column:
            message = f"got the column {column!r}; a name without the character NUL is allowed"
            raise DataError("HS205", message, place=place, next_step="rename it")
        if column.startswith("_"):
            message = f"got a column {column!r}; names that begin with an underscore are kept for what is added to rows, such as _source"
            raise DataError("HS205", message, place=place, next_step="rename it (a database's in data.query)")


def no_rows(name: str) -> DataError:
    """The error for a source without any row."""
    return DataError("HS202", "the file holds no rows", place=name, next_step="deliver a file with a header and rows")
