"""``homeostat history``: what happened, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path

    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project

KINDS = (
    "charter",
    "delivery",
    "absence",
    "repair",
    "dataset",
    "candidate",
    "evaluation",
    "version",
    "approval",
    "staging",
    "promotion",
    "rollback",
    "traffic",
    "signing_key",
    "labels",
    "dataset_labels",
    "queue",
    "diagnosis",
    "quarantine",
    "action",
    "outcome",
)
# What is too fine to be listed unasked.
DETAILS = ("key", "decisions", "run", "trial", "holdout", "verdict", "window", "finding")


@click.option("--kind", "kinds", multiple=True, type=click.Choice((*KINDS, *DETAILS)), help="Only facts of this kind; may be given again.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=30, show_default=True)
def _history(project: Path, kinds: tuple[str, ...], limit: int) -> Answer:
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        found = [fact for kind in (kinds or KINDS) for fact in opened.ledger.find(kind, limit=limit)]
        newest = sorted(found, key=lambda fact: fact.seq, reverse=True)[:limit]
        facts = [_told(opened, fact) for fact in newest]
    if not facts:
        return Answer({"facts": []}, ["nothing has happened in this project yet; `homeostat run` starts it"])
    rows: list[list[str]] = []
    for fact in facts:
        rows.append([fact["at"][:19], fact["id"], fact["what"]])
        rows += [["", "", _cut(f"  {one['clause']}: {one['old']} -> {one['new']}")] for one in fact.get("changes", ())]
    return Answer({"facts": facts}, table(rows, ("at (UTC)", "fact", "what")))


def _told(project: Project, fact: Fact) -> dict[str, Any]:
    """A fact in a line; of a charter also what it changed, clause by clause."""
    from dataclasses import asdict

    from homeostat.flow.revisions import revision

    what = _cut(str(fact.body["words"])) if fact.kind == "traffic" else _what(dict(fact.body))
    told = {"id": fact.id, "kind": fact.kind, "at": fact.at.isoformat(), "actor": fact.actor, "what": what}
    return told | ({"changes": [asdict(one) for one in revision(project, fact)]} if fact.kind == "charter" else {})


def _what(body: dict[str, Any]) -> str:
    words = ("path", "status", "cause", "name", "learner", "window", "value", "passed", "rows", "reason", "detail")
    parts = [
        f"{word}={body[word]:.4g}" if isinstance(body[word], float) else f"{word}={body[word]}"
        for word in words
        if body.get(word) not in (None, "")
    ]
    return _cut(" ".join(parts))


def _cut(text: str) -> str:
    return text if len(text) <= 110 else text[:107] + "..."


command = lifecycle_command("history", "List what happened, newest first.")(_history)
