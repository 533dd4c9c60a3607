"""A newcomer is told what became of rows that did not pass, and what reading found out about a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeostat.app.cli.main import main

CHARTER = """
name: plain
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: binary, target: y}
success: {metric: auc}
data: {source: d.csv, contract: contract.yaml}
"""


def rows(broken: int) -> str:
    days = [f"2024-01-{1 + i % 28:02d}" if i % 2 else f"{1 + i % 28:02d}.01.2024" for i in range(300)]
    made = [f"{day},{'much' if i < broken else i % 7},{'ab'[(i * 7919 % 13) < 6]}" for i, day in enumerate(days)]
    return "\n".join(["day,x,y", *made]) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "d.csv").write_text(rows(0))
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_what_reading_found_out_is_told_at_each_step(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("--project", str(folder))
    note = "d.csv: column 'day' stays text: dates in more than one format"
    assert note in told(capsys, "init", "--from", str(folder / "d.csv"), "--target", "y", *at)[1]
    assert note in told(capsys, "check", *at)[1]
    assert note in told(capsys, "ingest", *at)[1]


def test_rows_that_do_not_pass_are_counted_before_and_explained_after(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("--project", str(folder))
    told(capsys, "init", "--from", str(folder / "d.csv"), "--target", "y", *at)
    (folder / "d.csv").write_text(rows(5) + "2024-01-01,1\n")
    _, checked = told(capsys, "check", *at)
    assert "6 of 301 rows cannot be read or break the contract: they would go to quarantine" in " ".join(checked.split())
    code, ingested = told(capsys, "ingest", *at)
    assert code == 0
    assert "d.csv: failing rules: x.type (5), line (1)" in ingested
    assert "homeostat quarantine list" in ingested


def test_a_delivery_that_would_be_refused_is_a_no_go(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("--project", str(folder))
    told(capsys, "init", "--from", str(folder / "d.csv"), "--target", "y", *at)
    (folder / "d.csv").write_text(rows(100))
    code, checked = told(capsys, "check", *at)
    assert code == 3
    assert "a delivery with more than 20% of them is refused (33%)" in " ".join(checked.split())


def test_no_source_is_a_plain_mistake(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told(capsys, "init", "--from", "", "--target", "y", "--project", str(folder))
    assert code == 2
    assert "HS609" in said


@pytest.mark.parametrize("rule", ["baseline: {kind: rule, rule: 'nope > 1'}", "baseline: {kind: rule, rule: '\"Nope\" + x'}"])
def test_a_rule_over_a_column_that_is_not_there_is_told_by_its_clause(folder: Path, capsys: pytest.CaptureFixture[str], rule: str) -> None:
    (folder / "homeostat.yaml").write_text(
        CHARTER.replace("{metric: auc}", f"{{metric: auc, {rule}}}").replace(", contract: contract.yaml", "")
    )
    code, said = told(capsys, "check", "--project", str(folder))
    assert code == 2
    assert "HS203] success.baseline.rule" in said
    assert "_source" not in said


def test_a_label_rule_over_a_column_that_is_not_there_is_told_by_its_clause(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labelling = "labelling: {rules: [{name: r, when: 'nope > 1', label: a}]}\n"
    (folder / "homeostat.yaml").write_text(CHARTER.replace(", contract: contract.yaml", "") + labelling)
    code, said = told(capsys, "check", "--project", str(folder))
    assert code == 2
    assert "HS203] labelling.rules[0].when" in said
