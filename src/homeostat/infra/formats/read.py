"""The one door to rows: a stored file in batches of bounded memory, or a file of the project whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeVar

from homeostat.errors import DataError
from homeostat.infra.formats.csv_read import csv_batches, head_text, sniff_delimiter
from homeostat.infra.formats.json_lines import json_batches
from homeostat.infra.formats.parquet import parquet_batches, parsed_batches
from homeostat.infra.formats.reads import BATCH_ROWS, SourceRead
from homeostat.infra.formats.text import settle_encoding

if TYPE_CHECKING:
    from homeostat.core.sections import Source
    from homeostat.infra.raw import RawFile

Format = Literal["csv", "jsonl", "parquet", "parsed"]
"""``parsed``: rows and broken lines of any format, parsed before they were stored, as Parquet."""
FORMATS: dict[str, Format] = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
SUFFIXES = tuple(FORMATS)
_T = TypeVar("_T")


def format_of(name: str) -> Format:
    """The format that a file's name says.

    Raises:
        DataError: HS209, none that can be read.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in FORMATS:
        raise DataError("HS209", f"got the suffix {suffix!r}; readable are {', '.join(SUFFIXES)}", place=Path(name).name)
    return FORMATS[suffix]


def read_batches(raw: RawFile, section: Source, name: str, *, rows: int = BATCH_ROWS) -> Iterator[SourceRead]:
    """The rows of a stored file in batches of at most so many rows, in the order of the file.

    All batches have the same columns and types, and there is at least one. A CSV column or one of JSON lines gets a type only if no
    value of the whole file is changed by it; such a file is read twice. Lines that cannot be parsed are in ``broken``.

    Args:
        raw: the stored file.
        section: the charter's section of the source: delimiter, decimal mark, encoding and null texts.
        name: what ``_source`` shall say.
        rows: how many rows a batch has at most; wide files have smaller ones.

    Raises:
        DataError: HS201 unreadable; HS202 no rows; HS205 an encoding, header or column name that will not do; HS209 damaged.
    """
    return path_batches(raw.path, raw.format, section, name, rows)


def path_batches(path: Path, form: Format, section: Source, name: str, rows: int = BATCH_ROWS) -> Iterator[SourceRead]:
    """``read_batches`` for a file that lies anywhere."""
    if form == "parquet":
        return parquet_batches(path, name, rows)
    if form == "parsed":
        return parsed_batches(path, name, rows)
    return _from_text(path, name, lambda file: (csv_batches if form == "csv" else json_batches)(file, section, name, rows))


def read(path: Path, section: Source, root: Path | None = None) -> SourceRead:
    """The rows of a file at once, with types inferred over the whole file: all batches of ``read_batches`` together.

    Args:
        path: the file.
        section: the charter's section of the source.
        root: the project's folder, which ``_source`` is relative to; default: the file's own folder.

    Raises:
        DataError: as ``read_batches``; HS209 also for a file of no readable kind.
    """
    import polars as pl

    name = source_name(path, root or path.parent)
    reads = list(path_batches(path, format_of(path.name), section, name))
    frame = pl.concat([each.frame for each in reads])
    return SourceRead(frame, pl.concat([each.broken for each in reads]), reads[0].encoding, reads[0].notes)


def source_name(path: Path, base: Path) -> str:
    """What a file is called in ``_source`` and in its deliveries: its path below the base, or as it is when it lies elsewhere."""
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()


def sniff(path: Path, encoding: str | None = None) -> str:
    """The delimiter of a CSV file, found from its first lines; a comma for other files.

    Raises:
        DataError: HS201 unreadable; HS205 the encoding does not fit.
    """
    if FORMATS.get(path.suffix.lower()) != "csv":
        return ","

    def found(file: BinaryIO) -> Iterator[str]:
        yield sniff_delimiter(head_text(file, settle_encoding(file, path.name, encoding)))

    return next(_from_text(path, path.name, found))


def unreadable(name: str, error: OSError) -> DataError:
    """The error for a file that cannot be opened or read."""
    reason = error.strerror or str(error)
    return DataError("HS201", f"the file cannot be read: {reason}", place=name, next_step="check the path and its permissions")


def _from_text(path: Path, name: str, take: Callable[[BinaryIO], Iterator[_T]]) -> Iterator[_T]:
    try:
        with path.open("rb") as file:
            yield from take(file)
    except OSError as error:
        raise unreadable(name, error) from error
