"""Source files: which there are, and their rows as a frame. No row is lost: what cannot be read is handed back with its line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from homeostat.core.records import PROVENANCE
from homeostat.errors import DataError
from homeostat.infra.csv_lines import parse, split_lines

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.sections import Data

SUFFIXES = (".csv", ".parquet")
DELIMITERS = (",", ";", "\t", "|")
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class SourceRead:
    """What a file holds: ``frame`` with ``_source`` and ``_line`` last; ``broken`` with ``_line``, ``_text`` and ``_reason``.

    ``_source`` is the path below the project, or the path as it was given when it lies elsewhere. ``_line`` counts from 1: the line of
    the file a row starts at (the header is line 1), or the row of a Parquet file.
    """

    frame: pl.DataFrame
    broken: pl.DataFrame


def list_files(root: Path, section: Data) -> list[Path]:
    """The files the charter's source names, sorted by path: one file, all CSV and Parquet files under a folder, or a glob.

    Hidden files and folders (a name that starts with a dot) are passed over, unless the source itself names them.

    Raises:
        DataError: HS201, there is none; HS209, the file is not CSV or Parquet.
    """
    source = Path(section.source)
    path = source if source.is_absolute() else root / source
    if path.is_file():
        _suffix(path)
        return [path]
    if path.is_dir():
        base, pattern = path, "**/*"
        sought = "no .csv or .parquet file is in this folder"
    elif any(mark in section.source for mark in "*?["):
        base = Path(source.anchor) if source.is_absolute() else root
        pattern = str(source.relative_to(source.anchor)) if source.is_absolute() else section.source
        sought = "no .csv or .parquet file matches"
    else:
        base, pattern, sought = root, "", "there is no such file or folder"
    found = sorted(_matches(base, pattern), key=lambda p: p.as_posix()) if pattern else []
    if not found:
        raise DataError("HS201", sought, place=f"data.source {section.source!r}", next_step="put the file there, or correct data.source")
    return found


def _matches(base: Path, pattern: str) -> Iterator[Path]:
    for path in base.glob(pattern):
        hidden = any(part.startswith(".") and part not in Path(pattern).parts for part in path.relative_to(base).parts)
        if path.is_file() and path.suffix.lower() in SUFFIXES and not hidden:
            yield path


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks: 64 hex characters.

    Raises:
        DataError: HS201, it cannot be read.
    """
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                found.update(block)
    except OSError as error:
        raise _unreadable(path.name, error) from error
    return found.hexdigest()


def sniff(path: Path) -> str:
    """The delimiter of a CSV file: of comma, semicolon, tab and bar the one most frequent in the header; a comma for other files."""
    if path.suffix.lower() != ".csv":
        return ","
    try:
        with path.open("rb") as file:
            header = file.readline(BLOCK).decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise _unreadable(path.name, error) from error
    return max(DELIMITERS, key=header.count)


def read(path: Path, section: Data, root: Path | None = None) -> SourceRead:
    """The rows of a CSV or Parquet file, with types inferred over the whole file.

    A CSV column gets a type only if no value is changed by it: numbers with leading zeros or more digits than an integer holds stay
    text, and so do dates that are not ISO 8601. Lines with the wrong number of fields or a broken quote are in ``broken``.

    Args:
        path: the file.
        section: the charter's data section: delimiter and null texts.
        root: the project's folder, which ``_source`` is relative to; default: the file's own folder.

    Raises:
        DataError: HS201 missing or unreadable; HS202 no rows; HS205 not UTF-8, a doubled or reserved column name; HS209 not a file
            of this kind.
    """
    name = source_name(path, root or path.parent)
    if _suffix(path) == ".parquet":
        frame, broken = _read_parquet(path, name), _broken([])
    else:
        frame, broken = _read_csv(path, name, section)
    if frame.is_empty() and broken.is_empty():
        raise DataError("HS202", "the file holds no rows", place=name, next_step="deliver a file with a header and rows")
    return SourceRead(frame, broken)


def source_name(path: Path, base: Path) -> str:
    """What a file is called in ``_source`` and in its deliveries: its path below the base, or as it is when it lies elsewhere."""
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError("HS209", f"got the suffix {suffix!r}; readable are {', '.join(SUFFIXES)}", place=path.name)
    return suffix


def _unreadable(name: str, error: OSError) -> DataError:
    reason = error.strerror or str(error)
    return DataError("HS201", f"the file cannot be read: {reason}", place=name, next_step="check the path and its permissions")


def _broken(rows: list[tuple[int, str, str]]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(rows, schema={"_line": pl.Int64, "_text": pl.String, "_reason": pl.String}, orient="row")


def _check_names(columns: list[str], name: str) -> None:
    doubled = [column for i, column in enumerate(columns) if column in columns[:i]]
    if doubled:
        raise DataError(
            "HS205", f"got the column {doubled[0]!r} twice; each name is allowed once", place=f"{name}:1", next_step="rename one"
        )
    reserved = [column for column in columns if column in PROVENANCE]
    if reserved:
        raise DataError(
            "HS205", f"got a column {reserved[0]!r}; this name is kept for where a row came from", place=f"{name}:1", next_step="rename it"
        )


def _read_parquet(path: Path, name: str) -> pl.DataFrame:
    import polars as pl

    try:
        with path.open("rb") as file:
            frame = pl.read_parquet(file)
    except OSError as error:
        raise _unreadable(name, error) from error
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            "HS209", f"not a Parquet file, or a damaged one: {reason}", place=name, next_step="deliver the file again"
        ) from error
    _check_names(frame.columns, name)
    return frame.with_columns(pl.lit(name).alias("_source"), pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("_line"))


def _read_csv(path: Path, name: str, section: Data) -> tuple[pl.DataFrame, pl.DataFrame]:
    import polars as pl

    from homeostat.infra.csv_types import typed

    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(name, error) from error
    lines = split_lines(_decode(content, name))
    table = parse(lines, section.delimiter or sniff(path))
    if table is None:
        raise DataError("HS202", "the file is empty", place=name, next_step="deliver a file with a header and rows")
    if table.header_fault:
        raise DataError("HS205", f"the header cannot be parsed: {table.header_fault}", place=f"{name}:{table.header_line}")
    columns = [column or f"column_{i + 1}" for i, column in enumerate(table.header)]
    _check_names(columns, name)
    nulls = list(section.null_values)
    frame = pl.DataFrame([typed(values.alias(column), nulls) for column, values in zip(columns, table.columns, strict=True)])
    return (
        frame.with_columns(pl.lit(name).alias("_source"), pl.Series("_line", table.lines, dtype=pl.Int64)),
        _broken(table.broken),
    )


def _decode(content: bytes, name: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError("HS205", "the file is UTF-16; UTF-8 is allowed", place=f"{name}:1", next_step="save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        got = content[error.start : error.start + 1].hex()
        raise DataError(
            "HS205", f"got the byte 0x{got}, which is not UTF-8", place=f"{name}:{line}", next_step="save it as UTF-8"
        ) from error
