"""The ledger in a SQL database (SQLite or PostgreSQL): facts are only ever added.

``record`` and ``move`` are safe to repeat and to race: whoever comes second finds the first one's fact.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from homeostat.core.facts import Fact, Pointer
from homeostat.core.ids import canonical, digest
from homeostat.errors import HomeostatError, ProjectError, Refusal
from homeostat.infra.database import WRITES, make_engine, translated
from homeostat.infra.ledger_schema import CAUSES, FACTS, MOVES, prepare


def open_ledger(url: str) -> SqlLedger:
    """Open the ledger at a database URL; an empty database becomes one. Close it when done.

    Raises:
        ProjectError: HS602, the file cannot be opened or written; HS606, a newer program wrote it; HS610, it is no ledger.
        Unreachable: HS802, the database server does not answer.
    """
    engine = make_engine(url)
    try:
        with translated(engine):
            prepare(engine)
    except BaseException:
        engine.dispose()
        raise
    return SqlLedger(engine)


class SqlLedger:
    """``core.facts.Ledger`` over an engine whose database is prepared. Threads may share it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**{WRITES: True})

    def record(self, fact: Fact, *also: Fact) -> Fact:
        """Store the fact unless its (kind, key) is there; return the stored one either way.

        ``also`` are stored in the same transaction: all of them or none. When ``fact`` is there already, nothing is stored.

        Raises:
            ProjectError: HS605, a cause is not in the ledger.
        """
        # Most repeats are found here, without a write lock.
        known = self.get(fact.id)
        if known is not None:
            return _same(known, fact)
        with self._writing() as connection:
            return _add(connection, [fact, *also])[0]

    def get(self, fact_id: str) -> Fact | None:
        """The fact with this id."""
        with self._reading() as connection:
            found = _read(connection, sa.select(FACTS).where(FACTS.c.id == fact_id))
        return found[0] if found else None

    def find(self, kind: str, *, subject: str | None = None, limit: int | None = None) -> list[Fact]:
        """Facts of a kind, newest first: the one recorded last comes first."""
        query = sa.select(FACTS).where(FACTS.c.kind == kind)
        if subject is not None:
            query = query.where(FACTS.c.subject == subject)
        with self._reading() as connection:
            return _read(connection, query.order_by(FACTS.c.seq.desc()).limit(limit))

    def effects(self, fact_id: str) -> list[Fact]:
        """Facts that name this one among their causes, oldest first."""
        query = sa.select(FACTS).join(CAUSES, CAUSES.c.effect == FACTS.c.id).where(CAUSES.c.cause == fact_id)
        with self._reading() as connection:
            return _read(connection, query.order_by(FACTS.c.seq))

    def pointer(self, name: str) -> Pointer | None:
        """Where a pointer stands. One indexed look; it never waits for a writer."""
        with self._reading() as connection:
            return _pointer(connection, name)

    def move(self, name: str, *, to: str, expected: str | None, because: Fact, also: Sequence[Fact] = ()) -> Fact:
        """In one transaction: check that the pointer stands at ``expected``, record ``because`` and ``also``, move it.

        Moving again with a ``because`` that has moved this pointer before changes nothing and returns the stored fact.

        Raises:
            Refusal: HS705, the pointer stands elsewhere; nothing is written.
            ProjectError: HS605, ``to`` or a cause is not in the ledger; nothing is written.
        """
        with self._writing() as connection:
            if _has_moved(connection, name, because):
                return _read(connection, sa.select(FACTS).where(FACTS.c.id == because.id))[0]
            current = _pointer(connection, name)
            if (current.fact if current else None) != expected:
                raise _elsewhere(name, expected, current)
            stored = _add(connection, [because, *also])[0]
            _require(connection, [to])
            row = {"name": name, "number": (current.moves if current else 0) + 1, "fact": to, "because": because.id}
            # On PostgreSQL two movers may both get here; the key (name, number) lets one of them through.
            if not _insert(connection, MOVES, row) and not _has_moved(connection, name, because):
                raise _elsewhere(name, expected, _pointer(connection, name))
            return stored

    def altered(self) -> list[str]:
        """Ids of facts whose row no longer has the digest it was written with, oldest first; empty is good."""
        with self._reading() as connection:
            digests = {row.id: row.digest for row in connection.execute(sa.select(FACTS.c.id, FACTS.c.digest))}
            facts = _read(connection, sa.select(FACTS).order_by(FACTS.c.seq))
        return [fact.id for fact in facts if _row(fact)["digest"] != digests.get(fact.id)]

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with translated(self._engine), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with translated(self._engine), self._writer.begin() as connection:
            yield connection


def _row(fact: Fact) -> dict[str, Any]:
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
    return row | {"digest": digest(row | {"causes": _causes(fact)})}


def _causes(fact: Fact) -> list[str]:
    return list(dict.fromkeys(fact.causes))


def _add(connection: sa.Connection, facts: Sequence[Fact]) -> list[Fact]:
    """Store those of the facts that are new; they may be each other's causes. Returns the stored ones in the same order."""
    new = [fact for fact in facts if _insert(connection, FACTS, _row(fact))]
    _require(connection, [cause for fact in new for cause in _causes(fact)])
    rows = [{"effect": fact.id, "cause": cause, "position": i} for fact in new for i, cause in enumerate(_causes(fact))]
    if rows:
        connection.execute(CAUSES.insert(), rows)
    stored = {fact.id: fact for fact in _read(connection, sa.select(FACTS).where(FACTS.c.id.in_([fact.id for fact in facts])))}
    return [_same(stored[fact.id], fact) for fact in facts]


def _insert(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    """Insert the row unless its key is taken; says whether it was free."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # A returned row, not the row count: the drivers do not agree on the count of an insert.
    inserted = make(table).values(row).on_conflict_do_nothing().returning(*table.primary_key.columns)
    return connection.execute(inserted).first() is not None


def _require(connection: sa.Connection, ids: Sequence[str]) -> None:
    known = set(connection.execute(sa.select(FACTS.c.id).where(FACTS.c.id.in_(ids))).scalars()) if ids else set()
    missing = [one for one in ids if one not in known]
    if missing:
        raise ProjectError("HS605", f"{', '.join(missing)} named as a cause or target is not in the ledger", next_step="record it first")


def _same(stored: Fact, asked: Fact) -> Fact:
    # Ids hold 48 bits of a digest: should two keys ever share one, losing the second silently would be the worst answer.
    if stored.key != asked.key:
        raise HomeostatError("HS001", f"two {asked.kind} facts with different keys share the id {asked.id}")
    return stored


def _read(connection: sa.Connection, query: sa.Select[Any]) -> list[Fact]:
    """The facts a query over ``FACTS`` finds, in its order, each with its causes in the order they were given."""
    rows = connection.execute(query).all()
    if not rows:
        return []
    ids = query.with_only_columns(FACTS.c.id).subquery()
    links = sa.select(CAUSES.c.effect, CAUSES.c.cause).join(ids, ids.c.id == CAUSES.c.effect).order_by(CAUSES.c.effect, CAUSES.c.position)
    causes: dict[str, list[str]] = {}
    for effect, cause in connection.execute(links):
        causes.setdefault(effect, []).append(cause)
    return [
        Fact(
            kind=row.kind,
            key=row.key,
            at=datetime.fromisoformat(row.at),
            body=json.loads(row.body),
            subject=row.subject,
            actor=row.actor,
            causes=tuple(causes.get(row.id, ())),
            seq=row.seq,
        )
        for row in rows
    ]


def _pointer(connection: sa.Connection, name: str) -> Pointer | None:
    query = sa.select(MOVES).where(MOVES.c.name == name).order_by(MOVES.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else Pointer(name=name, fact=row.fact, moves=row.number, moved_by=row.because)


def _has_moved(connection: sa.Connection, name: str, because: Fact) -> bool:
    query = sa.select(MOVES.c.number).where(MOVES.c.because == because.id, MOVES.c.name == name)
    return connection.execute(query).first() is not None


def _elsewhere(name: str, expected: str | None, current: Pointer | None) -> Refusal:
    stands = current.fact if current else "nothing"
    return Refusal(
        "HS705",
        f"the pointer {name!r} stands at {stands}, expected {expected or 'nothing'}; nothing was moved",
        next_step="look at what changed, then decide again",
    )
