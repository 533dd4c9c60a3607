"""What the prediction log costs to keep and to read: 1,000,000 logged predictions of 20 mixed fields, as segments and as partitions.

Run: ``.venv/bin/python -m benchmarks.prediction_log``. Writes ``benchmarks/results/prediction_log.{json,md}``. Each measurement is a
process of its own, start-up included, in turns; the better time and the larger peak are told. "Records first" is how served rows were
read before there were columns: every line a dict, the dicts a frame. All of one run follow one another on the same log.
"""

from __future__ import annotations

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
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, done.stdout.strip())
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


def fill(folder: Path) -> str:
    """Log the predictions, a second apart and of three versions; returns the id of one in the middle."""
    numbers, ids = np.random.default_rng(1), Ids()
    made = cycle(islice(rows(numbers), ROTATING))
    middle = ""
    with PredictionLog(folder / ".homeostat" / "predictions") as log:
        for first in range(0, ROWS, BATCH):
            at, number = utc_text(START + timedelta(seconds=first)), 1 + 3 * first // ROWS
            names = [f"pr-{each}" for each in ids.take(BATCH)]
            scores = numbers.random(BATCH).round(12).tolist()
            log.append(
                [
                    Prediction(name, "rq-1", n, at, "benchmark", number, "champion", next(made), [1 - score, score], "yes", 0.25)
                    for n, (name, score) in enumerate(zip(names, scores, strict=True))
                ]
            )
            middle = names[0] if first == ROWS // 2 else middle
    return middle


def timed(code: str, folder: Path, *arguments: str) -> tuple[float, float, int]:
    """Seconds, peak resident MB and what it printed, of a process."""
    program = f"import sys\nfrom pathlib import Path\nfolder = Path(sys.argv[1])\n{code}"
    command = [sys.executable, "-c", TIMED, program, str(folder), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, peak, printed = done.stdout.split()
    return float(seconds), float(peak), int(printed)


def measured(folder: Path, prediction: str) -> dict[str, dict[str, float]]:
    """All ways of reading, in turns."""
    found: dict[str, dict[str, float]] = {}
    for _ in range(TURNS):
        for name, (_, code) in WAYS.items():
            seconds, peak, printed = timed(code, folder, prediction)
            if printed != {"find": 1, "start": 0}.get(name, ROWS):
                raise RuntimeError(f"{name} found {printed}")
            known = found.get(name, {"seconds": seconds, "peak_mb": peak})
            found[name] = {"seconds": round(min(seconds, known["seconds"]), 2), "peak_mb": round(max(peak, known["peak_mb"]))}
    return found


def size_mb(folder: Path, pattern: str) -> float:
    """Megabytes of the files."""
    return round(sum(path.stat().st_size for path in folder.rglob(pattern)) / 1e6, 1)


def main() -> None:
    """Measure and write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "homeostat.yaml").write_text(CHARTER)
        middle = fill(folder)
        segments_mb = size_mb(folder, "*.jsonl")
        segments = measured(folder, middle)
        seconds, peak, printed = timed(COMPACT, folder)
        if printed != ROWS:
            raise RuntimeError(f"{printed} records were compacted")
        partitions = measured(folder, middle)
        figures = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "versions": {each: version(each) for each in ("homeostat", "polars", "msgspec")},
            "rows": ROWS,
            "segments_mb": segments_mb,
            "partitions_mb": size_mb(folder, "*.parquet"),
            "partitions": sum(1 for _ in folder.rglob("*.parquet")),
            "compact": {"seconds": round(seconds, 2), "peak_mb": round(peak)},
            "from_segments": segments,
            "from_partitions": partitions,
        }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "prediction_log.json").write_text(json.dumps(figures, indent=2) + "\n")
    (RESULTS / "prediction_log.md").write_text(page(figures))
    print((RESULTS / "prediction_log.md").read_text())


def page(figures: dict[str, object]) -> str:
    """The figures as a table."""
    told = json.loads(json.dumps(figures))
    versions = ", ".join(f"{name} {number}" for name, number in told["versions"].items())
    segments, partitions, compact = told["from_segments"], told["from_partitions"], told["compact"]
    table = "\n".join(
        f"| {what} | {segments[name]['seconds']} s, {segments[name]['peak_mb']} MB | "
        f"{partitions[name]['seconds']} s, {partitions[name]['peak_mb']} MB |"
        for name, (what, _) in WAYS.items()
    )
    before, after = segments["records"], partitions["served"]
    return (
        f"# Prediction log\n\nMeasured {told['at']} on {told['machine']}; {versions}.\n"
        "Rerun: `.venv/bin/python -m benchmarks.prediction_log`.\n\n"
        f"{told['rows']:,} logged predictions of 20 mixed fields: {told['segments_mb']} MB of segments, {told['partitions_mb']} MB in "
        f"{told['partitions']} partitions (made in {compact['seconds']} s, {told['rows'] / compact['seconds']:,.0f} records a second, peak "
        f"{compact['peak_mb']} MB). Whole processes, start-up included.\n\n"
        f"| what is read | from segments | from partitions |\n|---|---|---|\n{table}\n\n"
        f"Served rows from partitions, beside records first from segments: {before['seconds'] / after['seconds']:.1f} times faster, peak "
        f"{before['peak_mb'] / after['peak_mb']:.1f} times smaller.\n"
    )


if __name__ == "__main__":
    main()
