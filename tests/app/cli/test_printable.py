"""Names and values of a file reach the terminal as text and never as commands to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.app.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ODD = "esc\x1b[31mred"


def test_control_characters_are_written_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{i},{'ab'[i % 2]},{'ab'[(i * 7919 % 13) < 6]}" for i in range(200)]
    (tmp_path / "d.csv").write_text(f"{ODD},\u202ertl,y\n" + "\n".join(rows) + "\n")
    at = ("--project", str(tmp_path))
    assert main(["init", "--from", str(tmp_path / "d.csv"), "--target", "y", *at]) == 0
    assert main(["ingest", *at]) == 0
    assert main(["profile", *at]) in (0, 3)
    assert main(["init", "--from", str(tmp_path / "d.csv"), "--target", ODD + "?", *at]) == 2
    captured = capsys.readouterr()
    told = captured.out + captured.err
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "esc\\x1b[31mred" in told
