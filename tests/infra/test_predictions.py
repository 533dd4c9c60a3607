"""The prediction log: everything once, in order, through kills, full disks and many writers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.errors import ProjectError
from homeostat.infra import predictions
from homeostat.infra.prediction_records import count, find, moment_of, read, read_frame
from homeostat.infra.predictions import Ids, Prediction, PredictionLog, utc_text


def record(name: str, row: int = 0, at: datetime | None = None, **inputs: Any) -> Prediction:
    moment = utc_text(at or datetime.now(UTC))
    return Prediction(name, "rq-1", row, moment, "bike", 3, "champion", inputs or {"hr": row}, [float(row)], float(row), 0.25)


def test_what_is_appended_is_read_once_and_in_order(tmp_path: Path) -> None:
    ids = [f"pr-{each}" for each in Ids().take(500)]
    with PredictionLog(tmp_path / "log") as log:
        for at in range(0, 500, 50):
            log.append([record(name, row) for row, name in enumerate(ids[at : at + 50])])
    found = read(tmp_path / "log")
    assert [each["id"] for each in found.records] == ids
    assert found.torn == 0
    assert count(tmp_path / "log") == 500
    one = find(tmp_path / "log", ids[123])
    assert one is not None
    assert one["inputs"] == {"hr": 23}
    assert find(tmp_path / "log", ids[0][:-1]) is None
    assert find(tmp_path / "log", "nonsense") is None


def test_flush_makes_records_readable_while_the_log_is_open(tmp_path: Path) -> None:
    with PredictionLog(tmp_path) as log:
        log.append([record("pr-1")])
        log.flush()
        assert len(read(tmp_path).records) == 1


def test_no_folder_and_an_empty_log_have_no_records(tmp_path: Path) -> None:
    assert read(tmp_path / "none").records == []
    assert count(tmp_path / "none") == 0
    assert find(tmp_path / "none", f"pr-{Ids().take(1)[0]}") is None
    assert read_frame(tmp_path / "none").frame.is_empty()


def test_threads_lose_nothing_even_when_the_log_is_small(tmp_path: Path) -> None:
    with PredictionLog(tmp_path, capacity_bytes=2_000, wait_s=30) as log:

        def write(k: int) -> None:
            for n in range(30):
                log.append([record(f"pr-{k}-{n}-{row}", row) for row in range(3)])

        threads = [threading.Thread(target=write, args=(k,)) for k in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    names = [each["id"] for each in read(tmp_path).records]
    assert len(names) == len(set(names)) == 6 * 30 * 3


def test_segments_rotate_and_belong_to_one_writer(tmp_path: Path) -> None:
    with PredictionLog(tmp_path, segment_bytes=400) as one, PredictionLog(tmp_path) as two:
        for n in range(8):
            one.append([record(f"pr-a{n}")])
            one.flush()
        two.append([record("pr-b")])
    assert len(list(tmp_path.glob(f"*-{os.getpid()}-*.jsonl"))) >= 4
    assert len(read(tmp_path).records) == 9


def test_a_deleted_segment_takes_no_further_records(tmp_path: Path) -> None:
    with PredictionLog(tmp_path / "log") as log:
        log.append([record("pr-1")])
        log.flush()
        shutil.rmtree(tmp_path / "log")
        log.append([record("pr-2")])
    assert [each["id"] for each in read(tmp_path / "log").records] == ["pr-2"]


def test_since_keeps_what_came_later(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with PredictionLog(tmp_path) as log:
        log.append([record(f"pr-{n}", at=now + timedelta(seconds=n)) for n in range(5)])
    assert [each["id"] for each in read(tmp_path, since=now + timedelta(seconds=2)).records] == ["pr-2", "pr-3", "pr-4"]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_cut_last_line_is_told_and_the_rest_is_read(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("log")
    with PredictionLog(folder) as log:
        log.append([record(f"pr-{n}", note="a:\n\N{SNOWMAN}") for n in range(4)])
    path = next(folder.glob("*.jsonl"))
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    found = read(folder)
    lines, rest = whole[:cut].count(b"\n"), whole[:cut].rpartition(b"\n")[2]
    complete = rest.endswith(b"}") and rest.count(b"{") == rest.count(b"}") and len(rest) > 0
    assert len(found.records) == lines + complete
    assert found.torn == int(len(rest) > 0 and not complete)
    assert [each["id"] for each in found.records] == [f"pr-{n}" for n in range(len(found.records))]


def test_ids_rise_and_never_repeat_across_threads() -> None:
    ids = Ids()
    taken: list[list[str]] = []
    threads = [threading.Thread(target=lambda: taken.extend(ids.take(7) for _ in range(50))) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    flat = [name for group in taken for name in group]
    assert len(flat) == len(set(flat)) == 4 * 50 * 7
    assert all(group == sorted(group) for group in taken)
    moment = moment_of(f"pr-{ids.take(1)[0]}")
    assert moment is not None
    assert abs(moment - datetime.now(UTC)) < timedelta(minutes=1)


def test_frame_has_raw_fields_and_the_record_beside_them(tmp_path: Path) -> None:
    with PredictionLog(tmp_path) as log:
        log.append([record("pr-1", hr=1, season="a", id="mine"), record("pr-2", 1, hr=2.5, season=None)])
    frame = read_frame(tmp_path).frame
    assert frame["hr"].to_list() == [1.0, 2.5]
    assert frame["season"].to_list() == ["a", None]
    assert frame["id"].to_list() == ["mine", None]
    assert frame["_id"].to_list() == ["pr-1", "pr-2"]
    assert frame["_scores"].to_list() == [[0.0], [1.0]]
    assert frame.schema["_at"] == pl.Datetime("us", "UTC")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProjectError, match="HS602"):
        PredictionLog(tmp_path / "file" / "log")


def test_a_closed_log_takes_nothing(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path)
    log.close()
    log.close()
    with pytest.raises(ProjectError, match="closed"):
        log.append([record("pr-1")])


KILLED = """
import sys, os, signal
from pathlib import Path
from homeostat.infra.predictions import PredictionLog, Prediction
log = PredictionLog(Path(sys.argv[1]))
for n in range(100_000):
    log.append([Prediction(f"pr-{n:06d}", "rq", 0, "2026-01-01T00:00:00.000000+00:00", "m", 1, "champion", {"x": n}, [1.0], 1.0, 0.1)])
    if n == 2000:
        log.flush()
        sys.stdout.write("flushed\\n")
        sys.stdout.flush()
"""


def test_kill_9_loses_at_most_the_last_group(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "flushed\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    found = read(tmp_path)
    assert [each["id"] for each in found.records] == [f"pr-{n:06d}" for n in range(len(found.records))]
    assert len(found.records) >= 2001
    assert found.torn <= 1


FULL = """
import resource, signal, sys
from pathlib import Path
from homeostat.errors import ProjectError
from homeostat.infra.predictions import PredictionLog, Prediction
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def record(n):
    return Prediction(f"pr-{n:04d}", "rq", 0, "2026-01-01T00:00:00.000000+00:00", "m", 1, "champion", {"x": "y" * 100}, [1.0], 1.0, 0.1)
log = PredictionLog(Path(sys.argv[1]), capacity_bytes=1000, wait_s=0.5)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
taken = 0
try:
    while True:
        log.append([record(taken)])
        taken += 1
except ProjectError as error:
    assert error.code == "HS602" and log.failure, error
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
log.flush()
log.append([record(taken)])
log.close()
sys.stdout.write(str(taken + 1))
"""


def test_a_full_disk_refuses_loses_nothing_and_recovers(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found = read(tmp_path)
    assert found.torn == 0
    assert [each["id"] for each in found.records] == [f"pr-{n:04d}" for n in range(int(done.stdout))]


def test_a_disk_that_stays_full_is_told_at_close(tmp_path: Path) -> None:
    code = FULL.split("resource.setrlimit(resource.RLIMIT_FSIZE, (hard", maxsplit=1)[0] + "\nlog.close()"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "bytes of records could not be written" in done.stderr
    assert read(tmp_path).torn <= 1


def test_module_is_light() -> None:
    code = "import sys, homeostat.infra.predictions; sys.exit(bool({'polars', 'numpy', 'sqlalchemy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert predictions.GROUP_S <= 0.02
