"""The chain over everything the ledger holds: each fact and each move gets a link whose hash covers all links before it.

Whoever keeps the hash of one link keeps a proof of everything up to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from homeostat.core.ids import digest
from homeostat.infra.ledger_schema import LINKS

START = "0" * 64
"""The chain before the first link."""

_OF_SERIES = LINKS.alias()
_LAST = (
    sa.select(
        LINKS.c.number,
        LINKS.c.chain,
        sa.select(_OF_SERIES.c.nth)
        .where(_OF_SERIES.c.series == sa.bindparam("series"))
        .order_by(_OF_SERIES.c.nth.desc())
        .limit(1)
        .scalar_subquery()
        .label("nth"),
    )
    .order_by(LINKS.c.number.desc())
    .limit(1)
)
_INSERT = LINKS.insert()
# One lock a ledger, whichever schema it is in. It is held until the transaction ends, and nothing is waited for after it is taken.
_ALONE = sa.text("SELECT pg_advisory_xact_lock(CAST(CAST('links' AS regclass) AS oid)::bigint)")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a link is about: a fact of its kind, or a move of ``@pointer``, whose number is known."""

    series: str
    digest: str
    fact: str | None = None
    seq: int | None = None
    nth: int | None = None


def pointer_series(name: str) -> str:
    """The series of a pointer's moves."""
    return f"@{name}"


def chained(previous: str, link: dict[str, Any]) -> str:
    """SHA-256 of the chain so far and of the link's own cells."""
    return digest([previous, *(str(link[name]) for name in ("number", "series", "nth", "fact", "seq", "digest"))])


def append(connection: sa.Connection, entries: Sequence[Entry]) -> list[int]:
    """Link the entries in this order, as the last thing a transaction writes; returns the number each has in its series.

    On SQLite the transaction has the write lock already; on PostgreSQL it waits here for the transaction that links before it.
    """
    if not entries:
        return []
    if connection.dialect.name == "postgresql":
        connection.execute(_ALONE)
    number, chain, counts = _standing(connection, {entry.series for entry in entries})
    links: list[dict[str, Any]] = []
    for at, entry in enumerate(entries, start=number + 1):
        nth = entry.nth or counts[entry.series] + 1
        counts[entry.series] = nth
        link = {"number": at, "series": entry.series, "nth": nth, "fact": entry.fact, "seq": entry.seq, "digest": entry.digest}
        chain = chained(chain, link)
        links.append(link | {"chain": chain})
    connection.execute(_INSERT, links)
    return [link["nth"] for link in links]


def _standing(connection: sa.Connection, series: set[str]) -> tuple[int, str, dict[str, int]]:
    """The last link's number and chain, and how far each of the series has come."""
    number, chain, counts = 0, START, dict.fromkeys(series, 0)
    for name in series:
        last = connection.execute(_LAST, {"series": name}).first()
        if last is not None:
            number, chain, counts[name] = last.number, last.chain, last.nth or 0
    return number, chain, counts
