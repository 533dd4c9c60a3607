"""``init`` on real tables: the leaks stand in ``leave_out`` with the reason, and ``check`` accepts the charter as it was written."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

import homeostat
from homeostat.app.cli.main import main
from homeostat.charter.load import load_charter

ROOT = Path(__file__).resolve().parents[2]
BANK = ROOT / "examples" / "bank-marketing" / "data" / "bank_marketing.parquet"


@dataclass(frozen=True)
class Table:
    """A data file, its target, what kind of task that is, and which columns must be left out, in whole or by a question."""

    path: Path
    target: str
    task: str
    left_out: set[str] = field(default_factory=set)
    asked: str = ""


def bank_csv(folder: Path) -> Path:
    """The bank's rows as their source publishes them: semicolons, "unknown" for null, no date."""
    frame = pl.read_parquet(BANK).drop("contact_month")
    words = [name for name, kind in frame.schema.items() if kind == pl.String]
    path = folder / "bank.csv"
    frame.with_columns(pl.col(words).fill_null("unknown"), pl.col("pdays").fill_null(999)).write_csv(path, separator=";")
    return path


TABLES = {
    "bike": Table(
        Path(homeostat.__file__).parent / "data" / "bike_hourly.csv", "cnt", "regression", {"casual", "registered", "instant", "yr"}
    ),
    "bank csv": Table(Path(), "y", "binary", asked="duration"),
    "bank parquet": Table(BANK, "y", "binary", asked="duration"),
    "electricity": Table(ROOT / "tests" / "data" / "electricity_nsw.parquet", "class", "binary"),
    "shelter": Table(ROOT / "tests" / "data" / "shelter_outcomes.parquet", "OutcomeType", "multiclass", {"AnimalID", "OutcomeSubtype"}),
    "youtube": Table(
        ROOT / "tests" / "data" / "youtube_spam.csv", "is_spam", "binary", {"comment_id", "author_id", "posted_at"}, asked="content"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_check_accepts_what_init_writes(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = TABLES[name]
    path = table.path if table.path != Path() else bank_csv(tmp_path)
    project = tmp_path / "project"
    assert main(["init", "--project", str(project), "--from", str(path), "--target", table.target]) == 0
    charter = load_charter(project / "homeostat.yaml")
    assert charter.task.type == table.task
    assert set(charter.task.leave_out) == table.left_out
    lines = (project / "homeostat.yaml").read_text().splitlines()
    for column in table.left_out:
        assert any(line.strip().startswith(f"- {column}  # ") for line in lines)
    capsys.readouterr()
    assert main(["check", "--project", str(project), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] in {"go", "go with risks"}
    accused = [one for one in told["reasons"] if one["code"].startswith("suspect_")]
    assert accused == []  # what is suspicious is left out already; of the rest no column is accused
    questions = [one["message"] for one in told["reasons"] if one["code"] == "carried"]
    assert len(questions) <= 1
    if table.asked:
        assert questions[0].startswith(table.asked)
