"""The raw zone: what sources gave, exactly as it was taken in. A file's name is its SHA-256; it appears whole or not at all and stays.

Layout: ``<folder>/<first two hex characters>/<digest>.<format>``. Threads and processes may share the folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast, get_args

from homeostat.errors import DataError, ProjectError
from homeostat.infra.formats.read import Format

if TYPE_CHECKING:
    import polars as pl

_STEP = 1 << 20
_NEW = ".new-"


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file of the raw zone: the SHA-256 of its bytes (64 hex characters), where it lies, its size and its format."""

    sha256: str
    path: Path
    bytes: int
    format: Format


class RawZone:
    """Immutable files in a folder, which is made when the first one is put. A file that is there already is not stored twice."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put_stream(self, chunks: Iterable[bytes], form: Format) -> RawFile:
        """Store the bytes of a stream, copied and hashed in one pass. If the stream raises, nothing is stored and it raises on.

        Raises:
            ProjectError: HS602, the folder cannot be written, or the disk is full.
        """
        with self._new(form) as new:
            for chunk in chunks:
                with self._told():
                    new.write(chunk)
            return self._keep(new)

    def put_frames(self, frames: Iterable[pl.DataFrame], form: Format = "parquet") -> RawFile:
        """Store frames of one schema as one Parquet file, written as they come.

        The same rows give the same digest with the same version of Polars, however they were cut into frames.

        Raises:
            ProjectError: HS602, the folder cannot be written, or the disk is full.
        """
        from homeostat.infra.formats.parquet import write_batches

        with self._new(form) as new:
            write_batches(frames, cast("IO[bytes]", new))
            return self._keep(new)

    def get(self, sha256: str, *, verify: bool = False) -> RawFile:
        """The file with this digest.

        Args:
            sha256: 64 hex characters.
            verify: read it and compare its digest.

        Raises:
            DataError: HS218, there is none, or it was altered.
        """
        path = self._find(sha256)
        if path is None:
            raise DataError(
                "HS218", f"the raw file {sha256[:12]} is not there", place=str(self._folder), next_step="restore it from a copy"
            )
        found = RawFile(sha256, path, path.stat().st_size, cast("Format", path.suffix[1:]))
        if verify and (got := _digest(path)) != sha256:
            message = f"its content has the digest {got[:12]}, so it was altered or damaged"
            raise DataError("HS218", message, place=str(path), next_step="restore it from a copy")
        return found

    def has(self, sha256: str) -> bool:
        """Whether a file with this digest is there; its content is not looked at."""
        return self._find(sha256) is not None

    def _find(self, sha256: str) -> Path | None:
        candidates = (self._path(sha256, form) for form in get_args(Format))
        return next((path for path in candidates if path.is_file()), None)

    def _path(self, sha256: str, form: str) -> Path:
        return self._folder / sha256[:2] / f"{sha256}.{form}"

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell a failure to write as one of ours."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            step = (
                "free some space, then run it again"
                if reason.startswith(("No space", "File too large", "Disk quota"))
                else "make it writable"
            )
            message = f"a raw file cannot be stored, and nothing of it was: {reason}"
            raise ProjectError("HS602", message, place=str(self._folder), next_step=step) from error

    @contextmanager
    def _new(self, form: Format) -> Iterator[_New]:
        """A file that is being written; it is gone afterwards unless it was kept."""
        with self._told():
            self._folder.mkdir(parents=True, exist_ok=True)
            _sweep(self._folder)
            new = _New.create(self._folder, form)
        try:
            try:
                yield new
            except OSError as error:
                if error is not new.failure:
                    raise
                with self._told():
                    raise
        finally:
            new.close()

    def _keep(self, new: _New) -> RawFile:
        sha256 = new.hash.hexdigest()
        path = self._path(sha256, new.format)
        with self._told():
            path.parent.mkdir(exist_ok=True)
            # A file altered on disk is written anew: whoever stores it again heals it.
            if not (path.is_file() and path.stat().st_size == new.bytes and _digest(path) == sha256):
                new.place(path)
        return RawFile(sha256, path, new.bytes, new.format)


class _New:
    """A file on its way into the zone: hashed as it is written, locked while its writer lives."""

    def __init__(self, path: Path, file: IO[bytes], form: Format) -> None:
        self.path, self.format = path, form
        self.hash = hashlib.sha256()
        self.bytes = 0
        self.failure: OSError | None = None
        self._file = file

    @classmethod
    def create(cls, folder: Path, form: Format) -> _New:
        while True:
            handle, name = tempfile.mkstemp(prefix=_NEW, dir=folder)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if Path(name).exists():  # else somebody swept it before it was locked
                return cls(Path(name), os.fdopen(handle, "wb"), form)
            os.close(handle)

    def write(self, chunk: bytes) -> int:
        try:
            self._file.write(chunk)
        except OSError as error:
            self.failure = error
            raise
        self.hash.update(chunk)
        self.bytes += len(chunk)
        return len(chunk)

    def flush(self) -> None:
        self._file.flush()

    def place(self, path: Path) -> None:
        """Give the file its name, so that a power cut at any moment leaves it whole or absent."""
        self._file.flush()
        os.fsync(self._file.fileno())
        os.fchmod(self._file.fileno(), 0o444)
        self.path.replace(path)
        for folder in (path.parent, path.parent.parent):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def close(self) -> None:
        with suppress(OSError):  # what could not be written is being thrown away
            self._file.close()
        self.path.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what writers left that were killed: nobody holds the lock on it."""
    for path in folder.glob(f"{_NEW}*"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
