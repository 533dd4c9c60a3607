"""The chain over the ledger: it grows without gaps, older ledgers get it, and no cell can be edited unseen."""
# ruff: noqa: S608 - statements about tables of our own

from __future__ import annotations

import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core.facts import Fact, Problem
from homeostat.errors import Refusal
from homeostat.infra.database import WRITES, make_engine
from homeostat.infra.ledger import SqlLedger, open_ledger
from homeostat.infra.ledger_chain import START, chained
from homeostat.infra.ledger_rows import to_row
from homeostat.testing.ledger_suite import MOMENT, fact

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = ("facts", "causes", "moves", "links")


def problems(path: Path) -> list[Problem]:
    with open_ledger(f"sqlite:///{path}") as ledger:
        return list(ledger.audit.problems())


def edit(path: Path, *statements: str, given: tuple[Any, ...] = ()) -> None:
    """Change rows as somebody who owns the file would: without the triggers, without foreign keys."""
    with closing(sqlite3.connect(path)) as database:
        triggers = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in triggers:
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement, given)
        database.commit()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with two pointers that moved, facts with causes and a version with measures."""
    path = tmp_path / "ledger.sqlite"
    with open_ledger(f"sqlite:///{path}") as ledger:
        told(ledger)
    return path


def told(ledger: SqlLedger) -> list[Fact]:
    dataset = ledger.record(fact("dataset", "1"))
    run = ledger.record(fact("run", "1", {"seed": 1}, causes=(dataset.id,)))
    trials = [ledger.record(fact("trial", str(i), {"value": i}, causes=(run.id, dataset.id)), lasting=False) for i in range(3)]
    body = {"learner": "linear", "passed": True, "measures": {"auc": 0.7}}
    one = ledger.record(fact("version", "1", body, causes=(trials[0].id,)), fact("note", "beside"))
    two = ledger.record(fact("version", "2", body, causes=(trials[1].id,)))
    first = ledger.move("champion", to=one.id, expected=None, because=fact("promotion", "1", causes=(one.id,)))
    ledger.move("staging", to=two.id, expected=None, because=fact("promotion", "2"), also=[fact("note", "also")])
    second = ledger.move("champion", to=two.id, expected=one.id, because=fact("promotion", "3", causes=(two.id, first.id)))
    return [dataset, run, *trials, one, two, first, second]


def test_links_are_numbered_and_each_covers_all_before_it(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        links = [dict(row) for row in database.execute("SELECT * FROM links ORDER BY number")]
    assert [link["number"] for link in links] == list(range(1, 16))
    assert [(link["series"], link["nth"]) for link in links[5:]] == [
        ("version", 1),
        ("note", 1),
        ("version", 2),
        ("promotion", 1),
        ("@champion", 1),
        ("promotion", 2),
        ("note", 2),
        ("@staging", 1),
        ("promotion", 3),
        ("@champion", 2),
    ]
    before = START
    for link in links:
        before = chained(before, link)
        assert link["chain"] == before
    with open_ledger(f"sqlite:///{path}") as ledger:
        head = ledger.audit.head()
        assert (head.number, head.chain) == (len(links), before)
        assert ledger.audit.chain_at(len(links)) == before
        assert ledger.audit.chain_at(0) == START
        assert ledger.audit.chain_at(len(links) + 1) is None
        assert list(ledger.audit.problems()) == []


def test_what_is_known_or_refused_adds_no_link(path: Path) -> None:
    with open_ledger(f"sqlite:///{path}") as ledger:
        before = ledger.audit.head()
        told(ledger)  # all of it is there
        with pytest.raises(Refusal):
            ledger.move("champion", to=fact("version", "1").id, expected=None, because=fact("promotion", "9"))
        assert ledger.audit.head() == before


def test_an_empty_ledger_is_sound(tmp_path: Path) -> None:
    with open_ledger(f"sqlite:///{tmp_path / 'empty.sqlite'}") as ledger:
        assert ledger.audit.head() == replace(ledger.audit.head(), number=0, chain=START)
        assert list(ledger.audit.problems()) == []


def id_of(kind: str, key: str) -> str:
    return fact(kind, key).id


TAMPERED: dict[str, tuple[list[str], set[tuple[str, str]]]] = {
    "a fact's body": (["UPDATE facts SET body = '{\"value\":9}' WHERE kind = 'trial' AND key = '1'"], {("fact", id_of("trial", "1"))}),
    "a fact's body, no JSON": (["UPDATE facts SET body = '{' WHERE kind = 'trial' AND key = '1'"], {("fact", id_of("trial", "1"))}),
    "a body that is no text": (["UPDATE facts SET body = CAST(x'ff' AS TEXT) WHERE key = 'beside'"], {("fact", id_of("note", "beside"))}),
    "a fact's actor": (["UPDATE facts SET actor = 'Nobody' WHERE kind = 'run'"], {("fact", id_of("run", "1"))}),
    "a fact's time": (["UPDATE facts SET at = '2020-01-01T00:00:00.000000+00:00' WHERE kind = 'run'"], {("fact", id_of("run", "1"))}),
    "a fact's digest": (["UPDATE facts SET digest = 'x' WHERE kind = 'run'"], {("fact", id_of("run", "1"))}),
    "a removed fact": (
        ["DELETE FROM facts WHERE kind = 'trial' AND key = '2'", f"DELETE FROM causes WHERE effect = '{id_of('trial', '2')}'"],
        {("fact", id_of("trial", "2"))},
    ),
    "a removed fact and its link": (
        ["DELETE FROM facts WHERE key = 'beside'", f"DELETE FROM links WHERE fact = '{id_of('note', 'beside')}'"],
        {("link", "7"), ("link", "12")},  # the second note is no more the second
    ),
    "an inserted fact": (
        ["INSERT INTO facts (id, kind, key, subject, at, actor, body, digest) VALUES ('note-x', 'note', 'x', '', '', '', '{}', '')"],
        {("fact", "note-x")},
    ),
    "reordered facts": (
        [
            f"UPDATE facts SET seq = -1 WHERE id = '{id_of('trial', '0')}'",
            f"UPDATE facts SET seq = 3 WHERE id = '{id_of('trial', '1')}'",
            f"UPDATE facts SET seq = 4 WHERE id = '{id_of('trial', '0')}'",
        ],
        {("fact", id_of("trial", "0")), ("fact", id_of("trial", "1"))},
    ),
    "an edited cause": (
        [f"UPDATE causes SET cause = '{id_of('dataset', '1')}' WHERE effect = '{id_of('version', '1')}'"],
        {("fact", id_of("version", "1"))},
    ),
    "a removed cause": ([f"DELETE FROM causes WHERE effect = '{id_of('version', '1')}'"], {("fact", id_of("version", "1"))}),
    "an added cause": (
        [f"INSERT INTO causes VALUES ('{id_of('version', '1')}', '{id_of('dataset', '1')}', 1)"],
        {("fact", id_of("version", "1"))},
    ),
    "the order of causes": (
        [f"UPDATE causes SET position = 1 - position WHERE effect = '{id_of('trial', '1')}'"],
        {("fact", id_of("trial", "1"))},
    ),
    "a cause's place alone": (
        [f"UPDATE causes SET position = 7 WHERE effect = '{id_of('version', '1')}'"],
        {("fact", id_of("version", "1"))},
    ),
    "a cause of nothing": ([f"INSERT INTO causes VALUES ('note-y', '{id_of('dataset', '1')}', 0)"], {("cause", id_of("dataset", "1"))}),
    "an edited move": (
        [f"UPDATE moves SET fact = '{id_of('version', '1')}' WHERE name = 'champion' AND number = 2"],
        {("move", "champion 2")},
    ),
    "a removed move": (["DELETE FROM moves WHERE name = 'champion' AND number = 2"], {("move", "champion 2")}),
    "an added move": (
        [f"INSERT INTO moves VALUES ('champion', 3, '{id_of('version', '1')}', '{id_of('promotion', '2')}')"],
        {("move", "champion 3")},
    ),
    "a renumbered move": (
        ["UPDATE moves SET number = 5 WHERE name = 'champion' AND number = 2"],
        {("move", "champion 2"), ("move", "champion 5")},
    ),
    "a link's hash": (["UPDATE links SET chain = 'x' WHERE number = 5"], {("link", "5")}),
    "the last link's hash": (["UPDATE links SET chain = 'x' WHERE number = (SELECT max(number) FROM links)"], {("link", "15")}),
    "a removed link": (["DELETE FROM links WHERE number = 2"], {("link", "2"), ("fact", id_of("run", "1"))}),
    "a link and its row": (
        [
            "UPDATE facts SET body = '{}', digest = 'd' WHERE kind = 'run'",
            "UPDATE links SET digest = 'd' WHERE number = 2",
        ],
        {("link", "2"), ("fact", id_of("run", "1"))},
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_each_kind_of_tampering_is_found_and_named(path: Path, what: str) -> None:
    statements, expected = TAMPERED[what]
    edit(path, *statements)
    assert {(problem.kind, problem.id) for problem in problems(path)} == expected


def test_a_row_rewritten_with_its_digest_and_link_breaks_the_chain_after_it(path: Path) -> None:
    """Whoever can write can make one row, its digest and its link fit; then the next link does not."""
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        before, link = (dict(row) for row in database.execute("SELECT * FROM links WHERE number IN (1, 2) ORDER BY number"))
    forged = to_row(fact("run", "1", {"seed": 2}, causes=(id_of("dataset", "1"),)))
    link["digest"] = forged["digest"]
    chain = chained(before["chain"], link)
    edit(path, "UPDATE facts SET body = ?, digest = ? WHERE kind = 'run'", given=(forged["body"], forged["digest"]))
    edit(path, "UPDATE links SET digest = ?, chain = ? WHERE number = 2", given=(forged["digest"], chain))
    assert [(problem.kind, problem.id) for problem in problems(path)] == [("link", "3")]
    with open_ledger(f"sqlite:///{path}") as ledger:
        assert [(one.kind, one.id) for one in ledger.audit.altered([id_of("run", "1")])] == [("link", "3")]


def test_a_few_facts_are_held_against_their_links_alone(path: Path) -> None:
    edit(path, "UPDATE facts SET actor = 'Nobody' WHERE kind = 'run'")
    with open_ledger(f"sqlite:///{path}") as ledger:
        run, others = id_of("run", "1"), [id_of("dataset", "1"), id_of("version", "2"), id_of("promotion", "3")]
        assert ledger.audit.altered(others, "champion") == []
        assert [(one.kind, one.id) for one in ledger.audit.altered([*others, run])] == [("fact", run)]
        assert [(one.kind, one.id) for one in ledger.audit.altered(["note-x"])] == [("fact", "note-x")]
        assert ledger.audit.altered([], "never moved") == []
    edit(path, "DELETE FROM moves WHERE name = 'champion' AND number = 2")
    with open_ledger(f"sqlite:///{path}") as ledger:
        assert ("move", "champion 2") in {(one.kind, one.id) for one in ledger.audit.altered([], "champion")}
        assert ledger.audit.altered([], "staging") == []


KEYS = st.integers(0, 5)
ACTS = st.one_of(
    st.tuples(st.just("record"), KEYS, st.lists(KEYS, max_size=3), st.booleans()),
    st.tuples(st.just("together"), KEYS, st.lists(KEYS, max_size=3), st.booleans()),
    st.tuples(st.just("move"), KEYS, st.lists(KEYS, max_size=0), st.booleans()),
)


def act(ledger: SqlLedger, acts: list[tuple[str, int, list[int], bool]]) -> None:
    """Write as asked, as far as it can be: causes that are there already, moves from where the pointer stands."""
    for at, (how, key, causes, lasting) in enumerate(acts):
        there = [one.id for one in ledger.find("trial") if int(one.key) in causes]
        if how == "move":
            target = ledger.record(fact("version", str(key), {"measures": {"auc": key / 10}, "learner": f"learner {key}"}))
            stands = ledger.pointer("champion")
            ledger.move("champion", to=target.id, expected=stands.fact if stands else None, because=fact("promotion", str(at)))
        else:
            beside = [fact("note", f"{at}:{i}", causes=(id_of("trial", str(key)),)) for i in range(2)] if how == "together" else []
            ledger.record(fact("trial", str(key), {"at": at}, causes=tuple(there)), *beside, lasting=lasting)


def cells(path: Path) -> Iterator[tuple[str, str, int]]:
    """Every cell of the four tables."""
    with closing(sqlite3.connect(path)) as database:
        for table in TABLES:
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            for (rowid,) in database.execute(f"SELECT rowid FROM {table}").fetchall():
                yield from ((table, column, rowid) for column in columns)


def test_whatever_is_written_verifies_and_no_cell_of_it_can_be_edited_unseen(tmp_path_factory: pytest.TempPathFactory) -> None:
    @settings(max_examples=25, deadline=None)
    @given(st.lists(ACTS, min_size=1, max_size=8), st.data())
    def law(acts: list[tuple[str, int, list[int], bool]], data: st.DataObject) -> None:
        folder = tmp_path_factory.mktemp("law")
        path = folder / "ledger.sqlite"
        with open_ledger(f"sqlite:///{path}") as ledger:
            act(ledger, acts)
            assert list(ledger.audit.problems()) == []
            assert list(ledger.index.differences()) == []
        table, column, rowid = data.draw(st.sampled_from(list(cells(path))))
        copy = Path(shutil.copy(path, folder / "copy.sqlite"))
        with closing(sqlite3.connect(copy)) as database:
            old = database.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (rowid,)).fetchone()[0]
        new = old + 1000 if isinstance(old, int) else data.draw(st.sampled_from([f"{old}x", f"X{old}"]) | st.text(max_size=8))
        if new == old:
            return
        edit(copy, f"UPDATE {table} SET {column} = ? WHERE rowid = ?", given=(new, rowid))
        assert problems(copy) != [], (table, column, old, new)

    law()


def test_threads_that_write_at_once_leave_a_chain_without_gaps(ledger_url: str) -> None:
    """Records, several at once, and moves of two pointers; on PostgreSQL their transactions overlap."""
    start = threading.Barrier(6)

    def write(worker: int) -> None:
        with open_ledger(ledger_url) as ledger:
            start.wait(30)
            for i in range(12):
                own = [fact("note", f"{worker}:{i}:{j}") for j in range(worker % 3)]
                one = ledger.record(fact("version", f"{(worker + i) % 20}", {"measures": {"auc": i}}), *own, lasting=bool(i % 2))
                name = f"pointer {worker % 2}"
                stands = ledger.pointer(name)
                try:
                    ledger.move(name, to=one.id, expected=stands.fact if stands else None, because=fact("promotion", f"{worker}:{i}"))
                except Refusal:
                    continue

    open_ledger(ledger_url).close()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    with open_ledger(ledger_url) as ledger:
        assert list(ledger.audit.problems()) == []
        assert list(ledger.index.differences()) == []
        numbers = [ledger.index.number(one.id) for one in ledger.find("version")]
        assert sorted(n for n in numbers if n is not None) == list(range(1, len(numbers) + 1))
        assert ledger.index.count("version") == len(numbers)


def older(url: str) -> list[Fact]:
    """A ledger as revision 0001 wrote it; its facts."""
    from alembic import command
    from alembic.config import Config

    from homeostat.infra import migrations

    config = Config()
    config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
    config.set_main_option("path_separator", "os")
    engine = make_engine(url)
    old = {"metric": "mae", "value": 3.5, "learner": "linear", "window": "all", "passed": True, "bundle": "b" * 64}
    facts = [
        fact("run", "1"),
        fact("version", "1", old, causes=(id_of("run", "1"),)),
        fact("promotion", "1", causes=(id_of("version", "1"),)),
        fact("version", "2", old | {"value": 2.5}),
        fact("promotion", "2"),
        fact("run", "2"),
    ]
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for one in facts:
            row = to_row(one)
            names = ", ".join(row)
            connection.execute(sa.text(f"INSERT INTO facts ({names}) VALUES (:{', :'.join(row)})"), row)
            for i, cause in enumerate(one.causes):
                connection.execute(sa.text("INSERT INTO causes VALUES (:e, :c, :i)"), {"e": one.id, "c": cause, "i": i})
        for number in (1, 2):
            connection.execute(
                sa.text("INSERT INTO moves VALUES ('champion', :n, :f, :b)"),
                {"n": number, "f": id_of("version", str(number)), "b": id_of("promotion", str(number))},
            )
    engine.dispose()
    return facts


def test_an_older_ledger_is_linked_in_its_order_and_keeps_its_numbers(ledger_url: str) -> None:
    facts = older(ledger_url)
    with open_ledger(ledger_url) as ledger:
        assert list(ledger.audit.problems()) == []
        with ledger._engine.connect() as connection:
            order = connection.execute(sa.text("SELECT series, nth, fact FROM links ORDER BY number")).all()
        ids = [one.id for one in facts]
        assert [(series, nth) for series, nth, _ in order] == [
            ("run", 1),
            ("version", 1),
            ("promotion", 1),
            ("@champion", 1),
            ("version", 2),
            ("promotion", 2),
            ("@champion", 2),
            ("run", 2),
        ]
        assert [name for _, _, name in order if name] == ids
        assert [ledger.get(one) for one in ids] == facts
        assert [ledger.index.number(ids[i]) for i in (1, 3)] == [1, 2]
        assert list(ledger.index.differences()) == []
        added = ledger.record(fact("version", "3"))
        assert ledger.index.number(added.id) == 3
        assert ledger.audit.head().number == 9
        assert list(ledger.audit.problems()) == []


def test_an_older_ledger_that_was_tampered_with_is_linked_and_told(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    older(f"sqlite:///{path}")
    edit(path, "UPDATE facts SET actor = 'Nobody' WHERE kind = 'run' AND key = '2'")
    assert {(one.kind, one.id) for one in problems(path)} == {("fact", id_of("run", "2"))}


def test_a_long_ledger_is_walked_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeostat.infra.ledger_audit.PAGE", 7)
    path = tmp_path / "long.sqlite"
    with open_ledger(f"sqlite:///{path}") as ledger:
        ledger.record(*(Fact("note", str(i), MOMENT, {"i": i}) for i in range(40)))
        assert list(ledger.audit.problems()) == []
        assert [body for _, _, body in ledger.audit.bodies(["note"])] == [f'{{"i":{i}}}' for i in range(40)]
    edit(path, "UPDATE facts SET body = '{}' WHERE key IN ('6', '7', '39')")
    assert [one.id for one in problems(path)] == [id_of("note", key) for key in ("6", "7", "39")]
