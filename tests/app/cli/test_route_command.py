"""``route`` by its words: what a person is told, in one line first, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from homeostat.app.cli.main import main
from homeostat.flow.project import open_project
from homeostat.flow.signing import signed


@pytest.fixture
def two(trained: Path) -> Path:
    """A project folder with two versions alike; the first is the champion."""
    with open_project(trained) as project:
        first = project.ledger.find("version")[0]
        body = {name: value for name, value in first.body.items() if name != "signature"}
        project.record("version", "2", signed(project, "version", "2", body, first.causes), causes=first.causes)
    return trained


def told(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> tuple[int, str]:
    code = main([*arguments, "--project", str(folder)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def said(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> dict[str, Any]:
    code, text = told(capsys, folder, *arguments, "--json")
    assert code == 0, text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_canary_from_its_first_request_to_champion(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, two, "route") == (0, "version 1 answers everything (champion)\n")
    code, text = told(capsys, two, "route", "--canary", "2", "--share", "10%", "--sticky", "season", "--reason", "spring")
    head, *lines = text.splitlines()
    assert code == 0
    assert head.startswith("version 1 answers 90% (champion), version 2 10% (canary), sticky by season (traffic-")
    assert head.endswith("; a running server follows within a second")
    assert [line.split() for line in lines[:3]] == [
        ["arm", "version", "share", "besides"],
        ["champion", "1", "90%"],
        ["canary", "2", "10%"],
    ]
    assert lines[3].endswith("approved by auto: spring")
    now = said(capsys, two, "route")
    assert (now["words"], now["routed"]["reason"], now["news"]) == (head.partition(" (traffic-")[0], "spring", "")
    assert "nothing changed" in told(capsys, two, "route", "--canary", "2", "--share", "10", "--sticky", "season")[1]
    shown = said(capsys, two, "show", now["routed"]["id"])
    assert (shown["routes"], shown["state"]) == (now["words"], "in force")
    code, text = told(capsys, two, "history", "--kind", "traffic")
    assert (code, "version 1 answers 90% (champion), version 2 10% (canary)" in text) == (0, True)
    code, text = told(capsys, two, "promote", "2")
    assert code == 0
    assert text.splitlines()[1] == f"this ended {now['routed']['id']}: {now['words']}"
    code, text = told(capsys, two, "route")
    assert text.startswith(f"version 2 answers everything (champion); {now['routed']['id']} ended by promotion-")
    assert told(capsys, two, "promote", "2")[1].count("\n") == 1


def test_a_test_with_segments_and_a_shadow_and_its_end(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--ab", "1:50,2:50%", "--each-request", "--segment", "season=1:2", "--segment", "weathersit=a=b:c:1"]
    done = said(capsys, two, "route", *words, "--shadow", "2", "--shadow-budget", "20%", "--shadow-queue", "50")
    traffic = done["traffic"]
    assert [(arm["name"], arm["version"], arm["share"]) for arm in traffic["arms"]] == [
        ("a", 1, 0.5),
        ("b", 2, 0.5),
        ("segment-2", 2, 0.0),
        ("segment-1", 1, 0.0),
    ]
    segments = [(each["column"], each["value"], each["arm"]) for each in traffic["segments"]]
    assert segments == [("season", "1", "segment-2"), ("weathersit", "a=b:c", "segment-1")]
    assert (traffic["shadows"], traffic["sticky"]) == ([{"version": 2, "budget": 0.2, "queue": 50}], [])
    code, text = told(capsys, two, "route")
    assert (code, "listens (shadow)" in text, "budget 20%, queue 50 rows" in text) == (0, True, True)
    code, text = told(capsys, two, "route", "--clear")
    assert (code, text.splitlines()[0].startswith("version 1 answers everything (champion) (traffic-")) == (0, True)
    assert text.splitlines()[0].endswith("a running server follows within a second")
    assert told(capsys, two, "route", "--clear")[1] == "version 1 answers everything (champion); nothing was routed; nothing changed\n"


def test_a_rollback_says_what_it_ended(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, two, "promote", "2")[0] == 0
    routed = said(capsys, two, "route", "--shadow", "1")["routed"]["id"]
    assert said(capsys, two, "rollback")["ended"].startswith(f"this ended {routed}: ")


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["--canary", "2"], "HS609", "--canary and --share go together"),
        (["--share", "10%"], "HS609", "--canary and --share go together"),
        (["--canary", "2", "--share", "0.1"], "HS609", "write 10% or 0.1%"),
        (["--canary", "2", "--share", "ten"], "HS609", "write a percentage such as 10%"),
        (["--canary", "2", "--share", "100%"], "HS430", "which is a promotion"),
        (["--canary", "0", "--share", "10%"], "HS609", "0 is not in the range"),
        (["--canary", "7", "--share", "10%"], "HS605", "versions 1 to 2"),
        (["--shadow", "9" * 30], "HS609", "is not in the range"),
        (["--ab", "1-50"], "HS609", "such as 3:50,4:50"),
        (["--ab", "1:50,2:40"], "HS430", "they add up to 100%"),
        (["--ab", "1:50,2:50", "--canary", "2", "--share", "5%"], "HS430", "one of them at a time"),
        (["--shadow", "2", "--sticky", "season"], "HS609", "go with --canary or --ab"),
        (["--ab", "1:50,2:50", "--sticky", "season", "--each-request"], "HS609", "--sticky does not go with --each-request"),
        (["--segment", "season:2"], "HS609", "such as region=EU:4"),
        (["--segment", "region=EU:2"], "HS430", "got the column 'region'; the champion's callers may send"),
        (["--shadow-queue", "5"], "HS609", "go with --shadow"),
        (["--shadow", "2", "--shadow-budget", "2000%"], "HS609", "at most 1000%"),
        (["--clear", "--shadow", "2"], "HS609", "--clear goes without --shadow"),
    ],
)
def test_what_is_written_wrong_is_told_in_one_line(
    two: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: str, why: str
) -> None:
    ended, text = told(capsys, two, "route", *words)
    assert (ended, text.count("\n")) == (2, 1), text
    assert code in text
    assert why in text
    with open_project(two) as project:
        assert project.ledger.find("traffic") == []


def test_before_the_first_promotion_nothing_is_routed(founded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = told(capsys, founded, "route")
    assert (code, text) == (0, "no version is promoted yet; `homeostat run` trains, validates and promotes one\n")
    code, text = told(capsys, founded, "route", "--shadow", "1")
    assert (code, "HS608" in text) == (2, True)
