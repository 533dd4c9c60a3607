"""What a bundle costs to run: the time of a prediction, predictions a second, and the memory of a process that serves it.

``python -m homeostat.flow.footprint BUNDLE`` is that process: it loads a bundle, answers the rows given on stdin, says its memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from homeostat.serving.bundle import Bundle

CALLS, ROUNDS = 400, 5
MOST_ROWS = 50
LONGEST_S = 60
STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Footprint:
    """Measured on this machine, without a network.

    The 99th percentile of one prediction; how many a second, one after the other on one core; and the peak resident memory of a fresh
    process that loads the bundle and answers rows, None when it could not be measured.
    """

    latency_p99_ms: float
    capacity_per_second: float
    memory_mb: float | None


def measure_footprint(bundle: Bundle, frame: pl.DataFrame) -> Footprint:
    """Measure a bundle on some rows of a frame, one row a call, as a server would be asked.

    Of several rounds of calls the one with the lowest 99th percentile counts: what else the machine does can only add to a call, and
    is no property of the bundle.
    """
    import numpy as np

    from homeostat.serving.predictor import Predictor

    predictor = Predictor(bundle)
    names = [source.name for source in bundle.manifest.inputs]
    rows = [_plain_row(row) for row in frame.select(names).head(MOST_ROWS).iter_rows(named=True)]
    times = np.empty((ROUNDS, CALLS))
    for call in range(times.size):
        started = time.perf_counter()
        predictor.predict_rows([rows[call % len(rows)]])
        times.flat[call] = time.perf_counter() - started
    slowest = np.quantile(times, 0.99, axis=1)
    calmest = times[np.argmin(slowest)]
    return Footprint(float(slowest.min() * 1e3), float(CALLS / calmest.sum()), memory_mb(bundle, rows))


def memory_mb(bundle: Bundle, rows: list[dict[str, Any]]) -> float | None:
    """Peak resident memory, in MB of 10^6 bytes, of a fresh process that loads the bundle and answers the rows.

    The interpreter and the runtime are in it, nothing is taken off; an HTTP server around it needs some more. None when the process
    fails or the system does not say.
    """
    from homeostat.serving.bundle import pack

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        path.write_bytes(pack(bundle))
        command = [sys.executable, "-P", "-m", "homeostat.flow.footprint", str(path)]  # -P: no file of the user's folder is imported
        asked = json.dumps(rows, default=str).encode()
        try:
            done = subprocess.run(command, input=asked, capture_output=True, timeout=LONGEST_S, check=True)  # noqa: S603 - our own module
            return float(json.loads(done.stdout)["memory_mb"])
        except (subprocess.SubprocessError, ValueError, KeyError, TypeError):
            return None


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    from datetime import date

    return {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}


def _peak_mb() -> float | None:
    """This process's largest resident memory so far.

    ``VmHWM`` where Linux tells it: ``ru_maxrss`` would be at least the parent's, which a child inherits until it runs another program.
    """
    if STATUS.exists():
        for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak if sys.platform == "darwin" else peak * 1024) / 1e6


def _serve_once(path: Path) -> None:
    from homeostat.serving.bundle import unpack
    from homeostat.serving.predictor import Predictor

    predictor = Predictor(unpack(path.read_bytes()))
    for row in json.load(sys.stdin):
        predictor.predict_one(row)
    json.dump({"memory_mb": _peak_mb()}, sys.stdout)


if __name__ == "__main__":
    _serve_once(Path(sys.argv[1]))
