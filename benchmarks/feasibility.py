"""Measure how honest ``homeostat check`` is: shuffled targets, real goals, planted leaks, honest columns.

Run: ``.venv/bin/python -m benchmarks.feasibility``. It takes about half an hour: one hundred seeded shuffles of each data set.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

from homeostat.charter.suspects import find_suspects
from homeostat.flow.feasible import assess_frame, source_rows
from homeostat.flow.project import Project, open_project

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
SEEDS = 100
LIBRARIES = ("homeostat", "polars", "lightgbm", "scikit-learn", "numpy")
EXAMPLES = ("bike-demand", "bank-marketing")
LEFT_OUT = {"bike-demand": {"instant", "casual", "registered", "yr"}, "bank-marketing": {"duration"}}


def shuffled(frame: pl.DataFrame, target: str, seed: int) -> pl.DataFrame:
    """The frame with its target in another order: nothing is left to learn, in any column or in time."""
    order = np.random.default_rng(seed).permutation(frame.height)
    return frame.with_columns(frame[target].gather(order))


def shuffles(project: Project, frame: pl.DataFrame) -> dict[str, object]:
    """The verdicts on one hundred shuffled targets; each run also has its own seed for fitting and resampling."""
    verdicts: Counter[str] = Counter()
    wrong, lows, seconds = [], [], []
    for seed in range(SEEDS):
        charter = project.charter.model_copy(update={"learning": project.charter.learning.model_copy(update={"seed": seed})})
        started = time.perf_counter()
        told = assess_frame(Project(project.root, charter, project.clock, project.actor), shuffled(frame, charter.task.target, seed))
        seconds.append(time.perf_counter() - started)
        verdicts[told.verdict] += 1
        lows.append(told.evidence.signal_low if told.evidence else float("nan"))
        if told.verdict != "no-go":
            wrong.append(seed)
        print(f"{charter.name} {seed}: {told.verdict}", file=sys.stderr, flush=True)
    return {
        "runs": SEEDS,
        "verdicts": dict(verdicts),
        "not_no_go": wrong,
        "largest_signal_low": max(lows),
        "seconds_median": float(np.median(seconds)),
    }


def verdict(project: Project) -> dict[str, object]:
    """The verdict on the example as it is."""
    started = time.perf_counter()
    told = assess_frame(project, source_rows(project)[0])
    return {
        "verdict": told.verdict,
        "reasons": [{"weight": one.weight, "code": one.code, "number": one.number} for one in told.reasons],
        "seconds": time.perf_counter() - started,
    }


def planted(frame: pl.DataFrame, target: str, task: str, rng: np.random.Generator) -> dict[str, pl.Series]:
    """Leaks of each kind, made from the target."""
    rows, found = frame.height, {}
    if task == "regression":
        values = frame[target].cast(float).to_numpy()
        code = np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values)
        for noise in (0.05, 0.1, 0.3, 0.5, 1.0):
            found[f"target + {noise} sd of noise"] = pl.Series(values + rng.normal(0, noise * values.std(), rows))
            later = frame[target].shift(-1).cast(float)
            found[f"next row's target + {noise} sd of noise"] = later + pl.Series(rng.normal(0, noise * values.std(), rows))
    else:
        names = sorted(frame[target].unique())
        code = np.array([names.index(value) for value in frame[target]])
        for noise in (0.1, 0.3, 0.5, 1.0):
            found[f"class code + {noise} of noise"] = pl.Series(code + rng.normal(0, noise, rows))
        for share in (0.01, 0.05, 0.1, 0.2, 0.3):
            other = np.where(rng.random(rows) < share, (code + rng.integers(1, len(names), rows)) % len(names), code)
            found[f"target, {share:.0%} exchanged"] = pl.Series([names[one] for one in other])
    for ahead in (1, 3, 24):
        found[f"target {ahead} rows later"] = frame[target].shift(-ahead)
    serial = rng.permutation(rows)
    found["id, remainder by classes"] = pl.Series(serial * (code.max() + 1) + code)
    found["id, ranges"] = pl.Series(code * 10 * rows + serial)
    found["id, prefix"] = pl.Series([f"{'ABCDEFG'[c]}{i:06d}" for c, i in zip(code, serial, strict=True)])
    found["id, suffix"] = pl.Series([f"{i:06d}-{'xyzwv'[c]}" for c, i in zip(code, serial, strict=True)])
    found["id, letter within a hash"] = pl.Series(
        [f"{i * 2654435761 % 2**40:010x}"[:5] + "ghijk"[c] + f"{i * 40503 % 2**20:05x}" for c, i in zip(code, serial, strict=True)]
    )
    return found


def honest(frame: pl.DataFrame, target: str, task: str, rng: np.random.Generator) -> dict[str, pl.Series]:
    """Columns that nobody should accuse of giving the target away."""
    rows = frame.height
    number = frame[target].cast(float) if task == "regression" else (frame[target] == frame[target][0]).cast(float)
    past = number.shift(1)
    return {
        "the row before": frame[target].shift(1),
        "24 rows before": frame[target].shift(24),
        "mean of the 24 rows before": past.rolling_mean(24),
        "sum of the 7 rows before": past.rolling_sum(7),
        "smoothed past": past.fill_null(0.0).ewm_mean(alpha=0.2),
        "target in another order": pl.Series(rng.permutation(frame[target].to_list())),
        "noise": pl.Series(rng.normal(size=rows)),
        "whole numbers": pl.Series(rng.integers(0, 1000, rows)),
        "id": pl.Series(rng.permutation(rows) * 7 + 5),
    }


def probes(project: Project, frame: pl.DataFrame) -> dict[str, object]:
    """Which planted leaks are named and by which probe; which columns of the data and which honest ones are accused."""
    task, rng = project.charter.task, np.random.default_rng(1)
    left = LEFT_OUT[project.charter.name]
    frame = frame.sort([name for name in (task.time, *task.entity) if name], maintain_order=True)
    keep = [name for name in frame.columns if name not in left]

    def accused(column: pl.Series) -> list[str]:
        rows = frame.select(str(task.time), task.target).with_columns(column.alias("planted"))
        return [one.kind for one in find_suspects(rows, task.target, task.type, time=task.time)]

    return {
        "planted": {name: accused(column) for name, column in planted(frame, task.target, task.type, rng).items()},
        "honest": {name: accused(column) for name, column in honest(frame, task.target, task.type, rng).items()},
        "columns": len(keep) - 1,
        "accused": [
            f"{' and '.join(one.columns)}: {one.kind}"
            for one in find_suspects(frame.select(keep), task.target, task.type, time=task.time, entity=task.entity)
        ],
        "known_leaks": {
            name: sorted({one.kind for one in find_suspects(_with_only(frame, keep, name), task.target, task.type, time=task.time)})
            for name in sorted(left)
        },
    }


def _with_only(frame: pl.DataFrame, keep: list[str], name: str) -> pl.DataFrame:
    return frame.select(*keep, name)


def main() -> None:
    """Measure and write."""
    found: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in EXAMPLES:
            place = Path(shutil.copytree(ROOT / "examples" / name, Path(folder) / name))
            with open_project(place) as project:
                frame = source_rows(project)[0].drop("_source", "_line", strict=False)
                found[name] = {"as it is": verdict(project), "probes": probes(project, frame), "shuffled": shuffles(project, frame)}
    figures = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "versions": {name: version(name) for name in LIBRARIES},
        "found": found,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "feasibility.json").write_text(json.dumps(figures, indent=2) + "\n")
    (RESULTS / "feasibility.md").write_text(page(figures))
    print((RESULTS / "feasibility.md").read_text())


def page(figures: dict[str, object]) -> str:
    """The figures against what was asked."""
    rows = []
    for name, one in figures["found"].items():  # type: ignore[attr-defined]
        shuffled_runs, probed, told = one["shuffled"], one["probes"], one["as it is"]
        named = [leak for leak, kinds in probed["planted"].items() if kinds]
        missed = [leak for leak, kinds in probed["planted"].items() if not kinds]
        wrongly = [column for column, kinds in probed["honest"].items() if kinds]
        no_go = f"{shuffled_runs['verdicts'].get('no-go', 0)} of {shuffled_runs['runs']}"
        rows += [
            (f"{name}: verdict", f"{told['verdict']} in {told['seconds']:.1f} s", "go or go with risks"),
            (f"{name}, target shuffled: no-go", f"{no_go} ({shuffled_runs['seconds_median']:.1f} s each)", "at least 95 of 100"),
            (f"{name}: planted leaks named", f"{len(named)} of {len(named) + len(missed)}" + (f"; not {missed}" if missed else ""), "all"),
            (f"{name}: honest columns accused", f"{len(wrongly)} of {len(probed['honest'])}", "0"),
            (f"{name}: own columns accused", f"{len(probed['accused'])} of {probed['columns']} {probed['accused'] or ''}", "0"),
        ]
    versions = ", ".join(f"{name} {number}" for name, number in figures["versions"].items())  # type: ignore[attr-defined]
    table = "\n".join(f"| {what} | {got} | {asked} |" for what, got, asked in rows)
    return (
        f"# Feasibility\n\nMeasured {figures['at']} on {figures['machine']}; {versions}.\n"
        f"Rerun: `.venv/bin/python -m benchmarks.feasibility`.\n\n| what | measured | asked |\n|---|---|---|\n{table}\n"
    )


if __name__ == "__main__":
    main()
