"""The chain over facts and moves, the number of each fact among its kind, and the index of measures and labels.

What an older ledger holds is linked in the order it was recorded, each move after the facts that made it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

import sqlalchemy as sa
from alembic import op

from homeostat.infra.ledger_chain import Entry, append, pointer_series
from homeostat.infra.ledger_index import Indexed, write
from homeostat.infra.ledger_rows import move_digest

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PAGE = 1000
Read = tuple[Entry, str]
"""An entry and the body of its fact."""


def upgrade() -> None:
    whole = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
    op.create_table(
        "links",
        sa.Column("number", whole, primary_key=True, autoincrement=False),
        sa.Column("series", sa.Text, nullable=False),
        sa.Column("nth", whole, nullable=False),
        sa.Column("fact", sa.Text, sa.ForeignKey("facts.id"), nullable=True, unique=True),
        sa.Column("seq", whole, nullable=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("chain", sa.Text, nullable=False),
    )
    op.create_index("links_by_series", "links", ["series", "nth"], unique=True)
    for name, value in (("measures", sa.Double()), ("labels", sa.Text())):
        op.create_table(
            name,
            sa.Column("kind", sa.Text, primary_key=True),
            sa.Column("name", sa.Text, primary_key=True),
            sa.Column("nth", whole, primary_key=True, autoincrement=False),
            sa.Column("value", value, nullable=False),
            sqlite_with_rowid=False,
        )
        op.create_index(f"{name}_by_value", name, ["kind", "name", "value", "nth"])
    _guard()
    connection = op.get_bind()
    entries = _in_order(connection)
    while page := list(islice(entries, PAGE)):
        numbers = append(connection, [entry for entry, _ in page])
        write(connection, [Indexed(e.series, nth, json.loads(body)) for (e, body), nth in zip(page, numbers, strict=True) if e.fact])


def _guard() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER links_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON links FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER links_refuse_{verb.lower()} BEFORE {verb} ON links BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        )


def _in_order(connection: sa.Connection) -> Iterator[Read]:
    moves = _moves(connection)
    next_move = next(moves, None)
    last = 0
    query = sa.text("SELECT seq, id, kind, digest, body FROM facts WHERE seq > :last ORDER BY seq LIMIT :page")
    while rows := connection.execute(query, {"last": last, "page": PAGE}).all():
        for last, fact, kind, told, body in rows:
            yield Entry(kind, told, fact, last), body
            while next_move is not None and next_move[0] <= last:
                yield next_move[1], ""
                next_move = next(moves, None)


def _moves(connection: sa.Connection) -> Iterator[tuple[int, Entry]]:
    """Each move, and the number of the fact after which it comes; the moves of one pointer in their order."""
    query = sa.text(
        "SELECT m.name, m.number, m.fact, m.because, a.seq AS to_seq, b.seq AS because_seq FROM moves m "
        "JOIN facts a ON a.id = m.fact JOIN facts b ON b.id = m.because ORDER BY m.name, m.number"
    )
    found: list[tuple[int, Entry]] = []
    reached: dict[str, int] = {}
    for name, number, fact, because, to_seq, because_seq in connection.execute(query):
        reached[name] = max(reached.get(name, 0), to_seq, because_seq)
        found.append((reached[name], Entry(pointer_series(name), move_digest(name, number, fact, because), nth=number)))
    yield from sorted(found, key=lambda each: each[0])
