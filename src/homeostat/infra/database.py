"""SQL databases as Homeostat uses them: an engine per URL, and database failures told as Homeostat errors.

SQLite runs in write-ahead mode, so a reader never waits for a writer; a transaction that will write takes the write lock
at its start, so that two writers queue instead of failing. A password in a URL never reaches a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from homeostat.errors import HomeostatError, ProjectError, Unreachable

BUSY_S = 30
CACHE_KIB = 32_768
"""Pages of a SQLite file that a connection keeps at most: an index that is looked into often stays in memory."""
WRITES = "homeostat_writes"
"""Execution option of an engine or connection whose transactions take SQLite's write lock at once."""
PASSING = "homeostat_passing"
"""Execution option of one whose commits need not survive a power cut: they come back sooner, and in their order or not at all."""


def make_engine(url: str) -> sa.Engine:
    """An engine for a SQLite or PostgreSQL URL. It connects at first use; dispose of it when done.

    Args:
        url: such as ``sqlite:////data/ledger.sqlite`` or ``postgresql://user:password@host/name``.

    Raises:
        ProjectError: HS610, the URL is not one of a database that can hold a ledger, or its driver is not installed.
    """
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
        if backend == "sqlite" and parsed.database not in {None, "", ":memory:"}:
            engine = sa.create_engine(parsed, connect_args={"timeout": BUSY_S})
            _prepare_sqlite(engine)
            return engine
        if backend == "postgresql":
            return _postgresql(parsed)
    except (ArgumentError, NoSuchModuleError):
        # The library's own text may repeat the URL with its password, so it isn't chained.
        raise _bad_url() from None
    raise _bad_url()


@contextmanager
def translated(engine: sa.Engine) -> Iterator[None]:
    """Tell a failure of the database as one of ours.

    Raises:
        ProjectError: HS602, the database file cannot be opened or written; HS610, it is not a database, or damaged.
        Unreachable: HS802, the server does not answer, or a lock was not given in time.
    """
    try:
        yield
    except DBAPIError as error:
        raise _ours(engine, error) from error


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection to read on, its failures told as ours."""
    with translated(engine), engine.connect() as connection:
        yield connection


def _bad_url() -> ProjectError:
    return ProjectError(
        "HS610",
        "the address of the ledger is not a database Homeostat can use; it takes sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME",
        place="store.ledger",
        next_step="correct the address",
    )


def _postgresql(url: sa.URL) -> sa.Engine:
    """An engine over psycopg, unless the URL names another driver."""
    chosen = url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url
    try:
        return sa.create_engine(chosen, connect_args={"connect_timeout": 10}, pool_pre_ping=True)
    except ImportError as error:
        raise ProjectError(
            "HS610",
            f"the driver {chosen.get_driver_name()!r} of this address is not installed",
            place="store.ledger",
            next_step="install it: pip install 'homeostat[postgres]'",
        ) from error


def _prepare_sqlite(engine: sa.Engine) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # Python's own transaction handling would begin late and commit around DDL: we say BEGIN ourselves.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={BUSY_S * 1000}")
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if not options.get(WRITES, False):
            connection.exec_driver_sql("BEGIN")
            return
        waits = "NORMAL" if options.get(PASSING, False) else "FULL"
        if connection.info.get("synchronous", "FULL") != waits:
            connection.exec_driver_sql(f"PRAGMA synchronous={waits}")
            connection.info["synchronous"] = waits
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _write_ahead(connection: Any) -> None:
    # Once set it is a property of the file; asking for it needs no lock, and only the first opener has to set it.
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode=WAL")


def _ours(engine: sa.Engine, error: DBAPIError) -> HomeostatError:
    place = engine.url.render_as_string(hide_password=True)
    reason = (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]
    if engine.dialect.name == "sqlite":
        place = str(engine.url.database)
        if any(sign in reason for sign in ("unable to open", "readonly", "disk is full", "disk I/O")):
            return ProjectError("HS602", f"cannot open or write the file: {reason}", place=place, next_step="make its folder writable")
        if "not a database" in reason or "malformed" in reason:
            return ProjectError("HS610", f"not a ledger, or damaged: {reason}", place=place, next_step="restore it from a copy")
        if "locked" in reason:
            return Unreachable("HS802", f"no lock within {BUSY_S} s: {reason}", place=place, next_step="see which process holds it")
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return Unreachable("HS802", f"no answer: {reason}", place=place, next_step="check that the database runs, and its address")
    return HomeostatError("HS001", f"the database refused a statement: {reason}", place=place)
