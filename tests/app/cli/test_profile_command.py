"""``homeostat profile``: a table, one HTML file, and the same numbers as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from homeostat.app.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ingested(founded: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["ingest", "--project", str(founded)]) == 0
    capsys.readouterr()
    return founded


def test_a_table_and_a_page(ingested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "--project", str(ingested)]) == 0
    lines = capsys.readouterr().out.splitlines()
    (page,) = (ingested / ".homeostat" / "reports").glob("profile-dataset-*.html")
    assert lines[-1] == f"report: {page}"
    assert lines[0].startswith(page.stem.removeprefix("profile-"))
    assert [word in lines[1] for word in ("column", "with target", "preparation")] == [True] * 3
    assert any(line.startswith("hum ") for line in lines)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_another_file_and_json(ingested: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "report.html"
    assert main(["profile", "--json", "--out", str(out), "--project", str(ingested)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert told["report"] == str(out)
    assert out.stat().st_size < 1_500_000
    assert {"dataset", "digest", "version", "rows", "remarks", "columns", "relations", "over_time", "missing", "correlations"} <= set(told)
    columns = {each["name"]: each for each in told["columns"]}
    assert columns["hr"]["distinct"] == 24
    assert columns["hr"]["decision"]["kind"] == "number"
    assert sum(columns["hr"]["bins"]["counts"]) == told["rows"]["seen"]


@pytest.mark.parametrize("spoil", ["before ingest", "no folder", "a folder"])
def test_what_can_go_wrong_is_one_line(founded: Path, tmp_path: Path, spoil: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = {"before ingest": "r.html", "no folder": str(tmp_path / "file" / "r.html"), "a folder": str(tmp_path)}[spoil]
    if spoil == "no folder":
        (tmp_path / "file").write_text("")
        assert main(["ingest", "--project", str(founded)]) == 0
    assert main(["profile", "--out", out, "--project", str(founded)]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert {"before ingest": "[HS608]", "no folder": "[HS602]", "a folder": "[HS609]"}[spoil] in told
    assert {"before ingest": "homeostat ingest", "no folder": "--out", "a folder": "directory"}[spoil] in told
