"""The ledger's tables, and their creation in a database that does not have them yet.

Facts, the causes of each, the moves of each pointer and the links of the chain over all of them only grow: triggers refuse to
change or delete a row. A pointer stands where its newest move put it. Measures and labels are an index over the facts and can be
made anew from them.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from homeostat.errors import ProjectError
from homeostat.infra.database import WRITES

REVISIONS = ("0001", "0002")
"""Every revision this program knows, oldest first; the last is the one it writes."""

VERSION_TABLE = "ledger_version"
METADATA = sa.MetaData()
_WHOLE = sa.Integer().with_variant(sa.BigInteger(), "postgresql")

FACTS = sa.Table(
    "facts",
    METADATA,
    sa.Column("seq", _WHOLE, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),  # ISO 8601, UTC, microseconds: sorts as text
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # canonical JSON
    sa.Column("digest", sa.Text, nullable=False),  # SHA-256 of all of the above but seq, and of the causes
    sa.Index("facts_by_kind", "kind", "seq"),
    sa.Index("facts_by_subject", "kind", "subject", "seq"),
    sqlite_autoincrement=True,
)
CAUSES = sa.Table(
    "causes",
    METADATA,
    sa.Column("effect", sa.Text, sa.ForeignKey("facts.id"), primary_key=True),
    sa.Column("cause", sa.Text, sa.ForeignKey("facts.id"), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Index("causes_by_cause", "cause"),
)
MOVES = sa.Table(
    "moves",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # 1, 2, 3 ... of this pointer
    sa.Column("fact", sa.Text, sa.ForeignKey("facts.id"), nullable=False),
    sa.Column("because", sa.Text, sa.ForeignKey("facts.id"), nullable=False),
    sa.Index("moves_by_because", "because", "name", unique=True),
)
LINKS = sa.Table(
    "links",
    METADATA,
    sa.Column("number", _WHOLE, primary_key=True, autoincrement=False),  # 1, 2, 3 ... of everything written
    sa.Column("series", sa.Text, nullable=False),  # a fact's kind, or @ and the name of a pointer
    sa.Column("nth", _WHOLE, nullable=False),  # 1, 2, 3 ... of this series; of a pointer: the move's number
    sa.Column("fact", sa.Text, sa.ForeignKey("facts.id"), nullable=True, unique=True),  # none for a move
    sa.Column("seq", _WHOLE, nullable=True),  # the fact's
    sa.Column("digest", sa.Text, nullable=False),  # of the row it is about
    sa.Column("chain", sa.Text, nullable=False),  # SHA-256 of the chain of the link before and of all of the above
    sa.Index("links_by_series", "series", "nth", unique=True),
)


def _index(name: str, value: sa.types.TypeEngine[float] | sa.types.TypeEngine[str]) -> sa.Table:
    return sa.Table(
        name,
        METADATA,
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("nth", _WHOLE, primary_key=True, autoincrement=False),
        sa.Column("value", value, nullable=False),
        sa.Index(f"{name}_by_value", "kind", "name", "value", "nth"),
        sqlite_with_rowid=False,
    )


MEASURES = _index("measures", sa.Double())
LABELS = _index("labels", sa.Text())


def prepare(engine: sa.Engine) -> None:
    """Make the database hold a ledger of the current revision; one look when it already does.

    Raises:
        ProjectError: HS606, the ledger is of a revision this program does not know.
    """
    with engine.connect() as connection:
        if _is_current(connection):
            return
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7205759)"))  # any number, the same for every opener
        # Another process may have created it while this one waited for the lock.
        if not _is_current(connection):
            _upgrade(connection)


def _is_current(connection: sa.Connection) -> bool:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return False
    revision = connection.execute(sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE))).scalar()
    if revision is not None and revision not in REVISIONS:
        raise ProjectError(
            "HS606",
            f"the ledger is of revision {revision!r}, this program knows {', '.join(REVISIONS)}",
            place=connection.engine.url.render_as_string(hide_password=True),
            next_step="use the newer program that wrote it",
        )
    return bool(revision == REVISIONS[-1])


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
