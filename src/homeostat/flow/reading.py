"""Reading a file that is asked for by name: all of it or none of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from homeostat.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project


def read_whole(path: Path, section: sections.Data, root: Path) -> pl.DataFrame:
    """The rows of a CSV or Parquet file with ``_source`` and ``_line``.

    Deliveries of a source go another way: there broken lines are quarantined and the rest is taken in.

    Raises:
        DataError: the file cannot be read; HS205, lines of it cannot be parsed.
    """
    from homeostat.infra.sources import read

    given = read(path, section, root)
    if given.broken.height:
        first = given.broken.row(0, named=True)
        message = f"{given.broken.height} line(s) cannot be parsed; the first: {first['_reason']}"
        raise DataError("HS205", message, place=f"{path.name}:{first['_line']}", next_step="mend these lines; nothing of the file was used")
    return given.frame


def read_source(project: Project, section: sections.Source, progress: Progress | None = None) -> pl.DataFrame:
    """All rows of a source as it is now, with ``_source`` and ``_line``; the project's folder is not written to.

    Raises:
        DataError: a part cannot be read.
        Unreachable: the source does not answer.
    """
    from tempfile import TemporaryDirectory

    import polars as pl

    from homeostat.flow.privacy import stored_as
    from homeostat.infra.raw import RawZone
    from homeostat.infra.sources import open_source, read_batches

    frames = []
    with TemporaryDirectory(prefix="homeostat-") as folder:
        zone = RawZone(Path(folder))
        source = open_source(section, project.root, retries=project.charter.data.retries, transform=stored_as(project))
        for part in source.parts():
            if progress:
                progress.update(f"read {part.name}")
            frames += [read.frame for read in read_batches(source.fetch(part, zone), section, part.name)]
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
