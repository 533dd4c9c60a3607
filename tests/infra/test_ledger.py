"""The SQL ledger: the suite's laws, and what is its own: files, revisions, immutability, processes."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.core.ids import canonical
from homeostat.errors import HomeostatError, ProjectError, Unreachable
from homeostat.infra.database import make_engine
from homeostat.infra.ledger import SqlLedger, open_ledger
from homeostat.infra.ledger_schema import FACTS, METADATA, MOVES, REVISIONS, VERSION_TABLE
from homeostat.testing.ledger_suite import LedgerSuite, fact

if TYPE_CHECKING:
    from collections.abc import Iterator


def is_gapless(ledger: SqlLedger) -> None:
    """Nothing is wrong with the chain, and it has a link for each fact and move: whatever raced to write them."""
    assert list(ledger.audit.problems()) == []
    with ledger._engine.connect() as connection:
        rows = sum(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in (FACTS, MOVES))
    assert ledger.audit.head().number == rows


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


class TestSqlLedger(LedgerSuite):
    @pytest.fixture
    def ledger(self, path: Path) -> Iterator[SqlLedger]:
        with open_ledger(url_of(path)) as opened:
            yield opened
            is_gapless(opened)


class TestPostgresLedger(LedgerSuite):
    @pytest.fixture
    def ledger(self, postgresql_schema: str) -> Iterator[SqlLedger]:
        with open_ledger(postgresql_schema) as opened:
            yield opened
            is_gapless(opened)
        engine = make_engine(postgresql_schema)
        for table in ("facts", "links"):
            with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="append-only"):
                connection.execute(sa.delete(sa.table(table)))
        engine.dispose()


def test_reopening_finds_everything(path: Path) -> None:
    with open_ledger(url_of(path)) as ledger:
        stored = ledger.record(fact("run", "1", {"a": 1}))
        ledger.move("champion", to=stored.id, expected=None, because=fact("promotion", "1"))
    with open_ledger(url_of(path)) as ledger:
        assert ledger.get(stored.id) == stored
        pointer = ledger.pointer("champion")
        assert pointer is not None
        assert pointer.fact == stored.id


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def test_any_plain_body_comes_back_equal(path: Path) -> None:
    with open_ledger(url_of(path)) as ledger:

        @settings(max_examples=60, deadline=None)
        @given(st.dictionaries(st.text(max_size=8), plain, max_size=4), st.text(), st.text())
        def law(body: dict[str, object], subject: str, key: str) -> None:
            key = canonical([body, subject, key]).decode("utf-8", "surrogatepass")
            written = fact("note", key, body, subject=subject)
            assert ledger.record(written) == written
            assert ledger.find("note", subject=subject, limit=1) == [written]

        law()
        assert list(ledger.audit.problems()) == []


@pytest.mark.parametrize("table", ["facts", "causes", "moves", "links"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET rowid = rowid", "DELETE FROM {}"])
def test_the_database_itself_refuses_changes(path: Path, table: str, verb: str) -> None:
    with open_ledger(url_of(path)) as ledger:
        cause = ledger.record(fact("run", "1"))
        ledger.move("champion", to=cause.id, expected=None, because=fact("promotion", "1", causes=(cause.id,)))
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(verb.format(table))
    connection.close()


def test_a_row_changed_behind_the_triggers_is_told(path: Path) -> None:
    with open_ledger(url_of(path)) as ledger:
        good, bad = ledger.record(fact("run", "1")), ledger.record(fact("run", "2"))
        assert list(ledger.audit.problems()) == []
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER facts_refuse_update")
    connection.execute("UPDATE facts SET body = '{\"score\":1}' WHERE id = ?", (bad.id,))
    connection.commit()
    connection.close()
    with open_ledger(url_of(path)) as ledger:
        assert ledger.audit.altered([bad.id]) != []
        assert ledger.get(good.id) == good


def test_the_migrations_make_the_declared_schema(path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    from homeostat.infra import migrations

    open_ledger(url_of(path)).close()
    engine = sa.create_engine(url_of(path))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()
    known = [script.revision for script in ScriptDirectory(str(Path(str(migrations.__file__)).parent)).walk_revisions()]
    assert tuple(reversed(known)) == REVISIONS


def test_opening_a_current_ledger_needs_no_alembic(path: Path) -> None:
    open_ledger(url_of(path)).close()
    script = "import sys; from homeostat.infra.ledger import open_ledger; open_ledger(sys.argv[1]).close(); print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, url_of(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_newer_ledger_is_refused_untouched(path: Path) -> None:
    open_ledger(url_of(path)).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE ledger_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ProjectError, match=r"HS606.*'9999'.*newer program"):
        open_ledger(url_of(path))
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_untouched(path: Path) -> None:
    path.write_bytes(b"this is a letter, not a database" * 40)
    before = path.read_bytes()
    with pytest.raises(ProjectError, match="HS610"):
        open_ledger(url_of(path))
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "absent" / "ledger.sqlite", tmp_path / "file" / "ledger.sqlite", tmp_path):
        with pytest.raises(ProjectError, match="HS602"):
            open_ledger(url_of(place))


@pytest.mark.parametrize("url", ["", "ledger.sqlite", "sqlite://", "sqlite:///:memory:", "mysql://u:hunter2@h/x", "nosuch://u:hunter2@h/x"])
def test_an_address_of_no_known_database_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ProjectError, match="HS610") as caught:
        open_ledger(url)
    assert "hunter2" not in str(caught.value)


def test_a_plain_postgresql_address_is_that_of_psycopg(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine("postgresql://user@host/name")
    assert engine.driver == "psycopg"
    engine.dispose()
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ProjectError, match=r"HS610.*'psycopg'.*not installed; install it: pip install 'homeostat\[postgres\]'"):
        make_engine("postgresql://user:hunter2@host/name")


def test_an_absent_server_is_told_without_its_password() -> None:
    with pytest.raises(Unreachable, match="HS802") as caught:
        open_ledger("postgresql://user:hunter2@127.0.0.1:1/homeostat")
    assert "hunter2" not in str(caught.value)


def test_a_time_without_a_zone_and_a_body_without_a_form_are_refused(path: Path) -> None:
    from dataclasses import replace

    with open_ledger(url_of(path)) as ledger:
        with pytest.raises(ValueError, match="without a zone"):
            ledger.record(replace(fact("run", "1"), at=datetime(2024, 1, 1)))
        with pytest.raises(ValueError, match="JSON"):
            ledger.record(fact("run", "2", {"score": float("nan")}))
        assert ledger.find("run") == []


def test_reading_does_not_wait_for_a_writer(path: Path) -> None:
    with open_ledger(url_of(path)) as ledger:
        stored = ledger.record(fact("version", "1"))
        ledger.move("champion", to=stored.id, expected=None, because=fact("promotion", "1"))
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        told: list[object] = []
        reader = threading.Thread(
            target=lambda: told.extend([ledger.pointer("champion"), ledger.get(stored.id), ledger.record(fact("version", "1"))])
        )
        reader.start()
        reader.join(timeout=10)
        assert not reader.is_alive()
        assert told[1:] == [stored, stored]
        writer.execute("ROLLBACK")
        writer.close()


RACE = """
import json, os, sys
import alembic.command, alembic.config, sqlalchemy.dialects.sqlite
from homeostat.errors import Refusal
from homeostat.infra.ledger import open_ledger
from homeostat.testing.ledger_suite import fact

def child(number, url, ready, told):
    os.read(ready, 1)
    with open_ledger(url) as ledger:
        for i in range(50):
            ledger.record(fact("trial", str((number * 25 + i) % 80), {"by": number}))
        one = ledger.record(fact("version", str(number)))
        try:
            ledger.move("champion", to=one.id, expected=None, because=fact("promotion", str(number)))
            os.write(told, b"won ")
        except Refusal as error:
            os.write(told, f"{error.code} ".encode())

ready, go = os.pipe()
told, tell = os.pipe()
children = []
for number in range(4):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child(number, sys.argv[1], ready, tell)
            code = 0
        finally:
            os._exit(code)
    children.append(pid)
os.write(go, b"gggg")
codes = [os.waitpid(pid, 0)[1] for pid in children]
print(json.dumps({"codes": codes, "told": os.read(told, 1000).decode().split()}))
"""


def test_four_processes_that_start_and_write_at_once(path: Path) -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", RACE, url_of(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["codes"] == [0, 0, 0, 0], done.stderr
    assert sorted(result["told"]) == ["HS705", "HS705", "HS705", "won"]
    with open_ledger(url_of(path)) as ledger:
        assert sorted(int(one.key) for one in ledger.find("trial")) == list(range(80))
        pointer = ledger.pointer("champion")
        assert pointer is not None
        assert pointer.moves == 1
        assert [one.id for one in ledger.find("promotion")] == [pointer.moved_by]
        is_gapless(ledger)


def test_only_what_may_be_tried_again_does_not_wait_for_the_disk(ledger_url: str) -> None:
    """What was not lasting is on the disk with the next thing that is: they share one log."""
    said: list[str] = []
    with open_ledger(ledger_url) as ledger:
        sa.event.listen(ledger._engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: said.append(statement))

        def waits() -> list[str]:
            found = [statement.rpartition(" ")[2] for statement in said if "synchronous" in statement]
            said.clear()
            return [each.rpartition("=")[2] for each in found]

        one = ledger.record(fact("version", "1"))
        assert waits() == []  # as the connection was made
        trial = ledger.record(fact("trial", "1", causes=(one.id,)), lasting=False)
        assert waits() == (["NORMAL"] if ledger_url.startswith("sqlite") else ["off"])
        ledger.move("champion", to=one.id, expected=None, because=fact("promotion", "1"))
        assert waits() == (["FULL"] if ledger_url.startswith("sqlite") else [])
        ledger.record(fact("trial", "2"))
        assert waits() == []
        assert ledger.get(trial.id) == trial
        is_gapless(ledger)


def test_two_keys_with_one_id_are_not_confused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_ledger(url_of(path)) as ledger:
        ledger.record(fact("run", "1"))
        known = fact("run", "1").id
        monkeypatch.setattr("homeostat.core.facts.fact_id", lambda _kind, _key: known)
        with pytest.raises(HomeostatError, match="HS001"):
            ledger.record(fact("run", "2"))
