"""``homeostat predictions``: what people and programs are told of the log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from homeostat.app.cli.main import main
from homeostat.infra.predictions import Prediction, PredictionLog, utc_text

CHARTER = """
name: small
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: regression, target: y, entity: [customer]}
success: {metric: mae}
data: {source: rows.csv}
deploy: {log: {keep: 30d}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "homeostat.yaml").write_text(CHARTER)
    now = datetime.now(UTC)
    with PredictionLog(tmp_path / ".homeostat" / "predictions") as log:
        for ago in (0, 60):
            at = utc_text(now - timedelta(days=ago))
            log.append([Prediction(f"pr-{ago}", "rq-1", 0, at, "small", 1, "champion", {"customer": ago}, [1.0], 1.0, 0.5)])
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main(["predictions", *arguments, "--project", str(folder), "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_log_is_listed_made_smaller_and_pruned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, folder, "list")["in_segments"] == 2
    assert told(capsys, folder, "compact")["records"] == 2
    assert [day["rows"] for day in told(capsys, folder, "list")["days"]] == [1, 1]
    pruned = told(capsys, folder, "prune")
    assert pruned["rows"] == 1
    assert told(capsys, folder, "prune")["rows"] == 0
    assert main(["predictions", "list", "--project", str(folder)]) == 0
    assert "1 predictions, 0 of them in 0 segment(s); 0 line(s) cut by a kill" in capsys.readouterr().out


def test_an_entity_is_forgotten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, folder, "forget", "--entity", "60")["rows"] == 1
    assert told(capsys, folder, "forget", "--entity", "customer=0")["rows"] == 1
    assert told(capsys, folder, "forget", "--entity", "0", "--entity", "60", code=2)["error"]["code"] == "HS441"


def test_without_a_limit_nothing_is_pruned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "homeostat.yaml"
    path.write_text(path.read_text().replace("deploy: {log: {keep: 30d}}\n", ""))
    assert main(["predictions", "prune", "--project", str(folder)]) == 0
    assert "the charter has no deploy.log.keep" in capsys.readouterr().out
