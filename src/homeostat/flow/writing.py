"""Writing rows to a file a person asked for: all of it or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.errors import DataError, ProjectError

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

SUFFIXES = (".csv", ".parquet")


def check_suffix(path: Path) -> None:
    """Return when a file of this name can be written.

    Raises:
        DataError: HS209, it cannot.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError("HS209", f"got the output name {path.name!r}; it must end in {' or '.join(SUFFIXES)}")


def write_rows(path: Path, frame: pl.DataFrame, *, over: bool = False) -> None:
    """Write a frame as CSV or Parquet, by the file's suffix; ``over`` a file that is there, if that is meant.

    Raises:
        DataError: HS209, another suffix.
        ProjectError: HS607, the file is there already; HS602, it cannot be written.
    """
    check_suffix(path)
    if path.exists() and not over:
        raise ProjectError("HS607", "there is a file of this name already", place=str(path), next_step="give another name, or remove it")
    partial = path.with_name(f".{path.name}.partial")
    try:
        if path.suffix.lower() == ".csv":
            frame.write_csv(partial)
        else:
            frame.write_parquet(partial)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ProjectError("HS602", f"cannot be written: {error.strerror or error}", place=str(path)) from error
