"""Reading what is asked for by name, without taking it in: a file, or all parts of a source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from homeostat.core.addresses import is_local
from homeostat.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project
    from homeostat.infra.sources import SourceRead


def source_reads(section: sections.Source, root: Path, *, retries: int = 3) -> Iterator[tuple[str, SourceRead]]:
    """The parts of a source as they are now, by name, each whole. Nothing of them stays; a table is one part, whatever its watermark.

    Raises:
        DataError: the source cannot be read.
        Unreachable: it does not answer.
    """
    import polars as pl

    from homeostat.infra.raw import RawZone
    from homeostat.infra.sources import SourceRead, list_files, open_source, read, read_batches, source_name

    if is_local(section.source):
        for path in list_files(root, section):
            yield source_name(path, root), read(path, section, root)
        return
    source = open_source(section.model_copy(update={"watermark": None}), root, retries=retries)
    for part in source.parts():
        with TemporaryDirectory() as folder:
            reads = list(read_batches(source.fetch(part, RawZone(Path(folder))), section, part.name))
        frame, broken = pl.concat([each.frame for each in reads]), pl.concat([each.broken for each in reads])
        yield part.name, SourceRead(frame, broken, reads[0].encoding, reads[0].notes)


def read_whole(path: Path, section: sections.Source, root: Path) -> pl.DataFrame:
    """The rows of a file with ``_source`` and ``_line``.

    Deliveries of a source go another way: there broken lines are quarantined and the rest is taken in.

    Raises:
        DataError: the file cannot be read; HS205, lines of it cannot be parsed.
    """
    from homeostat.infra.sources import read

    return unbroken(path.name, read(path, section, root))


def unbroken(name: str, given: SourceRead) -> pl.DataFrame:
    """The rows, if no line was broken.

    Raises:
        DataError: HS205, lines cannot be parsed.
    """
    if given.broken.height:
        first = given.broken.row(0, named=True)
        message = f"{given.broken.height} line(s) cannot be parsed; the first: {first['_reason']}"
        raise DataError("HS205", message, place=f"{name}:{first['_line']}", next_step="mend these lines; nothing of the file was used")
    return given.frame


def read_source(project: Project, section: sections.Source, progress: Progress | None = None) -> pl.DataFrame:
    """All rows of a source as it is now, with ``_source`` and ``_line``; the project's folder is not written to.

    Raises:
        DataError: a part cannot be read.
        Unreachable: the source does not answer.
    """
    import polars as pl

    from homeostat.flow.privacy import stored_as

    stored, frames = stored_as(project), []
    for name, read in source_reads(section, project.root, retries=project.charter.data.retries):
        if progress:
            progress.update(f"read {name}")
        frames.append(stored(read.frame) if stored else read.frame)
    return pl.concat(frames, how="diagonal_relaxed")


def read_texts(path: Path) -> pl.DataFrame:
    """The rows of a CSV file with every field as the text it is, or of a Parquet file as they are; an empty field is null.

    Raises:
        DataError: HS201, HS205, HS209: the file cannot be read.
    """
    import polars as pl

    from homeostat.infra.sources import sniff

    try:
        if path.suffix.lower() == ".parquet":
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema=False, separator=sniff(path), encoding="utf8")
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DataError("HS201", f"cannot be read as CSV or Parquet: {reason}", place=path.name) from error
