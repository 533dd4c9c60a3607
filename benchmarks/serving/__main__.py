"""Serve one model by every system and load them with wrk: ``benchmarks/results/serving.json`` and ``.md``.

Run: ``.venv/bin/python -m benchmarks.serving --peers FOLDER [--rounds 3] [--system NAME ...] [--again NAME ...]``. It needs ``wrk`` and
``taskset`` and two idle cores: the server has one, the load the other. The folder holds an environment for each peer, made once; what
the model needs has the same version in all of them:

    MODEL='scikit-learn==1.9.1 lightgbm==4.7.0 onnxruntime==1.32.0 pandas==3.1.1 numpy==2.4.6 joblib==1.6.0'
    for each in mlflow mlserver bentoml fastapi litserve; do uv venv FOLDER/serving-$each; done
    uv pip install -p FOLDER/serving-mlflow/bin/python $MODEL mlflow==3.17.2 onnx==1.23.2
    uv pip install -p FOLDER/serving-mlserver/bin/python $MODEL mlserver==1.7.1
    uv pip install -p FOLDER/serving-bentoml/bin/python $MODEL bentoml==1.4.40
    uv pip install -p FOLDER/serving-fastapi/bin/python $MODEL fastapi==0.165.0 uvicorn==0.54.0 uvloop==0.23.0 httptools==0.9.0
    uv pip install -p FOLDER/serving-litserve/bin/python $MODEL litserve==0.2.19

The peers send no telemetry: ``MLFLOW_DISABLE_TELEMETRY`` and ``BENTOML_DO_NOT_TRACK`` are set. A cell is one system in one round: its
server is started, all 2,000 rows are asked once and compared with the pipeline's own answers, then it is warmed and loaded at 32
connections and at one. Finished cells are kept, so that it can be stopped and goes on where it was; ratios are taken within a round.
``--again NAME`` makes a system's cells anew, ``--check`` only compares the answers and keeps nothing, ``--report`` only writes the page,
``--ahead`` gives server and load real-time priority, for a machine that is not idle.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.serving.load import FailedError, Running, ask, free_port, running, wrk
from benchmarks.serving.model import write_model
from benchmarks.serving.page import page
from benchmarks.serving.rows import asked_rows
from benchmarks.serving.systems import ROOT, SYSTEMS, Place, System

RESULTS = ROOT / "benchmarks" / "results"
CELLS = RESULTS / "serving.json"
TOLERANCE = 1e-6
WARM_S, MANY_S, ONE_S = 2.0, 6.0, 3.0
CONNECTIONS = 32
AHEAD = "--ahead"
ASK_TIMEOUT_S = 20.0


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--peers", type=Path, required=True)
    given.add_argument("--rounds", type=int, default=3)
    for name in ("system", "again"):
        given.add_argument(f"--{name}", action="append", choices=list(SYSTEMS), default=[])
    given.add_argument(AHEAD, action="store_true")
    given.add_argument("--check", action="store_true")
    given.add_argument("--report", action="store_true")
    asked = given.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a server under way is ended, too
    names = asked.system or asked.again or list(SYSTEMS)
    cells: dict[str, dict[str, Any]] = json.loads(CELLS.read_text()) if CELLS.exists() else {}
    if not asked.report:
        prepare(asked.peers)
    for number in range(1, asked.rounds + 1) if not (asked.report or asked.check) else ():
        for name in names:
            key = f"{name}/{number}"
            if key in cells and "failure" not in cells[key] and name not in asked.again:
                continue
            cells[key] = cell(name, asked.peers, measure)
            CELLS.write_text(json.dumps(dict(sorted(cells.items())), indent=1) + "\n")
            print(f"{key:32}", told(cells[key]), flush=True)
    if asked.check:
        for name in names:
            print(f"{name:32}", told(cell(name, asked.peers, lambda *_: {})), flush=True)
        return
    (RESULTS / "serving.md").write_text(page(cells))


def told(cell: dict[str, Any]) -> dict[str, Any]:
    """What is printed of a cell."""
    return {name: value for name, value in cell.items() if name not in ("at", "versions", "machine")}


def model_folder(peers: Path) -> Path:
    """Where the model lies that all systems hold."""
    return peers / "serving-model"


def prepare(peers: Path) -> None:
    """Make the model once: fitted as a pipeline, written as our bundle, saved for the peers that want their own form."""
    folder = model_folder(peers)
    place = Place(peers, folder, folder, 0)
    python, modules = place.program("mlflow", "python"), place.environment("mlflow")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "answers.json").exists():
        subprocess.run([python, "-m", "benchmarks.serving.peers.fit", str(folder)], cwd=folder, env=modules, check=True)
    write_model(folder)  # each time: it is ours that may have changed
    if not (folder / "mlflow-graph").exists():
        subprocess.run([python, "-m", "benchmarks.serving.peers.with_mlflow"], cwd=folder, env=modules, check=True)


def cell(name: str, peers: Path, then: Any) -> dict[str, Any]:
    """Start a system, compare its answers, and measure it; a failure is told in the cell."""
    system, rows = SYSTEMS[name], asked_rows()
    bodies = [json.dumps(system.asks(row)).encode() for row in rows]
    found: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    with tempfile.TemporaryDirectory() as scratch:
        place = Place(peers, model_folder(peers), Path(scratch) / "own", free_port())
        place.scratch.mkdir()
        listed = Path(scratch) / "bodies.jsonl"
        listed.write_bytes(b"\n".join(bodies) + b"\n")
        environment = place.environment(system.peer) | dict(system.variables or {})
        try:
            with running(
                system.command(place), environment, place.port, lambda: first(place.port, system, bodies[0]), Path(scratch) / "said.txt"
            ) as server:
                found |= {"ready_s": server.ready_s, **compare(server, system, bodies, place.model)}
                found |= then(server, system, listed)
        except FailedError as failure:
            found["failure"] = str(failure)
    return found | {"versions": versions(system, peers)}


def first(port: int, system: System, body: bytes) -> None:
    """One request on a connection of its own."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ASK_TIMEOUT_S)) as connection:
        ask(connection, system.path, body)


def compare(server: Running, system: System, bodies: list[bytes], model: Path) -> dict[str, Any]:
    """Ask every row once: the largest difference from the pipeline's own answers, and how many bytes a reply has.

    Raises:
        FailedError: an answer is further from the pipeline's than ``TOLERANCE``.
    """
    wanted = json.loads((model / "answers.json").read_text())
    largest, size = 0.0, 0
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=ASK_TIMEOUT_S)) as connection:
        for body, answer in zip(bodies, wanted, strict=True):
            reply, length = ask(connection, system.path, body)
            size += length
            if system.says is not None:
                largest = max(largest, abs(system.says(reply) - answer))
    if not largest <= TOLERANCE:
        raise FailedError(f"an answer is {largest:.2e} from the pipeline's; allowed: {TOLERANCE:g}")
    return {"reply_bytes": round(size / len(bodies)), "rows_compared": len(bodies) if system.says else 0, "largest_difference": largest}


def measure(server: Running, system: System, bodies: Path) -> dict[str, Any]:
    """Warm the server, load it at many connections and at one; its memory afterwards."""
    with server.ahead() if AHEAD in sys.argv else nullcontext():
        wrk(server.port, system.path, bodies, CONNECTIONS, WARM_S)
        many = wrk(server.port, system.path, bodies, CONNECTIONS, MANY_S)
        one = wrk(server.port, system.path, bodies, 1, ONE_S)
    return {"many": many, "one": one, **server.memory_mb(), "ahead": AHEAD in sys.argv}


def versions(system: System, peers: Path) -> dict[str, str]:
    """The versions of the packages that make the system."""
    if not system.peer:
        from importlib.metadata import version

        return {"python": platform.python_version(), **{name: version(name) for name in system.packages}}
    code = "import json, sys, platform; from importlib.metadata import version as v; "
    code += "print(json.dumps({'python': platform.python_version(), **{n: v(n) for n in sys.argv[1:]}}))"
    python = str(peers / f"serving-{system.peer}" / "bin" / "python")
    said = subprocess.run([python, "-c", code, *system.packages], capture_output=True, text=True, check=True).stdout
    return dict(json.loads(said))


if __name__ == "__main__":
    main()
