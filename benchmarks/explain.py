"""Measure Shapley values of trees beside LightGBM's own ``pred_contrib``: ``benchmarks/results/explain.json`` and ``.md``.

Run: ``.venv/bin/python -m benchmarks.explain``. It takes some minutes, nearly all of them LightGBM's. Each pair runs one right after the
other on the same model and rows, with as many threads: 10,000 rows and 300 trees, fitted on real tables whose texts are codes.
"""

from __future__ import annotations

import json
import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl

from homeostat.graph.shapley import covers_of, tree_values
from homeostat.learning.learners.lightgbm import trees_of

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parents[1]
LIBRARIES = ("homeostat", "numpy", "lightgbm")
TREES, ROWS = 300, 10_000
TABLES: dict[str, tuple[Path, str, str, tuple[str, ...]]] = {
    "bike_hourly": (ROOT / "examples/bike-demand/data/bike_hourly.csv", "cnt", "regression", ("instant", "dteday", "casual", "registered")),
    "bank_marketing": (ROOT / "examples/bank-marketing/data/bank_marketing.parquet", "y", "binary", ("duration",)),
}
CASES = (("bike_hourly", 31, 1), ("bike_hourly", 31, 2), ("bank_marketing", 31, 1), ("bank_marketing", 31, 2), ("bank_marketing", 63, 2))


def table(name: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Features (n, p), target (n,) and objective."""
    path, target, objective, without = TABLES[name]
    frame = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    y = frame[target].to_numpy() if objective == "regression" else (frame[target] == "yes").to_numpy()
    columns = [frame[each] for each in frame.columns if each not in (target, *without)]
    coded = [each.cast(pl.Float64) if each.dtype.is_numeric() else each.rank("dense").cast(pl.Float64) for each in columns]
    return np.column_stack([each.to_numpy() for each in coded]), y.astype(np.float64), objective


def measured(name: str, leaves: int, threads: int) -> dict[str, Any]:
    """One pair: seconds of both, and how far they are apart."""
    x, y, objective = table(name)
    settings = {"objective": objective, "num_leaves": leaves, "learning_rate": 0.05, "verbose": -1, "num_threads": 1, "seed": 0}
    booster = lightgbm.train(settings, lightgbm.Dataset(x, y), TREES)
    rows, node = x[:ROWS], trees_of(booster.dump_model(), "features")
    started = time.perf_counter()
    theirs = np.asarray(booster.predict(rows, pred_contrib=True, num_threads=threads))
    library = time.perf_counter() - started
    started = time.perf_counter()
    covers = covers_of(node, x)
    counted = time.perf_counter() - started
    started = time.perf_counter()
    values, base = tree_values(node, rows, covers, threads=threads)
    ours = time.perf_counter() - started
    apart = max(float(np.abs(values[:, :, 0] - theirs[:, :-1]).max()), float(np.abs(base - theirs[0, -1]).max()))
    found = {"table": name, "features": x.shape[1], "leaves": leaves, "trees": TREES, "rows": len(rows), "threads": threads}
    told = {"lightgbm_s": library, "ours_s": ours, "covers_s": counted, "ratio": ours / library, "largest_difference": apart}
    print(found | told, flush=True)
    return found | told


def page(when: str, on: str, versions: dict[str, str], found: list[dict[str, Any]]) -> str:
    """The figures as a page."""
    lines = [
        "# Explanations",
        "",
        f"{when}, {on}, {', '.join(f'{name} {number}' for name, number in versions.items())}.",
        "Again: `.venv/bin/python -m benchmarks.explain`.",
        "",
        f"Shapley values of {ROWS:,} rows by {TREES} trees, each pair in one run on the same rows with as many threads. Asked: a ratio",
        "of at most 1. Covers: counting the training rows in each leaf, once a model, not part of the ratio.",
        "",
        "| table | features | leaves | threads | LightGBM `pred_contrib` | ours | ratio | covers | largest difference |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        cells = [one["table"], one["features"], one["leaves"], one["threads"], f"{one['lightgbm_s']:.1f} s", f"{one['ours_s']:.2f} s"]
        cells += [f"{one['ratio']:.3f}", f"{one['covers_s']:.2f} s", f"{one['largest_difference']:.0e}"]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    on = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    versions, found = {name: version(name) for name in LIBRARIES}, [measured(*case) for case in CASES]
    told = {"when": when, "machine": on, "versions": versions, "pairs": found}
    (RESULTS / "explain.json").write_text(json.dumps(told, indent=1) + "\n")
    (RESULTS / "explain.md").write_text(page(when, on, versions, found))


if __name__ == "__main__":
    main()
