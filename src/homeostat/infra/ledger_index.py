"""The index over the ledger's facts: their numbers among those of their kind, and what they are found and sorted by.

It is written in the transaction that writes the facts, and can be made anew from them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from homeostat.infra.database import WRITES, reading
from homeostat.infra.ledger_rows import in_parts, read_by_id, read_facts
from homeostat.infra.ledger_schema import FACTS, LABELS, LINKS, MEASURES, MOVES
from homeostat.infra.ledger_search import matching

if TYPE_CHECKING:
    from homeostat.core.facts import Fact, Query

LABELLED = ("learner", "window", "passed")
"""Entries of a body that are labels of a fact with measures; yes or no where they are truths."""

_PAGE = 1000
_NUMBER = sa.select(LINKS.c.nth).where(LINKS.c.fact == sa.bindparam("fact"))
_NUMBERED = (
    sa.select(FACTS)
    .join(LINKS, LINKS.c.fact == FACTS.c.id)
    .where(LINKS.c.series == sa.bindparam("kind"), LINKS.c.nth == sa.bindparam("nth"))
)


class Indexed(NamedTuple):
    """A fact as the index sees it."""

    kind: str
    nth: int
    body: Mapping[str, Any]


def described(body: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """The measures and labels of a fact with this body; a fact without measures has no labels either.

    Versions were recorded with one metric and its value before there were measures.
    """
    told = body.get("measures")
    if told is None and {"metric", "value", "passed"} <= set(body):
        told = {str(body["metric"]): body["value"]}
    if not isinstance(told, Mapping):
        return {}, {}
    measures = {name: float(value) for name, value in told.items() if _is_number(value)}
    labels = {name: _label(body[name]) for name in LABELLED if isinstance(body.get(name), str | bool)}
    return measures, labels


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _label(value: str | bool) -> str:
    return value if isinstance(value, str) else "yes" if value else "no"


def rows_of(fact: Indexed) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A fact's rows of measures and of labels."""
    measures, labels = described(fact.body)
    about = {"kind": fact.kind, "nth": fact.nth}
    return (
        [{**about, "name": name, "value": value} for name, value in measures.items()],
        [{**about, "name": name, "value": value} for name, value in labels.items()],
    )


def write(connection: sa.Connection, facts: Sequence[Indexed]) -> None:
    """Index facts that were just linked."""
    told = [rows_of(fact) for fact in facts]
    for table, rows in ((MEASURES, [row for each, _ in told for row in each]), (LABELS, [row for _, each in told for row in each])):
        if rows:
            connection.execute(table.insert(), rows)


class SqlIndex:
    """Finds facts by their number among those of their kind (1, 2, ... as recorded), their measures and their labels.

    The engine's database is prepared. Threads may share it.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def number(self, fact_id: str) -> int | None:
        """The number of a fact among those of its kind."""
        with reading(self._engine) as connection:
            found: int | None = connection.execute(_NUMBER, {"fact": fact_id}).scalar()
        return found

    def numbered(self, kind: str, number: int) -> Fact | None:
        """The fact of a kind that has this number."""
        with reading(self._engine) as connection:
            found = read_facts(connection, _NUMBERED, {"kind": kind, "nth": number})
        return found[0] if found else None

    def count(self, kind: str) -> int:
        """How many facts of a kind there are."""
        last = sa.select(LINKS.c.nth).where(LINKS.c.series == kind).order_by(LINKS.c.nth.desc()).limit(1)
        with reading(self._engine) as connection:
            return connection.execute(last).scalar() or 0

    def search(self, query: Query) -> list[tuple[int, Fact]]:
        """The facts asked for, each with its number."""
        with reading(self._engine) as connection:
            numbers = matching(connection, query, LABELLED)
            ids: dict[int, str] = {}
            for some in in_parts(numbers):
                linked = sa.select(LINKS.c.nth, LINKS.c.fact).where(LINKS.c.series == query.kind, LINKS.c.nth.in_(some))
                ids.update((nth, fact) for nth, fact in connection.execute(linked))
            facts = read_by_id(connection, list(ids.values()))
        return [(nth, facts[ids[nth]]) for nth in numbers if ids.get(nth) in facts]

    def has(self, kind: str, name: str) -> bool:
        """Whether a fact of a kind has a measure of this name."""
        query = sa.select(MEASURES.c.nth).where(MEASURES.c.kind == kind, MEASURES.c.name == name).limit(1)
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None

    def names(self, kind: str) -> list[str]:
        """Names of the measures that facts of a kind have, in order: one look for each."""
        found: list[str] = []
        with reading(self._engine) as connection:
            while name := connection.execute(
                sa.select(sa.func.min(MEASURES.c.name)).where(MEASURES.c.kind == kind, MEASURES.c.name > (found[-1] if found else ""))
            ).scalar():
                found.append(name)
        return found

    def pointers(self) -> dict[str, str]:
        """Where each pointer stands."""
        newest = sa.select(MOVES.c.name, sa.func.max(MOVES.c.number).label("number")).group_by(MOVES.c.name).subquery()
        stand = sa.select(MOVES.c.name, MOVES.c.fact).join(newest, (MOVES.c.name == newest.c.name) & (MOVES.c.number == newest.c.number))
        with reading(self._engine) as connection:
            return {row.name: row.fact for row in connection.execute(stand.order_by(MOVES.c.name))}

    def differences(self) -> Iterator[str]:
        """Ids of facts whose index isn't what they say, and of what is indexed and is no fact; nothing is good."""
        for kind, rows in self._pages():
            numbers = [nth for nth, _, _ in rows]
            there: dict[int, set[tuple[str, float | str]]] = {nth: set() for nth in numbers}
            with reading(self._engine) as connection:
                for table in (MEASURES, LABELS):
                    indexed = sa.select(table.c.nth, table.c.name, table.c.value).where(
                        table.c.kind == kind, table.c.nth.between(numbers[0], numbers[-1])
                    )
                    for nth, name, value in connection.execute(indexed):
                        there.setdefault(nth, set()).add((name, value))
            for nth, fact, body in rows:
                measures, labels = _described_text(body)
                if there.pop(nth) != {*measures.items(), *labels.items()}:
                    yield fact
            yield from (f"{kind} {nth}" for nth in there)
        yield from self._strangers()

    def rebuild(self) -> None:
        """Make measures and labels anew from the facts, in one transaction."""
        with self._engine.execution_options(**{WRITES: True}).begin() as connection:
            for table in (MEASURES, LABELS):
                connection.execute(table.delete())
            for kind, rows in self._pages():
                write(connection, [Indexed(kind, nth, json.loads(body)) for nth, _, body in rows])

    def _pages(self) -> Iterator[tuple[str, list[tuple[int, str, str]]]]:
        """All facts by kind, in pages: number, id and body."""
        with reading(self._engine) as connection:
            kinds = list(connection.execute(sa.select(FACTS.c.kind).distinct()).scalars())
        for kind in kinds:
            last = 0
            while True:
                page = (
                    sa.select(LINKS.c.nth, FACTS.c.id, FACTS.c.body)
                    .join(FACTS, FACTS.c.id == LINKS.c.fact)
                    .where(LINKS.c.series == kind, LINKS.c.nth > last)
                    .order_by(LINKS.c.nth)
                    .limit(_PAGE)
                )
                with reading(self._engine) as connection:
                    rows = [(nth, fact, body) for nth, fact, body in connection.execute(page)]
                if not rows:
                    break
                last = rows[-1][0]
                yield kind, rows

    def _strangers(self) -> Iterator[str]:
        """What is indexed under a number that no fact of the kind has."""
        for table in (MEASURES, LABELS):
            no_link = ~sa.exists().where(LINKS.c.series == table.c.kind, LINKS.c.nth == table.c.nth)
            with reading(self._engine) as connection:
                rows = connection.execute(sa.select(table.c.kind, table.c.nth).where(no_link).distinct().limit(_PAGE)).all()
            yield from (f"{kind} {nth}" for kind, nth in rows)


def _described_text(body: str) -> tuple[dict[str, float], dict[str, str]]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}, {}
    return described(told) if isinstance(told, dict) else ({}, {})
