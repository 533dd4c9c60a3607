"""Files that go to people and come back with labels or mended: CSV or Parquet, read as texts so that no value changes on the way."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from homeostat.errors import DataError, ProjectError

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = (".csv", ".parquet")
DELIMITERS = ",;\t"  # what spreadsheets write in one country or another


def read_texts(path: Path) -> pl.DataFrame:
    """The rows of such a file as texts, empty cells null, with ``_given``: the line (CSV) or row (Parquet) they are at.

    Columns may be called ``_source`` and ``_line``, as they are written out.

    Raises:
        DataError: HS201, it cannot be read; HS202, no rows; HS205, a line or the header cannot be parsed; HS209, another kind of file.
    """
    import polars as pl

    if path.suffix.lower() not in SUFFIXES:
        raise DataError("HS209", f"got the suffix {path.suffix!r}; readable are {', '.join(SUFFIXES)}", place=path.name)
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError("HS201", f"the file cannot be read: {reason}", place=path.name, next_step="check the path") from error
    frame = _csv(content, path.name) if path.suffix.lower() == ".csv" else _parquet(content, path.name)
    if frame.is_empty():
        raise DataError("HS202", "the file holds no rows", place=path.name, next_step="deliver a file with a header and rows")
    return frame.select(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)), "_given")


def _parquet(content: bytes, name: str) -> pl.DataFrame:
    import polars as pl

    from homeostat.core.targets import texts

    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError as error:
        raise DataError("HS209", f"not a Parquet file, or a damaged one: {str(error).splitlines()[0]}", place=name) from error
    plain = pl.DataFrame([texts(column).alias(column.name) for column in frame.iter_columns() if not column.dtype.is_nested()])
    return plain.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("_given"))


def _csv(content: bytes, name: str) -> pl.DataFrame:
    import polars as pl

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError("HS205", "the file is not UTF-8", place=f"{name}:{line}", next_step="save it as UTF-8") from error
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a cell may be as long as the file
    delimiter = max(DELIMITERS, key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = next(reader, [])
        at = reader.line_num + 1
        for row in reader:
            if row and len(row) != len(header):
                raise DataError("HS205", f"got {len(row)} fields, expected {len(header)}", place=f"{name}:{at}", next_step="mend this line")
            if row:
                rows.append(row)
                lines.append(at)
            at = reader.line_num + 1
    except csv.Error as error:
        raise DataError("HS205", f"cannot be parsed: {error}", place=f"{name}:{reader.line_num}", next_step="mend this line") from error
    twice = [column for place, column in enumerate(header) if column in header[:place]]
    if twice or "_given" in header:
        raise DataError("HS205", f"got the column {(twice or ['_given'])[0]!r}, which is taken", place=f"{name}:1", next_step="rename it")
    columns = {column: pl.Series([row[place] for row in rows], dtype=pl.String) for place, column in enumerate(header)}
    return pl.DataFrame({**columns, "_given": pl.Series(lines, dtype=pl.Int64)})


def write_labels(frame: pl.DataFrame, path: Path) -> None:
    """Write rows for people, whole or not at all.

    Raises:
        DataError: HS209, another suffix.
        ProjectError: HS607, the file is there already and may hold labels; HS602, it cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError("HS209", f"got the output name {path.name!r}; it must end in .csv or .parquet")
    if path.exists():
        step = "import it first if it holds labels, then give another name"
        raise ProjectError("HS607", "the file is there already, and may hold labels", place=str(path), next_step=step)
    partial = path.with_name(f".{path.name}.partial")
    try:
        frame.write_csv(partial) if path.suffix.lower() == ".csv" else frame.write_parquet(partial)
        partial.replace(path)
    except OSError as error:
        raise ProjectError("HS602", f"the file cannot be written: {error.strerror or error}", place=str(path)) from error
