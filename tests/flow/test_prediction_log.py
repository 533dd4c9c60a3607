"""The log is kept as long as the charter says, what went is on record, and an entity can be forgotten."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from homeostat.charter.load import parse_charter
from homeostat.errors import CharterError, ProjectError
from homeostat.flow.labels import labelled, take_labels
from homeostat.flow.monitor import monitor
from homeostat.flow.prediction_log import compact_log, forget, keep_log, overview, prune_log
from homeostat.flow.project import Project, open_project
from homeostat.flow.served import read_served
from homeostat.flow.trace import trace
from homeostat.infra.clock import FixedClock
from homeostat.infra.prediction_records import read
from homeostat.infra.predictions import Ids, Prediction, PredictionLog, utc_text
from homeostat.testing.dying import KILLED

if TYPE_CHECKING:
    from homeostat.app.demo.months import Month

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CHARTER = """
name: small
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: regression, target: y, time: when, entity: [customer], label_delay: 2d}
success: {metric: mae}
data: {source: rows.csv}
deploy: {log: {keep: 10d}}
"""


def small(folder: Path, *changes: tuple[str, str]) -> Project:
    text = CHARTER
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "homeostat.yaml").write_text(text)
    return open_project(folder, clock=FixedClock(NOW))


def log_days(project: Project, *days_ago: float, ahead: timedelta = timedelta(0), **inputs: Any) -> None:
    with PredictionLog(project.predictions) as log:
        for ago in days_ago:
            at = NOW - timedelta(days=ago)
            row = {"customer": f"c{ago:g}", "when": (at + ahead).isoformat(), **inputs}
            log.append([Prediction(f"pr-{ago:g}", "rq-1", 0, utc_text(at), "small", 1, "champion", row, [1.0], 1.0, 0.5)])


def left(project: Project) -> list[str]:
    return [each["id"] for each in read(project.predictions).records]


def test_days_older_than_is_kept_go_and_are_on_record(tmp_path: Path) -> None:
    with small(tmp_path) as project:
        log_days(project, 1, 9, 10, 10.6, 11, 30, 30.1)
        fact = keep_log(project)
        assert left(project) == ["pr-1", "pr-10", "pr-9"]
        assert fact is not None
        assert fact.body["days"] == {"2026-10-26": 2, "2026-11-14": 2}
        assert (fact.body["rows"], fact.body["awaited"], fact.body["before"]) == (4, 0, "2026-11-15")
        assert keep_log(project) is None
        assert len(project.ledger.find("pruning")) == 1


def test_rows_whose_labels_may_still_come_stay(tmp_path: Path) -> None:
    with small(tmp_path) as project:
        log_days(project, 20, ahead=timedelta(days=19))
        log_days(project, 21)
        fact = keep_log(project)
        assert fact is not None
        assert (fact.body["rows"], fact.body["awaited"]) == (1, 1)
        assert left(project) == ["pr-20"]


def test_without_the_clause_all_is_kept(tmp_path: Path) -> None:
    with small(tmp_path, ("deploy: {log: {keep: 10d}}", "")) as project:
        log_days(project, 1, 1_000)
        assert keep_log(project) is None
        assert left(project) == ["pr-1", "pr-1000"]


@pytest.mark.parametrize(("keep", "fits"), [("2d", False), ("3d", True), ("8d", True)])
def test_predictions_are_kept_until_their_window_is_judged(keep: str, fits: bool) -> None:
    text = CHARTER.replace("keep: 10d", f"keep: {keep}")
    if fits:
        assert parse_charter(text, "homeostat.yaml").deploy.log.keep is not None
        return
    with pytest.raises(CharterError, match=r"HS106.*deploy\.log\.keep.*got 2d.*3d"):
        parse_charter(text, "homeostat.yaml")


DYING = """
import sys
from datetime import datetime
from pathlib import Path
from homeostat.flow.prediction_log import prune_log
from homeostat.flow.project import open_project
from homeostat.infra import ledger
from homeostat.infra.clock import FixedClock
from homeostat.testing.dying import die_at
die_at(int(sys.argv[2]), (ledger.SqlLedger, "record"), (Path, "unlink"))
with open_project(Path(sys.argv[1]), clock=FixedClock(datetime.fromisoformat(sys.argv[3]))) as project:
    prune_log(project)
"""


@pytest.mark.parametrize("step", [2, 4])
def test_what_a_kill_left_of_a_pruning_goes_with_the_next_and_is_counted_once(tmp_path: Path, step: int) -> None:
    with small(tmp_path) as project:
        log_days(project, 1, 20, 30)
        compact_log(project)
        program = [sys.executable, "-c", DYING, str(tmp_path), str(step), NOW.isoformat()]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        assert done.returncode == KILLED, done.stderr
        assert len(left(project)) > 1
        assert prune_log(project) is None
        assert left(project) == ["pr-1"]
        (fact,) = project.ledger.find("pruning")
        assert fact.body["days"] == {"2026-10-26": 1, "2026-11-05": 1}


def test_served_rows_and_labels_are_the_same_from_partitions(tmp_path: Path) -> None:
    with small(tmp_path) as project:
        log_days(project, 1, 2, 3)
        log_days(project, 4, when=NOW.timestamp())
        log_days(project, 5, when="no time")
        (tmp_path / "labels.csv").write_text("customer,y\nc1,10\nc4,40\nnobody,1\nc1,11\n")
        before = take_labels(project, tmp_path / "labels.csv").body
        served = read_served(project).frame
        joined = labelled(project, served)
        compact_log(project)
        assert read_served(project).frame.equals(served)
        assert labelled(project, served).equals(joined)
        assert dict(joined.select("_prediction_id", "y").iter_rows()) == {"pr-1": "11", "pr-4": "40"}
        moments = dict(served.select("_prediction_id", "_moment").iter_rows())
        assert moments["pr-4"] == NOW
        assert moments["pr-5"] == NOW - timedelta(days=5)
        (tmp_path / "again.csv").write_text("customer,y\nc1,10\nc4,40\nnobody,1\nc1,11\nc2,20\n")
        after = take_labels(project, tmp_path / "again.csv").body
        assert (before["matched"], after["matched"], after["unknown"]) == (2, 3, 1)
        assert dict(labelled(project, read_served(project).frame).select("_prediction_id", "y").iter_rows()) == {
            "pr-1": "11",
            "pr-2": "20",
            "pr-4": "40",
        }


def test_only_the_fields_asked_for_are_read(tmp_path: Path) -> None:
    with small(tmp_path) as project:
        log_days(project, 1, x=1.5)
        compact_log(project)
        assert {"customer", "when", "x"} <= set(read_served(project).frame.columns)
        found = read_served(project, ["customer"]).frame.columns
        assert set(found) >= {"customer", "when", "_prediction_id", "_moment"}
        assert "x" not in found


def test_an_entity_is_forgotten_and_its_answers_stay(tmp_path: Path) -> None:
    with small(tmp_path) as project:
        log_days(project, 1, 2, diary="only theirs", big=2**70)
        done = forget(project, {"customer": "c1"})
        assert (done.waiting, done.fact.body["rows"]) == (0, 1)
        assert done.fact.body["days"] == {"2026-11-24": 1}
        one, other = read(project.predictions).records
        assert one["inputs"] == {}
        assert (one["id"], one["prediction"], one["scores"], one["version"]) == ("pr-1", 1.0, [1.0], 1)
        assert other["inputs"]["customer"] == "c2"
        assert other["inputs"]["big"] == 2**70
        assert "c1" not in json.dumps(dict(done.fact.body))
        assert b"c1" not in b"".join(path.read_bytes() for path in project.predictions.rglob("*.parquet"))
        assert forget(project, {"customer": "c1"}).fact.body["rows"] == 0


def test_rows_that_are_being_written_are_told_as_not_forgotten(tmp_path: Path) -> None:
    with small(tmp_path) as project, PredictionLog(project.predictions) as log:
        row = {"customer": 7}
        log.append([Prediction("pr-1", "rq-1", 0, utc_text(NOW), "small", 1, "champion", row, [1.0], 1.0, 0.5)])
        log.flush()
        assert forget(project, {"customer": "7"}).waiting == 1


@pytest.mark.parametrize("values", [{}, {"when": "1"}, {"customer": "1", "when": "2"}])
def test_only_an_entity_can_be_forgotten(tmp_path: Path, values: dict[str, str]) -> None:
    with small(tmp_path) as project, pytest.raises(ProjectError, match=r"HS441.*customer"):
        forget(project, values)


def test_a_pseudonymised_entity_is_found_by_its_name(tmp_path: Path) -> None:
    with small(tmp_path, ("data:", "privacy: {pseudonymise: [customer]}\ndata:")) as project:
        from homeostat.flow.privacy import served_shield

        shield = served_shield(project)
        assert shield is not None
        (row,) = shield.taken([{"customer": "c1"}])
        with PredictionLog(project.predictions) as log:
            log.append([Prediction("pr-1", "rq-1", 0, utc_text(NOW), "small", 1, "champion", row, [1.0], 1.0, 0.5)])
        assert row["customer"] != "c1"
        assert forget(project, {"customer": "c1"}).fact.body["rows"] == 1


def test_the_log_is_counted_by_day_and_version(tmp_path: Path) -> None:
    with small(tmp_path) as project:
        log_days(project, 1, 1.1, 2)
        compact_log(project)
        log_days(project, 3)
        found = overview(project)
        assert [(each["day"], each["version"], each["rows"]) for each in found["days"]] == [("2026-11-23", "1", 1), ("2026-11-24", "1", 2)]
        assert (found["records"], found["segments"], found["in_segments"], found["torn"], found["lost"]) == (4, 1, 1, 0, 0)


def test_a_prediction_is_traced_from_a_partition_as_from_a_segment(project: Project, months: list[Month]) -> None:
    rows = list(months[6].requests())
    names = [f"pr-{each}" for each in Ids().take(len(rows))]
    at = utc_text(datetime.now(UTC))
    with PredictionLog(project.predictions) as log:
        log.append([Prediction(name, "rq-1", n, at, "bike", 1, "champion", rows[n], [9.0], 9.0, 0.1) for n, name in enumerate(names)])
    before = trace(project, names[5])
    done = compact_log(project)
    assert (done.records, done.live) == (len(names), 0)
    assert trace(project, names[5]) == before
    assert monitor(project, months[6].closes + timedelta(days=1))
