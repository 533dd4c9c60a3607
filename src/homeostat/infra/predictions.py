"""The prediction log: every answer, in append-only JSON-lines segments, written in groups by one thread.

Segments are ``<utc date>-<pid>-<nanoseconds>.jsonl`` in one folder; each process locks and writes its own, anyone reads all. A record
is in the operating system's hands at most ``group_s`` after it was handed over (kill -9 loses no more than that, and ``lost`` counts it)
and on the disk when its segment is closed; of a strict log before it counts as kept. A line cut by a kill is counted and skipped by
readers.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from homeostat.errors import ProjectError
from homeostat.infra.segment import Segment, Tally

GROUP_S = 0.02
RETRY_S = 0.1


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """One served answer. ``inputs`` is the row as it was sent, fields that the model ignores included, but what privacy hides.

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
    inputs: dict[str, Any] | msgspec.Raw
    scores: list[float]
    prediction: float | str
    latency_ms: float
    lower: float | None = None
    upper: float | None = None


encode_lines = msgspec.json.Encoder().encode_lines
"""Records as the log keeps them: JSON, a line each."""


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
    """Takes records from any thread; one background thread writes them in groups.

    Nothing is dropped: when ``capacity_bytes`` wait to be written, ``hand_over`` says no, and ``append`` blocks and after ``wait_s``
    raises, so that the caller can refuse the request instead of answering without a trace. A failed write (a full disk) is undone and
    repeated.

    Args:
        folder: where segments go; made if it is not there.
        strict: each group is on the disk (fdatasync) before it counts as kept, and no group waits for more to come.
        group_s: how long a group waits for more to come, seconds; without ``strict`` a kill loses no more than that.
        capacity_bytes: how much may wait in memory.
        wait_s: how long ``append`` waits for room, and ``close`` for the disk.
        segment_bytes: a segment is closed when it is larger.

    Attributes:
        kept: the number, as ``hand_over`` gives it, of the last group that is in the file.
        wake: called by the writing thread after each group; None: nobody waits.

    Raises:
        ProjectError: HS602, the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        strict: bool = False,
        group_s: float = GROUP_S,
        capacity_bytes: int = 32 << 20,
        wait_s: float = 2.0,
        segment_bytes: int = 64 << 20,
    ) -> None:
        self.folder, self.strict, self.wait_s = folder, strict, wait_s
        self._group_s = 0.0 if strict else group_s
        self._capacity, self._segment_bytes = capacity_bytes, segment_bytes
        self._changed = threading.Condition()
        self._waiting: list[tuple[bytes, int]] = []
        self._waiting_bytes = 0
        self._handed = self.kept = 0
        self.wake: Callable[[], object] | None = None
        self._closing = threading.Event()
        self._failure = ""
        self._segment = Segment.open(folder)
        self._tally = Tally.open(self._segment.path)
        self._thread = threading.Thread(target=self._write_groups, name="prediction-log", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str:
        """Why nothing can be written at the moment; empty when all is well."""
        return self._failure

    @property
    def records(self) -> int:
        """How many records are in the file."""
        return self._tally.kept

    def hand_over(self, lines: bytes, records: int) -> int:
        """Hand over records as ``encode_lines`` writes them, without waiting; the group's number (from 1), or 0 when there is no room.

        Raises:
            ProjectError: HS602, the log is closed.
        """
        with self._changed:
            return self._take(lines, records)

    def append(self, records: Sequence[Prediction]) -> None:
        """Hand over records, waiting for room; they are in the file within ``group_s``, in order.

        Raises:
            ProjectError: HS602, the log is closed, or full because the disk cannot keep up or take more.
        """
        lines = encode_lines(records)
        with self._changed:
            if not self._changed.wait_for(lambda: self._take(lines, len(records)), self.wait_s):
                raise self.refusal("the log cannot be written fast enough")

    def flush(self) -> None:
        """Wait until all that was handed over so far is kept.

        Raises:
            ProjectError: HS602, it could not be written within ``wait_s``.
        """
        with self._changed:
            wanted = self._handed
            if not self._changed.wait_for(lambda: self.kept >= wanted, self.wait_s + self._group_s):
                raise self.refusal("records are still waiting to be written")

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
            raise self.refusal(f"{self._waiting_bytes} bytes of records could not be written")

    def __enter__(self) -> PredictionLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def refusal(self, what: str) -> ProjectError:
        """The error that says ``what``, and why nothing can be written where that is known."""
        because = f": {self._failure}" if self._failure else ""
        return ProjectError("HS602", f"{what}{because}", place=str(self.folder), next_step="make room on the disk or mend its permissions")

    def _take(self, lines: bytes, records: int) -> int:
        """``hand_over`` for who holds the lock."""
        if self._closing.is_set():
            raise self.refusal("the log is closed")
        if self._waiting_bytes and self._waiting_bytes + len(lines) > self._capacity:
            return 0
        self._waiting.append((lines, records))
        self._waiting_bytes += len(lines)
        self._handed += 1
        self._tally.handed(records)
        self._changed.notify_all()
        return self._handed

    def _write_groups(self) -> None:
        """The thread: a group stays among the waiting until it is in the file, so a failure forgets nothing."""
        give_up = float("inf")
        while True:
            group = self._next_group()
            if self._closing.is_set():
                give_up = min(give_up, time.monotonic() + self.wait_s)
            if not self._try_write(b"".join([lines for lines, _ in group])):
                if time.monotonic() < give_up:
                    time.sleep(RETRY_S)
                    continue
                break
            self._tally.written(sum(records for _, records in group))
            with self._changed:
                del self._waiting[: len(group)]
                self._waiting_bytes -= sum(len(lines) for lines, _ in group)
                self.kept += len(group)
                self._changed.notify_all()
                last = self._closing.is_set() and not self._waiting
            if self.wake is not None:
                self.wake()
            if last:
                break
        self._failure = self._segment.close() or self._failure
        self._tally.close()

    def _next_group(self) -> list[tuple[bytes, int]]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
        if self._group_s:
            self._closing.wait(self._group_s)  # let a group come together; closing does not wait for more
        with self._changed:
            return list(self._waiting)

    def _try_write(self, group: bytes) -> bool:
        try:
            if not self._segment.open_for(self._segment_bytes):
                full, self._segment = self._segment, Segment.open(self.folder)
                self._failure = full.close()
            self._segment.write(group, sync=self.strict)
        except OSError as error:
            self._failure = error.strerror or str(error)
        except ProjectError as error:
            self._failure = error.message
        else:
            self._failure = ""
            return True
        return False
