"""Launching DBOS inside this process: its own SQLite file or a PostgreSQL database, no network service, no telemetry."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig
from sqlalchemy import event

from homeostat.errors import HomeostatError
from homeostat.infra.database import BUSY_S, make_engine, translated
from homeostat.infra.durable_codec import decode, encode

Body = Callable[[dict[str, str]], str]

MAX_RECOVERIES = 100
"""A workflow that took the process down this often is given up."""


def launch(url: str, executor: str, version: str, bodies: Mapping[str, Body]) -> tuple[sa.Engine | None, dict[str, Body]]:
    """Launch DBOS; returns the engine to dispose of at the end (none for PostgreSQL) and the registered workflows.

    Raises:
        ProjectError: HS602 or HS610, the database file is not usable.
        Unreachable: HS802, the database does not answer.
    """
    _check(url)
    engine = _sqlite_engine(url) if url.startswith("sqlite") else None
    logging.getLogger("dbos").addFilter(_is_news)
    config: DBOSConfig = {
        "name": "homeostat",
        "system_database_url": url,
        "executor_id": executor,
        "application_version": version,
        "enable_otlp": False,
        "log_level": "WARNING",
        "serializer": JsonSerializer(),
        "notification_listener_polling_interval_sec": 0.2,  # its thread is what leaving waits for
    }
    if engine is not None:
        config["system_database_engine"] = engine
    try:
        DBOS(config=config)
        registered = {name: _register(name, body) for name, body in bodies.items()}
        DBOS.launch()
    except BaseException:
        DBOS.destroy(destroy_registry=True)
        if engine is not None:
            engine.dispose()
        raise
    return engine, registered


class JsonSerializer:
    """How DBOS writes down arguments, results and errors: see ``durable_codec``."""

    def serialize(self, data: Any) -> str:
        """The value as text."""
        return encode(data)

    def deserialize(self, serialized_data: str) -> Any:
        """The value again."""
        return decode(serialized_data)

    def name(self) -> str:
        """The name DBOS stores beside each value."""
        return "homeostat_json"


def _register(name: str, body: Body) -> Body:
    # DBOS reads a name and a signature from what it registers, so it must be a plain function.
    def workflow(arguments: dict[str, str]) -> str:
        return body(arguments)

    registered: Body = DBOS.workflow(name=name, max_recovery_attempts=MAX_RECOVERIES)(workflow)
    return registered


def _is_news(record: logging.LogRecord) -> bool:
    """Whether DBOS says something its caller will not hear: an error of ours is raised by ``Durable.result`` anyway."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HomeostatError)


def _check(url: str) -> None:
    """Ask the database once ourselves: its failure is then one line of ours and not a page of DBOS's log."""
    engine = make_engine(url)
    try:
        with translated(engine), engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    finally:
        engine.dispose()


def _sqlite_engine(url: str) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_S})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # DBOS expects Python's own transactions, started as writers; it begins its migrations by itself.
        connection.isolation_level = "IMMEDIATE"
        connection.execute(f"PRAGMA busy_timeout={BUSY_S * 1000}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA journal_mode=WAL")
        # A power cut may lose the last steps' marks, never their order: such a step is run again.
        connection.execute("PRAGMA synchronous=NORMAL")
        # SQLite before 3.42 has no unixepoch('subsec').
        connection.create_function("unixepoch", -1, _unixepoch)

    return engine


def _unixepoch(*arguments: str) -> float:
    unknown = set(arguments) - {"now", "subsec", "subsecond"}
    if unknown:
        raise HomeostatError("HS001", f"unixepoch here tells the present time only; got {', '.join(sorted(unknown))}")
    now = round(time.time(), 3)
    return now if {"subsec", "subsecond"} & set(arguments) else int(now)
