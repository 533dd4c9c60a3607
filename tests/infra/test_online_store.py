"""The online table's file: one transaction a write, readers that are told what changed, several processes at once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from homeostat.core.features import Event, EventTable
from homeostat.errors import ProjectError
from homeostat.infra import online_store
from homeostat.infra.online_store import PUSHED, OnlineStore, Pushed

TABLE = EventTable("orders", ("who",), "at", ("id",), ("x",), {"x": "number"}, reach_us=100, endless=False, late_us=10)
SPAN = TABLE.span_us


def event(number: int, who: str = "a", at: int = 0) -> Event:
    return Event(who, at, number, f"k{number}", [float(number)])


PUSHES = """
import sys
from pathlib import Path
from homeostat.core.features import Event
from homeostat.infra.online_store import OnlineStore
first = int(sys.argv[2])
with OnlineStore(Path(sys.argv[1])) as store:
    for number in range(first, first + 50):
        store.push("orders", [Event("a", 0, 0, f"k{number}", [1.0])], 5)
"""


def test_events_are_read_in_order_with_what_the_source_has_first(tmp_path: Path) -> None:
    with OnlineStore(tmp_path / "o.sqlite", write=True) as store:
        assert store.replace("orders", replace(TABLE, complete_us=20), [event(0, at=20), event(1, at=5)], {"a": b"{}"}) == 0
        assert store.push("orders", [event(2, at=5), event(3, at=20), event(3, at=20), event(4, at=4)], 15) == Pushed(2, 1, 1)
        held = store.read("orders", "a")
        assert [(one.at_us, one.values) for one in held.events] == [(5, [1.0]), (5, [2.0]), (20, [0.0]), (20, [3.0])]
        assert held.past == b"{}"
        assert [one.place >= PUSHED for one in held.events] == [False, True, False, True]
        assert store.read("orders", "z") == online_store.Held(None, [])
        assert store.tables()["orders"].pushed_us == 15
        assert store.entities("orders") == ["a"]
        store.keep([])
        assert store.tables() == {}
        assert store.read("orders", "a").events == []


def test_what_no_window_reaches_goes_with_the_next_push_of_its_entity(tmp_path: Path) -> None:
    with OnlineStore(tmp_path / "o.sqlite", write=True) as store:
        store.replace("orders", TABLE, [event(0, at=0), event(1, "b", at=0)], {})
        store.push("orders", [event(2, at=SPAN + 1)], SPAN + 1)
        assert [one.key for one in store.read("orders", "a").events] == ["k2"]
        assert [one.key for one in store.read("orders", "b").events] == ["k1"]
        assert store.tables()["orders"].held_us == 1


def test_readers_are_told_whom_others_wrote_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online_store, "CHANGES", 3)
    path = tmp_path / "o.sqlite"
    with OnlineStore(path, write=True) as writer, OnlineStore(path) as reader:
        writer.replace("orders", TABLE, [], {})
        assert reader.changed() is None, "a refresh may have changed any"
        assert reader.changed() == set()
        writer.push("orders", [event(1), event(2, "b")], 0)
        assert reader.changed() == {"a", "b"}
        writer.push("orders", [event(1)], 0)
        assert reader.changed() == set(), "it was known"
        for number in range(3, 9):
            writer.push("orders", [event(number)], 0)
        assert reader.changed() is None, "more than are kept"
        assert reader.changed() == set()


def test_writers_in_several_processes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    with OnlineStore(path, write=True) as store:
        store.replace("orders", TABLE, [], {})
        workers = [subprocess.Popen([sys.executable, "-c", PUSHES, str(path), str(first)]) for first in (0, 25)]
        assert [worker.wait() for worker in workers] == [0, 0]
        assert sorted(one.key for one in store.read("orders", "a").events) == sorted(f"k{n}" for n in range(75))


def test_a_table_that_is_not_held_takes_no_events_and_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    with OnlineStore(path, write=True) as store, pytest.raises(ProjectError, match=r"HS456.*holds no events of this table"):
        store.push("orders", [event(1)], 0)
    with OnlineStore(path, write=True) as store:
        store._db.execute("PRAGMA user_version = 9")
    with pytest.raises(ProjectError, match=r"HS456.*got format 9"):
        OnlineStore(path)
