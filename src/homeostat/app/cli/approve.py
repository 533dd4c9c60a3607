"""``homeostat approve``: a person's yes, where the charter asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, lifecycle_command

if TYPE_CHECKING:
    from pathlib import Path


@click.argument("version", type=int)
@click.option("--as", "approver", required=True, help="Your name as the charter lists it among the approvers (recorded as claimed).")
def _approve(project: Path, version: int, approver: str) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.validate import approve

    with open_project(project) as opened:
        approval = approve(opened, version, approver)
        lines = [f"version {version} is approved by {approver} ({approval.id}); next: homeostat promote {version}"]
    return Answer({"approval": approval.id, "version": version, "approver": approver}, lines)


command = lifecycle_command("approve", "Approve a version that waits for a person.")(_approve)
