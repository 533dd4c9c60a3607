"""One segment file of an append-only log: locked by the process that writes it, whole up to a known size."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from homeostat.errors import ProjectError


@dataclass(slots=True)
class Segment:
    """An open segment file; ``size`` is how much of it is known to be whole."""

    day: str
    descriptor: int
    size: int = 0

    @classmethod
    def open(cls, folder: Path) -> Segment:
        """A new segment of today, locked as long as it is open. Its name is never used again: partitions are named after it."""
        day = datetime.now(UTC).date().isoformat()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            while True:
                with suppress(FileExistsError):
                    path = folder / f"{day}-{os.getpid()}-{time.time_ns():x}.jsonl"
                    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
                    fcntl.flock(descriptor, fcntl.LOCK_EX)  # waits only while somebody finds out that the file is empty
                    return cls(day, descriptor)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ProjectError(
                "HS602", f"the prediction log cannot be written: {reason}", place=str(folder), next_step="make the folder writable"
            ) from error

    def open_for(self, limit: int) -> bool:
        """False when the day is over, the segment is large enough, or somebody deleted it: what is written then is lost at the close."""
        there = os.fstat(self.descriptor).st_nlink > 0
        return there and self.size < limit and self.day == datetime.now(UTC).date().isoformat()

    def write(self, group: bytes) -> None:
        """Append the whole group; whatever an earlier failure left half written is cut off first."""
        if os.lseek(self.descriptor, 0, os.SEEK_END) != self.size:
            os.ftruncate(self.descriptor, self.size)
            os.lseek(self.descriptor, self.size, os.SEEK_SET)
        left = memoryview(group)
        while left:
            left = left[os.write(self.descriptor, left) :]
        self.size += len(group)

    def close(self) -> str:
        """Sync and close; returns why the disk would not take it, empty when it did."""
        try:
            os.fsync(self.descriptor)
        except OSError as error:
            return error.strerror or str(error)
        finally:
            os.close(self.descriptor)
        return ""
