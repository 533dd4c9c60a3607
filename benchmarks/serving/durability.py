"""What a kill costs, and what a swap costs: ``benchmarks/results/durability.json`` and ``.md``.

Run: ``.venv/bin/python -m benchmarks.serving.durability --peers FOLDER [--kills 50] [--swaps 30]`` (the folder of `benchmarks.serving`).

A strict server is killed (SIGKILL) under the load of eight connections, again and again: every answer that came must be in its log once.
A server that logs in groups is killed as often: what is missing must be what its tally says. Then a server is asked 500 times a second
while it swaps versions once a second: no request may fail, and no answer may come from a version that was not in force.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.load import JSON, free_port, running
from benchmarks.serving.open_loop import fire
from benchmarks.serving.rows import asked_rows
from benchmarks.serving.systems import ROOT
from homeostat.infra.prediction_records import read
from homeostat.infra.segment import lost

RESULTS = ROOT / "benchmarks" / "results"
CONNECTIONS, PER_SECOND, FOLLOWS_S = 8, 500, 1.0


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--peers", type=Path, required=True)
    given.add_argument("--kills", type=int, default=50)
    given.add_argument("--swaps", type=int, default=30)
    asked = given.parse_args()
    bundle = asked.peers / "serving-model" / "bundle.zip"
    bodies = [json.dumps(row).encode() for row in asked_rows()]
    found = {
        "strict": kills("fast-strict", bundle, bodies, asked.kills),
        "async": kills("fast", bundle, bodies, asked.kills),
        "swaps": swaps(bundle, bodies, asked.swaps),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (RESULTS / "durability.json").write_text(json.dumps(found, indent=2) + "\n")
    (RESULTS / "durability.md").write_text(page(found))
    print(page(found))


def kills(variant: str, bundle: Path, bodies: list[bytes], rounds: int) -> dict[str, Any]:
    """Kill a server under load that many times; over all rounds, what was answered, found once, missing, twice, and told as lost."""
    draw = np.random.default_rng(11)
    total: Counter[str] = Counter()
    worst = 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            answered = _killed(variant, bundle, bodies, Path(folder), float(draw.uniform(0.1, 0.8)))
            log = Counter(each["id"] for each in read(Path(folder) / "log").records)
            missing = sum(log[name] == 0 for name in answered)
            told = lost(Path(folder) / "log")
        worst = max(worst, missing)
        total.update(answered=len(answered), missing=missing, twice=sum(count > 1 for count in log.values()), told_lost=told)
        total["told_too_few"] += missing > told
    return {
        "kills": rounds,
        **{name: total[name] for name in ("answered", "missing", "twice", "told_lost", "told_too_few")},
        "most_missing": worst,
    }


def _killed(variant: str, bundle: Path, bodies: list[bytes], folder: Path, after_s: float) -> list[str]:
    """The ids that a server answered before it was killed."""
    port, answered = free_port(), []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with suppress(OSError, http.client.HTTPException):
            for body in cycle(bodies):
                connection.request("POST", "/predict", body, JSON)
                answered.extend(each["id"] for each in json.loads(connection.getresponse().read())["predictions"])

    def first() -> None:
        http.client.HTTPConnection("127.0.0.1", port, timeout=1).request("GET", "/v2/health/ready")

    command = [sys.executable, "-m", "benchmarks.serving.ours", variant, str(bundle), str(folder / "log"), str(port)]
    with running(command, _environment(), port, first, folder / "said") as server:
        threads = [threading.Thread(target=ask) for _ in range(CONNECTIONS)]
        for each in threads:
            each.start()
        time.sleep(after_s)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        for each in threads:
            each.join()
    return answered


def swaps(bundle: Path, bodies: list[bytes], count: int) -> dict[str, Any]:
    """Swap versions once a second under a fixed rate; how many requests failed, and how many were answered out of turn."""
    port, moments = free_port(), [0.0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "version").write_text("1")

        def first() -> None:
            http.client.HTTPConnection("127.0.0.1", port, timeout=1).request("GET", "/v2/health/ready")

        def swap(started: float) -> None:
            for number in range(2, count + 2):
                time.sleep(max(0.0, started + number - 1 - time.perf_counter()))
                beside = folder / "version.new"
                beside.write_text(str(number))
                beside.replace(folder / "version")
                moments.append(time.perf_counter() - started)

        command = [sys.executable, "-m", "benchmarks.serving.ours", "fast-swapping", str(bundle), str(folder / "log"), str(port)]
        with running(command, _environment(), port, first, folder / "said"):
            thread = threading.Thread(target=swap, args=(time.perf_counter(),))
            thread.start()
            shots = asyncio.run(fire(f"http://127.0.0.1:{port}/predict", bodies, per_second=PER_SECOND, seconds=count + 2.0))
            thread.join()
    wrong = 0
    for shot in shots:
        if shot.status == 200:
            begun, ended = moments[int(shot.version) - 1], moments[int(shot.version)] if int(shot.version) < len(moments) else float("inf")
            wrong += shot.at_s + shot.latency_ms / 1e3 < begun or shot.at_s > ended + FOLLOWS_S
    latencies = sorted(shot.latency_ms for shot in shots)
    return {
        "swaps": count,
        "requests": len(shots),
        "failed": sum(shot.status != 200 for shot in shots),
        "out_of_turn": wrong,
        "versions_seen": len({shot.version for shot in shots}),
        "p50_ms": round(latencies[len(latencies) // 2], 3),
        "p99_ms": round(latencies[len(latencies) * 99 // 100], 3),
    }


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "OMP_NUM_THREADS": "1"}


def page(found: dict[str, Any]) -> str:
    """The results as a page."""
    columns = ("kills", "answered", "missing", "twice", "most_missing", "told_too_few")
    rows = [f"| {log} | " + " | ".join(f"{found[log][name]:,}" for name in columns) + " |" for log in ("strict", "async")]
    swapped = found["swaps"]
    lines = [
        "# What a kill and a swap cost",
        "",
        f"Rerun: see `benchmarks/serving/durability.py`. {found['when']}.",
        "",
        "| log | SIGKILLs | answers given | missing in the log | twice in it | most missing of a kill | kills of which too few were told |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *rows,
        "",
        f"{swapped['swaps']} swaps, one a second, under {PER_SECOND} requests a second: {swapped['requests']:,} requests,",
        f"{swapped['failed']} failed, {swapped['out_of_turn']} answered by a version that was not in force (a server follows within",
        f"{FOLLOWS_S:g} s), {swapped['versions_seen']} versions seen; p50 {swapped['p50_ms']} ms, p99 {swapped['p99_ms']} ms from the",
        "scheduled time.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
