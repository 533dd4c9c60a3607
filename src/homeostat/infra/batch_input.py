"""What is scored in a batch, as Parquet files whose rows have a fixed order: a file as it lies, anything else copied into one once.

Copies are of what there was at that moment, so that work which is taken up again goes on with the same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from homeostat.core.addresses import is_local, scheme_of, without_secrets
from homeostat.core.records import PROVENANCE
from homeostat.errors import DataError
from homeostat.infra.formats.parquet import BROKEN, LINE, parsed_frames, write_batches
from homeostat.infra.formats.parquet_pages import Footer, read_footer
from homeostat.infra.formats.read import format_of, path_batches, unreadable
from homeostat.infra.formats.reads import check_names, no_rows
from homeostat.infra.parts import put_file
from homeostat.infra.raw import RawZone
from homeostat.infra.sources import list_files, open_source, source_name
from homeostat.infra.sources.opening import DATABASES
from homeostat.infra.tables import Table

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.sections import Source
    from homeostat.infra.sources import Part
    from homeostat.infra.sources import Source as Place

MOST_GROUP_ROWS = 300_000
"""A file with larger row groups is copied: a row group is what one worker has in memory."""


@dataclass(frozen=True, slots=True)
class Given:
    """One thing that is scored: a file, an object, a table.

    Attributes:
        name: what people call it; no password is in it.
        fingerprint: differs when its rows do.
        copy: makes a Parquet file of it in a folder and returns that, or the file itself where it is one.
        here: whether what is read is the very file, so that it must not change meanwhile.
    """

    name: str
    fingerprint: str
    copy: Callable[[Path], Path]
    here: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RowFile:
    """A Parquet file of rows to score.

    Attributes:
        path: where it lies.
        name: what errors call it.
        text: whether its columns of text may hold numbers: they come from a file of text.
        lines: whether it has the columns ``_line`` and ``_broken_because``.
        footer: what it says of itself.
        schema: its columns and their Polars types, without those two.
    """

    path: Path
    name: str
    text: bool
    lines: bool
    footer: Footer
    schema: dict[str, pl.DataType]


def given_rows(address: str, section: Source, root: Path) -> list[Given]:
    """What an address names, in the order it is scored: files by name. Rows are not read yet.

    Args:
        address: a file, a folder, a glob, the folder of a Delta table, or an address of a bucket, a web server or a database, whose
            table stands after ``#``.
        section: how files of text are read.
        root: what paths are relative to.

    Raises:
        DataError: nothing is there, or nothing that can be read.
        Unreachable: it does not answer.
    """
    if is_local(address):
        path = root / address
        if (path / "_delta_log").is_dir():
            return [_delta(path, source_name(path, root))]
        files = list_files(root, section.model_copy(update={"source": address}))
        return [_file(each, source_name(each, root), section) for each in files]
    asked = section.model_copy(update={"source": address})
    if scheme_of(address) in DATABASES:
        base, _, table = address.partition("#")
        if not table:
            step = "write it after the address: ...#TABLE"
            raise DataError("HS215", "the address names no table", place=without_secrets(address), next_step=step)
        asked = section.model_copy(update={"source": base, "table": table})
    place = open_source(asked, root)
    return [Given(part.name, part.fingerprint, partial(_fetched, place, part, asked)) for part in place.parts()]


def row_files(given: Sequence[Given], folder: Path) -> list[RowFile]:
    """The given things as Parquet files of one layout, whose row groups are not large; copies lie in the folder and are made once.

    Raises:
        DataError: one cannot be read; HS202, it has no rows; HS423, one has other columns than the first.
    """
    folder.mkdir(exist_ok=True)
    found = []
    for at, each in enumerate(given):
        copied = folder / f"{at:05d}.parquet"
        path = copied if copied.exists() else each.copy(copied)
        found.append(_row_file(path, each.name))
    _require_same_columns(found)
    first = found[0].footer.layout
    if all(each.footer.copied and each.footer.layout == first and _small(each.footer.group_rows) for each in found):
        return found
    return _alike(found, folder)


def _small(group_rows: Sequence[int]) -> bool:
    return 0 < min(group_rows) <= max(group_rows) <= MOST_GROUP_ROWS


def unchanged(given: Sequence[Given], again: Sequence[Given]) -> bool:
    """Whether the files that are read where they lie are still the same."""
    return [each.fingerprint for each in given if each.here] == [each.fingerprint for each in again if each.here]


def _file(path: Path, name: str, section: Source) -> Given:
    form = format_of(path.name)
    try:
        stat = path.stat()
    except OSError as error:
        raise unreadable(name, error) from error
    mark = f"size={stat.st_size}; modified={stat.st_mtime_ns}"
    if form == "parquet":
        footer = read_footer(path)
        with path.open("rb") as file:
            file.seek(footer.bytes)
            mark += f"; footer={hashlib.sha256(file.read()).hexdigest()[:32]}"
        return Given(name, mark, lambda _: path, here=True)
    return Given(name, mark, partial(_parsed, path, name, section), here=True)


def _parsed(path: Path, name: str, section: Source, target: Path) -> Path:
    """A file of text as Parquet: its rows with their lines, and the lines that are none with the reason."""
    return _written(parsed_frames(path_batches(path, format_of(path.name), section, name)), target)


def _fetched(place: Place, part: Part, section: Source, target: Path) -> Path:
    raw = place.fetch(part, RawZone(target.with_suffix(".raw")))
    if raw.format == "parquet":
        raw.path.rename(target)
        return target
    return _parsed(raw.path, part.name, section, target)


def _delta(path: Path, name: str) -> Given:
    table = Table(path)
    version = table.version()

    def copy(target: Path) -> Path:
        return _written((each.drop(PROVENANCE, strict=False) for each in table.batches(version)), target)

    return Given(name, f"version={version}; table={table.identity()}", copy)


def _written(frames: Iterable[pl.DataFrame], target: Path) -> Path:
    put_file(target, lambda file: write_batches(frames, file))
    return target


def _row_file(path: Path, name: str) -> RowFile:
    import polars as pl

    footer = read_footer(path)
    try:
        schema = dict(pl.read_parquet_schema(path))
    except pl.exceptions.PolarsError as error:
        raise DataError("HS209", f"not a Parquet file, or a damaged one: {str(error).splitlines()[0]}", place=name) from error
    lines = LINE in schema and BROKEN in schema
    schema = {column: dtype for column, dtype in schema.items() if column not in (LINE, BROKEN)}
    check_names(list(schema), name)
    if not sum(footer.group_rows):
        raise no_rows(name)
    return RowFile(path, name, lines, lines, footer, schema)


def _require_same_columns(files: Sequence[RowFile]) -> None:
    first = files[0]
    for each in files[1:]:
        for column in {*first.schema, *each.schema}:
            if (column in first.schema) != (column in each.schema):
                has, lacks = (first, each) if column in first.schema else (each, first)
                message = f"{has.name} has a column {column!r}, {lacks.name} has none; files that are scored together have the same columns"
                raise DataError("HS423", message, place=each.name, next_step="score them one by one")


def _alike(files: Sequence[RowFile], folder: Path) -> list[RowFile]:
    """The files written anew, with small row groups and a type for each column that holds the values of all files."""
    import polars as pl

    try:
        common = pl.concat(
            [pl.DataFrame(schema=each.schema).select(list(files[0].schema)) for each in files], how="vertical_relaxed"
        ).schema
    except pl.exceptions.PolarsError as error:
        message = f"a column has types that no one type holds: {str(error).splitlines()[0]}"
        raise DataError("HS423", message, place=files[0].name, next_step="score the files one by one") from error
    found = []
    for at, each in enumerate(files):
        path = folder / f"{at:05d}.alike.parquet"
        if not path.exists():
            _written(_cast(each, common), path)
        text = each.text or each.schema != dict(common)
        found.append(RowFile(path, each.name, text, each.lines, read_footer(path), dict(common)))
    return found


def _cast(file: RowFile, common: pl.Schema) -> Iterator[pl.DataFrame]:
    import polars as pl

    own = [LINE, BROKEN] if file.lines else []
    lazy = pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
    chosen = lazy.select(*(pl.col(name).cast(dtype) for name, dtype in common.items()), *own)
    yield from chosen.collect_batches(chunk_size=MOST_GROUP_ROWS, maintain_order=True, engine="streaming")
