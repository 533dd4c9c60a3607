"""Looks for what was altered in the ledger: every row against its link, every link against the one before it.

Rows are read in pages, so memory stays bounded however long the ledger is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from homeostat.core.facts import Problem
from homeostat.infra.database import reading
from homeostat.infra.ledger_chain import START, chained, pointer_series
from homeostat.infra.ledger_rows import CELLS, move_digest, read_causes, row_digest
from homeostat.infra.ledger_schema import CAUSES, FACTS, LINKS, MOVES

PAGE = 500
ASTRAY = 8
"""How many links in a row can be altered before the one that comes after them is told too."""
INSERTED = "it was inserted: no link of the chain is about it"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Head:
    """The last link: its number, 0 of an empty ledger, and its hash. Whoever keeps it elsewhere can tell that the tail was cut off."""

    number: int
    chain: str


@dataclass(slots=True)
class _Walk:
    """Where a walk along the chain has come."""

    number: int = 0
    before: list[str] = field(default_factory=lambda: [START])
    counts: Counter[str] = field(default_factory=Counter)

    def step(self, link: Row) -> Iterator[Problem]:
        """Go on by one link, and tell what is wrong with the link itself."""
        number = link["number"]
        if number != self.number + 1:
            yield Problem("link", str(self.number + 1), "it was removed, or its number changed")
        # A link that was altered is told once: the next one may follow from what it is or from what it should be.
        follows = [chained(before, link) for before in self.before]
        fits = link["chain"] in follows
        if not fits and number == self.number + 1:
            yield Problem("link", str(number), "it does not follow from the links before it: it was altered, or one of them was")
        self.counts[link["series"]] += 1
        if link["nth"] != self.counts[link["series"]]:
            yield Problem("link", str(number), f"it has the number {link['nth']} of {link['series']}; {self.counts[link['series']]} is due")
            self.counts[link["series"]] = link["nth"] if isinstance(link["nth"], int) else self.counts[link["series"]]
        self.number, self.before = number, [link["chain"]] if fits else [link["chain"], *follows][:ASTRAY]


class Audit:
    """Reads a ledger as evidence; the engine's database is prepared."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def head(self) -> Head:
        """The last link as it stands. What it covers survives a power cut from now on."""
        with self._reading() as connection:
            last = connection.execute(sa.select(LINKS.c.number, LINKS.c.chain).order_by(LINKS.c.number.desc()).limit(1)).first()
        if self._engine.dialect.name == "sqlite":
            with closing(self._engine.raw_connection()) as outside:  # a transaction cannot ask for it
                outside.cursor().execute("PRAGMA wal_checkpoint")
        return Head(last.number, last.chain) if last else Head(0, START)

    def chain_at(self, number: int) -> str | None:
        """The hash of a link, None when there is none of this number."""
        if number == 0:
            return START
        with self._reading() as connection:
            found: str | None = connection.execute(sa.select(LINKS.c.chain).where(LINKS.c.number == number)).scalar()
        return found

    def problems(self) -> Iterator[Problem]:
        """Everything that was altered in facts, causes, moves and links; nothing is good."""
        walk = _Walk()
        while True:
            query = sa.select(LINKS).where(LINKS.c.number > walk.number).order_by(LINKS.c.number).limit(PAGE)
            with self._reading() as connection:
                links = [dict(row) for row in connection.execute(query).mappings()]
                found = list(_rows_against(connection, links))
            if not links:
                break
            for link in links:
                yield from walk.step(link)
            yield from found
        yield from self._unlinked()

    def altered(self, ids: Sequence[str] = (), pointer: str = "") -> list[Problem]:
        """What is wrong with these facts, or a pointer's newest move: their rows, their links, and the links on both sides of these."""
        with self._reading() as connection:
            links, missing = _links_of(connection, ids, pointer)
            found = [*missing, *_rows_against(connection, links)]
            for link in links:
                near = sa.select(LINKS).where(LINKS.c.number.between(link["number"] - 1, link["number"] + 1)).order_by(LINKS.c.number)
                found += _beside([dict(row) for row in connection.execute(near).mappings()], link)
        return found

    def bodies(self, kinds: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """Kind, id and body (JSON text) of all facts of these kinds, oldest first."""
        last = 0
        while True:
            query = sa.select(FACTS.c.seq, FACTS.c.kind, FACTS.c.id, FACTS.c.body).where(FACTS.c.seq > last, FACTS.c.kind.in_(kinds))
            with self._reading() as connection:
                rows = connection.execute(query.order_by(FACTS.c.seq).limit(PAGE)).all()
            if not rows:
                return
            last = rows[-1].seq
            yield from ((row.kind, row.id, row.body) for row in rows)

    def _unlinked(self) -> Iterator[Problem]:
        """Rows that no link is about."""
        linked, effect = LINKS.alias(), FACTS.alias()
        moved = sa.exists().where(linked.c.series == sa.literal("@").concat(MOVES.c.name), linked.c.nth == MOVES.c.number)
        queries: tuple[tuple[str, sa.Select[Any]], ...] = (
            ("fact", sa.select(FACTS.c.id).where(~sa.exists().where(linked.c.fact == FACTS.c.id))),
            ("move", sa.select(MOVES.c.name.concat(" ").concat(sa.cast(MOVES.c.number, sa.Text))).where(~moved)),
            ("cause", sa.select(CAUSES.c.cause).where(~sa.exists().where(effect.c.id == CAUSES.c.effect))),
        )
        for kind, query in queries:
            what = "it is the cause of a fact that is not there" if kind == "cause" else INSERTED
            with self._reading() as connection:
                for (name,) in connection.execution_options(yield_per=PAGE).execute(query):
                    yield Problem(kind, str(name), what)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A connection that reads damaged text too: what it can't be is replaced, so its digest can't be right."""
        with reading(self._engine) as connection:
            if self._engine.dialect.name != "sqlite":
                yield connection
                return
            driver: Any = connection.connection.dbapi_connection
            driver.text_factory = lambda raw: raw.decode(errors="replace")
            try:
                yield connection
            finally:
                driver.text_factory = str


def _links_of(connection: sa.Connection, ids: Sequence[str], pointer: str) -> tuple[list[Row], list[Problem]]:
    links: list[Row] = []
    missing: list[Problem] = []
    for fact in ids:
        link = connection.execute(sa.select(LINKS).where(LINKS.c.fact == fact)).mappings().first()
        if link is None:
            missing.append(Problem("fact", fact, INSERTED))
        else:
            links.append(dict(link))
    if pointer:
        newest = sa.select(sa.func.max(MOVES.c.number)).where(MOVES.c.name == pointer)
        number = connection.execute(newest).scalar() or 0
        of_pointer = sa.select(LINKS).where(LINKS.c.series == pointer_series(pointer)).order_by(LINKS.c.nth.desc()).limit(1)
        last = connection.execute(of_pointer).mappings().first()
        if last is not None:
            links.append(dict(last))
        if (last["nth"] if last else 0) != number:
            missing.append(Problem("move", f"{pointer} {number}", "the pointer's newest move and the chain's are not the same"))
    return links, missing


def _beside(near: list[Row], link: Row) -> list[Problem]:
    """Whether a link follows from the one before it, and the next one from it."""
    at = near.index(link)
    before = near[at - 1] if at else None
    after = near[at + 1] if at + 1 < len(near) else None
    expected = before["chain"] if before else START
    if (before is None and link["number"] != 1) or chained(expected, link) != link["chain"]:
        return [Problem("link", str(link["number"]), "it does not follow from the link before it")]
    if after is not None and chained(link["chain"], after) != after["chain"]:
        return [Problem("link", str(after["number"]), "it does not follow from the link before it")]
    return []


def _rows_against(connection: sa.Connection, links: Sequence[Row]) -> Iterator[Problem]:
    """What is wrong with the rows that these links are about."""
    ids = [link["fact"] for link in links if link["fact"] is not None]
    query = sa.select(FACTS).where(FACTS.c.id.in_(ids))
    facts = {row["id"]: dict(row) for row in connection.execute(query).mappings()} if ids else {}
    causes = read_causes(connection, ids)
    for link in links:
        name = link["fact"]
        if name is None:
            yield from _move_against(connection, link)
        elif name not in facts:
            yield Problem("fact", str(name), "it was removed, or its id changed")
        else:
            yield from _fact_against(facts[name], causes.get(name, []), link)


def _fact_against(row: Row, causes: list[tuple[str, int]], link: Row) -> Iterator[Problem]:
    name = str(row["id"])
    if not all(isinstance(row[cell], str) for cell in CELLS) or row_digest(row, [cause for cause, _ in causes]) != link["digest"]:
        yield Problem("fact", name, "its row or its causes are not those that were recorded")
    elif row["digest"] != link["digest"]:
        yield Problem("fact", name, "its digest is not the one that was recorded")
    if [position for _, position in causes] != list(range(len(causes))):
        yield Problem("fact", name, "the order of its causes was changed")
    if row["seq"] != link["seq"]:
        yield Problem("fact", name, f"it was recorded as number {link['seq']} and stands at {row['seq']}: facts were reordered")
    if row["kind"] != link["series"]:
        yield Problem("fact", name, f"it was recorded among {link['series']} facts")


def _move_against(connection: sa.Connection, link: Row) -> Iterator[Problem]:
    pointer, number = str(link["series"]).removeprefix("@"), link["nth"]
    row = connection.execute(sa.select(MOVES).where(MOVES.c.name == pointer, MOVES.c.number == number)).mappings().first()
    if row is None:
        yield Problem("move", f"{pointer} {number}", "it was removed, or its number changed")
    elif move_digest(**dict(row)) != link["digest"]:
        yield Problem("move", f"{pointer} {number}", "it does not lead where it led when it was recorded")
