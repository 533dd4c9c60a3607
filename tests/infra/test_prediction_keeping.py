"""Segments become partitions: every record stays, once, through kills, readers and writers at work; old rows go and are counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.errors import ProjectError
from homeostat.infra import prediction_files, prediction_keeping
from homeostat.infra.prediction_files import chunks, parts, segments
from homeostat.infra.prediction_keeping import compact, prune, to_remove
from homeostat.infra.prediction_records import count, find, read, read_frame
from homeostat.infra.predictions import Ids, Prediction, PredictionLog, utc_text
from homeostat.testing.dying import KILLED

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def record(name: str, at: datetime = NOON, version: int = 3, **inputs: Any) -> Prediction:
    return Prediction(name, "rq-1", 0, utc_text(at), "bike", version, "champion", inputs or {"hr": 1}, [0.5, 0.5], "yes", 0.25)


def ids(found: Path) -> list[str]:
    return [each["id"] for each in read(found).records]


def nobody_stays(frame: pl.DataFrame) -> pl.Series:
    return pl.repeat(False, frame.height, eager=True)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two segments: three days and two versions in one, one of either in the other, whose last line was cut."""
    with PredictionLog(tmp_path / "log") as first:
        first.append([record(f"pr-{n}", NOON + n * DAY, version, hr=n, s="a") for n in range(3) for version in (3, 4)])
    before = set(segments(tmp_path / "log"))
    with PredictionLog(tmp_path / "log") as second:
        second.append([record("pr-9", hr=2.5)])
    (path,) = set(segments(tmp_path / "log")) - before
    with path.open("ab") as file:
        file.write(b'{"id":"pr-10","at":"2026-')
    return tmp_path / "log"


def test_partitions_hold_what_the_segments_held(log: Path) -> None:
    before = read(log)
    frame = read_frame(log).frame
    done = compact(log)
    assert (done.segments, done.records, done.torn, done.live) == (2, 7, 1, 0)
    assert segments(log) == []
    assert {(each.day, each.version) for each in parts(log)} == {
        (date(2026, 11, 25 + n), version) for n in range(3) for version in ("3", "4")
    }
    assert read(log) == before
    assert before.torn == 1
    assert read_frame(log).frame.equals(frame)
    assert count(log) == 7
    again = compact(log)
    assert (again.segments, again.records, again.live) == (0, 0, 0)


def test_partitions_are_plain_typed_parquet(log: Path) -> None:
    compact(log)
    with_hive = pl.scan_parquet(log / "day=2026-11-26", hive_partitioning=True).collect()
    assert with_hive["version"].to_list() == [3, 4]
    assert with_hive["inputs.hr"].to_list() == [1, 1]
    assert with_hive["inputs.s"].to_list() == ["a", "a"]
    assert with_hive["prediction"].to_list() == ["yes", "yes"]
    assert with_hive["scores"].to_list() == [[0.5, 0.5]] * 2
    assert with_hive["at"].to_list() == [NOON + DAY] * 2


def test_a_segment_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    with PredictionLog(tmp_path, segment_bytes=300) as log:
        for n in range(4):
            log.append([record(f"pr-{n}")])
            log.flush()
        done = compact(tmp_path)
        assert done.live == 1
        assert done.segments >= 1
        assert len(segments(tmp_path)) == 1
        log.append([record("pr-4")])
    assert ids(tmp_path) == [f"pr-{n}" for n in range(5)]
    assert compact(tmp_path).live == 0
    assert ids(tmp_path) == [f"pr-{n}" for n in range(5)]


def test_a_writer_goes_on_when_its_empty_segment_was_cleared_away(tmp_path: Path) -> None:
    with PredictionLog(tmp_path / "log"):
        pass
    done = compact(tmp_path / "log")
    assert (done.segments, done.records) == (1, 0)
    assert parts(tmp_path / "log") == []


def test_no_folder_is_nothing_to_do(tmp_path: Path) -> None:
    assert compact(tmp_path / "none").segments == 0
    prune(tmp_path / "none", date(2026, 1, 1), nobody_stays)
    assert not (tmp_path / "none").exists()


def read_at_once(path: Path) -> tuple[list[dict[str, Any]], list[int]]:
    lines = [(number, prediction_files.read_line(line)) for number, line in enumerate(path.read_bytes().split(b"\n"), start=1) if line]
    return [each for _, each in lines if each is not None], [number for number, each in lines if each is None]


@settings(max_examples=30)
@given(size=st.integers(1, 400), cut=st.integers(0, 60))
def test_pieces_of_any_size_are_the_whole(size: int, cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("log")
    with PredictionLog(folder) as log:
        log.append([record(f"pr-{n}", note="a\n\N{SNOWMAN}") for n in range(4)])
    (path,) = segments(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut])
    records, torn = read_at_once(path)
    pieces = list(chunks(path, size))
    assert [each for piece in pieces for each in piece.records] == records
    assert [each for piece in pieces for each in piece.torn] == torn


def test_large_segments_become_several_partitions(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read(log)
    monkeypatch.setattr(prediction_keeping, "chunks", lambda path: chunks(path, 300))
    compact(log)
    assert len(parts(log)) > 4
    assert read(log) == before


# Makes partitions and dies, by SIGKILL, before or after the n-th thing it does to the world.
DYING = """
import os, signal, sys
from pathlib import Path
from homeostat.infra import prediction_keeping
from homeostat.testing import dying
dying.os = type("Deadly", (), {"_exit": staticmethod(lambda _: os.kill(os.getpid(), signal.SIGKILL))})
dying.die_at(int(sys.argv[2]), (Path, "replace"), (Path, "unlink"))
prediction_keeping.compact(Path(sys.argv[1]))
"""


def died(code: str, *arguments: object) -> bool:
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode in {0, -signal.SIGKILL, KILLED}, done.stderr
    return done.returncode != 0


def test_a_kill_at_any_moment_neither_loses_nor_doubles(tmp_path: Path) -> None:
    for names in (("pr-1", "pr-2"), ("pr-3",)):
        with PredictionLog(tmp_path) as log:
            log.append([record(name, NOON + n * DAY) for n, name in enumerate(names)])
    with segments(tmp_path)[0].open("ab") as file:
        file.write(b'{"id":"pr-10","at":"2026-')
    before = read(tmp_path)
    step = 1
    while died(DYING, tmp_path, step):
        assert read(tmp_path) == before
        assert count(tmp_path) == 3
        step += 2  # after one thing is before the next
    assert step > 9
    assert segments(tmp_path) == []
    assert read(tmp_path) == before
    assert not list(tmp_path.rglob(".new-*"))


WRITING = """
import sys
from pathlib import Path
from homeostat.infra.predictions import PredictionLog, Prediction
log = PredictionLog(Path(sys.argv[1]), segment_bytes=50_000)
for n in range(10_000_000):
    log.append([Prediction(f"pr-{n:08d}", "rq", 0, "2026-01-01T00:00:00.000000+00:00", "m", 1, "champion", {"x": n}, [1.0], 1.0, 0.1)])
    if n % 500 == 0:
        log.flush()
        sys.stdout.write(f"{n}\\n")
        sys.stdout.flush()
"""


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    child = subprocess.Popen([sys.executable, "-c", WRITING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    yield tmp_path, child
    child.kill()
    child.wait()
    assert child.stdout is not None
    child.stdout.close()


def test_a_killed_writer_leaves_its_segment_to_others(writing: tuple[Path, subprocess.Popen[str]]) -> None:
    folder, child = writing
    assert child.stdout is not None
    kept = 0
    for _ in range(6):
        kept = int(child.stdout.readline())
        compact(folder)
    child.kill()
    child.wait()
    compact(folder)
    assert segments(folder) == []
    found = ids(folder)
    assert len(found) > kept
    assert found == [f"pr-{n:08d}" for n in range(len(found))]


def test_readers_see_each_record_once_while_partitions_are_made(writing: tuple[Path, subprocess.Popen[str]]) -> None:
    folder, child = writing
    assert child.stdout is not None
    stop = threading.Event()

    def keep() -> None:
        while not stop.is_set():
            compact(folder)

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        for _ in range(5):
            kept = int(child.stdout.readline())
            found = ids(folder)
            assert found == [f"pr-{n:08d}" for n in range(len(found))]
            assert len(found) > kept
    finally:
        stop.set()
        thread.join()


def test_one_record_is_found_in_a_partition(tmp_path: Path) -> None:
    names = [f"pr-{each}" for each in Ids().take(50)]
    now = datetime.now(UTC)
    with PredictionLog(tmp_path) as log:
        log.append([record(name, now, hr=n, big=2**70) for n, name in enumerate(names)])
    before = find(tmp_path, names[7])
    compact(tmp_path)
    assert find(tmp_path, names[7]) == before
    assert before is not None
    assert before["inputs"] == {"hr": 7, "big": 2**70}
    assert find(tmp_path, f"pr-{Ids().take(1)[0]}") is None


def test_only_the_days_asked_for_are_opened(log: Path) -> None:
    compact(log)
    for part in parts(log):
        if part.day < date(2026, 11, 26):
            part.path.write_bytes(b"no longer readable")
    assert {each["id"] for each in read(log, since=NOON + DAY).records} == {"pr-1", "pr-2"}
    frame = read_frame(log, since=NOON + 2 * DAY, fields=["hr", "nowhere"], about={"id": "_id"}).frame
    assert frame.columns == ["hr", "_id"]
    assert frame["hr"].to_list() == [2, 2]
    with pytest.raises(ProjectError, match="HS440"):
        read(log)


def test_columns_of_several_types_are_one(tmp_path: Path) -> None:
    for value in (1, 2.5, None, "a", True):
        with PredictionLog(tmp_path) as log:
            log.append([record(f"pr-{value}", x=value, y=1 if value is None else 2.0)])
    frame = read_frame(tmp_path, about={"id": "_id"}).frame.sort("_id")
    compact(tmp_path)
    again = read_frame(tmp_path, about={"id": "_id"}).frame.sort("_id")
    assert frame.equals(again)
    assert dict(frame.select("_id", "x").iter_rows()) == {"pr-1": "1", "pr-2.5": "2.5", "pr-None": None, "pr-a": "a", "pr-True": "true"}
    assert frame["y"].dtype == pl.Float64


def test_old_days_go_but_rows_that_stay(log: Path) -> None:
    compact(log)

    def stays(frame: pl.DataFrame) -> pl.Series:
        return frame["inputs.hr"] == 0

    removed = to_remove(log, date(2026, 11, 27), stays)
    assert removed.rows == {"2026-11-25": 1, "2026-11-26": 2}
    assert removed.kept == {"2026-11-25": 2, "2026-11-26": 0}
    for _ in range(2):
        prune(log, date(2026, 11, 27), stays)
        assert ids(log) == ["pr-0", "pr-0", "pr-2", "pr-2"]
    assert not (log / "day=2026-11-26").exists()
    assert to_remove(log, date(2026, 11, 27), stays).rows.total() == 0


def test_rows_in_segments_are_not_removed(log: Path) -> None:
    before = read(log)
    prune(log, date(2027, 1, 1), nobody_stays)
    assert read(log) == before


def test_torn_lines_of_old_segments_are_forgotten_with_them(log: Path) -> None:
    compact(log)
    prune(log, datetime.now(UTC).date() + DAY, nobody_stays)
    assert read(log).torn == 0


PRUNING = """
import os, signal, sys
from datetime import date
from pathlib import Path
from homeostat.infra import prediction_keeping
from homeostat.testing import dying
dying.os = type("Deadly", (), {"_exit": staticmethod(lambda _: os.kill(os.getpid(), signal.SIGKILL))})
dying.die_at(int(sys.argv[2]), (Path, "replace"), (Path, "unlink"))
prediction_keeping.prune(Path(sys.argv[1]), date(2026, 11, 27), lambda frame: frame["inputs.hr"] == 0)
"""


def test_a_kill_while_old_rows_go_takes_no_others(log: Path) -> None:
    compact(log)
    step = 1
    while died(PRUNING, log, step):
        found = ids(log)
        assert [each for each in found if each in {"pr-0", "pr-2"}] == ["pr-0", "pr-0", "pr-2", "pr-2"]
        step += 2
    assert ids(log) == ["pr-0", "pr-0", "pr-2", "pr-2"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_said(log: Path) -> None:
    log.chmod(0o500)
    try:
        with pytest.raises(ProjectError, match="HS602"):
            compact(log)
    finally:
        log.chmod(0o700)


def test_a_full_disk_leaves_the_segment(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read(log)

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prediction_keeping, "_sync", full)
    with pytest.raises(ProjectError, match=r"HS602.*No space left"):
        compact(log)
    assert read(log) == before
    monkeypatch.undo()
    compact(log)
    assert read(log) == before


def test_the_names_say_what_is_in_them(log: Path) -> None:
    compact(log)
    for part in parts(log):
        assert part.path == prediction_files.part_path(log, part.day, part.version, part.segment, 0)
