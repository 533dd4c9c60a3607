"""Money in a whole project: what outcomes are worth decides at training, in the bundle and in the evaluation; private columns stay out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from homeostat.errors import CharterError, DataError
from homeostat.flow.arrays import load_arrays
from homeostat.flow.evaluate import evaluate
from homeostat.flow.ingest import ingest
from homeostat.flow.project import Project, open_project
from homeostat.flow.registry import load_bundle
from homeostat.flow.train import first_order, train
from homeostat.serving.predictor import Predictor


def founded(folder: Path, frame: pl.DataFrame, **charter: Any) -> Path:
    """A project on a frame, with one linear model as its search."""
    frame.write_csv(folder / "rows.csv")
    raw = {
        "name": "money",
        "problem": dict.fromkeys(("statement", "objective", "decision", "business_metric"), "x"),
        "data": {"source": "rows.csv"},
        "learning": {"learners": ["linear"], "budget": {"seconds": None, "trials": 1}},
        **charter,
    }
    (folder / "homeostat.yaml").write_text(json.dumps(raw))
    return folder


def judged(project: Project) -> tuple[Any, Any]:
    candidate = train(project, first_order(project, ingest(project)))
    return candidate, evaluate(project, candidate)


def loans(rows: int = 1_200) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    x, amount = rng.normal(size=rows), np.round(rng.lognormal(6, 1, rows))
    repaid = rng.random(rows) < 1 / (1 + np.exp(-(1.0 + 1.2 * x)))
    return pl.DataFrame(
        {"x": x, "loan": amount, "secret": rng.normal(size=rows), "old": rng.random(rows), "y": np.where(repaid, "yes", "no")}
    )


PAYOFF = {"true_positive": {"per_amount": 0.2}, "false_positive": {"per_amount": -0.7, "fixed": -5}, "false_negative": -1}
BINARY = {"task": {"type": "binary", "target": "y", "positive": "yes"}, "success": {"metric": "auc"}}


def earned(y: Any, p: Any, amount: Any, threshold: float) -> float:
    acted = p >= threshold
    return float(np.where(acted, np.where(y == 1, 0.2 * amount, -0.7 * amount - 5), np.where(y == 1, -1.0, 0.0)).sum())


def test_the_threshold_earns_most_on_the_validation_rows_and_is_served(tmp_path: Path) -> None:
    frame = loans()
    folder = founded(tmp_path, frame, **BINARY, value={"payoff": PAYOFF, "amount": "loan", "rows_per_month": 500})
    with open_project(folder) as project:
        candidate, evaluation = judged(project)
        threshold = candidate.body["threshold"]
        bundle = load_bundle(project, str(candidate.body["bundle"]))
        assert bundle.manifest.threshold == threshold != 0.5
        arrays = load_arrays(project.blobs.get(str(evaluation.body["arrays"])))
        amount = frame["loan"].tail(len(arrays["y"])).to_numpy()
        by_name = {score["metric"]: score["value"] for score in evaluation.body["scores"]}
        assert by_name["value_per_row"] == pytest.approx(earned(arrays["y"], arrays["ours"][:, 1], amount, threshold) / len(amount))
        assert by_name["value_per_month"] == pytest.approx(500 * by_name["value_per_row"])
        # On rows like those it was chosen on, it earns more than what is right at even odds, and than acting on all.
        validation = frame[-len(amount) - 240 : -len(amount)]
        scores = Predictor(bundle).predict_frame(validation)[:, 1]
        y, worth = (validation["y"] == "yes").to_numpy(), validation["loan"].to_numpy()
        assert earned(y, scores, worth, threshold) > max(earned(y, scores, worth, other) for other in (0.0, 0.5, 1.1))


def test_costs_decide_in_the_bundle_and_count_in_the_evaluation(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=900)
    frame = pl.DataFrame(
        {"x": x, "z": rng.normal(size=900), "y": np.array(["low", "mid", "high"])[np.digitize(x + 0.8 * rng.normal(size=900), (-0.5, 0.8))]}
    )
    costs = {"low": {"low": 0, "mid": 1, "high": 2}, "mid": {"low": 3, "mid": 0, "high": 1}, "high": {"low": 30, "mid": 9, "high": 0}}
    task = {"task": {"type": "multiclass", "target": "y"}, "success": {"metric": "log_loss"}}
    folder = founded(tmp_path, frame, **task, value={"costs": costs, "per_prediction": 0.25})
    with open_project(folder) as project:
        candidate, evaluation = judged(project)
        assert candidate.body["parity"]["flips"] == 0
        manifest = load_bundle(project, str(candidate.body["bundle"])).manifest
        matrix = np.array([[costs[actual][decided] for decided in manifest.classes] for actual in manifest.classes], dtype=float)
        assert manifest.costs == tuple(map(tuple, matrix.tolist()))
        arrays = load_arrays(project.blobs.get(str(evaluation.body["arrays"])))
        paid = matrix[arrays["y"].astype(int), np.argmin(arrays["ours"] @ matrix, axis=1)]
        (money,) = [score["value"] for score in evaluation.body["scores"] if score["metric"] == "value_per_row"]
        assert money == pytest.approx(-paid.mean() - 0.25)


def test_a_class_without_costs_is_refused_with_its_name(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": np.arange(300.0), "y": ["a", "b", "c"] * 100})
    costs = {"a": {"a": 0, "b": 1}, "b": {"a": 1, "b": 0}}
    task = {"task": {"type": "multiclass", "target": "y"}, "success": {"metric": "log_loss"}}
    with open_project(founded(tmp_path, frame, **task, value={"costs": costs})) as project:
        dataset = ingest(project)
        with pytest.raises(CharterError, match=r"HS113\] value.costs: .*the data also has c"):
            train(project, first_order(project, dataset))


def test_private_and_baseline_columns_are_never_inputs(tmp_path: Path) -> None:
    success = {"metric": "auc", "baseline": {"kind": "column", "column": "old"}}
    folder = founded(tmp_path, loans(), **{**BINARY, "success": success}, privacy={"never_use": ["secret"]})
    with open_project(folder) as project:
        candidate, evaluation = judged(project)
        manifest = load_bundle(project, str(candidate.body["bundle"])).manifest
        assert set(manifest.required()) == {"x", "loan"}
        assert {"secret", "old"} <= set(manifest.ignored)  # callers may send them; no answer depends on them
        arrays = load_arrays(project.blobs.get(str(evaluation.body["arrays"])))
        np.testing.assert_allclose(arrays["baseline"][:, 1], loans()["old"].tail(len(arrays["y"])).to_numpy())


@pytest.mark.parametrize(
    ("clauses", "place"),
    [
        ({"privacy": {"never_use": ["secret2"]}}, "privacy.never_use[0]"),
        ({"value": {"payoff": PAYOFF, "amount": "loan2"}}, "value.amount"),
        ({"preparation": {"columns": {"xx": {"drop": True}}}}, "preparation.columns.xx"),
        ({"preparation": {"split": {"kind": "group", "group": "client"}}}, "preparation.split.group"),
        ({"success": {"metric": "auc", "baseline": {"kind": "column", "column": "older"}}}, "success.baseline.column"),
    ],
)
def test_a_misspelt_column_is_found_before_anything_is_taken_in(tmp_path: Path, clauses: dict[str, Any], place: str) -> None:
    with open_project(founded(tmp_path, loans(50), **{**BINARY, **clauses})) as project:
        with pytest.raises(DataError) as caught:
            ingest(project)
        assert (caught.value.code, caught.value.place) == ("HS203", f"{place} (rows.csv)")
