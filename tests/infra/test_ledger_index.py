"""The index over facts: it answers as a look at every fact would, in both databases, and can be made anew."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core.facts import OPERATORS, Condition, Fact, Query
from homeostat.infra.ledger import SqlLedger, open_ledger
from homeostat.infra.ledger_index import LABELLED, described
from homeostat.testing.ledger_suite import fact

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPARE = {"<": operator.lt, "<=": operator.le, "=": operator.eq, "!=": operator.ne, ">=": operator.ge, ">": operator.gt}
LEARNERS = ("linear", "lightgbm", "Naive_100%")


def version(number: int) -> Fact:
    """A version whose metrics repeat often; every fourth has no f1, every seventh is of another kind of fact."""
    measures = {"auc": (number * 7 % 10) / 10, "f1": (number * 3 % 5) / 4} if number % 4 else {"auc": number / 100}
    body = {"learner": LEARNERS[number % 3], "window": "all", "passed": number % 2 == 0, "measures": measures}
    return fact("note" if number % 7 == 0 else "version", str(number), body)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[SqlLedger]:
    with open_ledger(ledger_url) as opened:
        opened.record(*(version(number) for number in range(1, 41)))
        yield opened


def expected(ledger: SqlLedger, query: Query) -> list[tuple[int, Fact]]:
    """The answer, by looking at every fact."""
    numbered = list(enumerate(reversed(ledger.find(query.kind)), start=1))[::-1]

    def meets(one: Fact, condition: Condition) -> bool:
        measures, labels = described(one.body)
        own = (labels if isinstance(condition.value, str) else measures).get(condition.name)
        return own is not None and bool(COMPARE[condition.operator](own, condition.value))

    found = [
        (number, one)
        for number, one in numbered
        if all(meets(one, condition) for condition in query.conditions)
        and any(query.text.lower() in label.lower() for label in described(one.body)[1].values())
        and (query.among is None or one.id in query.among)
        and (not query.sort or query.sort in described(one.body)[0])
    ]
    if query.sort:
        found.sort(key=lambda each: described(each[1].body)[0][query.sort] * (1 if query.ascending else -1))
    return found[: query.limit]


NUMBERS = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.75, 2.0])
CONDITIONS = st.one_of(
    st.builds(Condition, st.sampled_from(["auc", "f1", "never"]), st.sampled_from(OPERATORS), NUMBERS),
    st.builds(Condition, st.just("learner"), st.sampled_from(["=", "!="]), st.sampled_from([*LEARNERS, "other"])),
    st.builds(Condition, st.just("passed"), st.just("="), st.sampled_from(["yes", "no"])),
)
QUERIES = st.builds(
    Query,
    st.sampled_from(["version", "note", "nothing"]),
    st.lists(CONDITIONS, max_size=3).map(tuple),
    st.sampled_from(["", "l", "GBM", "0%", "_", "absent"]),
    st.none() | st.lists(st.integers(1, 40).map(lambda n: version(n).id), max_size=6).map(tuple),
    st.sampled_from(["", "auc", "f1", "never"]),
    st.booleans(),
    st.none() | st.integers(0, 10),
)


def test_a_search_answers_as_a_look_at_every_fact_would(ledger: SqlLedger) -> None:
    @settings(max_examples=150)
    @given(QUERIES)
    def law(query: Query) -> None:
        assert ledger.index.search(query) == expected(ledger, query)

    law()


def test_numbers_count_the_facts_of_a_kind(ledger: SqlLedger) -> None:
    oldest_first = list(reversed(ledger.find("version")))
    assert ledger.index.count("version") == len(oldest_first)
    assert [ledger.index.number(one.id) for one in oldest_first] == list(range(1, len(oldest_first) + 1))
    assert [ledger.index.numbered("version", n) for n in (1, 2, len(oldest_first))] == [oldest_first[0], oldest_first[1], oldest_first[-1]]
    assert [ledger.index.numbered("version", n) for n in (0, len(oldest_first) + 1)] == [None, None]
    assert ledger.index.number("version-x") is None
    assert ledger.index.count("nothing") == 0
    assert ledger.index.names("version") == ["auc", "f1"]
    assert [ledger.index.has("version", name) for name in ("auc", "never")] == [True, False]


def test_pointers_stand_where_their_newest_move_put_them(ledger: SqlLedger) -> None:
    assert ledger.index.pointers() == {}
    one, two = version(1).id, version(2).id
    ledger.move("champion", to=one, expected=None, because=fact("promotion", "1"))
    ledger.move("champion", to=two, expected=one, because=fact("promotion", "2"))
    ledger.move("staging", to=one, expected=None, because=fact("promotion", "3"))
    assert ledger.index.pointers() == {"champion": two, "staging": one}


def test_an_altered_index_is_told_and_made_anew(ledger: SqlLedger, ledger_url: str) -> None:
    assert list(ledger.index.differences()) == []
    numbers = {name: ledger.index.numbered("version", n) for n, name in enumerate(("value", "gone", "label"), start=1)}
    with ledger._engine.begin() as connection:
        connection.execute(sa.text("UPDATE measures SET value = 0.99 WHERE kind = 'version' AND nth = 1 AND name = 'auc'"))
        connection.execute(sa.text("DELETE FROM measures WHERE kind = 'version' AND nth = 2 AND name = 'f1'"))
        connection.execute(sa.text("UPDATE labels SET value = 'other' WHERE kind = 'version' AND nth = 3 AND name = 'learner'"))
        connection.execute(sa.text("INSERT INTO measures (kind, name, nth, value) VALUES ('version', 'auc', 99, 1.0)"))
        connection.execute(sa.text("INSERT INTO labels (kind, name, nth, value) VALUES ('nothing', 'learner', 1, 'x')"))
    told = [one.id for one in numbers.values() if one is not None]
    assert sorted(ledger.index.differences()) == sorted([*told, "version 99", "nothing 1"])
    ledger.index.rebuild()
    assert list(ledger.index.differences()) == []
    assert ledger.index.search(Query("version", sort="auc")) == expected(ledger, Query("version", sort="auc"))


@pytest.mark.parametrize(
    ("body", "measures", "labels"),
    [
        ({"learner": "linear"}, {}, {}),
        ({"measures": None, "learner": "linear"}, {}, {}),
        ({"measures": [1, 2]}, {}, {}),
        ({"measures": {"auc": 1, "none": None, "text": "1", "truth": True}}, {"auc": 1.0}, {}),
        ({"measures": {"large": 10**400, "infinite": float("inf"), "nan": float("nan"), "least": -1e308}}, {"least": -1e308}, {}),
        ({"measures": {}, "learner": "a", "window": 3, "passed": False}, {}, {"learner": "a", "passed": "no"}),
        ({"metric": "mae", "value": 2, "passed": True, "learner": "a"}, {"mae": 2.0}, {"learner": "a", "passed": "yes"}),
        ({"metric": "mae", "value": None, "passed": True}, {}, {"passed": "yes"}),
    ],
)
def test_what_a_body_is_found_by(body: dict[str, object], measures: dict[str, float], labels: dict[str, str]) -> None:
    assert described(body) == (measures, labels)
    assert set(labels) <= set(LABELLED)
