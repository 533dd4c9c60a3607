"""Who may ask the prediction server: tokens with scopes, of which the ledger keeps digests only."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from homeostat.core.tokens import PREFIX, Scope, Token, token_digest
from homeostat.errors import ProjectError

if TYPE_CHECKING:
    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project


def issue(project: Project, name: str, scopes: tuple[Scope, ...], valid: timedelta | None = None) -> tuple[str, Token]:
    """A new token: its text, which nobody can tell again, and what is kept of it.

    Raises:
        ProjectError: HS470, a token of this name is in force.
    """
    if any(token.name == name for token in in_force(project)):
        step = f"`homeostat token revoke {name}` ends it"
        raise ProjectError("HS470", f"there is a token {name!r}; each has a name of its own", place="token", next_step=step)
    text = PREFIX + secrets.token_urlsafe(32)
    token = Token(name, token_digest(text), scopes, None if valid is None else project.clock.now() + valid)
    body = {"name": name, "digest": token.digest, "scopes": list(scopes), "until": token.until.isoformat() if token.until else None}
    project.record("token", token.digest, body)
    return text, token


def revoke(project: Project, name: str) -> Fact:
    """End the token of a name: servers refuse it within a second.

    Raises:
        ProjectError: HS605, no token of this name is in force.
    """
    found = next((token for token in in_force(project) if token.name == name), None)
    if found is None:
        raise ProjectError(
            "HS605", f"no token {name!r} is in force", place="token", next_step="`homeostat token list` shows those that are"
        )
    given = next(fact for fact in project.ledger.find("token") if fact.body["digest"] == found.digest)
    return project.record("token_end", found.digest, {"name": name}, subject=given.id, causes=(given.id,))


def in_force(project: Project) -> tuple[Token, ...]:
    """The tokens that are valid now, oldest first."""
    now = project.clock.now()
    return tuple(token for token in known(project) or () if token.until is None or now < token.until)


def known(project: Project) -> tuple[Token, ...] | None:
    """All tokens that were not revoked, oldest first; None where there never was one: then nobody is asked for a token."""
    facts = project.ledger.find("token")
    if not facts:
        return None
    ended = {fact.subject for fact in project.ledger.find("token_end")}
    return tuple(_token(fact) for fact in reversed(facts) if fact.id not in ended)


def _token(fact: Fact) -> Token:
    body = fact.body
    until = datetime.fromisoformat(body["until"]) if body["until"] else None
    return Token(str(body["name"]), str(body["digest"]), tuple(body["scopes"]), until)
