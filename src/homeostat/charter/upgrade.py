"""Charters of older format versions, brought to the current one: a chain of pure steps keyed by the version they start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from homeostat.errors import CharterError

Step = Callable[[dict[str, Any]], dict[str, Any]]

STEPS: Mapping[int, Step] = {}  # version 1 is the first one; a step from version n stands under n and returns version n + 1


def upgrade(raw: dict[str, Any], steps: Mapping[int, Step] = STEPS) -> dict[str, Any]:
    """The same charter in the newest version that ``steps`` lead to; the argument is not changed.

    A missing version means 1. A version that is no whole number, or below 1, is left for the schema to refuse.

    Args:
        raw: the file's content as plain values.
        steps: step from each older version to the next.

    Raises:
        CharterError: HS107, the charter is newer than this program.
    """
    newest = max(steps, default=0) + 1
    version = raw.get("version", 1)
    if isinstance(version, bool) or not isinstance(version, int):
        return raw
    if version > newest:
        raise CharterError(
            "HS107",
            f"got version {version}; this program reads versions up to {newest}",
            place="version",
            next_step="install a newer homeostat",
        )
    while version in steps:
        raw = {**steps[version](dict(raw)), "version": version + 1}
        version += 1
    return raw
