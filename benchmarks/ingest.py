"""What an ingest costs: 5,000,000 rows x 20 columns, 30 rules, beside a plain Delta write; and a file three times as large as its memory.

Run: ``.venv/bin/python -m benchmarks.ingest``. Writes ``benchmarks/results/ingest.{json,md}``. Each measurement is a process of its own;
ingest and plain write take turns, and the ratio is taken pair by pair. An ingest is all of it: raw zone, contract, quarantine,
Delta commit, digest, ledger. Rows and contract are those of ``benchmarks.contracts``; the large file is judged by the 28 rules that need no
memory of their own: a rule of uniqueness needs 8 or 16 bytes for each key it has seen.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.contracts import contract, orders
from homeostat.dataops.contract import Contract, dump_contract

RESULTS = Path(__file__).parent / "results"
ROWS, PAIRS = 5_000_000, 3
CHARTER = """
name: orders
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: regression, target: amount, time: created}
success: {metric: mae}
data: {source: orders.parquet, contract: contract.yaml}
"""
PLAIN = """
import sys, polars as pl
from deltalake import write_deltalake
write_deltalake(sys.argv[2], pl.read_parquet(sys.argv[1]))
"""
INGEST = """
import sys
from pathlib import Path
from homeostat.flow.ingest import ingest
from homeostat.flow.project import open_project
with open_project(Path(sys.argv[1])) as project:
    print(ingest(project).body["rows"])
"""
TIMED = """
import resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run([sys.executable, "-c", *sys.argv[1:]], check=True, capture_output=True, text=True)
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, done.stdout.strip() or 0)
"""


def timed(code: str, *arguments: object) -> tuple[float, float, int]:
    """Wall seconds, peak resident MB of the process, and the number it printed."""
    command = [sys.executable, "-c", TIMED, code, *map(str, arguments)]
    seconds, peak, told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(peak), int(told)


def project(folder: Path, parquet: Path, agreed: Contract) -> Path:
    """A fresh project on this file."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "homeostat.yaml").write_text(CHARTER)
    (folder / "contract.yaml").write_text(dump_contract(agreed))
    os.link(parquet, folder / "orders.parquet")
    return folder


def without_keys() -> Contract:
    """The contract without its two rules of uniqueness."""
    whole = contract()
    return replace(whole, columns=tuple(replace(column, unique=False) for column in whole.columns), keys=())


def compare(scratch: Path, parquet: Path) -> dict[str, Any]:
    """Ingest and plain write in turns."""
    pairs = []
    for _ in range(PAIRS):
        shutil.rmtree(scratch / "plain", ignore_errors=True)
        plain, plain_peak, _ = timed(PLAIN, parquet, scratch / "plain")
        ours, peak, rows = timed(INGEST, project(scratch / "project", parquet, contract()))
        pairs.append({"plain_s": plain, "plain_peak_mb": plain_peak, "ingest_s": ours, "ingest_peak_mb": peak, "rows_in": rows})
    return {
        "pairs": pairs,
        "ratio": statistics.median(pair["ingest_s"] / pair["plain_s"] for pair in pairs),
        "ingest_s": statistics.median(pair["ingest_s"] for pair in pairs),
        "plain_s": statistics.median(pair["plain_s"] for pair in pairs),
        "ingest_peak_mb": max(pair["ingest_peak_mb"] for pair in pairs),
        "plain_peak_mb": max(pair["plain_peak_mb"] for pair in pairs),
    }


def stream(scratch: Path, peak_mb: float) -> dict[str, Any]:
    """A file more than three times as large as the peak of the smaller one, taken in whole; doubled until it is that large."""
    big, rows, part = scratch / "big.parquet", 0, scratch / "part.parquet"
    parts = []
    while sum(path.stat().st_size for path in parts) < 3.05 * peak_mb * 2**20:
        frame = orders(2_000_000, seed=100 + len(parts)).with_columns(pl.col("id", "line") + rows)
        rows += frame.height
        part = scratch / f"part{len(parts):03d}.parquet"
        frame.write_parquet(part, compression="snappy", row_group_size=250_000)
        parts.append(part)
    pl.scan_parquet(parts).sink_parquet(big, compression="snappy", row_group_size=250_000)
    for path in parts:
        path.unlink()
    seconds, peak, good = timed(INGEST, project(scratch / "project", big, without_keys()))
    size = big.stat().st_size / 2**20
    return {"rows": rows, "good": good, "file_mb": size, "seconds": seconds, "peak_mb": peak, "file_to_peak": size / peak}


def main() -> None:
    """Measure and write the results."""
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="homeostat-ingest-") as name:
        scratch = Path(name)
        parquet = scratch / "orders.parquet"
        orders(ROWS).write_parquet(parquet, compression="snappy", row_group_size=250_000)
        size = parquet.stat().st_size / 2**20
        compared = compare(scratch, parquet)
        streamed = stream(scratch, compared["ingest_peak_mb"])
    found = {
        "at": started.isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "versions": {name: version(name) for name in ("homeostat", "polars", "deltalake", "duckdb")},
        "file_mb": size,
        "rows": ROWS,
        **compared,
        "stream": streamed,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ingest.json").write_text(json.dumps(found, indent=2) + "\n")
    (RESULTS / "ingest.md").write_text(page(found))
    print(page(found))


def page(found: dict[str, Any]) -> str:
    """The results as a page."""
    streamed = found["stream"]
    large = f"{streamed['file_mb']:.0f} MB, {streamed['rows']:,} rows, 28 rules"
    named = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return f"""# Ingest

Measured {found["at"]} on {found["machine"]}; {named}.
Rerun: `.venv/bin/python -m benchmarks.ingest`.

{found["rows"]:,} rows x 20 columns ({found["file_mb"]:.0f} MB Parquet), 30 rules; whole processes, start-up included, in turns.

| what | measured | asked |
|---|---|---|
| ingest | {found["ingest_s"]:.1f} s, peak {found["ingest_peak_mb"]:.0f} MB | |
| plain Delta write | {found["plain_s"]:.1f} s, peak {found["plain_peak_mb"]:.0f} MB | |
| ingest / plain write, median of pairs | {found["ratio"]:.2f} | at most 3 |
| a larger file: {large} | {streamed["seconds"]:.0f} s, peak {streamed["peak_mb"]:.0f} MB | |
| file / peak resident memory | {streamed["file_to_peak"]:.2f} | at least 3 |
"""


if __name__ == "__main__":
    main()
