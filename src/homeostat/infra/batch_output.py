"""Where a batch goes: one file, a folder of partitions, a Delta table, an object of a bucket; made of finished parts, all or nothing."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from homeostat.core.addresses import is_local, scheme_of, without_secrets
from homeostat.errors import DataError, ProjectError
from homeostat.infra.formats import parquet_pages
from homeostat.infra.parts import put_file, sync, told

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.sections import Source

Kind = Literal["parquet", "csv", "ndjson", "folder", "delta"]
_FILES: dict[str, Kind] = {".parquet": "parquet", ".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_ALLOWED = "a name that ends in .parquet, .csv, .ndjson or .jsonl; in / for a folder of Parquet files; in .delta for a Delta table"
_STEP = 8 << 20
RETRIES = 3


@dataclass(frozen=True, slots=True)
class Output:
    """Where a batch goes.

    Attributes:
        address: as it was given.
        kind: what is written there.
        path: the file or folder; of a bucket the file that is sent there.
    """

    address: str
    kind: Kind
    path: Path

    @property
    def suffix(self) -> str:
        """That of its parts."""
        return f".{self.kind}" if self.kind in ("csv", "ndjson") else ".parquet"

    @property
    def parts(self) -> Path:
        """The folder where its parts wait."""
        return self.path.with_name(f"{self.path.name}.parts")

    @property
    def shown(self) -> str:
        """How people call it."""
        return str(self.path) if is_local(self.address) else without_secrets(self.address)


def output_of(address: str, root: Path, spool: Path) -> Output:
    """The output that an address names; it can be written, as far as its name and what is there already tell.

    Args:
        address: a path or ``s3://BUCKET/KEY``.
        root: what a path is relative to.
        spool: a folder for what is sent to a bucket.

    Raises:
        DataError: HS209, a name of no kind that can be written; HS219, an address of no such kind.
        ProjectError: HS607, the folder holds other files than a batch leaves.
    """
    if is_local(address):
        path = root / address
        if (path / "_delta_log").is_dir() or path.suffix.lower() == ".delta":
            return Output(address, "delta", path)
        if address.endswith("/") or path.is_dir():
            _require_own(path)
            return Output(address, "folder", path)
        return Output(address, _file_kind(path.name), path)
    if scheme_of(address) != "s3":
        message = f"got an address that starts with {scheme_of(address)}://; writable are a path and s3://BUCKET/KEY"
        raise DataError("HS219", message, place=without_secrets(address))
    name = address.partition("://")[2].replace("/", "+")
    return Output(address, _file_kind(name), spool / name)


def check_columns(output: Output, schema: pl.Schema) -> None:
    """Return when rows of this schema can be written there.

    Raises:
        DataError: HS209, a CSV file cannot hold a column of lists or structures; HS208, the table has other columns.
    """
    from homeostat.infra.table_files import frame_schema
    from homeostat.infra.tables import Table

    if output.kind == "csv":
        nested = next((name for name, dtype in schema.items() if dtype.is_nested()), None)
        if nested is not None:
            message = f"a CSV file cannot hold the column {nested!r} ({schema[nested]})"
            raise DataError("HS209", message, place=output.shown, next_step="write .parquet or .ndjson")
    if output.kind == "delta" and (table := Table(output.path)).exists():
        have, got = table.columns(), frame_schema(schema.to_frame())
        other = sorted(name for name in {*have, *got} if have.get(name) != got.get(name))
        if other:
            message = (
                f"the table has other columns: {other[0]!r} is {have.get(other[0], 'missing')}, and would be {got.get(other[0], 'missing')}"
            )
            raise DataError("HS208", message, place=output.shown, next_step="give another output")


def write_part(frame: pl.DataFrame, kind: Kind, file: IO[bytes]) -> None:
    """Write the rows of a part of a file of text."""
    if kind == "csv":
        frame.write_csv(file, include_header=False)
    else:
        frame.write_ndjson(file)


def finish(output: Output, parts: Sequence[Path], schema: pl.Schema, key: str, section: Source) -> None:
    """Make the output of its parts, in order; what was there before is replaced, at one moment where it is a file or a table.

    Args:
        output: where to.
        parts: the files of its parts; they stay.
        schema: of its rows.
        key: names this batch: a table that has taken it in already is left as it is.
        section: how a bucket is asked.

    Raises:
        ProjectError: HS602, it cannot be written.
        DataError, Unreachable: a bucket refuses or does not answer.
    """
    with told(output.path):
        output.path.parent.mkdir(parents=True, exist_ok=True)
        if output.kind == "delta":
            _commit(output.path, parts, key)
        elif output.kind == "folder":
            _link(output.path, parts)
        else:
            put_file(output.path, lambda file: _whole(output.kind, parts, schema, file))
    if not is_local(output.address):
        from homeostat.infra.sources.bucket import Bucket
        from homeostat.infra.sources.retry import Patience

        Bucket(section.model_copy(update={"source": output.address}), None, Patience(RETRIES, time.sleep)).put(output.path)
        output.path.unlink()


def _file_kind(name: str) -> Kind:
    kind = _FILES.get(Path(name).suffix.lower())
    if kind is None:
        raise DataError("HS209", f"got the output name {name!r}; allowed: {_ALLOWED}")
    return kind


def _require_own(path: Path) -> None:
    """A folder that a batch may write to holds nothing but what a batch left there."""
    other = next((each.name for each in sorted(path.glob("*")) if not each.match("part-*.parquet")), None) if path.is_dir() else None
    if other is not None:
        message = f"the folder holds {other!r}, which is no partition of a batch"
        raise ProjectError("HS607", message, place=str(path), next_step="give another folder")


def _whole(kind: Kind, parts: Sequence[Path], schema: pl.Schema, file: IO[bytes]) -> None:
    if kind == "parquet":
        parquet_pages.join(parts, file)
        return
    if kind == "csv":
        schema.to_frame().write_csv(file)
    for part in parts:
        with part.open("rb") as rows:
            shutil.copyfileobj(rows, file, _STEP)


def _link(folder: Path, parts: Sequence[Path]) -> None:
    """The parts under names of their own in the folder; what an earlier batch left there and this one has not is removed."""
    folder.mkdir(exist_ok=True)
    names = {f"part-{number:06d}.parquet": part for number, part in enumerate(parts)}
    for old in folder.glob("part-*.parquet"):
        old.unlink()
    for name, part in names.items():
        try:
            os.link(part, folder / name)
        except OSError:  # not all file systems give a file two names
            shutil.copyfile(part, folder / name)
    sync(folder)


def _commit(path: Path, parts: Sequence[Path], key: str) -> None:
    import polars as pl

    from homeostat.infra.tables import Table

    with Table(path).delivery(key, {}) as delivery:
        if delivery.version is None:
            for part in parts:
                delivery.write(pl.read_parquet(part, glob=False, hive_partitioning=False))
            delivery.commit(None)
