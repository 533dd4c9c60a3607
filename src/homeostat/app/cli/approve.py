"""``homeostat approve``: a person's yes or no, where the charter asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from homeostat.app.cli.output import Answer, lifecycle_command

if TYPE_CHECKING:
    from pathlib import Path


@click.argument("version", type=int)
@click.option("--as", "approver", required=True, help="Your name as the charter lists it among the stakeholders (recorded as claimed).")
@click.option("--role", default="", help="The role you answer in; needed if you have several.")
@click.option("--tick", "ticked", multiple=True, help="An item of the role's checklist, in its own words; may be given again.")
@click.option("--reject", is_flag=True, help="Say no: the version cannot be promoted until you approve it.")
@click.option("--because", default="", help="With --reject: why.")
def _approve(project: Path, version: int, *, approver: str, role: str, ticked: tuple[str, ...], reject: bool, because: str) -> Answer:  # noqa: PLR0913 - one per option
    from homeostat.flow.approvals import approve, refuse
    from homeostat.flow.project import open_project

    if because and not reject:
        raise click.UsageError("--because goes with --reject")
    if ticked and reject:
        raise click.UsageError("--tick does not go with --reject")
    with open_project(project) as opened:
        if reject:
            answer = refuse(opened, version, approver, because, role=role)
        else:
            answer = approve(opened, version, approver, role=role, ticked=ticked)
    body = answer.body
    said, after = ("refused", "it blocks the promotion") if reject else ("approved", f"next: homeostat promote {version}")
    lines = [f"version {version} is {said} by {approver} as {body['role']} ({answer.id}; the name is claimed, not proved); {after}"]
    data = {name: body[name] for name in ("approver", "role", "approved", "ticked", "because")}
    return Answer({"approval": answer.id, "version": version, **data}, lines)


command = lifecycle_command("approve", "Approve a version that waits for a person, or refuse it.")(_approve)
