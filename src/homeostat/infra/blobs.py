"""Content-addressed files in a folder: a blob's name is the SHA-256 of its bytes.

Layout: ``<root>/<first two hex characters>/<next two>/<digest>``. A blob appears whole or not at all.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from homeostat.core.ids import digest
from homeostat.errors import BundleError, ProjectError


class FileBlobs:
    """``core.ports.Blobs`` over a folder, which is made at the first ``put``. Threads and processes may share it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, content: bytes) -> str:
        """Store and return the digest; storing the same bytes again changes nothing.

        Raises:
            ProjectError: HS602, the folder cannot be written.
        """
        name = digest(content)
        path = self._path(name)
        # A blob altered on disk is written anew: whoever stores it again heals it.
        if not (path.exists() and path.stat().st_size == len(content) and digest(path.read_bytes()) == name):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, content)
            except OSError as error:
                reason = error.strerror or str(error)
                raise ProjectError(
                    "HS602", f"cannot store a file here: {reason}", place=str(self._root), next_step="make the folder writable"
                ) from error
        return name

    def get(self, digest: str) -> bytes:
        """The bytes, checked against their digest.

        Raises:
            BundleError: HS401, missing or altered.
        """
        return _checked(self._path(digest), digest)

    def _path(self, name: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{64}", name):
            raise BundleError("HS401", f"got {name!r}, which names no stored file; a name is 64 hex characters", place=str(self._root))
        return self._root / name[:2] / name[2:4] / name


def _checked(path: Path, name: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise BundleError(
            "HS401", f"cannot be read: {reason}", place=str(path), next_step="restore it from a copy, or make it again"
        ) from error
    found = digest(content)
    if found != name:
        raise BundleError(
            "HS401",
            f"its content has the digest {found}, so it was altered or damaged",
            place=str(path),
            next_step="restore it from a copy",
        )
    return content


def _write(path: Path, content: bytes) -> None:
    """Write the file so that a crash at any moment leaves it whole or absent."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name survives a power cut too
    finally:
        os.close(folder)
