"""Measure ``homeostat profile`` on 5,000,000 rows of 20 columns and write ``benchmarks/results/analysis.json`` and ``.md``.

Run: ``.venv/bin/python -m benchmarks.analysis``. It takes about five minutes, most of them to make and ingest the rows, and 4 GB of memory.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

RESULTS = Path(__file__).parent / "results"
ROWS = 5_000_000
PROGRAM = [sys.executable, "-m", "homeostat.app.cli.main"]
CHARTER = """
name: large
problem: {statement: s, objective: o, decision: d, business_metric: b}
task: {type: binary, target: y, positive: "yes", time: t}
success: {metric: auc}
data: {source: data/}
"""

READ = """
from pathlib import Path
from homeostat.flow.datasets import read_dataset
from homeostat.flow.project import open_project
with open_project(Path({folder!r})) as project:
    read_dataset(project, project.latest("dataset", ""))
"""


def rows() -> pl.DataFrame:
    """20 columns: numbers with nulls, counts, categories of 10 to 10,000 values, a flag, a time, two classes."""
    rng = np.random.default_rng(0)
    columns: dict[str, object] = {f"x{i}": rng.normal(size=ROWS) for i in range(9)}
    columns |= {f"k{i}": rng.integers(0, 100 * (i + 1), ROWS) for i in range(4)}
    columns |= {f"c{i}": np.array([f"v{j}" for j in range(10 ** (i + 1))])[rng.integers(0, 10 ** (i + 1), ROWS)] for i in range(4)}
    columns["flag"] = rng.random(ROWS) < 0.3
    columns["t"] = pl.Series(np.sort(rng.integers(1_600_000_000, 1_700_000_000, ROWS)) * 1_000_000).cast(pl.Datetime("us"))
    columns["y"] = np.where(np.asarray(columns["x1"]) + np.asarray(columns["k0"]) / 50 + rng.normal(size=ROWS) > 1, "yes", "no")
    empty = pl.Series(rng.random(ROWS) < 0.05)
    return pl.DataFrame(columns).with_columns(pl.when(empty).then(None).otherwise("x0").alias("x0"))


def measured(command: list[str]) -> dict[str, float]:
    """Wall and processor seconds of one process, and its peak memory in GB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return {"wall_s": round(wall, 1), "cpu_s": round(used.ru_utime + used.ru_stime, 1), "peak_gb": round(used.ru_maxrss / 1e6, 2)}


def main() -> None:
    """Make the rows, ingest and profile them, write the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        (folder / "homeostat.yaml").write_text(CHARTER)
        made = f"from benchmarks.analysis import rows; rows().write_parquet({str(folder / 'data' / 'rows.parquet')!r})"
        measured([sys.executable, "-c", made])  # a process of its own: a child's peak is told as at least its parent's
        measured([*PROGRAM, "ingest", "--project", name])
        page = folder / "report.html"
        whole = measured([*PROGRAM, "profile", "--out", str(page), "--project", name])
        read = measured([sys.executable, "-c", READ.format(folder=name)])
        found = {"rows": ROWS, "columns": 20, "profile": whole, "read_only": read, "page_bytes": page.stat().st_size}
    libraries = {name: version(name) for name in ("homeostat", "polars", "numpy", "scipy", "lightgbm", "deltalake")}
    load = os.getloadavg()[0]
    machine = {"cpus": os.cpu_count(), "load": round(load, 1), "python": platform.python_version(), "system": platform.platform()}
    told = {"date": datetime.now(UTC).date().isoformat(), "machine": machine, "versions": libraries, **found}
    (RESULTS / "analysis.json").write_text(json.dumps(told, indent=2) + "\n")
    (RESULTS / "analysis.md").write_text(markdown(told))
    print(markdown(told))


def markdown(told: dict[str, Any]) -> str:
    """The figures as a table."""
    lines = [
        f"# The analysis report on {ROWS:,} rows of 20 columns, {told['date']}",
        "",
        f"Machine: {told['machine']}. Versions: {told['versions']}.",
        "",
        "| what | wall s | processor s | peak GB |",
        "|---|---|---|---|",
    ]
    for name, label in (("profile", "`homeostat profile`"), ("read_only", "of it: reading the dataset version")):
        part = told[name]
        lines.append(f"| {label} | {part['wall_s']} | {part['cpu_s']} | {part['peak_gb']} |")
    return "\n".join([*lines, "", f"The page has {told['page_bytes']:,} bytes.", ""])


if __name__ == "__main__":
    main()
