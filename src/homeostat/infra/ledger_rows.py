"""Facts as rows of the ledger's tables and back, and the digest a row is known by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from homeostat.core.facts import Fact
from homeostat.core.ids import canonical, digest
from homeostat.infra.ledger_schema import CAUSES, FACTS

_T = TypeVar("_T")

CELLS = ("id", "kind", "key", "subject", "at", "actor", "body")
"""The columns of a fact's row that its digest covers, beside its causes."""

_BY_ID = sa.select(FACTS).where(FACTS.c.id.in_(sa.bindparam("ids", expanding=True)))
_CAUSES_OF = (
    sa.select(CAUSES.c.effect, CAUSES.c.cause, CAUSES.c.position)
    .where(CAUSES.c.effect.in_(sa.bindparam("ids", expanding=True)))
    .order_by(CAUSES.c.effect, CAUSES.c.position)
)
_AT_ONCE = 500


def to_row(fact: Fact) -> dict[str, Any]:
    """A fact as the columns of its row, without its number."""
    if fact.at.tzinfo is None:
        raise ValueError(f"the fact {fact.id} has a time without a zone: {fact.at!r}")
    row = {
        "id": fact.id,
        "kind": fact.kind,
        "key": fact.key,
        "subject": fact.subject,
        "at": fact.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": fact.actor,
        "body": canonical(fact.body).decode(),
    }
    return row | {"digest": row_digest(row, causes_of(fact))}


def fact_digest(fact: Fact) -> str:
    """SHA-256 of everything a fact says and follows from, without its place in the ledger: what its row is known by."""
    return str(to_row(fact)["digest"])


def to_fact(row: Mapping[str, Any], causes: Sequence[str], seq: int) -> Fact:
    """The fact that a row is."""
    return Fact(
        kind=row["kind"],
        key=row["key"],
        at=datetime.fromisoformat(row["at"]),
        body=json.loads(row["body"]),
        subject=row["subject"],
        actor=row["actor"],
        causes=tuple(causes),
        seq=seq,
    )


def causes_of(fact: Fact) -> list[str]:
    """The causes as they are stored: each once, in the order given."""
    return list(dict.fromkeys(fact.causes))


def row_digest(row: Mapping[str, Any], causes: Sequence[str]) -> str:
    """SHA-256 of a fact's cells and causes."""
    return digest({**{name: row[name] for name in CELLS}, "causes": list(causes)})


def move_digest(name: str, number: int, fact: str, because: str) -> str:
    """SHA-256 of a pointer's move."""
    return digest({"name": name, "number": number, "fact": fact, "because": because})


def read_facts(connection: sa.Connection, query: sa.Select[Any], given: Mapping[str, Any] | None = None) -> list[Fact]:
    """The facts a query over ``FACTS`` finds, in its order, each with its causes in the order they were given."""
    rows = connection.execute(query, dict(given or {})).mappings().all()
    causes = {effect: [cause for cause, _ in found] for effect, found in read_causes(connection, [row["id"] for row in rows]).items()}
    return [to_fact(dict(row), causes.get(row["id"], ()), row["seq"]) for row in rows]


def read_by_id(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Fact]:
    """Those of the facts that are there."""
    return {fact.id: fact for some in in_parts(ids) for fact in read_facts(connection, _BY_ID, {"ids": some})}


def read_causes(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """The causes of these facts with their positions, in that order."""
    found: dict[str, list[tuple[str, int]]] = {}
    for some in in_parts(ids):
        for effect, cause, position in connection.execute(_CAUSES_OF, {"ids": some}):
            found.setdefault(effect, []).append((cause, position))
    return found


def in_parts(ids: Sequence[_T]) -> list[Sequence[_T]]:
    """Ids in parts that a database takes as the values of one statement."""
    return [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]
