"""The prediction log: every answer, in append-only JSON-lines segments, written in groups by one thread.

Segments are ``<utc date>-<pid>-<nanoseconds>.jsonl`` in one folder; each process locks and writes its own, anyone reads all. A record
is in the operating system's hands at most ``GROUP_S`` after it was appended (kill -9 loses no more than that) and on the disk when
its segment is closed. A line cut by a kill is counted and skipped by readers.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from homeostat.errors import ProjectError
from homeostat.infra.segment import Segment

GROUP_S = 0.02
RETRY_S = 0.1


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """One served answer. ``inputs`` are all fields of the row as they were sent, those the model ignores included, but what privacy hides.

    ``row`` is the row's place in its request, ``at`` ISO 8601 UTC, ``scores`` the model's (value, or one per class). ``lower`` and
    ``upper`` are the ends of its interval, kept only of a model that has intervals.
    """

    id: str
    request: str
    row: int
    at: str
    model: str
    version: int
    arm: str
    inputs: dict[str, Any]
    scores: list[float]
    prediction: float | str
    latency_ms: float
    lower: float | None = None
    upper: float | None = None


class Ids:
    """Time-sortable ids of this process: 16 hex digits of nanoseconds (never the same twice), 4 random ones per process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._process = os.urandom(2).hex()

    def take(self, count: int) -> list[str]:
        """That many new ids without their prefix, in rising order."""
        with self._lock:
            first = max(self._last + 1, time.time_ns())
            self._last = first + count - 1
        return [f"{at:016x}-{self._process}" for at in range(first, first + count)]


def utc_text(moment: datetime) -> str:
    """The instant as ISO 8601 in UTC, always with microseconds: all records have one form."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class PredictionLog:
    """Appends records from any thread; one background thread writes them in groups.

    Nothing is dropped: when ``capacity_bytes`` wait to be written, ``append`` blocks, and after ``wait_s`` raises, so that the
    caller can refuse the request instead of answering without a trace. A failed write (a full disk) is undone and repeated.

    Args:
        folder: where segments go; made if it is not there.
        capacity_bytes: how much may wait in memory.
        wait_s: how long ``append`` waits for room, and ``close`` for the disk.
        segment_bytes: a segment is closed when it is larger.

    Raises:
        ProjectError: HS602, the folder cannot be written.
    """

    def __init__(self, folder: Path, *, capacity_bytes: int = 32 << 20, wait_s: float = 2.0, segment_bytes: int = 64 << 20) -> None:
        self.folder = folder
        self._capacity, self._wait_s, self._segment_bytes = capacity_bytes, wait_s, segment_bytes
        self._changed = threading.Condition()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._appended = self._written = 0  # groups of records, to know what `flush` waits for
        self._closing = threading.Event()
        self._failure = ""
        self._segment = Segment.open(folder)
        self._thread = threading.Thread(target=self._write_groups, name="prediction-log", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str:
        """Why nothing can be written at the moment; empty when all is well."""
        return self._failure

    @property
    def crowded(self) -> bool:
        """True when so much waits that ``append`` may block soon."""
        return self._waiting_bytes > self._capacity // 2

    def append(self, records: Sequence[Prediction]) -> None:
        """Hand over records; they are in the file within ``GROUP_S``, in order.

        Raises:
            ProjectError: HS602, the log is closed, or full because the disk cannot keep up or take more.
        """
        lines = b"".join([msgspec.json.encode(record) + b"\n" for record in records])
        with self._changed:
            room = self._waiting_bytes == 0 or self._waiting_bytes + len(lines) <= self._capacity
            if not room:
                room = self._changed.wait_for(
                    lambda: self._closing.is_set() or self._waiting_bytes == 0 or self._waiting_bytes + len(lines) <= self._capacity,
                    self._wait_s,
                )
            if self._closing.is_set() or not room:
                raise self._refusal("the log is closed" if self._closing.is_set() else "the log cannot be written fast enough")
            self._waiting.append(lines)
            self._waiting_bytes += len(lines)
            self._appended += 1
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all that was appended so far is in the file.

        Raises:
            ProjectError: HS602, it could not be written within ``wait_s``.
        """
        with self._changed:
            wanted = self._appended
            if not self._changed.wait_for(lambda: self._written >= wanted, self._wait_s + GROUP_S):
                raise self._refusal("records are still waiting to be written")

    def close(self) -> None:
        """Write what waits, sync it to the disk and stop. A second call changes nothing.

        Raises:
            ProjectError: HS602, the disk did not take all of it within ``wait_s``; the message says how much is lost.
        """
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        self._thread.join()
        if self._waiting_bytes or self._failure:
            raise self._refusal(f"{self._waiting_bytes} bytes of records could not be written")

    def __enter__(self) -> PredictionLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _refusal(self, what: str) -> ProjectError:
        because = f": {self._failure}" if self._failure else ""
        return ProjectError("HS602", f"{what}{because}", place=str(self.folder), next_step="make room on the disk or mend its permissions")

    def _write_groups(self) -> None:
        """The thread: a group stays among the waiting until it is in the file, so a failure forgets nothing."""
        give_up = float("inf")
        while True:
            group = self._next_group()
            if self._closing.is_set():
                give_up = min(give_up, time.monotonic() + self._wait_s)
            if not self._try_write(b"".join(group)):
                if time.monotonic() < give_up:
                    time.sleep(RETRY_S)
                    continue
                break
            with self._changed:
                del self._waiting[: len(group)]
                self._waiting_bytes -= sum(map(len, group))
                self._written += len(group)
                self._changed.notify_all()
                if self._closing.is_set() and not self._waiting:
                    break
        self._failure = self._segment.close() or self._failure

    def _next_group(self) -> list[bytes]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
        self._closing.wait(GROUP_S)  # let a group come together; closing does not wait for more
        with self._changed:
            return list(self._waiting)

    def _try_write(self, group: bytes) -> bool:
        try:
            if not self._segment.open_for(self._segment_bytes):
                full, self._segment = self._segment, Segment.open(self.folder)
                self._failure = full.close()
            self._segment.write(group)
        except OSError as error:
            self._failure = error.strerror or str(error)
        except ProjectError as error:
            self._failure = error.message
        else:
            self._failure = ""
            return True
        return False
