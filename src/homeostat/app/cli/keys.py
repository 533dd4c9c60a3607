"""``homeostat keys``: the key pairs that sign versions and promotions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.app.cli.output import Answer, command_group, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path

    from homeostat.flow.signing import Key


def _list(project: Path) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.signing import keys

    with open_project(project) as opened:
        told = [_told(key) for key in reversed(keys(opened))]
    if not told:
        return Answer({"keys": []}, ["no key yet: the first is made when a version is registered"])
    head = ("key", "valid from", "until", "private half")
    rows = [[each["key"], each["valid_from"][:19], each["valid_until"][:19], each["private"] or "not here"] for each in told]
    return Answer({"keys": told}, table(rows, head))


def _told(key: Key) -> dict[str, Any]:
    path = key.private_path
    ended = key.replaced.at if key.replaced else key.valid_until
    return {
        "key": key.public.id,
        "public": key.public.raw.hex(),
        "valid_from": key.valid_from.isoformat(),
        "valid_until": min(ended, key.valid_until).isoformat(),
        "replaced": key.replaced is not None,
        "private": str(path) if path.exists() else "",
    }


def _rotate(project: Path) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.signing import rotate

    with open_project(project) as opened:
        told = _told(rotate(opened))
    lines = [
        f"key {told['key']} signs from now on; its private half is {told['private']}: keep a copy, it is nowhere else",
        "what earlier keys signed stays valid; they sign no more",
    ]
    return Answer(told, lines)


command = command_group(
    "keys",
    "The key pairs that sign versions and promotions: list, replace.",
    lifecycle_command("list", "List the project's public keys with their dates, newest first.")(_list),
    lifecycle_command("rotate", "Make a new key pair; the one before signs no more.")(_rotate),
)
