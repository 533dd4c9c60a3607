"""The first ledger: facts, causes and pointer moves, none of which can be changed or deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("facts", "causes", "moves")


def upgrade() -> None:
    op.create_table(
        "facts",
        sa.Column("seq", sa.Integer().with_variant(sa.BigInteger(), "postgresql"), primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "key", "subject", "at", "actor", "body", "digest")),
        sqlite_autoincrement=True,
    )
    op.create_index("facts_by_kind", "facts", ["kind", "seq"])
    op.create_index("facts_by_subject", "facts", ["kind", "subject", "seq"])
    op.create_table(
        "causes",
        sa.Column("effect", sa.Text, sa.ForeignKey("facts.id"), primary_key=True),
        sa.Column("cause", sa.Text, sa.ForeignKey("facts.id"), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
    )
    op.create_index("causes_by_cause", "causes", ["cause"])
    op.create_table(
        "moves",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("fact", sa.Text, sa.ForeignKey("facts.id"), nullable=False),
        sa.Column("because", sa.Text, sa.ForeignKey("facts.id"), nullable=False),
    )
    op.create_index("moves_by_because", "moves", ["because", "name"], unique=True)
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def _guard_sqlite() -> None:
    for table in TABLES:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_refuse_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
            )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
    )
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"
        )
