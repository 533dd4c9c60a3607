"""Measure how fast sources are read in batches, and in how much memory: ``benchmarks/results/sources.json`` and ``.md``.

Run: ``.venv/bin/python -m benchmarks.sources``. It takes about ten minutes and 2 GB of disk for its made files. Each figure is a
process of its own; ours and the peer's take turns, and what counts is their ratio.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import homeostat

RESULTS = Path(__file__).parent / "results"
BIKE = Path(homeostat.__file__).parent / "data" / "bike_hourly.csv"
ROUNDS = 5
MEASURED = """
import json, sys, time
from pathlib import Path
import polars as pl
from homeostat.core.sections import Source
from homeostat.infra.formats.read import format_of, path_batches
from homeostat.infra.raw import RawZone
path = Path(sys.argv[1])
def peak():  # ru_maxrss would be at least that of the process that made the files
    told = Path("/proc/self/status").read_text().partition("VmHWM:")[2]
    return int(told.split()[0]) / 1024
def ours():
    return sum(read.frame.height for read in path_batches(path, format_of(path.name), Source(source="x"), "x"))
def stored():
    zone = RawZone(Path(sys.argv[1] + ".zone"))
    def chunks():
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                yield chunk
    zone.put_stream(chunks(), "csv").path.unlink()
    return 0
started = time.perf_counter()
rows = {expression}
print(json.dumps({{"s": time.perf_counter() - started, "rows": rows,
                   "peak_mb": peak()}}))
"""
TEXT = "pl.read_csv(path, infer_schema=False).height"
TYPED = "pl.read_csv(path, infer_schema_length=None, try_parse_dates=True).height"
JSON_LINES = "pl.read_ndjson(path, infer_schema_length=None).height"
PARQUET = "pl.read_parquet(path).height"


def measure(expression: str, path: Path) -> dict[str, float]:
    """Seconds, rows and peak resident memory (MB) of one expression in a fresh process."""
    command = [sys.executable, "-c", MEASURED.format(expression=expression), str(path)]
    return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def paired(path: Path, peer: str, rounds: int = ROUNDS) -> dict[str, float]:
    """Ours and a peer in turns: medians, and the median of the ratios."""
    pairs = [(measure("ours()", path), measure(peer, path)) for _ in range(rounds)]
    seconds = statistics.median(our["s"] for our, _ in pairs)
    return {
        "rows": pairs[0][0]["rows"],
        "ours_s": round(seconds, 2),
        "rows_per_s": round(pairs[0][0]["rows"] / seconds),
        "ours_peak_mb": round(max(our["peak_mb"] for our, _ in pairs)),
        "peer_s": round(statistics.median(their["s"] for _, their in pairs), 2),
        "peer_peak_mb": round(max(their["peak_mb"] for _, their in pairs)),
        "ratio": round(statistics.median(our["s"] / their["s"] for our, their in pairs), 2),
    }


def repeated(path: Path, head: bytes, body: bytes, times: int) -> Path:
    with path.open("wb") as file:
        file.write(head)
        for _ in range(times):
            file.write(body)
    return path


def make(folder: Path) -> dict[str, Path]:
    """The files that are read."""
    import numpy as np
    import polars as pl

    head, _, body = BIKE.read_bytes().partition(b"\n")
    bike = pl.read_csv(BIKE, try_parse_dates=True)
    bike.write_csv(folder / "once.csv", quote_style="always")
    quoted_head, _, quoted_body = (folder / "once.csv").read_bytes().partition(b"\n")
    bike.write_ndjson(folder / "once.jsonl")
    rows, random = 5_000_000, np.random.default_rng(0)
    columns: dict[str, object] = {f"number_{i}": random.normal(size=rows) for i in range(10)}
    columns |= {f"count_{i}": random.integers(0, 1000, size=rows) for i in range(5)}
    columns |= {f"kind_{i}": random.choice(np.array(["alpha", "beta", "gamma"]), size=rows) for i in range(5)}
    pl.DataFrame(columns).write_parquet(folder / "wide.parquet")
    return {
        "plain": repeated(folder / "plain.csv", head + b"\n", body, 100),
        "large": repeated(folder / "large.csv", head + b"\n", body, 900),
        "quoted": repeated(folder / "quoted.csv", quoted_head + b"\n", quoted_body, 50),
        "json": repeated(folder / "x.jsonl", b"", (folder / "once.jsonl").read_bytes(), 10),
        "parquet": folder / "wide.parquet",
    }


def main() -> None:
    """Measure and write."""
    with tempfile.TemporaryDirectory() as name:
        files = make(Path(name))
        sizes = {kind: round(path.stat().st_size / 1e6) for kind, path in files.items()}
        large = measure("ours()", files["large"])
        copied = measure("stored()", files["large"])
        found = {
            f"CSV, {sizes['plain']} MB, against Polars splitting it into texts": paired(files["plain"], TEXT),
            f"CSV, {sizes['plain']} MB, against Polars with types inferred over the whole file": paired(files["plain"], TYPED, 3),
            f"CSV with every value quoted, {sizes['quoted']} MB, against Polars splitting it": paired(files["quoted"], TEXT),
            f"JSON lines, {sizes['json']} MB, against Polars": paired(files["json"], JSON_LINES, 3),
            f"Parquet, 5,000,000 x 20, {sizes['parquet']} MB, against pl.read_parquet": paired(files["parquet"], PARQUET),
        }
    figures = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": [round(each, 1) for each in os.getloadavg()],
        "versions": {name: version(name) for name in ("homeostat", "polars")},
        "paired": found,
        "large": {"mb": sizes["large"], "rows": large["rows"], "s": round(large["s"], 1), "peak_mb": round(large["peak_mb"])},
        "copied_mb_per_s": round(sizes["large"] / copied["s"]),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "sources.json").write_text(json.dumps(figures, indent=2) + "\n")
    (RESULTS / "sources.md").write_text(page(figures))
    print(page(figures))


def page(figures: dict) -> str:  # type: ignore[type-arg]
    """The figures as a table."""
    rows = "\n".join(
        f"| {what} | {each['rows']:,} | {each['ours_s']} s, {each['rows_per_s']:,} rows/s, {each['ours_peak_mb']} MB "
        f"| {each['peer_s']} s, {each['peer_peak_mb']} MB | {each['ratio']} |"
        for what, each in figures["paired"].items()
    )
    large = figures["large"]
    versions = ", ".join(f"{name} {number}" for name, number in figures["versions"].items())
    return (
        f"# Sources\n\nMeasured {figures['at']} on {figures['machine']}, load {figures['load'][0]}; {versions}.\n"
        "Rerun: `.venv/bin/python -m benchmarks.sources`.\n\n"
        "Ours reads in batches with types that change no value of the whole file, so a text file is read twice. MB is the peak resident\n"
        "memory of the whole process; the ratio is that of the times (ours / peer), the median of pairs.\n\n"
        f"| file and peer | rows | ours | peer | ratio |\n|---|---|---|---|---|\n{rows}\n\n"
        f"A CSV file of {large['mb']} MB ({large['rows']:,} rows): {large['s']} s, peak {large['peak_mb']} MB. "
        f"Copied into the raw zone and hashed in one pass: {figures['copied_mb_per_s']} MB/s.\n"
    )


if __name__ == "__main__":
    main()
