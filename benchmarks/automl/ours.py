"""Take one data set through Homeostat's own journey within a budget and answer its test rows: ``python -m benchmarks.automl.ours``.

The project has the training rows only. What answers the test rows is the packed bundle.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.automl.peers.measured import MANY, MANY_CALLS, ONE_ROW_CALLS, median_ms

LIBRARIES = ("homeostat", "lightgbm", "xgboost-cpu", "scikit-learn", "optuna", "onnxruntime", "polars")
LEARNERS = ["naive", "linear", "lightgbm", "xgboost", "extra_trees"]


SMALL, RARE = 5_000, 5_000
"""Rows below which trials are judged on five folds, and rows of the rarer of two classes below which on three."""
SEALED = 10
"""Training rows that stay sealed: a project has a holdout of its own, and the least that is allowed is this many."""


def charter(about: dict[str, Any], train: pl.DataFrame, budget: float) -> str:
    """What a user writes for rows in no order of which only the target is known."""
    rows = train.height
    rare = about["task"] == "binary" and train[about["target"]].value_counts()["count"].min() < RARE
    folds = {"folds": 5} if rows < SMALL else {"folds": 3} if rare else {}
    return json.dumps(
        {
            "name": "automl",
            "problem": {"statement": "s", "objective": "o", "decision": "d", "business_metric": "b"},
            "task": {"type": about["task"], "target": about["target"]},
            "success": {"metric": about["metric"]},
            "data": {"source": "rows.parquet"},
            "preparation": {"split": {"kind": "stratified", **folds}, "holdout": (SEALED + 1) / rows, "validation": 0.2},
            "learning": {"learners": LEARNERS, "budget": {"seconds": budget}},
        }
    )


def main() -> None:
    folder, budget, out = Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    about = json.loads((folder / "about.json").read_text())
    train, test = (pl.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        train.write_parquet(home / "rows.parquet")
        (home / "homeostat.yaml").write_text(charter(about, train, budget))
        scores, classes, told = learned(home, test.drop(about["target"]))
    np.save(out.with_suffix(".npy"), scores)
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    out.write_text(json.dumps({"classes": classes, **told, "versions": versions}))


def learned(home: Path, test: pl.DataFrame) -> tuple[Any, list[str], dict[str, Any]]:
    """Scores of the test rows, the classes, and what it took."""
    from homeostat.flow.ingest import ingest
    from homeostat.flow.project import open_project
    from homeostat.flow.registry import load_bundle
    from homeostat.flow.train import first_order, train
    from homeostat.serving.predictor import Predictor

    with open_project(home) as project:
        dataset = ingest(project)
        started = time.perf_counter()
        candidate = train(project, first_order(project, dataset))
        seconds = time.perf_counter() - started
        trials = project.ledger.find("trial")
        predictor = Predictor(load_bundle(project, str(candidate.body["bundle"])))
    how = {name: candidate.body[name] for name in ("learner", "params", "validation_value", "size_mb", "calibration")}
    failed = [trial.body["reason"] for trial in trials if trial.body["value"] is None]
    how |= {"trials": len(trials), "search_seconds": round(sum(trial.body["seconds"] for trial in trials), 1), "failed": failed}
    scores = predictor.predict_frame(test)
    told = {"fit_seconds": round(seconds, 2), **timed(predictor, test), "how": how}
    return scores if candidate.body["classes"] else scores[:, 0], list(candidate.body["classes"]), told


def timed(predictor: Any, test: pl.DataFrame) -> dict[str, float]:
    """Medians in ms: one row, from its named fields to its answer; and a thousand rows that are a frame already."""
    known = test.select(source.name for source in predictor.manifest.inputs)
    rows = known.head(ONE_ROW_CALLS).to_dicts()
    many = known.sample(MANY, with_replacement=known.height < MANY, seed=0)
    predictor.predict_frame(many)
    predictor.predict_one(rows[0])
    one = median_ms([lambda row=row: predictor.predict_one(row) for row in rows])
    return {"one_row_ms": one, "thousand_rows_ms": median_ms([lambda: predictor.predict_frame(many)] * MANY_CALLS)}


if __name__ == "__main__":
    main()
