"""How Alembic runs the ledger's migrations: on the connection it is given, inside that connection's transaction."""

from __future__ import annotations

from alembic import context

from homeostat.infra.ledger_schema import METADATA, VERSION_TABLE


def _migrate() -> None:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=METADATA,
        version_table=VERSION_TABLE,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


# Alembic runs this file for its effect; the guard lets a test collector import it harmlessly.
if hasattr(context, "config"):
    _migrate()
