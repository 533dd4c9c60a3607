"""A download that must be parsed before it may be stored: kept in a file without a name, which is gone with its process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from homeostat.errors import ProjectError
from homeostat.infra.formats.read import Format, path_batches
from homeostat.infra.sources.part import Transform, store_parsed

if TYPE_CHECKING:
    from homeostat.core.sections import Source
    from homeostat.infra.raw import RawFile, RawZone


def store(zone: RawZone, chunks: Iterable[bytes], form: Format, how: tuple[Source, str, Transform | None]) -> RawFile:
    """Store a download: its bytes, or with a transformation its rows.

    Args:
        zone: where to.
        chunks: the bytes, as they come.
        form: their format.
        how: the charter's section of the source, the part's name, and the transformation.
    """
    section, name, transform = how
    if transform is None:
        return zone.put_stream(chunks, form)
    with _unnamed(chunks) as path:
        return store_parsed(zone, path_batches(path, form, section, name), transform)


@contextmanager
def _unnamed(chunks: Iterable[bytes]) -> Iterator[Path]:
    with tempfile.TemporaryFile() as file:
        for chunk in chunks:
            try:
                file.write(chunk)
            except OSError as error:
                raise ProjectError(
                    "HS602", f"no room for a download: {error.strerror or error}", place=tempfile.gettempdir(), next_step="free some space"
                ) from error
        file.flush()
        yield Path(f"/dev/fd/{file.fileno()}")
