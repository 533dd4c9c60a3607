"""Delta tables: versioned rows, each commit made once however often it is tried.

A write puts its rows into Parquet files of its own, batch by batch, and then commits them with one entry in the table's log. Until
that entry is there nobody sees the files; a writer that dies leaves files that the next write of the same key writes over. The rows of
one part, such as a source, lie in one folder of the table, so replacing them is an entry in the log too, and no other file is touched.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeostat.core.records import PROVENANCE
from homeostat.errors import DataError, ProjectError
from homeostat.infra.table_files import KEY, PREFIX, Delivery, fault, frame_schema, table_schema

if TYPE_CHECKING:
    import polars as pl
    from deltalake import DeltaTable

ATTEMPTS = 5
BATCH_ROWS = 250_000
MOST_RUNS = 1_000


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

    def identity(self) -> str:
        """What the table was named when it was made: another table in the same folder has another one.

        Raises:
            ProjectError: HS608, the table does not exist yet.
        """
        return str(self._open().metadata().id)

    def append(self, frame: pl.DataFrame, metadata: Mapping[str, str], key: str) -> int:
        """Add the rows in one commit; return its version. An empty frame makes a commit too, with the metadata and no rows.

        Args:
            frame: the rows; types as the table's. Columns the table does not have yet are added to it, null in the rows before.
            metadata: what else the commit should say, such as the delivery.
            key: names this write for ever.

        Raises:
            DataError: HS208, a column is missing or of another type than the table's.
            ProjectError: HS602, the folder cannot be written.
        """
        with self.delivery(key, metadata) as delivery:
            if delivery.version is None:
                delivery.write(frame)
                delivery.commit()
        assert delivery.version is not None  # noqa: S101 - a commit sets it, or raises
        return delivery.version

    @contextmanager
    def delivery(self, key: str, metadata: Mapping[str, str], part: str = "") -> Iterator[Delivery]:
        """A write in batches: ``write`` frames, then ``commit`` once; left without a commit, nothing of it stays.

        No other write of this table goes on at the same time: one waits for the other.

        Args:
            key: names this write for ever; ``Delivery.version`` is set from the start when the table has it already.
            metadata: what else the commit should say.
            part: what the rows are a part of, such as their source; a later commit can replace a part as a whole.

        Raises:
            ProjectError: HS602, the folder cannot be written.
        """
        with self._alone():
            table = self._open() if self.exists() else None
            there = table is not None and table.transaction_version(key) is not None
            delivery = Delivery(self.path, table, key, metadata, part, self._version_of(key) if there else None)
            try:
                yield delivery
            finally:
                delivery.discard()

    def restructure(self, frame: pl.DataFrame, key: str) -> None:
        """In one commit, remove all rows and give the table the columns of this (empty) frame; older versions stay readable.

        Does nothing when the table does not exist, has these columns, or has made this change before.

        Raises:
            ProjectError: HS602, the folder cannot be written.
        """
        from deltalake import CommitProperties, Transaction, write_deltalake
        from deltalake.exceptions import DeltaError

        with self._alone():
            if not self.exists():
                return
            table = self._open()
            if table.transaction_version(key) is not None or table_schema(table) == frame_schema(frame):
                return
            properties = CommitProperties(custom_metadata={KEY: key}, app_transactions=[Transaction(key, 1)])
            try:
                write_deltalake(table, frame.clear(), mode="overwrite", schema_mode="overwrite", commit_properties=properties)
            except (DeltaError, OSError) as error:
                raise fault(error, self.path.name) from error

    def lost_files(self, version: int) -> list[str]:
        """Files of a version that are gone or of another size than when they were committed; their content is not read.

        Raises:
            ProjectError: HS608, the table does not exist yet; HS605, there is no such version.
        """
        actions = self._open(version).get_add_actions(flatten=True)
        sizes = dict(zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True))
        return sorted(name for name, size in sizes.items() if not _has_size(self.path / name, size))

    def columns(self) -> dict[str, Any]:
        """The newest version's columns and Polars types.

        Raises:
            ProjectError: HS608, the table does not exist yet.
        """
        return table_schema(self._open())

    def scan(self, version: int | None = None) -> pl.LazyFrame:
        """The rows of a version (default: the newest), not yet read and in no order.

        Raises:
            ProjectError: HS608, the table does not exist yet; HS605, there is no such version.
        """
        import polars as pl

        return pl.scan_delta(self._open(version))

    def batches(self, version: int | None = None, rows: int = BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """The rows of a version (default: the newest) in frames of about so many, in no order, one at a time; at least one frame.

        Raises:
            ProjectError: HS608, the table does not exist yet; HS605, there is no such version.
        """
        there = self.scan(version)
        some = False
        for frame in there.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming"):
            some = True
            yield frame
        if not some:
            yield there.head(0).collect()

    def read(self, version: int | None = None, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of a version (default: the newest), ordered by ``_source`` and ``_line`` where the table has them.

        Raises:
            ProjectError: HS608, the table does not exist yet; HS605, there is no such version.
            DataError: HS203, a column is not in the table.
        """
        import polars as pl

        table = self._open(version)
        schema = table_schema(table)
        missing = [name for name in columns or () if name not in schema]
        if missing:
            raise DataError("HS203", f"got {missing[0]!r}; the table has {', '.join(schema)}", place=f"table {self.path.name!r}")
        order = [name for name in PROVENANCE if name in schema]
        wanted = list(schema if columns is None else columns)
        frame = pl.read_delta(table, columns=list(dict.fromkeys([*wanted, *order])))
        # Delta keeps no order of its own: without this, the same version could come back in two orders.
        return (_ordered(frame, order) if order else frame).select(wanted)

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

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other writer of this table is at work here."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise fault(error, self.path.name) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)  # closing is what releases the lock

    def _version_of(self, key: str) -> int:
        """The version that the commit with this key made: the first that knows the key."""
        low, high = 0, self.version()
        while low < high:
            middle = (low + high) // 2
            if self._open(middle).transaction_version(key) is None:
                low = middle + 1
            else:
                high = middle
        return low


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _ordered(frame: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """The rows in the order of the keys, nulls last; rows of equal keys in that of all their values.

    What was written in order comes back in runs that are in order, and laying them end to end copies nothing. Then one column after the
    other is made of one piece, or moved, and the frame is emptied by it: the rows are in memory once.
    """
    import polars as pl

    starts = _starts(frame, keys)
    if 1 < len(starts) <= MOST_RUNS:
        ends = [*starts[1:], frame.height]
        frame = pl.concat([frame[starts[run] : ends[run]] for run in _places(frame[starts], keys)])
        starts = _starts(frame, keys)
    if len(starts) <= 1:
        return pl.DataFrame([frame.drop_in_place(name).rechunk() for name in frame.columns])
    places = _places(frame, keys)
    again = pl.all_horizontal(pl.col(key).gather(places).eq_missing(pl.col(key).gather(places).shift()) for key in keys)
    if frame.select(again.slice(1).any()).item():
        places = _places(frame, [*keys, *(name for name, dtype in frame.schema.items() if name not in keys and not dtype.is_nested())])
    return pl.DataFrame([frame.drop_in_place(name).gather(places) for name in frame.columns])


def _starts(frame: pl.DataFrame, keys: list[str]) -> pl.Series:
    """Where the runs begin in which the keys rise from row to row."""
    import polars as pl

    rises = pl.lit(False)
    for key in map(pl.col, reversed(keys)):
        rises = (key > key.shift()) | ((key == key.shift()) & rises)
    return frame.select((~rises.fill_null(False)).arg_true()).to_series()


def _places(frame: pl.DataFrame, keys: list[str]) -> pl.Series:
    import polars as pl

    return frame.select(pl.arg_sort_by(keys, nulls_last=True, maintain_order=True)).to_series()
