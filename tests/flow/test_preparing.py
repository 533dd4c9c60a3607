"""Stage 4 in a project: decisions are recorded and executed, what contradicts them is refused at `check`, texts go the whole way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from homeostat.app.cli.main import main
from homeostat.core import sections
from homeostat.core.records import Decision
from homeostat.core.targets import encode_target
from homeostat.flow.evaluate import evaluate
from homeostat.flow.feasible import check
from homeostat.flow.founding import found
from homeostat.flow.ingest import ingest
from homeostat.flow.lifecycle import run
from homeostat.flow.preparing import stages_of, told, training_window
from homeostat.flow.project import Project, open_project
from homeostat.flow.serving import serving
from homeostat.flow.train import first_order, order_key, split_rows, train
from homeostat.flow.training_rows import training_rows
from homeostat.serving.predictor import Predictor

HAM = ["love this song so much", "who else is here in 2015?", "best video ever \u2764", "brings back memories", "her voice is perfect"]
SPAM = ["check out my channel", "subscribe please, I do too", "win a free phone: http://x.org", "visit my page", "FREE $$$ now"]


def write_comments(path: Path, count: int = 600) -> None:
    """One in ten is spam; ids differ in every row, the number of likes is skewed."""
    rng = np.random.default_rng(0)
    spam = rng.random(count) < 0.1
    said = [" ".join([*rng.choice(SPAM if s else HAM, 3), *rng.choice(HAM if s else SPAM, 1), str(rng.integers(99))]) for s in spam]
    path.parent.mkdir(parents=True)
    pl.DataFrame(
        {
            "id": [f"c{i * 7919 % 10_007}" for i in range(count)],
            "said": said,
            "likes": np.floor(np.exp(2.2 * rng.normal(size=count))),
            "video": rng.choice(["a", "b", "c"], count),
            "spam": np.where(spam, "yes", "no"),
        }
    ).write_csv(path)


def edit(folder: Path, section: str, **clauses: object) -> None:
    path = folder / "homeostat.yaml"
    charter = yaml.safe_load(path.read_text())
    charter.setdefault(section, {})
    charter[section] = {**(charter[section] or {}), **clauses}
    path.write_text(yaml.safe_dump(charter, sort_keys=False))


@pytest.fixture
def comments(tmp_path: Path) -> Path:
    folder = tmp_path / "spam"
    write_comments(folder / "data" / "comments.csv")
    found(folder, sections.Source(source=str(folder / "data" / "comments.csv")), "spam", "spam")
    edit(folder, "preparation", split={"kind": "stratified", "folds": 3}, imbalance="weights", columns={"likes": {"clip": False}})
    edit(folder, "learning", budget={"seconds": None, "trials": 3})
    edit(folder, "task", positive="yes", leave_out=[])
    edit(folder, "value", payoff={"true_positive": 9, "false_positive": -1})
    return folder


def test_decisions_are_a_fact_between_the_dataset_and_the_candidate(comments: Path) -> None:
    with open_project(comments) as project:
        dataset = ingest(project)
        candidate = train(project, first_order(project, dataset))
        (fact,) = project.ledger.find("decisions")
        assert fact.causes == (dataset.id,)
        assert fact.id in candidate.causes
        columns = fact.body["columns"]
        assert sorted(columns) == ["id", "likes", "said", "video"]
        assert columns["id"]["drop"]
        assert "text" in columns["id"]["reason"]
        assert (columns["said"]["kind"], columns["said"]["encode"]) == ("text", "tfidf")
        assert (columns["likes"]["by"], columns["likes"].get("clip")) == ("charter", None)
        assert columns["likes"]["transform"] in ("log", "yeo_johnson")
        reason = "3 texts: a column each"
        assert columns["video"] == {"kind": "category", "encode": "one_hot", "reason": reason, "by": "analysis", "number": 3}
        split = split_rows(project, training_rows(project, dataset).frame)
        assert fact.body["rows"] == split.train.height
        assert candidate.body["parity"]["passed"]
        assert candidate.body["validation_value"] > 0.9
        assert candidate.body["left_out"]["gap"] == 0
        assert train(project, first_order(project, dataset)).id == candidate.id
        assert len(project.ledger.find("decisions")) == 1


def test_a_text_goes_the_whole_way_to_an_answer_whose_probability_holds(comments: Path) -> None:
    with open_project(comments) as project:
        done = run(project)
        assert done.promotion is not None, done
        predictor = Predictor(serving(project).bundle)
        kinds = {each.name: each.kind for each in predictor.manifest.inputs}
        assert kinds["said"] == "text"
        assert predictor.manifest.threshold == pytest.approx(0.1), "one euro against nine"
        base = {"likes": 3, "video": "a", "id": "c1"}
        said = ("Check out my channel! Subscribe please, FREE", "her voice is perfect", None)
        spam, ham, null = predictor.predict_rows([{**base, "said": each} for each in said])
        assert spam.prediction == "yes"
        assert ham.prediction == "no"
        assert null.probability is not None
        rows = training_rows(project, project.ledger.find("dataset")[0]).frame
        holdout = split_rows(project, rows).holdout
        y = encode_target(holdout["spam"], ("no", "yes"))
        assert predictor.predict_frame(holdout)[:, 1].mean() == pytest.approx(y.mean(), abs=0.05), "not one half, as the balanced rows"


@pytest.mark.parametrize(
    ("clauses", "code", "said"),
    [
        ({"columns": {"likes": {"encode": "tfidf"}}}, "HS308", "preparation.columns.likes.encode: got tfidf for a number"),
        ({"columns": {"nope": {"drop": True}}}, "HS203", '"nope"'),
        ({"split": {"kind": "random", "gap": "2d"}}, "HS119", "preparation.split.gap"),
        ({"split": {"kind": "stratified", "folds": 20}, "holdout": 0.7}, "HS309", "20 folds"),
    ],
)
def test_what_cannot_be_done_is_refused_at_check(
    comments: Path, clauses: dict[str, object], code: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(comments, "preparation", **clauses)
    assert main(["check", "--project", str(comments)]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert code in line
    assert said in line
    assert not (comments / ".homeostat" / "tables").exists()


def test_check_measures_with_the_same_preparation(comments: Path) -> None:
    with open_project(comments) as project:
        found = check(project)
    assert found.verdict != "no-go"


def test_the_fact_can_be_read(comments: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_project(comments) as project:
        train(project, first_order(project, ingest(project)))
        fact = project.ledger.find("decisions")[0]
    assert main(["show", fact.id, "--project", str(comments)]) == 0
    shown = capsys.readouterr().out
    for words in ("a text: its 200 most frequent terms", '"encode": "tfidf"', "3 texts: a column each"):
        assert words in shown
    assert main(["history", "--kind", "decisions", "--project", str(comments), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"][0]["id"] == fact.id


def test_every_clause_of_the_preparation_is_part_of_the_order(comments: Path) -> None:
    keys = set()
    clauses: list[dict[str, object]] = [
        {},
        {"select": 5},
        {"pca": 3},
        {"text_terms": 50},
        {"imbalance": "none"},
        {"sample": {"rows": 100}},
        {"columns": {"likes": {"transform": "none"}}},
        {"split": {"kind": "random"}},
        {"split": {"kind": "stratified", "folds": 2}},
    ]
    for changed in clauses:
        edit(comments, "preparation", **changed)
        with open_project(comments) as project:
            dataset = ingest(project)
            keys.add(order_key(project, first_order(project, dataset)))
    assert len(keys) == len(clauses)


def test_a_sample_limits_the_rows_of_each_fit(comments: Path) -> None:
    edit(comments, "preparation", sample={"rows": 90, "kind": "stratified"})
    with open_project(comments) as project:
        rows = training_rows(project, ingest(project)).frame
        split = split_rows(project, rows)
        taken, weights = training_window(project.charter, split.train, sections.Window())
        assert taken.height == 90
        assert weights is None
        assert (taken["spam"] == "yes").mean() == pytest.approx((split.train["spam"] == "yes").mean(), abs=1 / 90)
        assert stages_of(project.charter, split).select_window(split.train, sections.Window())[0].equals(taken)
        candidate = train(project, first_order(project, project.ledger.find("dataset")[0]))
        assert evaluate(project, candidate).body["rows"] == split.holdout.height, "those that judge are all there"


def test_what_is_told_of_a_decision_is_what_is_done() -> None:
    plain = Decision("x", "number", impute="median", clip=True, reason="a number", number=0.123456789)
    gone = Decision("id", None, drop=True, reason="it counts the rows", number=60)
    assert told([plain, gone]) == {
        "x": {"kind": "number", "impute": "median", "clip": True, "reason": "a number", "number": 0.123457, "by": "analysis"},
        "id": {"kind": None, "drop": True, "reason": "it counts the rows", "number": 60.0, "by": "analysis"},
    }


def test_the_project_of_the_demonstration_decides_as_before(project: Project) -> None:
    candidate = project.ledger.find("candidate")[0]
    fact = next(project.require(cause) for cause in candidate.causes if cause.startswith("decisions-"))
    kept = {name: told["kind"] for name, told in fact.body["columns"].items() if not told.get("drop")}
    assert kept["weathersit"] == "category"
    assert kept["dteday"] == "timestamp"
    assert "casual" not in kept
