"""The folder beside an output in which its finished parts wait for the others: each appears whole or not at all, and outlives a kill.

A file ``state.json`` says what the parts are of. Work on the same goes on where it was; work on anything else starts anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from homeostat.errors import HomeostatError, ProjectError

_STATE, _LOCK = "state.json", "lock"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part: its file, and how many of its rows have no answer."""

    path: Path
    bad: int


@dataclass(frozen=True, slots=True)
class Parts:
    """An opened folder of parts.

    Attributes:
        folder: where they lie.
        suffix: of their files.
        changed: the names of what is another than when the folder was left; its parts were thrown away. Empty: nothing was, or none there.
        state: what the folder keeps beside the parts, as it was when its first part was begun.
    """

    folder: Path
    suffix: str
    changed: tuple[str, ...]
    state: Mapping[str, Any]

    def done(self) -> dict[int, Part]:
        """The finished parts, by number."""
        found = {}
        for path in self.folder.glob(f"part-*{self.suffix}"):
            number, bad = path.name.removesuffix(self.suffix).split("-")[1:]
            found[int(number)] = Part(path, int(bad))
        return found

    def close(self) -> None:
        """Throw the folder away: all of it is in the output."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def opened(folder: Path, suffix: str, identity: Mapping[str, Any], fresh: Mapping[str, Any]) -> Iterator[Parts]:
    """Open the folder of parts, which is made at its first use; nobody else has it open then. After an error it stays only if it has parts.

    Args:
        folder: beside the output.
        suffix: of the files of parts.
        identity: what the parts are of, by name, as JSON has it; parts of anything else are thrown away.
        fresh: what the folder is to keep if its work begins now.

    Raises:
        ProjectError: HS422, another process has it open; HS602, it cannot be written.
    """
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        step = "wait for it, or give another output"
        raise ProjectError("HS422", "another process is writing this output", place=str(folder), next_step=step) from error
    try:
        with told(folder):
            kept = _kept(folder)
            before = {} if kept is None else kept.get("identity", {})
            changed = tuple(sorted(name for name in {*before, *identity} if before.get(name) != identity.get(name)))
            if kept is None or changed:
                _empty(folder)
                kept = {"identity": dict(identity), **fresh}
                put_file(folder / _STATE, lambda file: file.write(json.dumps(kept).encode()))
        yield Parts(folder, suffix, changed if before else (), kept)
    except HomeostatError:
        if not Parts(folder, suffix, (), {}).done():
            shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        os.close(handle)  # closing is what releases the lock


def put_part(folder: Path, suffix: str, number: int, bad: int, write: Callable[[IO[bytes]], object]) -> None:
    """Write a part and make it one of the finished; a part that was finished before is written over."""
    with told(folder):
        put_file(folder / f"part-{number:06d}-{bad}{suffix}", write)


def put_file(path: Path, write: Callable[[IO[bytes]], _T]) -> _T:
    """Write a file so that a kill or a power cut at any moment leaves it whole or as it was before."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            found = write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync(path.parent)
    return found


def sync(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def told(place: Path) -> Iterator[None]:
    """Tell a failure to write as one of ours.

    Raises:
        ProjectError: HS602.
    """
    try:
        yield
    except OSError as error:
        step = "make room, or the folder writable, and run the same command again: it goes on where it was"
        raise ProjectError("HS602", f"cannot be written: {error.strerror or error}", place=str(place), next_step=step) from error


def _kept(folder: Path) -> dict[str, Any] | None:
    with suppress(FileNotFoundError, ValueError):
        found: dict[str, Any] = json.loads((folder / _STATE).read_bytes())
        return found
    return None


def _empty(folder: Path) -> None:
    """Remove all but the lock, what says what the parts are of first: a kill in between leaves parts of nothing, which go next time."""
    (folder / _STATE).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()
