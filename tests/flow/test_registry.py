"""The registry: versions found by number, and by what a person writes after `homeostat versions`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from homeostat.app.cli.main import main
from homeostat.core.facts import Condition
from homeostat.errors import ProjectError
from homeostat.flow.project import Project, open_project
from homeostat.flow.registry import asked_for, champion, search, summary, version_numbered, version_of, versions


def more(project: Project) -> None:
    """Four versions beside the real one, of other learners and scores; the third failed a gate."""
    real = project.ledger.find("version")[0]
    for number, (learner, mae, r2) in enumerate(
        [("linear", 50.0, 0.7), ("lightgbm", 40.0, 0.999), ("linear", 90.0, 0.1), ("naive", 95.0, 0.0)]
    ):
        body = {**real.body, "learner": learner, "value": mae, "passed": number != 2, "measures": {"mae": mae, "r2": r2}}
        project.record("version", f"more {number}", body, causes=real.causes)


def test_a_version_has_every_metric_of_the_whole_holdout_and_of_no_segment(project: Project) -> None:
    (version,) = versions(project)
    evaluation = project.require(str(version.fact.body["evaluation"]))
    candidate = project.require(str(version.fact.body["candidate"]))
    whole = {score["metric"]: score["value"] for score in evaluation.body["scores"] if not score["segment"]}
    assert {"mae", "rmse", "r2"} <= set(whole)
    assert any(score["segment"] for score in evaluation.body["scores"])
    told = version.fact.body["measures"]
    assert {name: told[name] for name in whole} == whole
    assert set(told) - set(whole) == {"size_mb", "latency_p99_ms", "train_rows"}
    assert told["train_rows"] == candidate.body["rows"]["train"] == summary(version)["rows"]


def test_versions_are_numbered_as_they_were_registered(project: Project) -> None:
    more(project)
    assert [each.number for each in versions(project)] == [1, 2, 3, 4, 5]
    assert [each.fact.id for each in versions(project)] == [fact.id for fact in reversed(project.ledger.find("version"))]
    for each in versions(project):
        assert version_of(project, each.fact.id) == version_numbered(project, each.number) == each
    serving = champion(project)
    assert serving is not None
    assert serving.number == 1
    with pytest.raises(ProjectError, match=r"HS605.*got version 6; this project has versions 1 to 5"):
        version_numbered(project, 6)
    for unknown in ("version-000000000000", project.ledger.find("trial")[0].id):
        with pytest.raises(ProjectError, match=r"HS605.*is not a version"):
            version_of(project, unknown)


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"limit": 2}, [5, 4]),
        ({"sort": "r2", "limit": 1}, [3]),  # greater is better
        ({"learner": "linear"}, [4, 2]),
        ({"learner": "nobody"}, []),
        ({"passed": False}, [4]),
        ({"passed": True, "conditions": ["mae<60"], "learner": "linear"}, [2]),
        ({"conditions": ["mae >= 50", "r2 != 0", "r2 <= 0.7"], "learner": "linear", "sort": "mae"}, [2, 4]),
        ({"conditions": ["learner = naive"]}, [5]),
        ({"conditions": ["learner == naive", "mae == 95"]}, [5]),
        ({"text": "GBM", "conditions": ["mae = 40"]}, [3]),
        ({"stage": "champion"}, [1]),
        ({"stage": "staging"}, []),
        ({"stage": "champion", "learner": "naive"}, []),
    ],
)
def test_versions_are_found_as_asked(project: Project, asked: dict[str, Any], numbers: list[int]) -> None:
    more(project)
    found = [each.number for each in search(project, asked_for(project, **asked))]
    assert found == numbers


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"sort": "auc"}, r"HS621.*--sort.*got 'auc'; versions have .*latency_p99_ms, mae"),
        ({"conditions": ["auc > 1"]}, "HS621.*--where.*got 'auc'"),
        ({"conditions": ["mae"]}, "HS621.*got 'mae'; write a name"),
        ({"conditions": ["mae >"]}, "HS621.*write a name"),
        ({"conditions": ["mae > low"]}, "HS621.*mae is a number"),
        ({"conditions": ["mae > nan"]}, "HS621.*mae is a number"),
        ({"conditions": ["mae => 3"]}, "HS621.*"),
        ({"conditions": ["learner > linear"]}, "HS621.*learner is a text"),
    ],
)
def test_what_cannot_be_asked_is_told(project: Project, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(ProjectError, match=told):
        asked_for(project, **asked)


def test_the_smaller_error_is_the_better_one(project: Project) -> None:
    assert asked_for(project, sort="mae").ascending
    assert asked_for(project, sort="size_mb").ascending
    assert not asked_for(project, sort="r2").ascending
    assert asked_for(project, conditions=["window = all"]).conditions == (Condition("window", "=", "all"),)


def test_the_command_lists_them(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_project(trained) as project:
        more(project)
    assert main(["versions", "--project", str(trained)]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["version", "at", "(UTC)", "learner", "metric", "interval", "passed", "stages", "rows"]
    assert [row.split()[0] for row in rows] == ["5", "4", "3", "2", "1"]
    assert "champion" in rows[-1]
    assert main(["versions", "--project", str(trained), "--sort", "r2", "--where", "mae < 60", "--passed", "--limit", "1"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert "r2" in head
    assert row.split()[0] == "3"
    assert main(["versions", "--project", str(trained), "--stage", "champion", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["versions"]
    assert (told["version"], told["stages"]) == (1, ["champion"])
    assert told["low"] <= told["value"] <= told["high"]
    assert told["measures"]["mae"] == told["value"]
    assert main(["versions", "--project", str(trained), "--failed", "--learner", "naive"]) == 0
    assert capsys.readouterr().out == "no version is like that\n"


def test_a_project_without_versions_says_how_to_get_one(founded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["versions", "--project", str(founded)]) == 0
    assert "homeostat run" in capsys.readouterr().out
    assert main(["versions", "--project", str(founded), "--sort", "mae"]) == 2
    assert "no measures yet" in capsys.readouterr().err
