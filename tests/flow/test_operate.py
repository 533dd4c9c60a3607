"""The loop on real months: what it sees, decides and does, and that a kill anywhere changes nothing about how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from homeostat.app.demo.story import deliver
from homeostat.errors import ProjectError
from homeostat.flow.labels import take_labels
from homeostat.flow.operating import operating
from homeostat.flow.project import Project, open_project
from homeostat.flow.registry import champion, versions

if TYPE_CHECKING:
    from homeostat.app.demo.months import Month
    from homeostat.flow.operate import Turn

Serve = Callable[["Project", "Month"], list[str]]


def arrive(project: Project, month: Month, *, delivery: Month | None = None) -> None:
    """The month's file and its labels come in."""
    deliver(project.root, delivery or month)
    labels = project.root / "labels" / f"{month.name}.csv"
    labels.parent.mkdir(exist_ok=True)
    labels.write_text(month.labels())
    take_labels(project, labels)


def later(month: Month) -> datetime:
    """When the month is over and its labels are due."""
    return month.closes + timedelta(days=1)


def told(project: Project, turn: Turn) -> tuple[str, str, str]:
    """Cause, action and status of a turn."""
    outcome = str(project.require(turn.outcome).body["status"]) if turn.outcome else ""
    action = str(project.require(turn.action).body["name"]) if turn.action else ""
    return str(project.require(turn.diagnoses[0]).body["cause"]), action, outcome


@pytest.fixture
def slipping(project: Project, months: list[Month], serve_month: Serve) -> Project:
    """A project whose champion of early 2011 answered April 2012, with the data up to then delivered."""
    for month in months[12:15]:
        deliver(project.root, month)
    serve_month(project, months[15])
    arrive(project, months[15])
    return project


def test_real_drift_leads_to_a_better_champion_in_one_turn(slipping: Project, months: list[Month]) -> None:
    with operating(slipping) as turn:
        done = turn(later(months[15]))
        assert told(slipping, done) == ("concept_change", "retrain", "promoted")
        again = turn(later(months[15]))
    assert (again.action, again.outcome) == ("", "")  # nothing stands against the new champion
    assert len(slipping.ledger.find("action")) == 1
    assert len(slipping.ledger.find("promotion")) == 2
    now = champion(slipping)
    assert now is not None
    assert now.number == 2
    assert now.fact.body["window"] != "all"  # validation chose among windows of rows


def test_a_broken_month_is_quarantined_and_never_trained_on(project: Project, months: list[Month], serve_month: Serve) -> None:
    month = months[13]
    serve_month(project, month.broken())
    arrive(project, month, delivery=month.broken())
    with operating(project) as turn:
        done = turn(later(month))
    assert told(project, done) == ("broken_data", "quarantine", "")
    assert done.refused == ("data/2012-02.csv",)
    assert len(versions(project)) == 1
    assert project.table("quarantine").read().height == len(month.rows)


def test_a_break_the_contract_cannot_see_closes_its_window_to_training(project: Project, months: list[Month], serve_month: Serve) -> None:
    from homeostat.app.demo.months import Month as Cut
    from homeostat.flow.ingest import ingest
    from homeostat.flow.training_rows import training_rows

    month = months[6]
    stuck = Cut(month.name, tuple({**row, "windspeed": "0.25"} for row in month.rows))
    serve_month(project, stuck)
    arrive(project, month, delivery=stuck)
    with operating(project) as turn:
        done = turn(later(month))
    assert told(project, done)[:2] == ("broken_data", "quarantine")
    rows = training_rows(project, ingest(project))
    assert rows.quarantined == len(month.rows)
    assert rows.frame.height == sum(len(m.rows) for m in months[:6])
    deliver(project.root, month)  # the mended file is open again
    assert training_rows(project, ingest(project)).quarantined == 0


def test_a_quiet_month_is_left_alone(project: Project, months: list[Month], serve_month: Serve) -> None:
    serve_month(project, months[6])
    arrive(project, months[6])
    with operating(project) as turn:
        cause, action, outcome = told(project, turn(later(months[6])))
    assert cause in {"healthy", "covariate_shift"}
    assert (action, outcome) == ("none", "")


def test_a_challenger_that_is_no_better_is_rejected_with_the_reason(slipping: Project, months: list[Month], serve_month: Serve) -> None:
    path = slipping.root / "homeostat.yaml"
    path.write_text(path.read_text().replace("champion_margin: 0.02", "champion_margin: 0.95"))
    with open_project(slipping.root) as strict, operating(strict) as turn:
        done = turn(later(months[15]))
        assert told(strict, done) == ("concept_change", "retrain", "rejected")
        assert "95%" in str(strict.require(done.outcome).body["detail"])
        assert champion(strict).number == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", ["observe", "recommend"])
def test_without_leave_to_act_nothing_is_moved(slipping: Project, months: list[Month], mode: str) -> None:
    path = slipping.root / "homeostat.yaml"
    path.write_text(path.read_text().replace("mode: act", f"mode: {mode}"))
    with open_project(slipping.root) as watching, operating(watching) as turn:
        done = turn(later(months[15]))
        assert told(watching, done) == ("concept_change", "retrain", "")
        assert not watching.require(done.action).body["allowed"]
        assert len(versions(watching)) == 1


def test_labels_that_come_late_are_judged_when_they_are_there(project: Project, months: list[Month], serve_month: Serve) -> None:
    from homeostat.flow.monitor import monitor

    serve_month(project, months[15])
    early = monitor(project, later(months[15]))
    assert [d.body["stage"] for d in early] == ["inputs"]
    arrive(project, months[15])
    late = monitor(project, later(months[15]))
    assert [d.body["stage"] for d in late] == ["performance"]
    assert late[0].body["cause"] == "concept_change"
    assert monitor(project, later(months[15]))[0].id == late[0].id
    assert monitor(project, months[14].closes) == []  # not over yet as of then


def test_a_second_loop_is_refused(project: Project) -> None:
    with operating(project), pytest.raises(ProjectError) as error, operating(project):
        pass
    assert error.value.code == "HS603"


STEPS = ("_take_in", "_train", "evaluate", "validate", "_promote", "_close")
KILLED = """
import os, signal, sys
from pathlib import Path
from homeostat.app.cli.main import main
import homeostat.flow.operate as operate

step, when, marker = sys.argv[1], sys.argv[2], Path(sys.argv[3])
real, calls = getattr(operate, step), []

def killed(*arguments, **options):
    calls.append(step)
    # The turn itself takes data in before the repair does: the repair's own call is the second one.
    due = len(calls) == (2 if step == "_take_in" else 1) and not marker.exists()
    if due and when == "before":
        marker.touch(); os.kill(os.getpid(), signal.SIGKILL)
    result = real(*arguments, **options)
    if due:
        marker.touch(); os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(operate, step, killed)
sys.exit(main(["operate", "--once", "--as-of", "2012-05-02", "--project", sys.argv[4]]))
"""


def shorten(charter: Path) -> None:
    """One trial on one window: what is killed is the repair, not the search."""
    text = charter.read_text()
    for window in ("{kind: all}", "{kind: recent, length: 180d}", "{kind: decay, length: 45d}"):
        assert f"    - {window}\n" in text
        text = text.replace(f"    - {window}\n", "")
    text = text.replace("    trials: 6 ", "    trials: 1 ").replace("learning:\n", "learning:\n  learners: [lightgbm]\n")
    charter.write_text(text)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_and_started_again_it_ends_with_one_promotion(slipping: Project, tmp_path: Path, step: str, when: str) -> None:
    shorten(slipping.root / "homeostat.yaml")
    command = [sys.executable, "-c", KILLED, step, when, str(tmp_path / "killed"), str(slipping.root)]
    first = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert first.returncode == -signal.SIGKILL, first.stderr
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert second.returncode == 0, second.stderr
    kinds = {kind: len(slipping.ledger.find(kind)) for kind in ("promotion", "version", "candidate", "outcome", "action")}
    assert kinds == {"promotion": 2, "version": 2, "candidate": 2, "outcome": 1, "action": 1}
    assert champion(slipping).number == 2  # type: ignore[union-attr]
    assert slipping.ledger.find("outcome")[0].body["status"] == "promoted"


def test_an_unreadable_source_does_not_stop_the_watch(slipping: Project, months: list[Month]) -> None:
    (slipping.root / "data" / "2012-05.csv").write_text("what,is\nthis,file\n")
    with operating(slipping) as turn:
        done = turn(later(months[15]))
    assert "HS204" in done.problem
    assert told(slipping, done) == ("concept_change", "retrain", "promoted")


def test_labels_that_are_windows_late_are_still_acted_on(slipping: Project, months: list[Month], serve_month: Serve) -> None:
    serve_month(slipping, months[16])  # a later month is served, of which no label is there
    with operating(slipping) as turn:
        done = turn(later(months[16]))
    assert told(slipping, done) == ("concept_change", "retrain", "promoted")
    assert str(slipping.require(done.diagnoses[0]).body["start"])[:7] == "2012-04"


def test_a_persons_rollback_is_not_undone_by_the_repair_that_promoted(slipping: Project, months: list[Month]) -> None:
    from homeostat.flow.operate import _promote
    from homeostat.flow.promotion import rollback

    with operating(slipping) as turn:
        done = turn(later(months[15]))
    action = slipping.require(done.action)
    rollback(slipping, reason="a person")
    assert champion(slipping).number == 1  # type: ignore[union-attr]
    _promote(slipping, action, versions(slipping)[1].fact.id)  # the step run again after a kill
    assert champion(slipping).number == 1  # type: ignore[union-attr]


def test_a_rollback_of_one_intent_happens_once(slipping: Project, months: list[Month]) -> None:
    from homeostat.flow.promotion import rollback

    with operating(slipping) as turn:
        turn(later(months[15]))
    first = rollback(slipping, intent="action-x")
    assert champion(slipping).number == 1  # type: ignore[union-attr]
    assert rollback(slipping, intent="action-x").id == first.id


def test_the_holdout_of_a_candidate_is_the_same_rows_whatever_is_quarantined_later(project: Project) -> None:
    from homeostat.flow.evaluate import evaluate

    candidate = project.ledger.find("candidate")[0]
    first = project.ledger.find("evaluation")[0]
    project.record("quarantine", "later", {"start": "2011-06-20T00:00:00+00:00", "end": "2011-06-25T00:00:00+00:00", "reason": "test"})
    assert evaluate(project, candidate).id == first.id  # the champion it became is no other, so this is no other evaluation
    stricter = project.charter.success.model_copy(update={"confidence": 0.99})
    with replace(project, charter=project.charter.model_copy(update={"success": stricter})) as revised:
        again = evaluate(revised, candidate)  # by other clauses, so it is another evaluation of the same rows
    assert again.id != first.id
    assert again.body["holdout"] == first.body["holdout"]


def test_a_label_that_can_never_be_judged_is_refused_before_it_is_kept(project: Project, months: list[Month], serve_month: Serve) -> None:
    from homeostat.errors import DataError

    serve_month(project, months[6])
    path = project.root / "labels.csv"
    path.write_text("dteday,hr,cnt\n2011-07-01,0,12\n2011-07-01,1,many\n")
    with pytest.raises(DataError, match=r"labels.csv:3: got the label 'many'") as error:
        take_labels(project, path)
    assert error.value.code == "HS210"
    assert not project.table("labels").exists()


def test_a_repair_that_cannot_go_on_ends_with_an_outcome(slipping: Project, months: list[Month]) -> None:
    path = slipping.root / "homeostat.yaml"
    path.write_text(path.read_text().replace("holdout: 14d", "holdout: 4000d"))
    with open_project(slipping.root) as hopeless, operating(hopeless) as turn:
        done = turn(later(months[15]))
        assert told(hopeless, done) == ("concept_change", "retrain", "failed")
        assert "HS302" in str(hopeless.require(done.outcome).body["detail"])


def test_in_a_window_with_a_swap_each_version_is_judged_by_its_own_rows(slipping: Project, months: list[Month], serve_month: Serve) -> None:
    from homeostat.app.demo.months import Month as Cut
    from homeostat.flow.monitor import monitor

    with operating(slipping) as turn:
        turn(later(months[15]))
    rows = months[16].rows
    serve_month(slipping, Cut("2012-05", rows[:500]))
    from homeostat.flow.promotion import rollback

    rollback(slipping)
    serve_month(slipping, Cut("2012-05", rows[500:]))
    arrive(slipping, months[16])
    judged = [slipping.require(str(diagnosis.body["window"])).body for diagnosis in monitor(slipping, months[17].closes)]
    found = {(each["version"], each["rows"], each["labelled"]) for each in judged}
    assert {(2, 500, 500), (1, len(rows) - 500, len(rows) - 500)} <= found


def test_of_two_labels_for_one_row_the_later_delivery_counts(project: Project, months: list[Month], serve_month: Serve) -> None:
    from homeostat.flow.labels import labelled
    from homeostat.flow.served import read_served

    serve_month(project, months[6])
    first, fix = project.root / "z.csv", project.root / "a.csv"
    first.write_text("dteday,hr,cnt\n2011-07-01,0,12\n")
    fix.write_text("dteday,hr,cnt\n2011-07-01,0,777\n")
    take_labels(project, first)
    take_labels(project, fix)
    assert [float(label) for label in labelled(project, read_served(project).frame)["cnt"]] == [777.0]


def test_a_labels_file_with_a_broken_line_is_refused_whole(project: Project, months: list[Month], serve_month: Serve) -> None:
    from homeostat.errors import DataError

    serve_month(project, months[6])
    path = project.root / "labels.csv"
    path.write_text("dteday,hr,cnt\n2011-07-01,0,12\nwhat\n")
    with pytest.raises(DataError, match="HS205"):
        take_labels(project, path)
    assert not project.table("labels").exists()


def test_an_answered_diagnosis_does_not_hide_a_later_one(slipping: Project, months: list[Month], serve_month: Serve) -> None:
    path = slipping.root / "homeostat.yaml"
    path.write_text(path.read_text().replace("champion_margin: 0.02", "champion_margin: 0.95"))
    with open_project(slipping.root) as strict, operating(strict) as turn:
        first = turn(later(months[15]))
        assert told(strict, first) == ("concept_change", "retrain", "rejected")
        serve_month(strict, months[16].broken())
        second = turn(later(months[16]))
        assert strict.require(second.action).body["cause"] == "broken_data"
