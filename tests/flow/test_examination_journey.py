"""From a candidate to its page and its card: what is told is what is on record, and values of the data are never markup."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from homeostat.app.cli.main import main
from homeostat.app.report.card import NOT_RECORDED, PIPELINES
from homeostat.app.report.evaluation_page import evaluation_page
from homeostat.core.targets import encode_target
from homeostat.flow.arrays import load_arrays
from homeostat.flow.explain import explain_candidate
from homeostat.flow.lifecycle import run
from homeostat.flow.project import open_project
from homeostat.flow.recorded import recorded
from homeostat.stats.metrics import METRICS

EVIL = "</script><script>alert(1)</script>|*x*"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registered binary version on planted rows: in one place the model is worse, in another it acts more often."""
    folder, rng, rows = tmp_path_factory.mktemp("shop"), np.random.default_rng(0), 3_000
    x, place = rng.normal(size=rows), rng.choice(["north", "south", EVIL], rows)
    odds = 1.5 * x - 1 + (place == "south")
    y = rng.random(rows) < 1 / (1 + np.exp(-np.where(place == EVIL, 0.0, odds)))
    frame = pl.DataFrame({"x": x.round(4), "noise": rng.normal(size=rows).round(4), "place": place, "y": np.where(y, "yes", "no")})
    frame.write_csv(folder / "rows.csv")
    raw = {
        "name": "shop",
        "problem": dict.fromkeys(("statement", "objective", "decision", "business_metric"), "why | what")
        | {"stakeholders": [{"name": "Sales", "role": "owner"}]},
        "task": {"type": "binary", "target": "y", "positive": "yes"},
        "value": {"payoff": {"true_positive": 8, "false_positive": -2}, "rows_per_month": 100},
        "success": {"metric": "f1", "segments": ["place"], "guardrails": [{"metric": "recall", "at_least": 0.1}]},
        "data": {"source": "rows.csv"},
        "preparation": {"split": {"kind": "random"}},
        "learning": {"learners": ["linear"], "budget": {"seconds": None, "trials": 1}},
    }
    (folder / "homeostat.yaml").write_text(json.dumps(raw))
    with open_project(folder) as project:
        run(project)
    return folder


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_decisions_are_judged_searched_and_gated_at_the_served_threshold(shop: Path) -> None:
    with open_project(shop) as project:
        evaluation = project.ledger.find("evaluation")[0]
        known = recorded(project, evaluation)
        arrays = load_arrays(project.blobs.get(str(evaluation.body["arrays"])))
        kept = load_arrays(project.blobs.get(str(known.candidate.body["out_of_fold"]["arrays"])))
        value = known.candidate.body["validation_value"]
    assert known.candidate.body["threshold"] == pytest.approx(0.2)
    acted, came = arrays["ours"][:, 1] >= 0.2, arrays["y"] == 1
    f1 = 2 * (acted & came).sum() / (acted.sum() + came.sum())
    score, recall = known.score("f1"), known.score("recall")
    assert score is not None
    assert recall is not None
    assert score["value"] == pytest.approx(f1)
    assert recall["value"] == pytest.approx((acted & came).sum() / came.sum())
    assert known.examination["thresholds"]["chosen"]["f1"] == pytest.approx(f1)
    assert known.verdict is not None
    gate = next(each for each in known.verdict.body["gates"] if each["gate"] == "guardrail recall")
    assert gate["value"] == pytest.approx(recall["value"])
    before = kept["scores"][:, 1] >= 0.2  # a linear model that calibration left as it is was compared by this
    if not known.candidate.body["calibration"]:
        assert value == pytest.approx(2 * (before & (kept["y"] == 1)).sum() / (before.sum() + (kept["y"] == 1).sum()))


def test_out_of_fold_scores_know_their_rows(shop: Path) -> None:
    with open_project(shop) as project:
        candidate = project.latest("candidate", "")
        body = candidate.body["out_of_fold"]
        kept = load_arrays(project.blobs.get(str(body["arrays"])))
        known = recorded(project, project.latest("evaluation", "")).examination["beside"]
    assert body["sources"] == ["rows.csv"]
    assert body["rows"] == len(kept["y"]) == len(kept["scores"]) == candidate.body["rows"]["validation"]
    raw = pl.read_csv(shop / "rows.csv")
    lines = kept["line"].astype(int) - 2  # the first line is the head
    assert encode_target(raw["y"][lines], ("no", "yes")).tolist() == kept["y"].tolist()
    auc = next(each for each in known if each["metric"] == "auc")
    assert auc["out_of_fold"] == pytest.approx(METRICS["auc"].score(kept["y"], kept["scores"]))
    assert auc["development"] > 0.6


def test_the_page_holds_what_is_on_record_and_no_markup_of_the_data(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deep" / "page.html"
    answer = told(capsys, "evaluate", "--project", str(shop), "--report", str(out))
    page = out.read_text(encoding="utf-8")
    assert answer["report"] == str(out)
    assert "<script>alert" not in page
    assert "default-src 'none'" in page
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page)
    match = re.search(r'<script type="application/json" id="specs">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    titles = [spec["title"]["text"] for spec in json.loads(match.group(1))]
    assert titles == [
        "Rates by threshold", "Value by threshold", "Reliability", "ROC curve", "Precision and recall", "Gain", "f1 by segment",
    ]  # fmt: skip
    for section in ("scores", "gates", "decision", "confusion", "calibration", "ranking", "segments", "slices", "fairness"):
        assert f'<section id="{section}">' in page
    assert "positive from a score of 0.2" in page
    worst = answer["examination"]["slices"]["found"]
    assert worst[0]["where"] == [["place", EVIL]]
    assert {each["column"] for each in answer["examination"]["fairness"]} == {"place"}


def test_refits_take_the_error_apart_without_a_look_at_the_holdout(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("evaluate", "--project", str(shop), "--report", str(tmp_path / "p.html"), "--bias-variance", "3")
    before = told(capsys, *words)
    again = told(capsys, *words)
    assert before["looks"] == again["looks"] == 1
    assert before["bias_variance"] == again["bias_variance"]
    assert [each["loss"] for each in again["bias_variance"]] == ["log", "zero-one"]
    for each in again["bias_variance"]:
        assert each["bias"] + each["variance"] == pytest.approx(each["mean"])
        assert len(set(each["single"])) == 3
    assert '<section id="apart">' in (tmp_path / "p.html").read_text(encoding="utf-8")
    with open_project(shop) as project:
        assert len(project.ledger.find("bias_variance")) == 1


def test_the_card_is_a_model_card_of_recorded_facts(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "README.md"
    told(capsys, "card", "1", "--project", str(shop), "--out", str(out))
    _, front, text = out.read_text(encoding="utf-8").split("---\n", 2)
    metadata = yaml.safe_load(front)
    (index,) = metadata["model-index"]
    (result,) = index["results"]
    assert index["name"] == "shop-1"
    assert metadata["pipeline_tag"] == result["task"]["type"] == PIPELINES["binary"]
    assert {"type", "name"} <= set(result["dataset"])
    assert metadata["metrics"] == [each["type"] for each in result["metrics"]]
    assert all(isinstance(each["value"], float) and each["name"] for each in result["metrics"])
    with open_project(shop) as project:
        known = recorded(project, project.latest("evaluation", ""))
    for each in result["metrics"]:
        score = known.score(each["type"])
        assert score is not None
        assert each["value"] == score["value"]
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    for expected in ("Model Details", "Uses", "Bias, Risks, and Limitations", "Training Details", "Evaluation", "Environmental Impact"):
        assert expected in headings
    assert f"**License:** {NOT_RECORDED}" in text
    assert str(known.dataset.body["digest"]) in text
    assert "Sales" in text
    assert "<script>" not in text
    assert "why \\| what" in text
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_an_evaluation_of_a_program_that_examined_nothing_still_has_a_page(shop: Path) -> None:
    from dataclasses import replace

    with open_project(shop) as project:
        evaluation = project.latest("evaluation", "")
        old = replace(evaluation, body={name: said for name, said in evaluation.body.items() if name != "examination"})
        page = evaluation_page(recorded(project, old))
    assert '<section id="scores">' in page
    assert '<section id="slices">' not in page


def test_a_version_that_is_not_there(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", "7", "--project", str(shop)]) == 2
    assert "HS605" in capsys.readouterr().err


def test_what_the_model_leans_on_is_on_the_page_once_it_was_explained(shop: Path) -> None:
    with open_project(shop) as project:
        evaluation = project.ledger.find("evaluation")[0]
        candidate = project.require(str(evaluation.body["candidate"]))
        explained = explain_candidate(project, candidate)
        known = recorded(project, evaluation)
        page = evaluation_page(known)
    assert known.importance == [(each["column"], each["mean_abs"]) for each in explained.body["columns"]]
    assert known.importance[0][0] == "x"
    assert 'id="importance"' in page
