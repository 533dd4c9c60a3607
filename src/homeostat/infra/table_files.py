"""One write of a Delta table: Parquet files written batch by batch, made visible by one entry in the table's log."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from homeostat.errors import DataError, HomeostatError, ProjectError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import polars as pl
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction, RemoveAction

KEY = "homeostat.key"
PREFIX = "homeostat."
# A dataset version must stay readable as long as anything refers to it: nothing is cleaned up behind our back.
KEEP = {"delta.logRetentionDuration": "interval 36500 days", "delta.deletedFileRetentionDuration": "interval 36500 days"}


@dataclass(slots=True)
class DataFile:
    """A Parquet file below the table's folder."""

    name: str
    rows: int
    bytes: int = 0


@dataclass(slots=True)
class Delivery:
    """The files of one write. ``version`` is the one the commit made, None as long as there is none."""

    folder: Path
    table: DeltaTable | None
    key: str
    metadata: Mapping[str, str]
    part: str
    version: int | None
    schema: dict[str, Any] = field(default_factory=dict)
    files: list[DataFile] = field(default_factory=list)

    def write(self, frame: pl.DataFrame) -> None:
        """Write the rows to a file of their own; all frames of a delivery have the same columns and types.

        Raises:
            DataError: HS208, a column is missing or of another type than the table's.
            ProjectError: HS602, the disk is full or the folder cannot be written.
        """
        import polars as pl

        if not self.schema:
            self.schema = self._fitting(frame)
        if not frame.height:
            return
        name = f"{_folder_of(self.part)}/{_digest(self.key)}-{len(self.files):05d}.parquet"
        path = self.folder / name
        self.files.append(DataFile(name, frame.height))  # before it is written: a half-written file is discarded too
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            frame.select(list(self.schema)).write_parquet(path, compression="zstd", compression_level=1)
            self.files[-1].bytes = path.stat().st_size
        except (OSError, pl.exceptions.PolarsError) as error:
            raise fault(error, self.folder.name) from error

    def commit(self, replacing: Iterable[str] | None = ()) -> int:
        """Make the rows visible, and in the same commit remove what the table has of these parts (None: of all); return the version.

        Raises:
            ProjectError: HS602, the folder cannot be written.
        """
        from deltalake.exceptions import DeltaError

        try:
            self.version = self._commit(replacing)
        except (DeltaError, OSError) as error:
            raise fault(error, self.folder.name) from error
        self.files = []
        return self.version

    def discard(self) -> None:
        """Delete what was written and not committed."""
        for file in self.files:
            with suppress(FileNotFoundError, NotADirectoryError):
                (self.folder / file.name).unlink()
        self.files = []

    def _commit(self, replacing: Iterable[str] | None) -> int:
        from deltalake import CommitProperties, DeltaTable, Transaction
        from deltalake.transaction import create_table_with_add_actions

        properties = CommitProperties(
            custom_metadata={KEY: self.key, **{PREFIX + name: value for name, value in self.metadata.items()}},
            app_transactions=[Transaction(self.key, 1)],
        )
        adds = self._adds()
        if self.table is None:
            create_table_with_add_actions(
                str(self.folder),
                _delta_schema(self.schema),
                adds,
                mode="error",
                partition_by=[],
                configuration=KEEP,
                commit_properties=properties,
            )
            return 0
        self._extend(self.table)
        self.table.create_write_transaction(
            [*adds, *self._removes(self.table, replacing)], "append", self.table.schema(), commit_properties=properties
        )
        return int(DeltaTable(str(self.folder)).version())

    def _adds(self) -> list[AddAction]:
        from deltalake.transaction import AddAction

        now = int(time.time() * 1e3)
        return [AddAction(file.name, file.bytes, {}, now, True, json.dumps({"numRecords": file.rows})) for file in self.files]

    def _removes(self, table: DeltaTable, parts: Iterable[str] | None) -> list[RemoveAction]:
        from deltalake.transaction import RemoveAction

        now = int(time.time() * 1e3)
        folders = ("",) if parts is None else tuple(f"{_folder_of(part)}/" for part in parts)
        live = [str(path) for path in table.get_add_actions(flatten=True)["path"].to_pylist()] if folders else []
        return [RemoveAction(path, True, now) for path in live if path.startswith(folders)]

    def _extend(self, table: DeltaTable) -> None:
        """Add the columns that the table does not have yet."""
        new = {name: dtype for name, dtype in self.schema.items() if name not in table_schema(table)}
        if new:
            table.alter.add_columns(list(_delta_schema(new).fields))
            table.update_incremental()

    def _fitting(self, frame: pl.DataFrame) -> dict[str, Any]:
        """The columns to write, in the table's order, new ones last.

        Raises:
            DataError: HS208, a column is missing or of another type.
        """
        got = frame_schema(frame)
        have = table_schema(self.table) if self.table is not None else got
        parts = [f"{column} is missing" for column in have if column not in got]
        parts += [
            f"{column} is {got[column]} instead of {have[column]}" for column in have if column in got and have[column] != got[column]
        ]
        if parts:
            raise DataError("HS208", f"the table has other columns: {'; '.join(parts)}", place=f"table {self.folder.name!r}")
        order = [*have, *(column for column in got if column not in have)]
        return {column: got[column] for column in order}


def table_schema(table: DeltaTable) -> dict[str, Any]:
    """Columns and Polars types of a table."""
    import polars as pl

    return dict(pl.Schema(table.schema().to_arrow()))


def frame_schema(frame: pl.DataFrame) -> dict[str, Any]:
    """Columns and Polars types of a frame, as a table that holds it has them: categories are texts."""
    import polars as pl

    return {name: pl.String() if dtype in (pl.Categorical, pl.Enum) else dtype for name, dtype in frame.schema.items()}


def fault(error: Exception, name: str) -> HomeostatError:
    """A failure of the disk or of Delta, told as one of ours."""
    from deltalake.exceptions import CommitFailedError

    reason = next(iter(str(error).splitlines()), type(error).__name__)
    place = f"table {name!r}"
    if isinstance(error, CommitFailedError):
        return ProjectError("HS602", f"other writers kept coming first: {reason}", place=place, next_step="run it again")
    signs = ("denied", "Read-only", "Could not create", "No space", "os error", "File too large")
    if isinstance(error, OSError) or any(sign in str(error) for sign in signs):
        return ProjectError("HS602", f"cannot be written: {reason}", place=place, next_step="make room on the disk or the folder writable")
    return HomeostatError("HS001", f"Delta failed: {reason}", place=place)


def _delta_schema(schema: Mapping[str, Any]) -> Any:
    import polars as pl
    from deltalake import Schema

    return Schema.from_arrow(pl.Schema(schema))


def _folder_of(part: str) -> str:
    return _digest(part) if part else "rows"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]
