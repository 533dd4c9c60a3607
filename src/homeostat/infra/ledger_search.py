"""Which facts of a kind meet some conditions, found through the index: never by looking at all where few are asked for.

There are two ways. One walks in the order asked for and stops when enough were found: good where many meet the conditions. The other
takes the condition that the fewest meet and sorts those: good where few do. What is counted first, up to a limit, says which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from homeostat.infra.ledger_schema import LABELS, LINKS, MEASURES

if TYPE_CHECKING:
    from homeostat.core.facts import Condition, Query

COUNTED = 15_000
"""How far matches are counted: more of them than this are not sorted."""

_COMPARE = {"<": "lt", "<=": "le", "=": "eq", "!=": "ne", ">=": "ge", ">": "gt"}


@dataclass(frozen=True, slots=True)
class _Test:
    """A measure or label of one name whose value must be as ``holds`` says."""

    table: sa.Table
    kind: str
    name: str
    holds: Callable[[sa.ColumnElement[Any]], sa.ColumnElement[bool]]

    def rows(self) -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
        """The table under a name of its own, and which of its rows pass."""
        table = self.table.alias()
        return table, (table.c.kind == self.kind) & (table.c.name == self.name) & self.holds(table.c.value)

    def passed_by(self, number: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
        """Whether the fact of this number passes: one look."""
        table, passes = self.rows()
        return sa.exists().where(passes, table.c.nth == number)

    def among_passed(self, number: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
        """The same, by a list of all that pass: for few of them."""
        table, passes = self.rows()
        return number.in_(sa.select(table.c.nth).where(passes))

    def count(self, connection: sa.Connection) -> int:
        """How many facts pass, ``COUNTED`` at most."""
        table, passes = self.rows()
        some = sa.select(table.c.nth).where(passes).limit(COUNTED).subquery()
        return int(connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())


def matching(connection: sa.Connection, query: Query, names: Sequence[str]) -> list[int]:
    """Numbers of the facts that are asked for, in the order asked for; ``names`` are those of the labels a text may be in."""
    tests = [_test(query.kind, condition) for condition in query.conditions]
    either: list[_Test] = []
    if query.text:
        either = _containing(connection, query, names)
        if not either:
            return []
        if len(either) == 1:
            tests, either = [*tests, *either], []
    plan = _planned(connection, query, [] if query.among is not None else tests)
    if plan.driver is not None:
        table, passes = plan.driver.rows()
    else:
        table, passes = _whole(query)
    number = table.c.nth
    met = [passes, *(plan.checked(test, number) for test in tests if test is not plan.driver)]
    if either:
        met.append(sa.or_(*(test.passed_by(number) for test in either)))
    if query.among is not None:
        links = LINKS.alias()
        met.append(number.in_(sa.select(links.c.nth).where(links.c.series == query.kind, links.c.fact.in_(query.among))))
    found = sa.select(number).where(*met)
    ordered = _sorted(found, query, plan.total) if query.sort and plan.driver is not None else _in_order(found, table, query)
    return list(connection.execute(ordered.limit(query.limit)).scalars())


def _test(kind: str, condition: Condition) -> _Test:
    compare = getattr(sa.sql.operators, _COMPARE[condition.operator])
    table = LABELS if isinstance(condition.value, str) else MEASURES
    return _Test(table, kind, condition.name, lambda column: compare(column, condition.value))


def _containing(connection: sa.Connection, query: Query, names: Sequence[str]) -> list[_Test]:
    """By label, those of its values that have the text in them; there are few values, so one look for each."""
    found: list[_Test] = []
    for name in names:
        values: list[str] = []
        last = ""
        after = sa.select(sa.func.min(LABELS.c.value)).where(LABELS.c.kind == query.kind, LABELS.c.name == name)
        while (value := connection.execute(after.where(LABELS.c.value > last)).scalar()) is not None:
            last = str(value)
            values += [last] if query.text.casefold() in last.casefold() else []
        if values:
            found.append(_Test(LABELS, query.kind, name, lambda column, values=values: column.in_(values)))  # type: ignore[misc]
    return found


@dataclass(frozen=True, slots=True)
class _Plan:
    """The test to start from, none to walk in the order asked for; how many pass each test, and how many facts there are."""

    driver: _Test | None
    counts: dict[int, int]
    total: int

    def checked(self, test: _Test, number: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
        """How a fact that was come by is put to another test."""
        few = self.driver is not None and self.counts.get(id(test), COUNTED) < COUNTED
        return test.among_passed(number) if few else test.passed_by(number)


def _planned(connection: sa.Connection, query: Query, tests: Sequence[_Test]) -> _Plan:
    """Whichever way is likely to look at fewer facts."""
    last = sa.select(sa.func.max(LINKS.c.nth)).where(LINKS.c.series == query.kind)
    total = connection.execute(last).scalar() or 1
    counts = {id(test): test.count(connection) for test in tests}
    share = min(1.0, math.prod(max(count, 1) / total for count in counts.values()))
    walked = total if query.limit is None else min(total, query.limit / share)
    fewest = min(tests, key=lambda test: counts[id(test)], default=None)
    if fewest is None or counts[id(fewest)] >= COUNTED or counts[id(fewest)] > walked:
        fewest = None
    return _Plan(fewest, counts, total)


def _whole(query: Query) -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
    """All facts of the kind: those that have the measure to sort by, where there is one."""
    if query.sort:
        table = MEASURES.alias()
        return table, (table.c.kind == query.kind) & (table.c.name == query.sort)
    links = LINKS.alias()
    return links, links.c.series == query.kind


def _in_order(found: sa.Select[Any], table: sa.FromClause, query: Query) -> sa.Select[Any]:
    """What is read in the order of an index."""
    if not query.sort:
        return found.order_by(table.c.nth.desc())
    return found.order_by(table.c.value.asc() if query.ascending else table.c.value.desc(), table.c.nth.desc())


def _sorted(found: sa.Select[Any], query: Query, total: int) -> sa.Select[Any]:
    """What is sorted once it was found. A limit that is never reached keeps planners from looking up values of what is not found."""
    few = found.limit(total).subquery()
    sort = MEASURES.alias()
    value = sa.select(sort.c.value).where(sort.c.kind == query.kind, sort.c.name == query.sort, sort.c.nth == few.c.nth).scalar_subquery()
    valued = sa.select(few.c.nth, value.label("value")).subquery()
    return _in_order(sa.select(valued.c.nth).where(valued.c.value.is_not(None)), valued, query)
