"""The online table: events by entity in one SQLite file, for one writer at a time and any number of reading processes.

A write is one transaction, so readers see all of a refresh or of a group of events, or nothing. In write-ahead mode readers never wait;
a reader that keeps what it read is told by ``changed`` which entities others wrote to since.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from homeostat.core.features import Event, EventTable
from homeostat.errors import ProjectError

if TYPE_CHECKING:
    from pathlib import Path

BUSY_S = 30
FORMAT = 1
PUSHED = 2**40
"""Events that were pushed come behind those of the source that have the same time; their places begin here."""
CHANGES = 100_000
"""So many changes are kept for readers; one that missed more forgets all it keeps."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tables (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, body BLOB NOT NULL, pushes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS events (
  source INTEGER, entity TEXT, at INTEGER, place INTEGER, key TEXT, body BLOB, PRIMARY KEY (source, entity, at, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS past (source INTEGER, entity TEXT, body BLOB, PRIMARY KEY (source, entity)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (source INTEGER, key TEXT, at INTEGER, PRIMARY KEY (source, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_by_time ON keys (source, at);
CREATE TABLE IF NOT EXISTS changes (number INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER, entity TEXT);
"""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of events: taken in, known by their key already, or later than the table waits for."""

    taken: int = 0
    repeated: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of one entity: what was let go, added up, and its events in order."""

    past: bytes | None
    events: list[Event]


class OnlineStore:
    """The online table in a file; it may be used from several threads.

    Args:
        path: the file; its folder is made.
        write: make the file where there is none.

    Raises:
        ProjectError: HS456, it is not there, or not to be opened.
    """

    def __init__(self, path: Path, *, write: bool = False) -> None:
        if not write and not path.exists():
            raise ProjectError("HS456", "there is no online table yet", place=path.name, next_step="`homeostat features refresh` makes it")
        self._path = path
        self._lock = threading.RLock()
        self._seen = -1
        self._number = 0
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            if write:
                self._make()
            self._check_format()
            self._number = int(self._db.execute("SELECT coalesce(max(number), 0) FROM changes").fetchone()[0])

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def __enter__(self) -> OnlineStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tables(self) -> dict[str, EventTable]:
        """The tables of events that are held, by name."""
        with self._reading():
            return {name: _table(body) for name, body in self._db.execute("SELECT name, body FROM tables")}

    def replace(self, name: str, table: EventTable, events: Iterable[Event], past: Mapping[str, bytes]) -> int:
        """In one transaction, hold the source's events as they are now; returns how many pushed ones stay that it does not have yet.

        The source is the truth up to its newest event less ``late_us``: pushed events from before that which it does not have go.
        """
        covered = -(2**63) if table.complete_us is None else table.complete_us - table.late_us
        with self._writing():
            number = self._number_of(name) or int(self._db.execute("SELECT coalesce(max(number), 0) + 1 FROM tables").fetchone()[0])
            keys = self._db.execute("SELECT key, at FROM keys WHERE source = ? AND at >= ?", (number, covered)).fetchall()
            self._db.execute("DELETE FROM events WHERE source = ? AND (place < ? OR at < ?)", (number, PUSHED, covered))
            self._db.execute("DELETE FROM past WHERE source = ?", (number,))
            self._db.execute("DELETE FROM keys WHERE source = ?", (number,))
            self._db.executemany("INSERT INTO past VALUES (?, ?, ?)", ((number, entity, body) for entity, body in past.items()))
            self._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", self._rows(number, events))
            self._db.execute(
                "INSERT OR IGNORE INTO keys SELECT source, key, at FROM events WHERE source = ? AND place < ? AND key != '' AND at >= ?",
                (number, PUSHED, covered),
            )
            self._db.execute(
                "DELETE FROM events WHERE source = ? AND place >= ? AND key IN (SELECT key FROM keys WHERE source = ?)",
                (number, PUSHED, number),
            )
            self._db.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", ((number, *each) for each in keys))
            self._save(number, name, table)
            self._db.execute("INSERT INTO changes (source, entity) VALUES (?, NULL)", (number,))
            asked = "SELECT count(*) FROM events WHERE source = ? AND place >= ?"
            return int(self._db.execute(asked, (number, PUSHED)).fetchone()[0])

    def keep(self, names: Iterable[str]) -> None:
        """Hold only these tables."""
        kept = set(names)
        with self._writing():
            for name in [one for one in self.tables() if one not in kept]:
                number = self._number_of(name)
                for table in ("events", "past", "keys"):
                    self._db.execute(f"DELETE FROM {table} WHERE source = ?", (number,))  # noqa: S608 - names of ours
                self._db.execute("DELETE FROM tables WHERE number = ?", (number,))
                self._db.execute("INSERT INTO changes (source, entity) VALUES (?, NULL)", (number,))

    def push(self, name: str, events: Sequence[Event], now_us: int | None) -> Pushed:
        """Take in events in the order they came, in one transaction. One whose key is known already changes nothing.

        Args:
            name: the table.
            events: with keys.
            now_us: when they come; None: each comes at its own time, as in a replay.
        """
        taken = repeated = late = 0
        touched: dict[str, int] = {}
        with self._writing():
            number, table, pushes = self._required(name)
            newest = max((event.at_us for event in events), default=0)
            for event in events:
                if now_us is not None and event.at_us < now_us - table.late_us:
                    late += 1
                elif not self._db.execute("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", (number, event.key, event.at_us)).rowcount:
                    repeated += 1
                else:
                    place = PUSHED + pushes + taken
                    self._db.execute(
                        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
                        (number, event.entity, event.at_us, place, event.key, msgspec.json.encode(event.values)),
                    )
                    taken += 1
                    touched[event.entity] = number
            if taken:
                come = newest if now_us is None else now_us
                self._let_go(number, table, touched, come)
                held = table.held_us if table.endless else max(table.held_us or -(2**63), come - table.span_us)
                self._save(number, name, replace(table, pushed_us=max(table.pushed_us, come), held_us=held), taken)
            self._db.executemany("INSERT INTO changes (source, entity) VALUES (?, ?)", ((number, entity) for entity in touched))
            self._db.execute("DELETE FROM changes WHERE number <= (SELECT max(number) FROM changes) - ?", (CHANGES,))
        return Pushed(taken, repeated, late)

    def read(self, name: str, entity: str) -> Held:
        """What is held of one entity; nothing of one that is not known."""
        with self._reading():
            found = self._db.execute(
                "SELECT at, place, key, body FROM events WHERE source = (SELECT number FROM tables WHERE name = ?) AND entity = ?"
                " ORDER BY at, place",
                (name, entity),
            ).fetchall()
            past = self._db.execute(
                "SELECT body FROM past WHERE source = (SELECT number FROM tables WHERE name = ?) AND entity = ?", (name, entity)
            ).fetchone()
        events = [Event(entity, at, place, key, msgspec.json.decode(body)) for at, place, key, body in found]
        return Held(past[0] if past else None, events)

    def entities(self, name: str) -> list[str]:
        """The entities of which anything is held, in order."""
        asked = "SELECT entity FROM events WHERE source = :n UNION SELECT entity FROM past WHERE source = :n ORDER BY 1"
        with self._reading():
            return [entity for (entity,) in self._db.execute(asked, {"n": self._number_of(name)})]

    def changed(self) -> set[str] | None:
        """The entities that were written to since the last call; None when that may be any, or when a table was refreshed."""
        with self._reading():
            version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
            if version == self._seen:
                return set()
            found = self._db.execute("SELECT number, entity FROM changes WHERE number >= ? ORDER BY number", (self._number,)).fetchall()
            first, self._seen = self._number, version
            if found:
                self._number = found[-1][0]
            missed = bool(found) and found[0][0] > max(first, 1)
            new = {entity for number, entity in found if number > first}
            return None if missed or None in new else new

    def _let_go(self, number: int, table: EventTable, entities: Iterable[str], now_us: int) -> None:
        """Forget keys that could not come again in time, and events no window reaches; what is added up for ever waits for a refresh."""
        self._db.execute("DELETE FROM keys WHERE source = ? AND at < ?", (number, now_us - table.late_us))
        if not table.endless:
            gone = ((number, entity, now_us - table.span_us) for entity in entities)
            self._db.executemany("DELETE FROM events WHERE source = ? AND entity = ? AND at < ?", gone)

    def _rows(self, number: int, events: Iterable[Event]) -> Iterator[tuple[Any, ...]]:
        encode = msgspec.json.encode
        return ((number, each.entity, each.at_us, each.place, each.key, encode(each.values)) for each in events)

    def _save(self, number: int, name: str, table: EventTable, pushes: int = 0) -> None:
        self._db.execute(
            "INSERT INTO tables VALUES (?, ?, ?, ?)"
            " ON CONFLICT (number) DO UPDATE SET body = excluded.body, pushes = pushes + excluded.pushes",
            (number, name, msgspec.json.encode(table), pushes),
        )

    def _number_of(self, name: str) -> int | None:
        found = self._db.execute("SELECT number FROM tables WHERE name = ?", (name,)).fetchone()
        return None if found is None else int(found[0])

    def _required(self, name: str) -> tuple[int, EventTable, int]:
        found = self._db.execute("SELECT number, body, pushes FROM tables WHERE name = ?", (name,)).fetchone()
        if found is None:
            raise ProjectError("HS456", "holds no events of this table", place=name, next_step="`homeostat features refresh` brings them")
        return int(found[0]), _table(found[1]), int(found[2])

    def _make(self) -> None:
        """The tables, unless they are there: made in one transaction, whichever of several writers is first."""
        self._db.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.split(";\n"):
            self._db.execute(statement)
        if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
            self._db.execute(f"PRAGMA user_version = {FORMAT}")
        self._db.execute("COMMIT")

    def _check_format(self) -> None:
        found = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if found != FORMAT:
            step = "remove the file; `homeostat features refresh` makes it anew"
            raise ProjectError("HS456", f"got format {found}; this program reads {FORMAT}", place=self._path.name, next_step=step)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, _told(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._seen = -1  # what this connection writes does not move its own data_version

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock, _told(self._path):
            yield


def _table(body: bytes) -> EventTable:
    return msgspec.json.decode(body, type=EventTable)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell a failure of the file as one of ours."""
    try:
        yield
    except (sqlite3.Error, OSError, msgspec.DecodeError) as error:
        step = "look at the folder and the disk; the file can be removed and made anew with `homeostat features refresh`"
        raise ProjectError("HS456", f"{error}", place=path.name, next_step=step) from error
