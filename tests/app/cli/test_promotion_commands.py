"""``approve``, ``promote --to``, ``keys`` and ``init`` by their words: what a person is told, and exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from homeostat.app.cli.main import main
from homeostat.charter.load import dump_charter, load_charter
from homeostat.flow.project import open_project
from homeostat.flow.signing import keys, signed
from homeostat.testing.charters import revised

PEOPLE = [{"name": "Ada", "role": "risk"}, {"name": "Linus", "role": "legal"}]
ASKED = [{"role": "risk", "checklist": ["segments read"]}, {"role": "legal"}]


@pytest.fixture
def asked(trained: Path) -> Path:
    """A project with a second version that waits for staging and two approvals."""
    path = trained / "homeostat.yaml"
    deploy = {"deploy.approval": "manual", "deploy.approvals": ASKED, "deploy.staging": "required"}
    path.write_text(dump_charter(revised(load_charter(path), {"problem.stakeholders": PEOPLE, **deploy})))
    with open_project(trained) as project:
        first = project.ledger.find("version")[0]
        body = {name: value for name, value in first.body.items() if name != "signature"}
        project.record("version", "2", signed(project, "version", "2", body, first.causes), causes=first.causes)
    return trained


def told(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> tuple[int, str]:
    code = main([*arguments, "--project", str(folder)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_a_version_goes_by_staging_and_every_role_to_champion(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = told(capsys, asked, "promote", "2")
    assert (code, "HS713" in text) == (3, True)
    code, text = told(capsys, asked, "promote", "2", "--to", "staging")
    assert (code, text.startswith("version 2 is in staging (staging-")) == (0, True)
    code, text = told(capsys, asked, "promote", "2")
    assert (code, "HS714" in text) == (3, True)
    code, text = told(capsys, asked, "approve", "2", "--as", "Ada")
    assert (code, "HS715" in text) == (3, True)
    code, text = told(capsys, asked, "approve", "2", "--as", "Ada", "--reject", "--because", "too soon")
    assert code == 0
    assert "version 2 is refused by Ada as risk" in text
    assert "the name is claimed, not proved" in text
    code, text = told(capsys, asked, "promote", "2")
    assert (code, "Ada refused it: too soon" in text) == (3, True)
    assert told(capsys, asked, "approve", "2", "--as", "Ada", "--tick", "segments read")[0] == 0
    code, text = told(capsys, asked, "approve", "2", "--as", "Linus", "--role", "legal", "--json")
    assert json.loads(text)["approved"] is True
    code, text = told(capsys, asked, "promote", "2")
    assert (code, text.startswith("version 2 is the champion")) == (0, True)
    with open_project(asked) as project:
        version = project.ledger.find("version")[0].id
    code, text = told(capsys, asked, "show", version, "--json")
    shown: dict[str, Any] = json.loads(text)
    assert (shown["stage"], [one.partition("-")[0] for one in shown["moves"]]) == ("champion", ["staging", "promotion"])
    code, text = told(capsys, asked, "history", "--kind", "staging")
    assert (code, "staging-" in text) == (0, True)


@pytest.mark.parametrize("words", [["--because", "x"], ["--reject", "--because", "x", "--tick", "y"]])
def test_options_that_do_not_go_together_are_refused(asked: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, text = told(capsys, asked, "approve", "2", "--as", "Ada", *words)
    assert (code, "HS609" in text) == (2, True)


def test_keys_are_listed_and_replaced(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_project(trained) as project:
        (first,) = keys(project)
    code, text = told(capsys, trained, "keys", "list")
    assert (code, first.public.id in text, "PRIVATE" in text) == (0, True, False)
    code, text = told(capsys, trained, "keys", "rotate")
    assert (code, "signs from now on" in text) == (0, True)
    code, text = told(capsys, trained, "keys", "list", "--json")
    newest, oldest = json.loads(text)["keys"]
    assert (oldest["key"], oldest["replaced"], newest["replaced"]) == (first.public.id, True, False)
    assert oldest["valid_until"] <= newest["valid_from"] or oldest["valid_until"][:16] == newest["valid_from"][:16]
    assert Path(newest["private"]).is_file()


def test_a_project_without_a_key_says_when_one_is_made(founded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = told(capsys, founded, "keys", "list")
    assert (code, "no key yet" in text) == (0, True)


def test_init_makes_the_key_and_tells_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import homeostat

    shutil.copy(Path(homeostat.__file__).parent / "data" / "bike_hourly.csv", tmp_path / "rentals.csv")
    code, text = told(capsys, tmp_path, "init", "--from", str(tmp_path / "rentals.csv"), "--target", "cnt", "--json")
    said = json.loads(text)
    assert code == 0
    with open_project(tmp_path) as project:
        assert [key.public.id for key in keys(project)] == [said["signing_key"]]
    private = Path(said["private_key"])
    assert private.stat().st_mode & 0o777 == 0o600
    assert not private.is_relative_to(tmp_path)
