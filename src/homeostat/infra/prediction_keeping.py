"""What keeps the prediction log small: closed segments become Parquet partitions, old rows go. One process at a time does it.

A segment becomes partitions in this order: its partitions are written, each whole or not at all and synced, then the lines a kill had cut
are told, then the segment is deleted. The deletion is what makes the partitions count, so a kill at any moment leaves every record
readable exactly once, and the next run makes the same files again.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from homeostat.errors import ProjectError
from homeostat.infra.prediction_columns import Record, moment_at, to_columns
from homeostat.infra.prediction_files import Part, chunks, day_of, part_path, parts, segments, torn_path
from homeostat.infra.prediction_records import read_part

if TYPE_CHECKING:
    import polars as pl

_NEW = ".new-"
Stays = Callable[["pl.DataFrame"], "pl.Series"]
Change = Callable[["pl.DataFrame", "pl.Series"], "pl.DataFrame"]


@dataclass(slots=True)
class Compacted:
    """What became of the segments: how many are partitions now, with how many records and torn lines; how many are being written."""

    segments: int = 0
    records: int = 0
    torn: int = 0
    live: int = 0


@dataclass(frozen=True, slots=True)
class Removed:
    """Rows of a day that are to go, of how many."""

    rows: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)


def compact(folder: Path) -> Compacted:
    """Make partitions of all segments that no process writes any more.

    Raises:
        ProjectError: HS602, the folder cannot be written.
    """
    done = Compacted()
    if not folder.is_dir():
        return done
    with _alone(folder):
        stale: dict[str, list[Path]] = defaultdict(list)
        for part in parts(folder):
            stale[part.segment].append(part.path)
        for path in segments(folder):
            with _closed(path) as closed:
                if not closed:
                    done.live += 1
                    continue
                for old in stale[path.stem]:  # of an attempt that did not get to its end
                    old.unlink()
                _to_partitions(folder, path, done)
    return done


def prune(folder: Path, before: date, stays: Stays) -> None:
    """Remove the rows of all days before one, but those for which ``stays`` is true; run again it finds nothing more to do.

    Rows in segments stay until they are in partitions.

    Args:
        folder: the log's.
        before: the first day that is kept whole.
        stays: booleans (n,) for the rows of a partition as ``prediction_columns.to_columns`` has them.

    Raises:
        ProjectError: HS602, the folder cannot be written; HS440, a partition is damaged.
    """
    if not folder.is_dir():
        return
    with _alone(folder):
        for part in expired(folder, before):
            frame = read_part(part)
            kept = frame.filter(stays(frame))
            if kept.height == 0:
                part.path.unlink()
                _remove_empty(part.path.parent)
            elif kept.height < frame.height:
                _write(kept, part.path)
        for path in (folder / "torn").glob("????-??-??-*.json"):
            if date.fromisoformat(path.name[:10]) < before:
                path.unlink()


def expired(folder: Path, before: date) -> list[Part]:
    """The partitions of days before one that count: those whose segment is still there belong to no reader yet."""
    there = {path.stem for path in segments(folder)}
    return [part for part in parts(folder) if part.day < before and part.segment not in there]


def to_remove(folder: Path, before: date, stays: Stays) -> Removed:
    """What ``prune`` with the same arguments would do, by day."""
    found = Removed()
    for part in expired(folder, before):
        frame = read_part(part)
        kept = int(stays(frame).sum())
        found.rows[part.day.isoformat()] += frame.height - kept
        found.kept[part.day.isoformat()] += kept
    return found


def counted(folder: Path, those: Stays) -> Counter[str]:
    """How many rows of the partitions are among those, by day."""
    found: Counter[str] = Counter()
    for part in expired(folder, date.max):
        rows = int(those(read_part(part)).sum())
        if rows:
            found[part.day.isoformat()] += rows
    return found


def rewrite(folder: Path, those: Stays, change: Change) -> None:
    """Change some rows of the partitions; each partition is as it was or changed, whatever happens.

    Args:
        folder: the log's.
        those: which rows, as ``prune`` asks it.
        change: a partition and which of its rows (n,) to the partition that takes its place.

    Raises:
        ProjectError: HS602, the folder cannot be written; HS440, a partition is damaged.
    """
    if not folder.is_dir():
        return
    with _alone(folder):
        for part in expired(folder, date.max):
            frame = read_part(part)
            rows = those(frame)
            if rows.any():
                _write(change(frame, rows), part.path)


def _to_partitions(folder: Path, path: Path, done: Compacted) -> None:
    torn: list[int] = []
    for number, chunk in enumerate(chunks(path)):
        torn += chunk.torn
        groups: dict[tuple[date, object], list[Record]] = defaultdict(list)
        for record in chunk.records:
            groups[day_of(moment_at(record["at"])), _version(record)].append(record)
        for (day, version), records in groups.items():
            _write(to_columns(records), part_path(folder, day, version, path.stem, number))
        done.records += len(chunk.records)
    if torn:
        _write_whole(torn_path(folder, path.stem), lambda new: new.write_bytes(msgspec.json.encode(torn)))
    done.torn += len(torn)
    path.unlink()
    _sync(folder)
    done.segments += 1


def _version(record: Record) -> object:
    version = record.get("version")
    return version if type(version) is int and abs(version) < 10**9 else "none"


def _write(frame: pl.DataFrame, path: Path) -> None:
    _write_whole(path, lambda new: frame.write_parquet(new, compression="zstd"))


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Make or replace a file so that a crash at any moment leaves it as it was or whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{_NEW}{path.name}")
    write(new)
    _sync(new)
    new.replace(path)
    for above in (path.parent, path.parent.parent, path.parent.parent.parent):
        _sync(above)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_empty(folder: Path) -> None:
    """A version's folder, and its day's, when nothing is left in them."""
    with suppress(OSError):  # something is
        folder.rmdir()
        folder.parent.rmdir()


@contextmanager
def _closed(path: Path) -> Iterator[bool]:
    """Whether no process writes the segment, and none will while this is open: its writer holds the lock until it closes it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is at this work here; clear away what one that was killed left half written."""
    try:
        handle = os.open(folder / "keeping.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            for left in (*folder.glob(f"*/{_NEW}*"), *folder.glob(f"*/*/{_NEW}*")):
                left.unlink()
            yield
        finally:
            os.close(handle)  # closing is what releases the lock
    except OSError as error:
        reason = error.strerror or str(error)
        raise ProjectError(
            "HS602",
            f"the prediction log cannot be tidied: {reason}",
            place=str(folder),
            next_step="make room on the disk or mend its permissions",
        ) from error
