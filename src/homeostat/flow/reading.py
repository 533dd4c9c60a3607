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

    given = read(path, section, root)
    if given.broken.height:
        first = given.broken.row(0, named=True)
        message = f"{given.broken.height} line(s) cannot be parsed; the first: {first['_reason']}"
        raise DataError("HS205", message, place=f"{path.name}:{first['_line']}", next_step="mend these lines; nothing of the file was used")
    return given.frame


def read_source(project: Project, section: sections.Source, progress: Progress | None = None) -> SourceRead:
    """All rows of a source as it is now, with ``_source`` and ``_line``, and the lines that are none; the project is not written to.

    ``progress`` is told what is read, and what a person may want to know of it.

    Raises:
        DataError: a part cannot be read.
        Unreachable: the source does not answer.
    """
    import polars as pl

    from homeostat.flow.privacy import stored_as
    from homeostat.infra.sources import SourceRead

    stored, frames, broken = stored_as(project), [], []
    for name, read in source_reads(section, project.root, retries=project.charter.data.retries):
        if progress:
            progress.update(f"read {name}")
            for note in read.notes:
                progress.note(f"{name}: {note}")
        frames.append(stored(read.frame) if stored else read.frame)
        broken.append(read.broken)
    return SourceRead(pl.concat(frames, how="diagonal_relaxed"), pl.concat(broken))
