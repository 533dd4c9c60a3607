"""Parquet as batches: row groups are read one after the other, and batches written as one file with the same bytes for the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from homeostat.errors import DataError
from homeostat.infra.formats.reads import SourceRead, broken_frame, check_names, no_rows, sliced, with_provenance

if TYPE_CHECKING:
    import polars as pl

GROUP_ROWS = 100_000
"""Rows of a row group in files we write: whatever the batches were, the file is cut the same way."""
BROKEN = "_broken_because"
LINE = "_line"


def parquet_batches(path: Path, name: str, rows: int) -> Iterator[SourceRead]:
    """The rows of a Parquet file in batches, read row group by row group.

    Raises:
        DataError: HS201, unreadable; HS202, no rows; HS205, a doubled or reserved column name; HS209, not Parquet, or damaged.
    """
    start = 1
    for frame in _frames(path, name, rows, own=False):
        lines = _counted(start, frame.height)
        start += frame.height
        yield from sliced(SourceRead(with_provenance(frame, name, lines), broken_frame([])), rows)


def parsed_batches(path: Path, name: str, rows: int) -> Iterator[SourceRead]:
    """The rows and broken lines of a file that was parsed before it was stored (see ``parsed_frames``)."""
    import polars as pl

    for frame in _frames(path, name, rows, own=True):
        good = frame.filter(pl.col(BROKEN).is_null())
        bad = frame.filter(pl.col(BROKEN).is_not_null()).select(LINE, pl.lit("").alias("_text"), pl.col(BROKEN).alias("_reason"))
        yield from sliced(SourceRead(with_provenance(good.drop(LINE, BROKEN), name, good[LINE]), bad), rows)


def parsed_frames(reads: Iterable[SourceRead]) -> Iterator[pl.DataFrame]:
    """Rows and broken lines as frames for one Parquet file that keeps both: ``_line`` and, for broken lines, ``_broken_because``.

    The text of a broken line is not kept: it may hold what must not be stored, and cannot be taken apart.
    """
    import polars as pl

    for read in reads:
        good = read.frame.drop("_source").with_columns(pl.lit(None, dtype=pl.String).alias(BROKEN))
        yield pl.concat([good, read.broken.select(LINE, pl.col("_reason").alias(BROKEN))], how="diagonal").sort(LINE)


def write_batches(frames: Iterable[pl.DataFrame], file: IO[bytes]) -> int:
    """Write frames of one schema as a Parquet file, one row group in memory at a time, and return the number of rows.

    The same rows in the same order give the same bytes with the same version of Polars, however they were cut into frames. What the
    frames or the file raise comes through as it is.
    """
    from polars.io.plugins import register_io_source

    regrouped = _regrouped(frames)
    first = next(regrouped, None)
    if first is None:
        raise ValueError("no frame, so no schema to write")
    told: list[BaseException] = []
    count = first.height

    def source(_columns: list[str] | None, _where: pl.Expr | None, _rows: int | None, _size: int | None) -> Iterator[pl.DataFrame]:
        nonlocal count
        yield first
        try:
            for frame in regrouped:
                count += frame.height
                yield frame
        except BaseException as error:
            told.append(error)
            raise

    target = cast("IO[bytes]", _Told(file, told))
    try:
        lazy = register_io_source(source, schema=first.schema)
        lazy.sink_parquet(target, row_group_size=GROUP_ROWS, maintain_order=True, engine="streaming")
    except BaseException as error:
        if told:
            raise told[0] from None
        raise error from None
    return count


class _Told:
    """A file that keeps what went wrong in it: the library between would tell it in other words."""

    def __init__(self, file: IO[bytes], told: list[BaseException]) -> None:
        self._file, self._told = file, told

    def write(self, content: bytes) -> int:
        try:
            return self._file.write(content)
        except OSError as error:
            self._told.append(error)
            raise

    def flush(self) -> None:
        self._file.flush()


def _regrouped(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows in frames of ``GROUP_ROWS``, the last one smaller; one empty frame if there are no rows."""
    import polars as pl

    held: list[pl.DataFrame] = []
    empty: pl.DataFrame | None = None
    begun = False
    for frame in frames:
        empty = frame.clear() if empty is None else empty
        held.append(frame)
        while sum(each.height for each in held) >= GROUP_ROWS:
            joined = pl.concat(held)
            begun = True
            yield joined.head(GROUP_ROWS).rechunk()
            held = [joined.slice(GROUP_ROWS)]
    rest = pl.concat(held) if held else None
    if rest is not None and rest.height:
        yield rest.rechunk()
    elif empty is not None and not begun:
        yield empty


def _frames(path: Path, name: str, rows: int, *, own: bool) -> Iterator[pl.DataFrame]:
    import polars as pl

    try:
        with path.open("rb"):
            lazy = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        if not own:
            check_names(lazy.collect_schema().names(), f"{name}:1")
        if not lazy.select(pl.len()).collect().item():
            raise no_rows(name)
        yield from lazy.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming")
    except OSError as error:
        raise DataError("HS201", f"the file cannot be read: {error.strerror or error}", place=name, next_step="check the path") from error
    except pl.exceptions.PolarsError as error:
        message = f"not a Parquet file, or a damaged one: {str(error).splitlines()[0]}"
        raise DataError("HS209", message, place=name, next_step="deliver the file again") from error


def _counted(start: int, height: int) -> pl.Series:
    import polars as pl

    return pl.int_range(start, start + height, dtype=pl.Int64, eager=True)
