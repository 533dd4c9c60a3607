"""The journey behind ``homeostat profile``: which rows it looks at, what it hands to the analysis, and that it records nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from homeostat.errors import ProjectError
from homeostat.flow.importance import importance
from homeostat.flow.ingest import ingest
from homeostat.flow.profile import profile
from homeostat.flow.project import open_project
from homeostat.flow.train import split_rows
from homeostat.flow.training_rows import training_rows

if TYPE_CHECKING:
    from pathlib import Path


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "homeostat.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_is_looked_at_and_that_nothing_is_recorded(founded: Path) -> None:
    with open_project(founded) as project:
        dataset = ingest(project)
        before = [fact.id for kind in ("dataset", "charter", "delivery", "run", "holdout") for fact in project.ledger.find(kind)]
        found = profile(project)
        again = profile(project)
        after = [fact.id for kind in ("dataset", "charter", "delivery", "run", "holdout") for fact in project.ledger.find(kind)]
        split = split_rows(project, training_rows(project, dataset).frame)
    assert before == after
    assert found.analysis == again.analysis
    assert (found.dataset, found.digest, found.ingested) == (dataset.id, dataset.body["digest"], dataset.at)
    rows = found.analysis.rows
    assert (rows.train, rows.validation, rows.holdout) == (split.train.height, split.validation.height, split.holdout.height)
    assert rows.seen == rows.train + rows.validation
    by_name = {each.name: each for each in found.analysis.columns}
    time = found.analysis.over_time.time if found.analysis.over_time else ""
    newest = split.validation[time].max()
    assert newest < split.holdout[time].min()
    assert str(by_name[time].maximum) == newest.isoformat()[: len(str(by_name[time].maximum))]
    assert by_name["hr"].decision is not None
    assert by_name["hr"].treatment.startswith("number")
    assert sum(group.rows for group in found.analysis.relations[0].groups) == split.train.height
    important = found.analysis.importance
    assert important is not None
    assert (important.metric, important.columns[0][0]) == ("mae", "hr")
    assert important.columns[0][1] > 5 * important.columns[0][2] > 0


def test_before_an_ingest_it_says_what_to_run(founded: Path) -> None:
    with open_project(founded) as project, pytest.raises(ProjectError, match="ingest"):
        profile(project)


def test_a_column_the_charter_keeps_private_is_counted_only(founded: Path) -> None:
    edit(founded, "version: 1\n", "version: 1\nprivacy:\n  never_log: [temp]\n")
    with open_project(founded) as project:
        ingest(project)
        found = profile(project).analysis
    (temp,) = [each for each in found.columns if each.name == "temp"]
    assert (temp.hidden, temp.minimum, temp.bins, temp.association) == (True, None, None, None)
    assert temp.distinct > 10
    assert "temp" not in {each.column for each in found.relations}


def test_too_few_rows_to_split_are_still_looked_at(founded: Path) -> None:
    for path in sorted((founded / "data").glob("*.csv"))[1:]:
        path.unlink()
    path = next((founded / "data").glob("*.csv"))
    path.write_text("\n".join(path.read_text().splitlines()[:8]) + "\n")
    with open_project(founded) as project:
        ingest(project)
        found = profile(project).analysis
        assert importance(project, project.table("loaded/data").read()) is None
    assert (found.rows.seen, found.rows.train, found.rows.holdout) == (7, 0, 0)
    assert found.relations == ()
    assert (found.remarks[0].severity, found.remarks[0].clause) == ("high", "preparation")
    assert "too few" in found.remarks[0].message
