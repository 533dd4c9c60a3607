"""``homeostat token``: who may ask the prediction server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, command_group, lifecycle_command, table
from homeostat.core.tokens import SCOPES

if TYPE_CHECKING:
    from pathlib import Path

    from homeostat.core.tokens import Scope, Token


@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    default=("predict",),
    show_default="predict",
    help="What it may ask for; may be given again.",
)
@click.option("--valid", default=None, help="How long, such as 90d; by default until it is revoked.")
def _add(project: Path, name: str, scopes: tuple[Scope, ...], valid: str | None) -> Answer:
    from homeostat.core.durations import parse_duration
    from homeostat.flow.project import open_project
    from homeostat.flow.tokens import issue

    try:
        span = parse_duration(valid) if valid else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--valid") from error
    with open_project(project) as opened:
        text, token = issue(opened, name, tuple(dict.fromkeys(scopes)), span)
    lines = [
        text,
        f"this is the only time it is shown; {name} may ask for {', '.join(token.scopes)} {_until(token)}",
        f'use: curl -H "authorization: Bearer {text}" ...; from now on the server answers nobody without a token',
    ]
    return Answer({**_told(token), "token": text}, lines)


def _list(project: Path) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.tokens import known

    with open_project(project) as opened:
        tokens = known(opened)
    if tokens is None:
        return Answer({"tokens": []}, ["no token yet: the server answers whoever reaches it, and listens on this machine only"])
    rows = [[token.name, ", ".join(token.scopes), _until(token), token.digest[:12]] for token in tokens]
    return Answer({"tokens": [_told(token) for token in tokens]}, table(rows, ("token", "may ask for", "valid", "digest")))


@click.argument("name")
def _revoke(project: Path, name: str) -> Answer:
    from homeostat.flow.project import open_project
    from homeostat.flow.tokens import revoke

    with open_project(project) as opened:
        fact = revoke(opened, name)
    return Answer({"revoked": name, "fact": fact.id}, [f"{name} is revoked ({fact.id}); running servers refuse it within a second"])


def _told(token: Token) -> dict[str, Any]:
    until = token.until.isoformat() if token.until else None
    return {"name": token.name, "scopes": list(token.scopes), "until": until, "digest": token.digest}


def _until(token: Token) -> str:
    return f"until {token.until:%Y-%m-%d %H:%M} UTC" if token.until else "until it is revoked"


command = command_group(
    "token",
    "Who may ask the prediction server: add, list, revoke.",
    lifecycle_command("add", "Make a token and show it once.")(_add),
    lifecycle_command("list", "List the tokens that were not revoked, oldest first.")(_list),
    lifecycle_command("revoke", "End a token.")(_revoke),
)
