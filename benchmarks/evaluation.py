"""Measure what judging a candidate costs: ``benchmarks/results/evaluation.json`` and ``.md``.

Run: ``.venv/bin/python -m benchmarks.evaluation``. It takes about two minutes. Rows are simulated, 100,000 of them.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from homeostat.evaluation.fairness import fairness
from homeostat.evaluation.slices import Coded, worst_slices
from homeostat.stats.intervals import bootstrap, bootstrap_many
from homeostat.stats.metrics import metrics_for
from homeostat.stats.resample import Resampling

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("homeostat", "numpy", "scipy")
ROWS = 100_000
COLUMNS = 20
SEEDS = 200
NOISE_ROWS = 2_000


def seconds(call: Callable[[], object], runs: int = 3) -> float:
    """Wall time of a call, median of the runs."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def intervals() -> dict[str, dict[str, float]]:
    """1,000 resamples of every metric of a task: together, and one metric after the other."""
    found = {}
    for task, classes in (("regression", 1), ("binary", 2), ("multiclass", 5)):
        rng = np.random.default_rng(0)
        scores = rng.normal(size=(ROWS, 1)) if classes == 1 else rng.dirichlet(np.ones(classes), ROWS)
        y = rng.normal(size=ROWS) if classes == 1 else rng.integers(0, classes, ROWS).astype(np.float64)
        metrics = metrics_for(task)
        found[task] = {
            "metrics": len(metrics),
            "together_s": seconds(lambda: bootstrap_many(metrics, y, scores, Resampling()), 1),  # noqa: B023 - called at once
            "alone_s": seconds(lambda: [bootstrap(one, y, scores, resamples=100) for one in metrics], 1) * 10,  # noqa: B023
        }
        found[task]["ratio"] = found[task]["alone_s"] / found[task]["together_s"]
        print(task, found[task], flush=True)
    return found


def coded(rng: np.random.Generator, rows: int, columns: int, values: int = 5) -> list[Coded]:
    """Columns of values that have nothing to do with anything."""
    return [Coded(f"c{at}", rng.integers(0, values, rows), [f"v{v}" for v in range(values)]) for at in range(columns)]


def slices() -> dict[str, float]:
    """The search on many rows; how often noise gives a slice; how often a planted pair is the first one found."""
    rng = np.random.default_rng(0)
    columns, loss = coded(rng, ROWS, COLUMNS), rng.exponential(1.0, ROWS)
    took = seconds(lambda: worst_slices(loss, columns))
    alarms = first = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(1 + seed)
        columns, loss = coded(rng, NOISE_ROWS, 6, 4), rng.exponential(1.0, NOISE_ROWS)
        alarms += bool(worst_slices(loss, columns).found)
        loss[(columns[1].codes == 2) & (columns[4].codes == 0)] += 1.0
        found = worst_slices(loss, columns).found
        first += bool(found) and found[0].where == (("c1", "v2"), ("c4", "v0"))
    return {
        "seconds": took,
        "tried": worst_slices(np.ones(ROWS), coded(rng, ROWS, COLUMNS)).tried,
        "noise": alarms / SEEDS,
        "planted_first": first / SEEDS,
    }


def gaps() -> float:
    """Fairness gaps of four groups, 500 resamples."""
    rng = np.random.default_rng(0)
    p = rng.random(ROWS)
    y, labels = (rng.random(ROWS) < p).astype(np.float64), rng.choice(["a", "b", "c", "d"], ROWS).tolist()
    return seconds(lambda: fairness(y, p, (p > 0.5).astype(np.float64), {"g": labels}, Resampling(resamples=500)), 1)


def main() -> None:
    """Measure and write."""
    boot, found, fair = intervals(), slices(), gaps()
    print(found, fair, flush=True)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    versions = {name: version(name) for name in LIBRARIES}
    told = {"when": when, "machine": machine, "versions": versions, "rows": ROWS, "intervals": boot, "slices": found, "fairness_s": fair}
    (RESULTS / "evaluation.json").write_text(json.dumps(told, indent=1) + "\n")
    columns = ("together_s", "alone_s", "ratio")
    lines = [
        "# What judging costs",
        "",
        f"{when}, {machine}, {', '.join(f'{name} {number}' for name, number in versions.items())}; {ROWS:,} rows.",
        "Again: `.venv/bin/python -m benchmarks.evaluation`.",
        "",
        "1,000 bootstrap resamples of every metric of a task; one after the other: from 100 resamples each.",
        "",
        "| task | metrics | together, s | one after the other, s | ratio |",
        "|---|---|---|---|---|",
        *(f"| {task} | {each['metrics']} | " + " | ".join(f"{each[key]:.1f}" for key in columns) + " |" for task, each in boot.items()),
        "",
        f"Worst slices among {found['tried']:,} of {COLUMNS} columns and their pairs: {found['seconds']:.2f} s.",
        f"On noise ({SEEDS} seeds, {NOISE_ROWS:,} rows, losses of exponential law) {found['noise']:.1%} of searches found any;",
        f"a planted pair was the first found in {found['planted_first']:.1%}.",
        "",
        f"Fairness gaps between four groups, 500 resamples: {fair:.1f} s.",
    ]
    (RESULTS / "evaluation.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
