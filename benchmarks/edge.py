"""The same model in ONNX Runtime, C and JavaScript on fresh rows: ``benchmarks/results/edge.json`` and ``.md``.

Run: ``.venv/bin/python -m benchmarks.edge [--rows 100000]``. It needs gcc and node. The model has 20 mixed columns (numbers, one of them in
epoch seconds, booleans, timestamps, categories) behind the preparation that a charter without wishes gets, and LightGBM of 300 trees of
31 leaves. The rows are raw values as JSON has them, with nulls, categories that were never seen, and numbers and dates far beyond the
training rows. Each program decodes and answers them one by one on one core, in turn, three times; the least processor time counts
(it is steadier than the clock where other programs run).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from homeostat.core import sections
from homeostat.graph.decode import RowDecoder
from homeostat.graph.interpret import transform
from homeostat.graph.javascript import MODULES, compile_javascript, module, written
from homeostat.graph.plan import Plan, Preparation
from homeostat.learning.learner import Goal, Rows
from homeostat.learning.learners import lightgbm as learner
from homeostat.preparation.fit import fit
from homeostat.serving.bundle import build
from homeostat.serving.edge import edge_folder
from homeostat.serving.parity import largest_difference
from homeostat.serving.predictor import Predictor
from homeostat.serving.proof import proof_of
from homeostat.stats.metrics import metric
from homeostat.testing.programs import CModel, run_program

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("homeostat", "lightgbm", "onnxruntime", "onnx", "numpy")
TRAINED_ON, TREES, LEAVES, TIMES, AT_ONCE = 40_000, 300, 31, 3, 1_000
TASK = sections.Task(type="binary", target="y", positive="yes")
CLASSES = ("no", "yes")
ASK = """
import { readFileSync, writeFileSync } from "node:fs";
import { Model } from "./model.js";
import tables from "./tables.js";
const rows = readFileSync("rows.ndjson", "utf8").trimEnd().split("\\n").map((line) => JSON.parse(line));
const model = new Model(tables);
const found = new Float64Array(rows.length);
const flips = new Uint8Array(rows.length);
let best = Infinity;
for (let time = 0; time < TIMES; time++) {
  const started = process.cpuUsage();
  rows.forEach((row, at) => {
    const answer = model.predict(row);
    found[at] = answer.probability;
    flips[at] = answer.prediction === "yes" ? 1 : 0;
  });
  const { user, system } = process.cpuUsage(started);
  best = Math.min(best, (user + system) / rows.length);
}
writeFileSync("scores.f8", found);
writeFileSync("decisions.u1", flips);
console.log(best);
"""


def main() -> None:
    """Measure and write."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--rows", type=int, default=100_000)
    asked = given.parse_args()
    with tempfile.TemporaryDirectory() as place:
        figures = measured(asked.rows, Path(place))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "edge.json").write_text(json.dumps(figures, indent=1) + "\n")
    (RESULTS / "edge.md").write_text(report(figures))
    print((RESULTS / "edge.md").read_text())


def frame_of(count: int, seed: int) -> pl.DataFrame:
    """Rows of 20 mixed columns and their target, with a null in one value of 20."""
    rng = np.random.default_rng(seed)
    numbers = {f"n{at}": rng.normal(size=count) * 10.0 ** (at - 3) for at in range(6)} | {"income": rng.lognormal(9, 1, count)}
    stamps = rng.integers(1_300_000_000, 1_700_000_000, count)
    wholes = {"visits": rng.poisson(4, count), "age": rng.integers(18, 90, count), "created_s": stamps}
    truths = {"member": rng.random(count) < 0.3, "mobile": rng.random(count) < 0.6}
    texts = {f"c{at}": rng.choice([f"k{value}" for value in range(size)], count) for at, size in enumerate((3, 8, 40, 200))}
    codes = {"branch": rng.integers(1, 30, count).astype(str), "plan": rng.choice(["basic", "plus", "pr\u00e9mium"], count)}
    start = datetime(2015, 1, 1)
    times = {name: [start + timedelta(seconds=int(s)) for s in rng.integers(0, 200_000_000, count)] for name in ("opened", "seen")}
    score = numbers["n3"] + np.log(numbers["income"]) - 9 + truths["member"] + 0.02 * (wholes["age"] - 50) + (texts["c0"] == "k1")
    score = score + np.sin(stamps / 86_400 / 58) + rng.normal(size=count)
    every = pl.DataFrame({**numbers, **wholes, **truths, **texts, **codes, **times})
    return every.with_columns(
        pl.Series(each.name, each).set(pl.Series(rng.random(count) < 0.05), None) for each in every
    ).with_columns(y=pl.Series(np.where(score > 0.8, "yes", "no")))  # fmt: skip


def spoilt(frame: pl.DataFrame, seed: int) -> list[dict[str, Any]]:
    """The rows as JSON has them; one value of 25 is unseen or extreme."""
    rng = np.random.default_rng(seed)
    odd: dict[str, list[Any]] = {}
    for each in frame:
        if each.dtype == pl.String:
            odd[each.name] = ["", "never seen", "\N{SNOWMAN}", 7, 0.5, True]
        elif each.dtype == pl.Datetime:
            odd[each.name] = ["1700-01-01T23:59:59", "2000-02-29", "9999-12-31", 0, 951_868_799, 1.5, "2011-03-01 08:30:00.5+01:00"]
        elif each.dtype == pl.Boolean:
            odd[each.name] = [0, 1]
        else:
            odd[each.name] = [-1e12, 1e12, 0, -1e-12, 2**53, 5e-324, 1_700_000_000.25]
    rows = frame.with_columns(pl.col(pl.Datetime).dt.to_string("iso:strict")).to_dicts()
    for row in rows:
        for name in np.array(frame.columns)[rng.random(frame.width) < 0.04].tolist():
            row[name] = odd[name][rng.integers(len(odd[name]))]
    return rows


def model() -> tuple[Plan, Any, pl.DataFrame]:
    """The plan, the library's own predict of features, and the training rows."""
    frame = frame_of(TRAINED_ON, 1)
    prepared, features = fit(frame, TASK, sections.Preparation(), "tree", CLASSES)
    y = (frame["y"] == "yes").to_numpy().astype(np.float64)
    goal = Goal("binary", CLASSES, metric("log_loss"), prepared.out)
    made = learner.fit(Rows(features, y), goal, {**learner.defaults, "rounds": TREES, "num_leaves": LEAVES, "learning_rate": 0.05}, 1)
    plan = Plan("binary", "y", prepared.inputs, (*prepared.nodes, *made.nodes), CLASSES, 0.4)
    return plan, (prepared, made.predict), frame


def measured(count: int, folder: Path) -> dict[str, Any]:
    """Everything, as JSON."""
    plan, (prepared, predict), frame = model()
    bundle = build(plan, name="edge benchmark", sample=frame, ignored=["y"], facts={}, created="2026-01-01T00:00:00+00:00")
    rows = spoilt(frame_of(count, 2).drop("y"), 3)
    rows = [{each.name: row[each.name] for each in plan.inputs} for row in rows]
    onnx, onnx_us = by_onnx(Predictor(bundle), rows)
    c, c_us, c_bytes = by_c(plan, rows, folder)
    js, js_us = by_node(plan, rows, folder)
    library = by_library(prepared, predict, rows)
    decided = {name: scores >= plan.threshold for name, scores in {"onnx": onnx, "c": c, "js": js, "library": library}.items()}
    pairs = {"onnx": onnx, "c": c, "js": js}
    proof = proof_of(bundle)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "versions": {"python": platform.python_version(), **{each: version(each) for each in LIBRARIES}, **programs()},
        "model": {"columns": len(plan.inputs), "trees": TREES, "leaves": LEAVES, "trained_on": TRAINED_ON},
        "rows": count,
        "against_library": {name: compared(scores, library, decided[name], decided["library"]) for name, scores in pairs.items()},
        "against_onnx": {name: compared(scores, onnx, decided[name], decided["onnx"]) for name, scores in pairs.items() if name != "onnx"},
        "row_us": {"onnx, one row a call": onnx_us[0], "onnx, 1,000 rows a call": onnx_us[1], "c": c_us, "js": js_us},
        "bytes": {
            "html": len(edge_folder("html", bundle, proof, {})["index.html"]),
            "javascript module": sum(map(len, edge_folder("js", bundle, proof, {}).values())) - len(json_rows(bundle, proof)),
            "c object": c_bytes,
            "onnx": len(bundle.graph),
        },
        "parity_rows": len(proof.rows),
    }  # fmt: skip


def json_rows(bundle: Any, proof: Any) -> bytes:
    """The file of parity rows, which a module does not load."""
    return edge_folder("js", bundle, proof, {})["parity.json"]


def compared(scores: np.ndarray, wanted: np.ndarray, decided: np.ndarray, otherwise: np.ndarray) -> dict[str, Any]:
    """The largest difference, and how many rows are decided otherwise."""
    return {"max_difference": largest_difference(scores, wanted), "flips": int(np.count_nonzero(decided != otherwise))}


def by_onnx(predictor: Predictor, rows: list[dict[str, Any]]) -> tuple[np.ndarray, tuple[float, float]]:
    """Probabilities, and us a row by the decoder of rows and ONNX Runtime: one row at a time (of the first 5,000), and 1,000."""
    best = [float("inf"), float("inf")]
    few = rows[:5_000]
    for _ in range(TIMES):
        started = time.process_time()
        for row in few:
            predictor.score_rows([row])
        best[0] = min(best[0], (time.process_time() - started) * 1e6 / len(few))
        started = time.process_time()
        found = [predictor.score_rows(rows[at : at + AT_ONCE])[0][:, 1] for at in range(0, len(rows), AT_ONCE)]
        best[1] = min(best[1], (time.process_time() - started) * 1e6 / len(rows))
    return np.concatenate(found), (round(best[0], 2), round(best[1], 2))


def by_c(plan: Plan, rows: list[dict[str, Any]], folder: Path) -> tuple[np.ndarray, float, int]:
    """Probabilities, us a row, and the size of the compiled model."""
    compiled = CModel(plan, folder)
    values, best = compiled.values(rows), float("inf")
    for _ in range(TIMES):
        started = time.process_time()
        answers, problems = compiled.many(values, len(rows))
        best = min(best, (time.process_time() - started) * 1e6 / len(rows))
    if any(problems):
        raise SystemExit(f"C refuses {next(each for each in problems if each)}")
    run_program("gcc", "-O2", "-std=c99", "-c", "model.c", "-o", "model.o", folder=folder)
    return np.asarray(answers["scores"])[:, 1], round(best, 2), (folder / "model.o").stat().st_size


def by_node(plan: Plan, rows: list[dict[str, Any]], folder: Path) -> tuple[np.ndarray, float]:
    """Probabilities and us a row in Node."""
    for name in MODULES:
        (folder / name).write_text(module(name))
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "tables.js").write_text(f"export default {written(compile_javascript(plan))};\n")
    (folder / "rows.ndjson").write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    (folder / "ask.js").write_text(ASK.replace("TIMES", str(TIMES)))
    us = float(run_program("node", "ask.js", folder=folder))
    scores = np.fromfile(folder / "scores.f8")
    if not np.array_equal(np.fromfile(folder / "decisions.u1", dtype=np.uint8) == 1, scores >= plan.threshold):
        raise SystemExit("JavaScript decides otherwise than by its own scores")
    return scores, round(us, 2)


def by_library(prepared: Preparation, predict: Any, rows: list[dict[str, Any]]) -> np.ndarray:
    """Probabilities by LightGBM itself, behind the preparation."""
    return np.asarray(predict(transform(prepared, *RowDecoder(prepared.inputs).rows(rows)))[:, 1])


def programs() -> dict[str, str]:
    """What gcc and node say they are."""
    said = {name: subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout for name in ("gcc", "node")}
    return {"gcc": said["gcc"].splitlines()[0].split()[-1], "node": said["node"].strip()}


def report(figures: Mapping[str, Any]) -> str:
    """The figures as a page."""
    versions = ", ".join(f"{name} {said}" for name, said in figures["versions"].items())
    rows = [
        (name, told["max_difference"], told["flips"], figures["against_onnx"].get(name, {"max_difference": 0.0, "flips": 0}))
        for name, told in figures["against_library"].items()
    ]
    table = "\n".join(
        f"| {name} | {largest:.1e} | {flips} | {onnx['max_difference']:.1e} | {onnx['flips']} |" for name, largest, flips, onnx in rows
    )
    speed = "\n".join(f"| {name} | {us} |" for name, us in figures["row_us"].items())
    size = "\n".join(f"| {name} | {count:,} |" for name, count in figures["bytes"].items())
    told = figures["model"]
    return f"""# One model in ONNX Runtime, C and JavaScript

{told["columns"]} mixed columns, LightGBM of {told["trees"]} trees of {told["leaves"]} leaves,
{figures["rows"]:,} fresh raw rows with nulls, categories never seen, extreme numbers and dates, and epoch
seconds. Again: `.venv/bin/python -m benchmarks.edge`.

| target | from LightGBM's own predict | decided otherwise | from the served graph | decided otherwise |
|---|---:|---:|---:|---:|
{table}

| decoding and answering one raw row | us of processor time |
|---|---:|
{speed}

| file | bytes |
|---|---:|
{size}

The page holds {figures["parity_rows"]:,} rows for its self-check; at most 400,000 bytes were asked.

{figures["at"]}, {figures["machine"]}: {versions}
"""


if __name__ == "__main__":
    main()
