"""All that a project's state holds, laid open: what must not be kept can be looked for in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path


def everything_in(state: Path) -> Iterator[tuple[str, str]]:
    """Each file's path and bytes, and what they hold once decompressed: rows of Parquet, cells of SQLite."""
    import polars as pl

    for path in state.rglob("*"):
        if not path.is_file():
            continue
        yield str(path), path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path, hive_partitioning=False)
            yield str(path), repr(frame.columns) + repr(frame.rows())
        if path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as database:
                tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
                for name in tables:
                    yield f"{path}:{name}", repr(database.execute(f'SELECT * FROM "{name}"').fetchall())  # noqa: S608 - its own names
