"""``homeostat reproduce``: a version trained again from its record, and whether the same graph comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, lifecycle_command

if TYPE_CHECKING:
    from pathlib import Path


@click.argument("version", type=int)
def _reproduce(project: Path, version: int) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.registry import version_numbered
    from homeostat.flow.reproduce import reproduce

    with open_project(project) as opened:
        fact = reproduce(opened, version_numbered(opened, version))
    body = fact.body
    changed = [f"changed since: {name} {before} -> {after}" for name, (before, after) in body["changed"].items()]
    lines = {
        "equal": [f"version {version} is proved: trained again it gave the same graph, sha256 {body['made']}"],
        "alike": [
            f"version {version} gave a graph of other bytes; its scores differ by {body['difference']:.2g} at most, allowed: "
            f"{body['tolerance']:g}",
            *changed,
        ],
        "different": [
            f"version {version} was not reproduced: scores differ by {body['difference']:.3g}, allowed: {body['tolerance']:g}",
            *changed,
        ],
    }[body["outcome"]]
    answer = {"reproduction": fact.id, "version": version, **body}
    return Answer(answer, [*lines, f"recorded as {fact.id}"], exit_code=3 if body["outcome"] == "different" else 0)


command = lifecycle_command("reproduce", "Train a version again from its record, and say whether the same graph comes out.")(_reproduce)
