"""One holder at a time: a lock on a file that the operating system releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from homeostat.errors import ProjectError


class Lease:
    """Held between entering and leaving; the file tells the holder's process id. The file stays, the lock does not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def __enter__(self) -> Self:
        """Take the lease at once or not at all.

        Raises:
            ProjectError: HS603, another process (or another lease in this one) holds it; HS602, the file cannot be written.
        """
        handle = self._open()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
            os.close(handle)
            raise self._held(holder) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)  # closing is what releases the lock
            self._handle = None

    def _open(self) -> int:
        try:
            # Python opens files closed to child programs, so a child that outlives its holder does not keep the lock.
            return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ProjectError("HS602", f"cannot write the file: {reason}", place=str(self._path), next_step="make it writable") from error

    def _held(self, holder: str) -> ProjectError:
        who = f"process {holder}" if holder else "another process, which has just started,"
        stop = f"stop it (`kill {holder}`)" if holder else "stop it"
        return ProjectError("HS603", f"{who} holds it", place=str(self._path), next_step=f"use that one, or {stop} and start again")
