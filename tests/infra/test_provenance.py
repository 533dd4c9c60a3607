"""Who acted, with which code, when."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from homeostat.core.ids import canonical
from homeostat.infra.clock import FixedClock, SystemClock
from homeostat.infra.identity import actor
from homeostat.infra.provenance import code_commit, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def git(root: Path, *words: str) -> str:
    words = ("git", "-C", str(root), "-c", "user.name=A Tester", "-c", "user.email=t@example.org", *words)
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_of_a_folder_and_whether_it_is_clean(tmp_path: Path) -> None:
    none = {"commit": "none", "dirty": False}
    root = tmp_path / "project"
    root.mkdir()
    assert code_commit(root) == none
    assert code_commit(tmp_path / "absent") == none
    git(tmp_path, "init", "-q")
    assert code_commit(root) == none
    (root / "homeostat.yaml").write_text("one")
    (tmp_path / "elsewhere").write_text("one")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert len(commit) == 40
    assert code_commit(root) == {"commit": commit, "dirty": False}
    (tmp_path / "elsewhere").write_text("two")
    assert code_commit(root) == {"commit": commit, "dirty": False}
    (root / "homeostat.yaml").write_text("two")
    assert code_commit(root) == {"commit": commit, "dirty": True}


def test_the_environment_names_what_is_installed() -> None:
    told = environment()
    assert told["homeostat"] == version("homeostat")
    assert told["libraries"]["lightgbm"] == version("lightgbm")
    assert canonical(told)


@pytest.fixture
def asked_anew() -> Iterator[None]:
    actor.cache_clear()
    yield
    actor.cache_clear()


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("", "tester"),
        ("[user]\nname = A  Person\nemail = a@example.org", "A Person <a@example.org> (tester)"),
        ("[user]\nname = A", "A (tester)"),
    ],
)
def test_the_actor_is_who_they_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, expected: str) -> None:
    (tmp_path / "gitconfig").write_text(config)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("LOGNAME", "tester")
    monkeypatch.chdir(tmp_path)
    assert actor() == expected


@pytest.mark.usefixtures("asked_anew")
def test_without_git_the_actor_is_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "tester")
    assert actor() == "tester"
    assert code_commit(tmp_path) == {"commit": "none", "dirty": False}


def test_clocks_have_a_zone() -> None:
    before = datetime.now(UTC)
    assert before <= SystemClock().now() <= before + timedelta(minutes=1)
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert FixedClock(moment).now() is moment
    with pytest.raises(ValueError, match="zone"):
        FixedClock(moment.replace(tzinfo=None))
