"""A charter that changes: recorded with its predecessor, shown clause by clause, and what was judged by the old clauses is judged again."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from homeostat.app.cli.main import main
from homeostat.errors import ProjectError
from homeostat.flow.evaluate import evaluate
from homeostat.flow.lifecycle import run
from homeostat.flow.project import open_project
from homeostat.flow.registry import champion
from homeostat.flow.revisions import revision
from homeostat.flow.train import first_order, train
from homeostat.flow.validate import validate


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "homeostat.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def recorded(folder: Path) -> str:
    with open_project(folder) as project:
        return project.charter_fact().id


def test_each_revision_follows_from_the_one_before_also_when_it_goes_back(founded: Path) -> None:
    first = recorded(founded)
    assert recorded(founded) == first
    edit(founded, "threshold: 60", "threshold: 55")
    second = recorded(founded)
    edit(founded, "threshold: 55", "threshold: 60")
    third = recorded(founded)
    edit(founded, "threshold: 60", "threshold: 55")
    fourth = recorded(founded)
    assert len({first, second, third, fourth}) == 4
    with open_project(founded) as project:
        facts = project.ledger.find("charter")
        assert [fact.id for fact in facts] == [fourth, third, second, first]
        assert [fact.causes for fact in facts] == [(third,), (second,), (first,), ()]
        assert [[one.line() for one in revision(project, fact)] for fact in facts] == [
            ["success.threshold: 60 -> 55"],
            ["success.threshold: 55 -> 60"],
            ["success.threshold: 60 -> 55"],
            [],
        ]


def test_history_and_show_tell_what_changed(founded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(founded)
    edit(founded, "threshold: 60", "threshold: 55")
    edit(founded, "champion_margin: 0.02", "champion_margin: 0.05")
    newest = recorded(founded)
    assert main(["history", "--kind", "charter", "--project", str(founded)]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    at = next(index for index, line in enumerate(lines) if newest in line)
    assert lines[at + 1 : at + 3] == ["success.champion_margin: 0.02 -> 0.05", "success.threshold: 60 -> 55"]
    assert main(["history", "--kind", "charter", "--json", "--project", str(founded)]) == 0
    told = json.loads(capsys.readouterr().out)["facts"]
    assert told[0]["changes"][1] == {"clause": "success.threshold", "old": "60", "new": "55"}
    assert told[1]["changes"] == []
    assert main(["show", newest, "--json", "--project", str(founded)]) == 0
    assert json.loads(capsys.readouterr().out)["changes"][0]["new"] == "0.05"


def test_no_password_reaches_the_ledger_or_any_output(founded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = founded / "elsewhere.sqlite"
    with (founded / "homeostat.yaml").open("a") as file:
        file.write(f"\nstore: {{ledger: 'sqlite:///{ledger}'}}\n")
    edit(founded, "source: data/ ", "source: 'https://me:hush@host/data/*.csv' ")
    told = ""
    newest = recorded(founded)
    for command in (["show", newest], ["history"], ["check", "--all"], ["check", "--all", "--json"]):
        assert main([*command, "--project", str(founded)]) == 0
        told += "".join(capsys.readouterr())
    assert "hush" not in told
    assert "https://me:***@host" in told
    files = [path for path in founded.iterdir() if path.name.startswith("elsewhere.sqlite")]
    assert files
    connection = sqlite3.connect(next(path for path in files if not path.name.endswith(("-wal", "-shm"))))
    try:
        assert "hush" not in "\n".join(connection.iterdump())
    finally:
        connection.close()


def test_a_stricter_gate_judges_the_champion_again_and_a_laxer_one_lets_it_serve(trained: Path) -> None:
    with open_project(trained) as project:
        before = champion(project)
        assert before is not None
    edit(trained, "threshold: 60", "threshold: 1")
    with open_project(trained) as project:
        done = run(project)
        assert done.candidate.id == before.fact.body["candidate"]  # nothing is trained again for a gate
        assert (done.version.id != before.fact.id, done.promotion) == (True, None)
        (gate,) = done.failed
        assert "not at most 1" in gate
        assert champion(project).number == 1  # type: ignore[union-attr]
        assert len(project.ledger.find("holdout")) == 2  # it was looked at again, and that is recorded
        assert project.ledger.find("evaluation")[0].body["looks"] == 2
        verdict = project.require(str(done.version.body["verdict"]))
        assert project.charter_fact().id in verdict.causes
        assert run(project).version.id == done.version.id
    edit(trained, "threshold: 1\n" if "threshold: 1\n" in (trained / "homeostat.yaml").read_text() else "threshold: 1 ", "threshold: 59 ")
    with open_project(trained) as project:
        done = run(project)
        assert done.promotion is not None
        assert champion(project).number == 3  # type: ignore[union-attr]


def test_an_evaluation_by_other_clauses_is_not_validated(trained: Path) -> None:
    edit(trained, "baseline: naive", "baseline: {kind: seasonal, period: 7d}")
    with open_project(trained) as project:
        old = project.ledger.find("evaluation")[0]
        with pytest.raises(ProjectError, match=r"HS608.*homeostat evaluate"):
            validate(project, old)
        dataset = project.ledger.find("dataset")[0]
        candidate = train(project, first_order(project, dataset))
        judged = project.require(str(validate(project, evaluate(project, candidate)).body["verdict"]))
        (gate,) = [one for one in judged.body["gates"] if one["gate"] == "baseline"]
        assert "than the seasonal 1w baseline by" in gate["detail"]
        assert project.ledger.find("evaluation")[0].body["baseline"] == {"kind": "seasonal 1w", "rows_without": 0}
