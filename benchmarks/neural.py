"""Measure what the neural learner adds to LightGBM: ``benchmarks/results/neural.json`` and ``.md``.

Run: ``.venv/bin/python -m benchmarks.neural FOLDER``, with the extra ``torch``. The folder holds the data sets as ``benchmarks.automl``
makes them (``FOLDER/<set>/{train,test}.parquet``). It takes about ten minutes on a free core; seconds are of the processor.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl

from homeostat.core import sections
from homeostat.core.targets import classes_of, encode_target
from homeostat.graph.decode import decode_frame
from homeostat.graph.onnx import compile_plan
from homeostat.graph.plan import Plan
from homeostat.learning.ensemble import select
from homeostat.learning.learner import Goal, Rows
from homeostat.learning.learners import LEARNERS
from homeostat.learning.trials import features_of
from homeostat.preparation.fit import fit as fit_preparation
from homeostat.stats.metrics import error_of, metric

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("homeostat", "torch", "lightgbm", "onnxruntime", "numpy")
SOME_ROWS, TEST_ROWS, ASKED = 10_000, 5_000, 1_000
ALONE, RUNS = 3, 15
"""LightGBM's param sets: its defaults, and the first of its portfolio. How often a graph is asked."""


@dataclass(frozen=True, slots=True)
class Made:
    """A fitted model: its scores of the validation and the test rows, seconds of the processor, ms for 1,000 rows of the graph."""

    judged: Any
    unseen: Any
    fit_s: float
    graph_ms: float
    difference: float


def some(frame: pl.DataFrame, most: int, seed: int) -> pl.DataFrame:
    """At most so many rows, drawn at random."""
    return frame[np.random.default_rng(seed).permutation(frame.height)[:most]]


def made(name: str, params: Any, goal: Goal, task: sections.Task, parts: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]) -> Made:
    """A learner fitted on the first part behind its preparation, stopped on the second."""
    train, valid, test = parts
    learner = LEARNERS[name]
    preparation, features = fit_preparation(train, task, sections.Preparation(), learner.flavour, goal.classes)
    rows = Rows(features, encode_target(train[task.target], goal.classes))
    judged = Rows(features_of(preparation, valid), encode_target(valid[task.target], goal.classes))
    started = time.process_time()
    fitted = learner.fit(rows, replace(goal, source=preparation.out), params, 0, judged)
    took = time.process_time() - started
    plan = Plan(task.type, task.target, preparation.inputs, (*preparation.nodes, *fitted.nodes), goal.classes)
    unseen = fitted.predict(features_of(preparation, test))
    ms, scores = asked(plan, test)
    scale = max(1.0, float(np.abs(unseen).max()))
    return Made(fitted.predict(judged.features), unseen, took, ms, float(np.abs(scores - unseen[: len(scores)]).max()) / scale)


def asked(plan: Plan, test: pl.DataFrame) -> tuple[float, Any]:
    """The least processor time of the graph for 1,000 rows in ms, and its scores of the first ones."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(compile_plan(plan), options, providers=["CPUExecutionProvider"])
    decoded = decode_frame(plan.inputs, test.head(ASKED))._asdict()
    feed = {each.name: decoded[each.name] for each in session.get_inputs()}
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        scores = session.run(["score"], feed)[0]
        times.append(time.process_time() - started)
    return min(times) * 1000 * ASKED / len(scores), scores


def cell(folder: Path) -> dict[str, Any]:
    """One data set: errors on the test rows alone and together, times, and the distance of graph and library."""
    about = json.loads((folder / "about.json").read_text())
    task, measured = sections.Task(type=about["task"], target=about["target"]), metric(about["metric"])
    development = some(pl.read_parquet(folder / "train.parquet"), SOME_ROWS, 0)
    cut = int(0.8 * development.height)
    train, valid, test = development[:cut], development[cut:], some(pl.read_parquet(folder / "test.parquet"), TEST_ROWS, 1)
    classes = classes_of(train[task.target], task)
    goal = Goal(task.type, classes, measured, amounts=not classes and bool((development[task.target] >= 0).all()))
    y, truth = (encode_target(frame[task.target], classes) for frame in (valid, test))
    boosting = LEARNERS["lightgbm"]
    trees = [
        made("lightgbm", params, goal, task, (train, valid, test)) for params in [boosting.defaults, *boosting.portfolio(goal)][:ALONE]
    ]
    network = made("neural", LEARNERS["neural"].defaults, goal, task, (train, valid, test))

    def together(members: list[Made]) -> float:
        weights = select([each.judged for each in members], y, measured)
        return measured.score(truth, np.tensordot(weights, np.stack([each.unseen for each in members]), axes=1))

    values = {
        "lightgbm": measured.score(truth, trees[0].unseen),
        "neural": measured.score(truth, network.unseen),
        "trees": together(trees),
        "both": together([*trees, network]),
    }
    return {
        "metric": measured.name,
        "rows": train.height,
        **values,
        "saved": 1.0 - error_of(measured, values["both"]) / error_of(measured, values["trees"]),
        "lightgbm_fit_s": trees[0].fit_s,
        "neural_fit_s": network.fit_s,
        "lightgbm_ms": trees[0].graph_ms,
        "neural_ms": network.graph_ms,
        "difference": network.difference,
    }


def main() -> None:
    """Measure and write; sets named behind the folder are measured anew, the others' figures stay."""
    folder, only = Path(sys.argv[1]), sys.argv[2:]
    kept = RESULTS / "neural.json"
    cells = json.loads(kept.read_text())["sets"] if only and kept.exists() else {}
    for name in only or sorted(each.name for each in folder.iterdir() if (each / "about.json").exists()):
        cells[name] = cell(folder / name)
        print(name, cells[name], flush=True)
        report(cells)


def report(cells: dict[str, dict[str, Any]]) -> None:
    """Write what was measured so far."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    versions = {name: version(name) for name in LIBRARIES}
    told = {"when": when, "machine": machine, "versions": versions, "sets": cells}
    (RESULTS / "neural.json").write_text(json.dumps(told, indent=1) + "\n")
    heads = (
        "set",
        "metric",
        "LightGBM",
        "network",
        "trees",
        "both",
        "saved",
        "fit s LightGBM",
        "network",
        "graph ms LightGBM",
        "network",
        "apart",
    )
    lines = [
        "# What the neural network adds",
        "",
        f"{when}, {machine}, {', '.join(f'{name} {number}' for name, number in versions.items())}.",
        "Again: `.venv/bin/python -m benchmarks.neural FOLDER`.",
        "",
        f"At most {SOME_ROWS:,} rows of a set, a fifth of them to stop by and to choose weights; values are of at most {TEST_ROWS:,}",
        "others. LightGBM and network: their defaults. Trees: LightGBM with its defaults and the first two of its portfolio, weighed",
        "as `learning.ensemble.select` does; both: the network among them; saved: of the trees' error by both. Times are of the",
        "processor; graph: 1,000 rows in ONNX Runtime, one thread; apart: graph and PyTorch, as a share of the largest answer.",
        "",
        f"| {' | '.join(heads)} |",
        "|" + "---|" * len(heads),
    ]
    for name, found in sorted(cells.items()):
        values = [f"{found[each]:.4g}" for each in ("lightgbm", "neural", "trees", "both")]
        times = [f"{found[each]:.1f}" for each in ("lightgbm_fit_s", "neural_fit_s", "lightgbm_ms", "neural_ms")]
        share, apart = f"{found['saved']:.1%}", f"{found['difference']:.0e}"
        lines.append(f"| {' | '.join([name, found['metric'], *values, share, *times, apart])} |")
    (RESULTS / "neural.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
