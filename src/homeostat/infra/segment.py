"""One segment file of an append-only log: locked by its process, whole up to a known size; and the tally of what a kill took."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from homeostat.errors import ProjectError


@dataclass(slots=True)
class Segment:
    """An open segment file; ``size`` is how much of it is known to be whole."""

    path: Path
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
                    return cls(path, day, descriptor)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ProjectError(
                "HS602", f"the prediction log cannot be written: {reason}", place=str(folder), next_step="make the folder writable"
            ) from error

    def open_for(self, limit: int) -> bool:
        """False when the day is over, the segment is large enough, or somebody deleted it: what is written then is lost at the close."""
        there = os.fstat(self.descriptor).st_nlink > 0
        return there and self.size < limit and self.day == datetime.now(UTC).date().isoformat()

    def write(self, group: bytes, *, sync: bool = False) -> None:
        """Append the whole group, with ``sync`` onto the disk; whatever an earlier failure left half written is cut off first."""
        if os.lseek(self.descriptor, 0, os.SEEK_END) != self.size:
            os.ftruncate(self.descriptor, self.size)
            os.lseek(self.descriptor, self.size, os.SEEK_SET)
        left = memoryview(group)
        while left:
            left = left[os.write(self.descriptor, left) :]
        if sync:
            os.fdatasync(self.descriptor)
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


_TALLY = ".tally"


@dataclass(slots=True)
class Tally:
    """How many records a process was handed and how many it wrote, in a file that outlives a kill; gone when none is missing.

    The numbers stand in a mapped page: the operating system keeps it when the process dies, and counting costs no call.
    """

    path: Path
    page: mmap.mmap
    taken: int = 0
    kept: int = 0

    @classmethod
    def open(cls, segment: Path) -> Tally:
        """The tally of the process whose first segment this is.

        Raises:
            ProjectError: HS602, the folder cannot be written.
        """
        path = segment.with_suffix(_TALLY)
        try:
            path.write_bytes(bytes(16))
            with path.open("r+b") as file:
                return cls(path, mmap.mmap(file.fileno(), 16))
        except OSError as error:
            raise ProjectError("HS602", f"the prediction log cannot be written: {error.strerror or error}", place=str(path)) from error

    def handed(self, records: int) -> None:
        """Count records that were handed over."""
        self.taken += records
        struct.pack_into("<q", self.page, 0, self.taken)

    def written(self, records: int) -> None:
        """Count records that are in the file."""
        self.kept += records
        struct.pack_into("<q", self.page, 8, self.kept)

    def close(self) -> None:
        """Forget the tally of a process that wrote all it was handed."""
        self.page.close()
        if self.taken == self.kept:
            self.path.unlink(missing_ok=True)


def lost(folder: Path) -> int:
    """Records that processes took and did not write: what their deaths cost, and what those that run have not written yet."""
    return sum(taken - kept for taken, kept in _tallies(folder, 0))


def left_behind(folder: Path, since_ns: int) -> int:
    """Records that processes wrote which began at that moment or later, in nanoseconds since 1970, and died or still run."""
    return sum(kept for _, kept in _tallies(folder, since_ns))


def _tallies(folder: Path, since_ns: int) -> Iterator[tuple[int, int]]:
    for path in folder.glob(f"*{_TALLY}"):
        page = path.read_bytes()
        if len(page) == 16 and int(path.stem.rpartition("-")[2], 16) >= since_ns:
            yield struct.unpack("<qq", page)
