"""What the prediction log costs to keep and to read: 1,000,000 logged predictions of 20 mixed fields, as segments and as partitions.

Run: ``.venv/bin/python -m benchmarks.prediction_log``. Writes ``benchmarks/results/prediction_log.{json,md}``. Each measurement is a
process of its own, start-up included, in turns; the better time and the larger peak are told, and beside the time on the clock that on
the processors, which other work on the machine disturbs less. "Records first" is how served rows were read before there were columns:
every line a dict, the dicts a frame. All of one run follow one another on the same log. ``--rows`` and ``--turns`` make it shorter.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from homeostat.infra.predictions import Ids, Prediction, PredictionLog, utc_text

RESULTS = Path(__file__).parent / "results"
ROWS, BATCH, TURNS = 1_000_000, 5_000, 2
ROTATING = 20_000
KINDS = ("red", "green", "blue", None)
START = datetime(2026, 11, 1, tzinfo=UTC)
CHARTER = """
name: benchmark
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: binary, target: y, entity: [customer]}
success: {metric: auc}
data: {source: rows.csv}
"""
RECORDS_FIRST = """
import polars as pl
from homeostat.infra.prediction_records import read
from homeostat.monitoring.windows import moments
records = read(folder / ".homeostat" / "predictions").records
frame = pl.DataFrame([each["inputs"] for each in records], infer_schema_length=None, strict=False).with_columns(
    pl.Series("_prediction_id", [each["id"] for each in records]),
    pl.Series("_version", [str(each["version"]) for each in records]),
    pl.Series("_scores", [[float(s) for s in each["scores"]] for each in records]),
    moments(pl.Series("_moment", [each["at"] for each in records])),
)
print(frame.height)
"""
SERVED = """
from homeostat.flow.project import open_project
from homeostat.flow.served import read_served
with open_project(folder) as project:
    print(read_served(project{}).frame.height)
"""
COMPACT = """
from homeostat.infra.prediction_keeping import compact
print(compact(folder / ".homeostat" / "predictions").records)
"""
COUNT = """
from homeostat.infra.prediction_records import count
print(count(folder / ".homeostat" / "predictions"))
"""
FIND = """
from homeostat.infra.prediction_records import find
print(int(find(folder / ".homeostat" / "predictions", sys.argv[2]) is not None))
"""
NOTHING = """
import polars
print(0)
"""
TIMED = """
import resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run([sys.executable, "-c", *sys.argv[1:]], check=True, capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, done.stdout.strip())
"""
WAYS = {
    "start": ("nothing: Python and Polars", NOTHING),
    "records": ("served rows, records first", RECORDS_FIRST),
    "served": ("served rows, all fields", SERVED.format("")),
    "keys": ("served rows, only what labels are joined by", SERVED.format(', ["customer"]')),
    "count": ("how many there are", COUNT),
    "find": ("one prediction by its id", FIND),
}


def rows(numbers: np.random.Generator) -> Iterator[dict[str, object]]:
    """Rows of 20 mixed fields, some of them null."""
    while True:
        row: dict[str, object] = {"customer": int(numbers.integers(10**6))}
        row |= {f"amount{n}": round(numbers.normal(50, 20), 4) if numbers.random() > 0.05 else None for n in range(10)}
        row |= {f"visits{n}": int(numbers.integers(100)) for n in range(4)}
        row |= {f"kind{n}": KINDS[numbers.integers(4)] for n in range(4)}
        yield {**row, "member": bool(numbers.random() < 0.5)}


def fill(folder: Path, rows_: int) -> str:
    """Log the predictions, a second apart and of three versions; returns the id of one in the middle."""
    numbers, ids = np.random.default_rng(1), Ids()
    made = cycle(islice(rows(numbers), ROTATING))
    middle = ""
    with PredictionLog(folder / ".homeostat" / "predictions") as log:
        for first in range(0, rows_, BATCH):
            at, number = utc_text(START + timedelta(seconds=first)), 1 + 3 * first // rows_
            names = [f"pr-{each}" for each in ids.take(BATCH)]
            scores = numbers.random(BATCH).round(12).tolist()
            log.append(
                [
                    Prediction(name, "rq-1", n, at, "benchmark", number, "champion", next(made), [1 - score, score], "yes", 0.25)
                    for n, (name, score) in enumerate(zip(names, scores, strict=True))
                ]
            )
            middle = names[0] if first == rows_ // 2 else middle
    return middle


def timed(code: str, folder: Path, *arguments: str) -> tuple[dict[str, float], int]:
    """What a process took, and what it printed."""
    program = f"import sys\nfrom pathlib import Path\nfolder = Path(sys.argv[1])\n{code}"
    command = [sys.executable, "-c", TIMED, program, str(folder), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, processor, peak, printed = done.stdout.split()
    took = {"seconds": round(float(seconds), 2), "cpu_seconds": round(float(processor), 2), "peak_mb": round(float(peak))}
    return took, int(printed)


def measured(folder: Path, prediction: str, rows_: int, turns: int) -> dict[str, dict[str, float]]:
    """All ways of reading, in turns."""
    found: dict[str, dict[str, float]] = {}
    for _ in range(turns):
        for name, (_, code) in WAYS.items():
            took, printed = timed(code, folder, prediction)
            if printed != {"find": 1, "start": 0}.get(name, rows_):
                raise RuntimeError(f"{name} found {printed}")
            known = found.get(name, took)
            found[name] = {each: (max if each == "peak_mb" else min)(value, known[each]) for each, value in took.items()}
    return found


def size_mb(folder: Path, pattern: str) -> float:
    """Megabytes of the files."""
    return round(sum(path.stat().st_size for path in folder.rglob(pattern)) / 1e6, 1)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--turns", type=int, default=TURNS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "homeostat.yaml").write_text(CHARTER)
        middle = fill(folder, asked.rows)
        segments_mb = size_mb(folder, "*.jsonl")
        segments = measured(folder, middle, asked.rows, asked.turns)
        compacting, printed = timed(COMPACT, folder)
        if printed != asked.rows:
            raise RuntimeError(f"{printed} records were compacted")
        partitions = measured(folder, middle, asked.rows, asked.turns)
        figures = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "versions": {each: version(each) for each in ("homeostat", "polars", "msgspec")},
            "rows": asked.rows,
            "load": round(os.getloadavg()[0], 1),
            "segments_mb": segments_mb,
            "partitions_mb": size_mb(folder, "*.parquet"),
            "partitions": sum(1 for _ in folder.rglob("*.parquet")),
            "compact": compacting,
            "from_segments": segments,
            "from_partitions": partitions,
        }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "prediction_log.json").write_text(json.dumps(figures, indent=2) + "\n")
    (RESULTS / "prediction_log.md").write_text(page(figures))
    print((RESULTS / "prediction_log.md").read_text())


def told_of(took: dict[str, float]) -> str:
    """Time and peak in a cell."""
    return f"{took['seconds']} s ({took['cpu_seconds']} s of processors), {took['peak_mb']} MB"


def page(figures: dict[str, object]) -> str:
    """The figures as a table."""
    told = json.loads(json.dumps(figures))
    versions = ", ".join(f"{name} {number}" for name, number in told["versions"].items())
    segments, partitions, compact = told["from_segments"], told["from_partitions"], told["compact"]
    table = "\n".join(f"| {what} | {told_of(segments[name])} | {told_of(partitions[name])} |" for name, (what, _) in WAYS.items())
    before, after = segments["records"], partitions["served"]
    return (
        f"# Prediction log\n\nMeasured {told['at']} on {told['machine']}; {versions}.\n"
        "Rerun: `.venv/bin/python -m benchmarks.prediction_log`.\n\n"
        f"{told['rows']:,} logged predictions of 20 mixed fields: {told['segments_mb']} MB of segments, {told['partitions_mb']} MB in "
        f"{told['partitions']} partitions (made in {told_of(compact)}: {told['rows'] / compact['cpu_seconds']:,.0f} records for each "
        f"second of a processor). Whole processes, start-up included; the machine's load was {told['load']}.\n\n"
        f"| what is read | from segments | from partitions |\n|---|---|---|\n{table}\n\n"
        "Served rows from partitions, beside records first from segments: "
        f"{before['cpu_seconds'] / after['cpu_seconds']:.1f} times less processor, peak {before['peak_mb'] / after['peak_mb']:.1f} times "
        "smaller.\n"
    )


if __name__ == "__main__":
    main()
