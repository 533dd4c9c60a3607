"""Files of a disk as a source: one file, a folder, or a glob. Each file is a part; its fingerprint is the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from homeostat.core.addresses import without_secrets
from homeostat.errors import DataError
from homeostat.infra.formats.read import SUFFIXES, format_of, path_batches, source_name, unreadable
from homeostat.infra.sources.part import Part, Transform, store_parsed
from homeostat.infra.sources.retry import Patience, Transient

if TYPE_CHECKING:
    from homeostat.core.sections import Source
    from homeostat.infra.raw import RawFile, RawZone

_STEP = 1 << 20


def list_files(root: Path, section: Source) -> list[Path]:
    """The files the charter's source names, sorted by path: one file, all readable files under a folder, or a glob.

    Hidden files and folders (a name that starts with a dot) are passed over, unless the source itself names them.

    Raises:
        DataError: HS201, there is none; HS209, the file is of no readable kind.
    """
    source = Path(section.source)
    path = source if source.is_absolute() else root / source
    if path.is_file():
        format_of(path.name)
        return [path]
    known = ", ".join(SUFFIXES)
    if path.is_dir():
        base, pattern = path, "**/*"
        sought = f"no file of a readable kind ({known}) is in this folder"
    elif any(mark in section.source for mark in "*?["):
        base = Path(source.anchor) if source.is_absolute() else root
        pattern = str(source.relative_to(source.anchor)) if source.is_absolute() else section.source
        sought = f"no file of a readable kind ({known}) matches"
    else:
        base, pattern, sought = root, "", "there is no such file or folder"
    found = sorted(_matches(base, pattern), key=lambda p: p.as_posix()) if pattern else []
    if not found:
        place = f"data.source {without_secrets(section.source)!r}"
        raise DataError("HS201", sought, place=place, next_step="put the file there, or correct data.source")
    return found


def _matches(base: Path, pattern: str) -> Iterator[Path]:
    for path in base.glob(pattern):
        if path.suffix.lower() in SUFFIXES and not hidden(path.relative_to(base).parts, Path(pattern).parts) and path.is_file():
            yield path


def hidden(parts: tuple[str, ...], named: tuple[str, ...]) -> bool:
    """Whether a path lies in a hidden folder or is hidden itself, without being named so."""
    return any(part.startswith(".") and part not in named for part in parts)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks: 64 hex characters.

    Raises:
        DataError: HS201, it cannot be read.
    """
    return _hashed(path)[0]


def _hashed(path: Path) -> tuple[str, int]:
    """A file's SHA-256 and size."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
    except OSError as error:
        raise unreadable(path.name, error) from error


class Files:
    """``Source`` over the files that a section names, relative to the project's folder."""

    def __init__(self, section: Source, root: Path, transform: Transform | None, patience: Patience) -> None:
        self._section, self._root, self._transform, self._patience = section, root, transform, patience

    def parts(self) -> list[Part]:
        """Each file there is now, by name."""
        found = [(source_name(path, self._root), *_hashed(path)) for path in list_files(self._root, self._section)]
        return [Part(name, sha256, size) for name, sha256, size in sorted(found)]

    def asked(self, name: str) -> bool:
        """Every part is asked for each time."""
        return True

    def fetch(self, part: Part, zone: RawZone) -> RawFile:
        """Copy the file; one that changes meanwhile is copied again."""
        path = Path(part.name) if Path(part.name).is_absolute() else self._root / part.name
        form = format_of(path.name)
        if self._transform is not None:
            return store_parsed(zone, path_batches(path, form, self._section, part.name), self._transform)
        return self._patience.ask(lambda: zone.put_stream(_still(path, part.name), form), part.name)


def _still(path: Path, name: str) -> Iterator[bytes]:
    """The file's bytes, unless it is being written just now."""
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            while chunk := file.read(_STEP):
                yield chunk
            after = os.stat(path)  # noqa: PTH116 - beside fstat
    except OSError as error:
        raise unreadable(name, error) from error
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino):
        raise Transient("the file kept changing while it was copied", "HS805")
