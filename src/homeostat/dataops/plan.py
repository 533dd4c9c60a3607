"""Which source files to take in: each content once, a corrected file in place of its old version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from homeostat.core.records import SourceFile


@dataclass(frozen=True, slots=True)
class ExtractionPlan:
    """What to do with the files that lie there. Rows of ``corrected`` files replace those taken in from the same path."""

    new: tuple[SourceFile, ...]
    corrected: tuple[SourceFile, ...]
    skipped: tuple[SourceFile, ...]

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """The files to read, by path."""
        return tuple(sorted(self.new + self.corrected, key=lambda file: file.path))


def plan_extraction(files: Iterable[SourceFile], known: Iterable[SourceFile]) -> ExtractionPlan:
    """Compare the files that lie there with those taken in before.

    A file is skipped when its content is in the table now: under its own path, or (a copy, or renamed) under another that keeps it.
    A known path with new content is corrected; so is one that goes back to an older content. A file that is gone changes nothing.

    Args:
        files: what lies there; ``rows`` is not looked at.
        known: what was taken in, oldest first; of several with one path the last counts.
    """
    current = {file.path: file.sha256 for file in known}
    there = sorted(files, key=lambda file: file.path)
    listed = {file.path: file.sha256 for file in there}
    kept = {sha256 for path, sha256 in current.items() if listed.get(path, sha256) == sha256}
    new: list[SourceFile] = []
    corrected: list[SourceFile] = []
    skipped: list[SourceFile] = []
    for file in there:
        if file.path in current and current[file.path] != file.sha256:
            # Always taken in, even if another path has the same content: the old rows of this path must go.
            corrected.append(file)
        elif file.sha256 in kept:
            skipped.append(file)
            continue
        else:
            new.append(file)
        kept.add(file.sha256)
    return ExtractionPlan(tuple(new), tuple(corrected), tuple(skipped))
