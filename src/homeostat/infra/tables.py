"""Delta tables: versioned rows, each commit made once however often it is tried."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeostat.core.records import PROVENANCE
from homeostat.errors import DataError, HomeostatError, ProjectError

if TYPE_CHECKING:
    import polars as pl
    from deltalake import CommitProperties, DeltaTable

KEY = "homeostat.key"
PREFIX = "homeostat."
# A dataset version must stay readable as long as anything refers to it: nothing is cleaned up behind our back.
KEEP = {"delta.logRetentionDuration": "interval 36500 days", "delta.deletedFileRetentionDuration": "interval 36500 days"}
ATTEMPTS = 5


class Table:
    """A Delta table in a folder, made by its first write.

    A write carries a ``key``. The key is part of the commit, so a write whose key is in the table already returns the version
    it made and changes nothing: a process killed after the commit and before it noted the fact just writes again.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def exists(self) -> bool:
        """Whether anything was ever committed."""
        from deltalake import DeltaTable

        return (self.path / "_delta_log").is_dir() and bool(DeltaTable.is_deltatable(str(self.path)))

    def version(self) -> int:
        """The newest version; the first is 0.

        Raises:
            ProjectError: HS608, the table does not exist yet.
        """
        return int(self._open().version())

    def append(self, frame: pl.DataFrame, metadata: Mapping[str, str], key: str) -> int:
        """Add the rows in one commit; return its version. An empty frame makes a commit too, with the metadata and no rows.

        Args:
            frame: the rows; columns and types as the table's.
            metadata: what else the commit should say, such as the delivery.
            key: names this write for ever.

        Raises:
            DataError: HS208, the columns or types are not the table's.
            ProjectError: HS602, the folder cannot be written.
        """
        return self._commit(frame, metadata, key, {"mode": "append"})

    def replace_source(self, frame: pl.DataFrame, source_paths: Sequence[str], metadata: Mapping[str, str], key: str) -> int:
        """In one commit, remove the rows whose ``_source`` is among the paths and add these; return its version.

        Every row of the frame must come from one of the paths.

        Raises:
            DataError: HS208, the columns or types are not the table's, or a row is from another source.
            ProjectError: HS602, the folder cannot be written.
        """
        import polars as pl

        strange = frame.filter(~pl.col("_source").is_in(list(source_paths)).fill_null(False))
        if strange.height or not source_paths:
            raise DataError(
                "HS208",
                f"got rows from {strange['_source'].unique().to_list()[:3]}",
                place="column '_source'",
                next_step="name their source",
            )
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in source_paths)
        return self._commit(frame, metadata, key, {"mode": "overwrite", "predicate": f"_source IN ({listed})"})

    def read(self, version: int | None = None, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of a version (default: the newest), ordered by ``_source`` and ``_line`` where the table has them.

        Raises:
            ProjectError: HS608, the table does not exist yet; HS605, there is no such version.
            DataError: HS203, a column is not in the table.
        """
        import polars as pl

        table = self._open(version)
        schema = _schema(table)
        missing = [name for name in columns or () if name not in schema]
        if missing:
            raise DataError("HS203", f"got {missing[0]!r}; the table has {', '.join(schema)}", place=f"table {self.path.name!r}")
        order = [name for name in PROVENANCE if name in schema]
        wanted = list(schema if columns is None else columns)
        frame = pl.read_delta(table, columns=list(dict.fromkeys([*wanted, *order])))
        # Delta keeps no order of its own: without this, the same version could come back in two orders.
        if order and frame.select(order).is_duplicated().any():
            order += [name for name, dtype in frame.schema.items() if name not in order and not dtype.is_nested()]
        return (frame.sort(order, nulls_last=True, maintain_order=True) if order else frame).select(wanted)

    def history(self) -> list[dict[str, Any]]:
        """Each commit, newest first: ``version``, ``at`` (milliseconds since 1970), ``operation``, ``key`` and ``metadata``."""
        if not self.exists():
            return []
        for _ in range(ATTEMPTS):
            table = self._open()
            commits = table.history()
            # Delta counts versions down from the newest: a commit in between would shift them all.
            if commits[0]["version"] == table.version() == self.version():
                break
        return [
            {
                "version": int(commit["version"]),
                "at": int(commit.get("timestamp", 0)),
                "operation": str(commit.get("operation", "")),
                "key": str(commit.get(KEY, "")),
                "metadata": {name.removeprefix(PREFIX): value for name, value in commit.items() if name.startswith(PREFIX) and name != KEY},
            }
            for commit in commits
        ]

    def _open(self, version: int | None = None) -> DeltaTable:
        from deltalake import DeltaTable

        if not self.exists():
            raise ProjectError(
                "HS608",
                "nothing was ever written to this table",
                place=f"table {self.path.name!r}",
                next_step="run `homeostat ingest` first",
            )
        newest = DeltaTable(str(self.path))
        if version is None or version == newest.version():
            return newest
        if not 0 <= version < newest.version():
            raise ProjectError("HS605", f"got version {version}; there are 0 to {newest.version()}", place=f"table {self.path.name!r}")
        return DeltaTable(str(self.path), version=version)

    def _commit(self, frame: pl.DataFrame, metadata: Mapping[str, str], key: str, how: Mapping[str, str]) -> int:
        from deltalake import CommitProperties, Transaction

        properties = CommitProperties(
            custom_metadata={KEY: key, **{PREFIX + name: value for name, value in metadata.items()}},
            # Makes Delta refuse a second commit with this key, whoever makes it and however late.
            app_transactions=[Transaction(key, 1)],
        )
        with self._alone():
            self._write(frame, key, how, properties)
        return self._version_of(key)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other writer of this table is at work here.

        Delta settles writers of a table that exists; of two that make it at once, both rows would be kept.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise self._fault(error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)  # closing is what releases the lock

    def _write(self, frame: pl.DataFrame, key: str, how: Mapping[str, str], properties: CommitProperties) -> None:
        from deltalake import write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        for attempt in range(ATTEMPTS):
            table = self._open() if self.exists() else None
            if table is not None:
                if table.transaction_version(key) is not None:
                    break
                frame = _fit(frame, table, self.path.name)
            target = table if table is not None else str(self.path)
            first = {"mode": "error", "configuration": KEEP} if table is None else dict(how)
            try:
                write_deltalake(target, frame, commit_properties=properties, **first)
                break
            except (DeltaError, OSError) as error:
                overtaken = isinstance(error, CommitFailedError) or (table is None and self.exists())
                if not overtaken or attempt + 1 == ATTEMPTS:
                    raise self._fault(error) from error

    def _version_of(self, key: str) -> int:
        """The version that the commit with this key made: the first that knows the key (other writers may come before and after)."""
        low, high = 0, self.version()
        while low < high:
            middle = (low + high) // 2
            if self._open(middle).transaction_version(key) is None:
                low = middle + 1
            else:
                high = middle
        return low

    def _fault(self, error: Exception) -> HomeostatError:
        from deltalake.exceptions import CommitFailedError

        reason = next(iter(str(error).splitlines()), type(error).__name__)
        place = f"table {self.path.name!r}"
        if isinstance(error, CommitFailedError):
            return ProjectError("HS602", f"other writers kept coming first: {reason}", place=place, next_step="run it again")
        if isinstance(error, OSError) or any(sign in str(error) for sign in ("denied", "Read-only", "Could not create", "No space")):
            return ProjectError("HS602", f"cannot be written: {reason}", place=place, next_step="make the folder writable")
        return HomeostatError("HS001", f"Delta failed: {reason}", place=place)


def _schema(table: DeltaTable) -> dict[str, Any]:
    import polars as pl

    return dict(pl.Schema(table.schema().to_arrow()))


def _fit(frame: pl.DataFrame, table: DeltaTable, name: str) -> pl.DataFrame:
    """The frame with its columns in the table's order.

    Raises:
        DataError: HS208, the columns or types are not the table's.
    """
    have, got = _schema(table), dict(frame.schema)
    parts = [f"{column} is missing" for column in have if column not in got]
    parts += [f"{column} is new" for column in got if column not in have]
    parts += [f"{column} is {got[column]} instead of {have[column]}" for column in have if column in got and have[column] != got[column]]
    if parts:
        raise DataError(
            "HS208",
            f"the table has other columns: {'; '.join(parts)}",
            place=f"table {name!r}",
            next_step="mend the delivery or the contract; a breaking change needs a new project folder",
        )
    return frame.select(list(have))
