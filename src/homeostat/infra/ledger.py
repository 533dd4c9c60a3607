"""The ledger in a SQL database (SQLite or PostgreSQL): facts are only ever added, and each is linked to all before it.

``record`` and ``move`` are safe to repeat and to race: whoever comes second finds the first one's fact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from homeostat.core.facts import Fact, Pointer
from homeostat.errors import HomeostatError, ProjectError, Refusal
from homeostat.infra import ledger_chain, ledger_index
from homeostat.infra.database import PASSING, WRITES, make_engine, reading, translated
from homeostat.infra.ledger_audit import Audit
from homeostat.infra.ledger_rows import causes_of, in_parts, move_digest, read_by_id, read_facts, to_fact, to_row
from homeostat.infra.ledger_schema import CAUSES, FACTS, MOVES, prepare


def _unless_known(table: sa.Table, dialect: str) -> sa.sql.dml.ReturningInsert[Any]:
    """Inserts a row unless its key is taken; returns a row when it was free: the drivers do not agree on the count of an insert."""
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return make(table).on_conflict_do_nothing().returning(*table.primary_key.columns)


_INSERT_FACT = {dialect: _unless_known(FACTS, dialect) for dialect in ("postgresql", "sqlite")}
_INSERT_MOVE = {dialect: _unless_known(MOVES, dialect) for dialect in ("postgresql", "sqlite")}
_INSERT_CAUSES = CAUSES.insert()
_KNOWN = sa.select(FACTS.c.id).where(FACTS.c.id.in_(sa.bindparam("ids", expanding=True)))
_ONE = sa.select(FACTS).where(FACTS.c.id == sa.bindparam("id"))


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
    """``core.facts.Ledger`` over an engine whose database is prepared. Threads may share it.

    ``index`` finds facts by number, measures and labels; ``audit`` proves that nothing was altered.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**{WRITES: True})
        self._passing = engine.execution_options(**{WRITES: True, PASSING: True})
        self.index = ledger_index.SqlIndex(engine)
        self.audit = Audit(engine)

    def record(self, fact: Fact, *also: Fact, lasting: bool = True) -> Fact:
        """Store the fact unless its (kind, key) is there; return the stored one either way.

        ``also`` are stored in the same transaction: all of them or none. When ``fact`` is there already, nothing is stored.
        What isn't ``lasting`` outlives the process; a power cut may take the newest of it, never one of several or one in between.

        Raises:
            ProjectError: HS605, a cause is not in the ledger.
        """
        # Most repeats are found here, without a write lock.
        known = self.get(fact.id)
        if known is not None:
            return _same(known, fact)
        with self._writing(lasting=lasting) as connection:
            added = _add(connection, [fact, *also])
            _link(connection, added.new)
        return added.stored[0]

    def get(self, fact_id: str) -> Fact | None:
        """The fact with this id."""
        with reading(self._engine) as connection:
            found = read_facts(connection, _ONE, {"id": fact_id})
        return found[0] if found else None

    def find(self, kind: str, *, subject: str | None = None, limit: int | None = None) -> list[Fact]:
        """Facts of a kind, newest first: the one recorded last comes first."""
        query = sa.select(FACTS).where(FACTS.c.kind == kind)
        if subject is not None:
            query = query.where(FACTS.c.subject == subject)
        with reading(self._engine) as connection:
            return read_facts(connection, query.order_by(FACTS.c.seq.desc()).limit(limit))

    def effects(self, fact_id: str) -> list[Fact]:
        """Facts that name this one among their causes, oldest first."""
        query = sa.select(FACTS).join(CAUSES, CAUSES.c.effect == FACTS.c.id).where(CAUSES.c.cause == fact_id)
        with reading(self._engine) as connection:
            return read_facts(connection, query.order_by(FACTS.c.seq))

    def pointer(self, name: str) -> Pointer | None:
        """Where a pointer stands. One indexed look; it never waits for a writer."""
        with reading(self._engine) as connection:
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
                return read_facts(connection, _ONE, {"id": because.id})[0]
            current = _pointer(connection, name)
            if (current.fact if current else None) != expected:
                raise _elsewhere(name, expected, current)
            added = _add(connection, [because, *also])
            _require(connection, [to])
            number = (current.moves if current else 0) + 1
            row = {"name": name, "number": number, "fact": to, "because": because.id}
            # On PostgreSQL two movers may both get here; the key (name, number) lets one of them through.
            moved = connection.execute(_INSERT_MOVE[connection.dialect.name], row).first() is not None
            if not moved and not _has_moved(connection, name, because):
                raise _elsewhere(name, expected, _pointer(connection, name))
            move = ledger_chain.Entry(ledger_chain.pointer_series(name), move_digest(name, number, to, because.id), nth=number)
            _link(connection, added.new, [move] if moved else [])
            return added.stored[0]

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _writing(self, *, lasting: bool = True) -> Iterator[sa.Connection]:
        with translated(self._engine), (self._writer if lasting else self._passing).begin() as connection:
            if not lasting and connection.dialect.name == "postgresql":
                connection.execute(sa.text("SET LOCAL synchronous_commit = off"))
            yield connection


class _Added(NamedTuple):
    """The facts as they are stored now, in the order given, and those that are new with the digests of their rows."""

    stored: list[Fact]
    new: list[tuple[Fact, str]]


def _add(connection: sa.Connection, facts: Sequence[Fact]) -> _Added:
    """Store those of the facts that are new; they may be each other's causes."""
    new: dict[str, tuple[Fact, str]] = {}
    for fact in facts:
        row = to_row(fact)
        seq = connection.execute(_INSERT_FACT[connection.dialect.name], row).scalar()
        if seq is not None:
            new[fact.id] = to_fact(row, causes_of(fact), seq), row["digest"]
    causes = [(fact.id, cause, i) for fact, _ in new.values() for i, cause in enumerate(fact.causes)]
    if causes:
        try:
            connection.execute(_INSERT_CAUSES, [{"effect": effect, "cause": cause, "position": i} for effect, cause, i in causes])
        except sa.exc.IntegrityError:  # the database refuses a cause that is not there; which one, another connection tells
            with connection.engine.execution_options(**{WRITES: False}).connect() as beside:
                _require(beside, [cause for _, cause, _ in causes if cause not in new])
            raise
    stored = {name: fact for name, (fact, _) in new.items()} | read_by_id(connection, [fact.id for fact in facts if fact.id not in new])
    return _Added([_same(stored[fact.id], fact) for fact in facts], list(new.values()))


def _link(connection: sa.Connection, new: Sequence[tuple[Fact, str]], moves: Sequence[ledger_chain.Entry] = ()) -> None:
    """Chain and index what a transaction wrote; nothing else is written after it."""
    numbers = ledger_chain.append(connection, [*(ledger_chain.Entry(f.kind, told, f.id, f.seq) for f, told in new), *moves])
    indexed = [ledger_index.Indexed(fact.kind, nth, fact.body) for (fact, _), nth in zip(new, numbers, strict=False)]
    ledger_index.write(connection, indexed)


def _require(connection: sa.Connection, ids: Sequence[str]) -> None:
    known = {one for some in in_parts(ids) for one in connection.execute(_KNOWN, {"ids": some}).scalars()}
    missing = [one for one in ids if one not in known]
    if missing:
        raise ProjectError("HS605", f"{', '.join(missing)} named as a cause or target is not in the ledger", next_step="record it first")


def _same(stored: Fact, asked: Fact) -> Fact:
    # Ids hold 48 bits of a digest: should two keys ever share one, losing the second silently would be the worst answer.
    if stored.key != asked.key:
        raise HomeostatError("HS001", f"two {asked.kind} facts with different keys share the id {asked.id}")
    return stored


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
