"""``homeostat history``: what happened, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from homeostat.app.cli.output import Answer, lifecycle_command, table

if TYPE_CHECKING:
    from pathlib import Path

KINDS = (
    "charter",
    "delivery",
    "dataset",
    "candidate",
    "evaluation",
    "version",
    "approval",
    "promotion",
    "rollback",
    "labels",
    "dataset_labels",
    "queue",
    "diagnosis",
    "quarantine",
    "action",
    "outcome",
)
# What is too fine to be listed unasked.
DETAILS = ("key", "run", "trial", "holdout", "verdict", "window", "finding")


@click.option("--kind", "kinds", multiple=True, type=click.Choice((*KINDS, *DETAILS)), help="Only facts of this kind; may be given again.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=30, show_default=True)
def _history(project: Path, kinds: tuple[str, ...], limit: int) -> Answer:
    from homeostat.flow.project import open_project

    with open_project(project) as opened:
        found = [fact for kind in (kinds or KINDS) for fact in opened.ledger.find(kind, limit=limit)]
        newest = sorted(found, key=lambda fact: fact.seq, reverse=True)[:limit]
        facts = [{"id": f.id, "kind": f.kind, "at": f.at.isoformat(), "actor": f.actor, "what": _what(dict(f.body))} for f in newest]
    if not facts:
        return Answer({"facts": []}, ["nothing has happened in this project yet; `homeostat run` starts it"])
    rows = [[f["at"][:19], f["id"], f["what"]] for f in facts]
    return Answer({"facts": facts}, table(rows, ("at (UTC)", "fact", "what")))


def _what(body: dict[str, Any]) -> str:
    words = ("path", "status", "cause", "name", "learner", "window", "value", "passed", "rows", "reason", "detail")
    parts = [
        f"{word}={body[word]:.4g}" if isinstance(body[word], float) else f"{word}={body[word]}"
        for word in words
        if body.get(word) not in (None, "")
    ]
    text = " ".join(parts)
    return text if len(text) <= 110 else text[:107] + "..."


command = lifecycle_command("history", "List what happened, newest first.")(_history)
