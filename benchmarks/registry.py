"""Measure the registry at 100,000 versions with 50 metrics each beside MLflow with SQLite: ``benchmarks/results/registry.json``, ``.md``.

Run: ``.venv/bin/python -m benchmarks.registry --mlflow /path/to/another/venv/bin/python``. It takes about fifteen minutes, most of them for
filling both. MLflow lives in an environment of its own (`pip install mlflow`). Ours is filled by its own API, MLflow by bulk insert into
its own tables, because its API would take hours. Each search is asked of both in turn, in one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.registry_peer import PARAMETERS, PATIENCE_S, made
from homeostat.app.demo.months import bundled_months
from homeostat.app.demo.story import found_project
from homeostat.core.records import Trial
from homeostat.core.sections import Window
from homeostat.flow.project import Project, open_project
from homeostat.flow.registry import asked_for, search
from homeostat.flow.trials import LedgerMemo
from homeostat.learning.trials import Choice, Outcome

if TYPE_CHECKING:
    from homeostat.core.facts import Fact

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("homeostat", "sqlalchemy", "numpy")
REPEATS = 15
PEER_REPEATS = 3
PATIENCE_MS = 5_000
"""A search of MLflow that takes longer is not asked again."""
TRIALS = 200
AT_ONCE = 500
WAYS = {
    "record": "ours: the fact in the ledger, linked and committed",
    "record_cpu": "ours: of it on the processor",
    "with_scores": "ours: also its scores (2,000 rows x 2, 32 kB) as a file of its own, synced",
    "batch": "MLflow, 3 metrics: create_run, one log_batch, set_terminated",
    "script": "MLflow, 3 metrics: start_run, log_params, log_metrics",
}
"""How a trial was logged."""


@dataclass(frozen=True)
class Question:
    """One search, in our words and in MLflow's."""

    name: str
    ours: dict[str, Any]
    where: str
    order: str


QUESTIONS = (
    Question("the newest 50", {}, "", "attributes.start_time DESC"),
    Question("the 50 best by auc", {"sort": "auc"}, "", "metrics.auc DESC"),
    Question(
        "one learner of five (45 %), passed, auc > 0.8, best by auc",
        {"sort": "auc", "learner": "lightgbm", "passed": True, "conditions": ["auc > 0.8"]},
        "params.learner = 'lightgbm' and tags.passed = 'yes' and metrics.auc > 0.8",
        "metrics.auc DESC",
    ),
    Question(
        "another metric > 0.5, best by auc",
        {"sort": "auc", "conditions": ["metric_07 > 0.5"]},
        "metrics.metric_07 > 0.5",
        "metrics.auc DESC",
    ),
    Question("a rare learner (0.1 %), best by auc", {"sort": "auc", "learner": "naive"}, "params.learner = 'naive'", "metrics.auc DESC"),
    Question(
        "three metrics > 0.9 (0.1 % have it), best by auc",
        {"sort": "auc", "conditions": ["metric_07 > 0.9", "metric_11 > 0.9", "metric_23 > 0.9"]},
        "metrics.metric_07 > 0.9 and metrics.metric_11 > 0.9 and metrics.metric_23 > 0.9",
        "metrics.auc DESC",
    ),
    Question("failed ones, newest", {"passed": False}, "tags.passed = 'no'", "attributes.start_time DESC"),
    Question("text in the learner's name, newest", {"text": "boost"}, "params.learner LIKE '%boost%'", "attributes.start_time DESC"),
    Question(
        "text in the learner's name, best by auc", {"text": "boost", "sort": "auc"}, "params.learner LIKE '%boost%'", "metrics.auc DESC"
    ),
)


class Mlflow:
    """The peer in a process of its own."""

    def __init__(self, interpreter: str, database: Path) -> None:
        self.process = subprocess.Popen(
            [interpreter, str(Path(__file__).with_name("registry_peer.py")), str(database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": ""},
        )

        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the peer was started without pipes")
        self.into, self.out = self.process.stdin, self.process.stdout

    def __call__(self, *command: object) -> Any:
        """The answer to one command."""
        self.into.write(json.dumps(command) + "\n")
        self.into.flush()
        return json.loads(self.out.readline())

    def close(self) -> None:
        """End it."""
        self.into.close()
        self.process.wait(60)


def facts(project: Project, count: int) -> Iterator[Fact]:
    """Versions as ``validate`` records them."""
    for number, (learner, passed, metrics) in enumerate(made(count)):
        digest = f"{number:064x}"
        body: dict[str, object] = {
            "name": project.charter.name,
            "bundle": digest,
            "profile": digest,
            "candidate": f"candidate-{number:012x}",
            "evaluation": f"evaluation-{number:012x}",
            "verdict": f"verdict-{number:012x}",
            "dataset": f"dataset-{number:012x}",
            "run": f"run-{number:012x}",
            "learner": learner,
            "window": "all",
            "metric": "auc",
            "value": metrics["auc"],
            "low": metrics["auc"] - 0.01,
            "high": metrics["auc"] + 0.01,
            "passed": passed,
            "measures": metrics,
        }
        yield project.fact("version", f"evaluation-{number:012x}", body)


def fill(project: Project, count: int) -> float:
    """Record the versions, some at once; seconds it took."""
    started = time.perf_counter()
    recorded = facts(project, count)
    while some := list(islice(recorded, AT_ONCE)):
        project.ledger.record(*some)
    return time.perf_counter() - started


def ask(project: Project, question: Question) -> dict[str, Any]:
    """Time of one search, in ms, from the words of the command to the versions, of it on the processor, and which were found."""
    started, worked = time.perf_counter(), time.process_time()
    found = search(project, asked_for(project, limit=50, **question.ours))
    taken, work = time.perf_counter() - started, time.process_time() - worked
    return {"ms": taken * 1000, "cpu_ms": work * 1000, "runs": [each.number - 1 for each in found]}


def searches(project: Project, peer: Mlflow) -> list[dict[str, Any]]:
    """Every question to both, in turn."""
    rows = []
    for question in QUESTIONS:
        times: dict[str, list[float]] = {"ours": [], "ours_cpu": [], "mlflow": []}
        for repeat in range(PEER_REPEATS + 1):
            theirs = peer("ask", question.where, question.order)
            for _ in range(REPEATS // PEER_REPEATS):
                ours = ask(project, question)
                if theirs["runs"] is not None and ours["runs"] != theirs["runs"]:
                    raise RuntimeError(f"the two sides disagree about {question.name}")
                times["ours"].append(ours["ms"])
                times["ours_cpu"].append(ours["cpu_ms"])
            times["mlflow"].append(theirs["ms"])
            stopped = theirs["runs"] is None
            if stopped or theirs["ms"] > PATIENCE_MS:
                break
            if not repeat:  # the first is not counted where there are more
                times = {name: [] for name in times}
        medians = {name: round(statistics.median(taken), 2) for name, taken in times.items()}
        ratio = round(medians["mlflow"] / medians["ours"], 1)
        row = {"question": question.name, **medians, "stopped": stopped, "ratio": ratio, "found": len(ours["runs"])}
        print(row, flush=True)
        rows.append(row)
    return rows


def trials(project: Project, peer: Mlflow) -> dict[str, float]:
    """Medians in ms of logging one trial: 10 parameters and a value, with 3 metrics for MLflow."""
    run = project.record("run", f"benchmark {time.time_ns()}", {})
    memo, window = LedgerMemo(project, run), Window()
    rng = np.random.default_rng(1)
    times: dict[str, list[float]] = {"record": [], "record_cpu": [], "with_scores": [], "batch": [], "script": []}
    for number in range(2 * TRIALS):
        choice = Choice("lightgbm", window, dict(PARAMETERS))
        trial = Trial(number, "lightgbm", window.label(), dict(PARAMETERS), 0.5, 1.0)
        scores = None if number % 2 else rng.random((2_000, 2))
        started, worked = time.perf_counter(), time.process_time()
        memo.keep(choice, Outcome(trial, scores))
        times["record" if scores is None else "with_scores"].append((time.perf_counter() - started) * 1000)
        if scores is None:
            times["record_cpu"].append((time.process_time() - worked) * 1000)
        if number % 2:
            told = peer("trial", number)
            times["batch"].append(told["batch_ms"])
            times["script"].append(told["script_ms"])
    return {name: round(statistics.median(taken), 3) for name, taken in times.items()}


def filling(folder: Path, name: str, count: int, fill_it: Callable[[], float]) -> float:
    """Seconds it took to fill a side, now or in the run that filled what lies in the folder."""
    note = folder / f"{name}-{count}.json"
    if not note.exists():
        note.write_text(json.dumps(fill_it()))
        print(f"{name} filled", flush=True)
    return float(json.loads(note.read_text()))


def fsync_ms(folder: Path) -> float:
    """What one fsync costs on this disk, median of 50."""
    times = []
    with (folder / "probe").open("wb") as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(times), 2)


def measure(interpreter: str, count: int, folder: Path) -> dict[str, Any]:
    """Fill both unless the folder has them filled, ask both."""
    root = folder / "project"
    if not root.exists():
        folder.mkdir(parents=True, exist_ok=True)
        found_project(root, bundled_months()[:1])
    peer = Mlflow(interpreter, folder / "mlflow.db")
    versions = peer("version")
    with open_project(root) as project:
        filled = filling(folder, "ours", count, lambda: fill(project, count))
        theirs = filling(folder, "mlflow", count, lambda: float(peer("fill", count)))
        found = searches(project, peer)
        logged = trials(project, peer)
        started = time.perf_counter()
        problems = list(project.audit.problems())
        verified = time.perf_counter() - started
        if problems:
            raise RuntimeError(f"the ledger does not verify: {problems[0]}")
        peer.close()
        sizes = {name: path.stat().st_size / 1e6 for name, path in _databases(folder, project).items()}
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "versions": {name: version(name) for name in LIBRARIES} | {"sqlite": sqlite3.sqlite_version},
        "mlflow_versions": versions,
        "count": count,
        "fsync_ms": fsync_ms(folder),
        "fill_s": {"ours": round(filled, 1), "mlflow_bulk": round(theirs, 1)},
        "size_mb": {name: round(size) for name, size in sizes.items()},
        "verify_s": round(verified, 1),
        "searches": found,
        "trial_ms": logged,
    }


def _databases(folder: Path, project: Project) -> dict[str, Path]:
    return {"ours": project.state / "ledger.sqlite", "mlflow": folder / "mlflow.db"}


def page(figures: dict[str, Any]) -> str:
    """The figures, for people."""
    told = {name: ", ".join(f"{each} {number}" for each, number in figures[name].items()) for name in ("versions", "mlflow_versions")}
    rows = "\n".join(
        f"| {row['question']} | {row['ours']} | {row['ours_cpu']} | {'stopped at ' if row['stopped'] else ''}{row['mlflow']} | "
        f"{'over ' if row['stopped'] else ''}{row['ratio']} |"
        for row in figures["searches"]
    )
    size, filled = figures["size_mb"], figures["fill_s"]
    of_ours = figures["trial_ms"]["record"]
    logged = "\n".join(f"| {WAYS[name]} | {taken} | {taken / of_ours:.1f} |" for name, taken in figures["trial_ms"].items())
    return f"""# Registry

{figures["at"]}, {figures["machine"]}; ours: {told["versions"]}; peer: {told["mlflow_versions"]}, both on SQLite.
Again: `.venv/bin/python -m benchmarks.registry --mlflow PYTHON`.

{figures["count"]:,} versions with 50 metrics each. Ours were recorded by its own API ({filled["ours"]} s, {size["ours"]} MB);
MLflow's tables (runs, metrics, latest_metrics, params, tags) were filled by bulk insert ({filled["mlflow_bulk"]} s, {size["mlflow"]} MB),
because its API would take hours. Each search returns at most 50 versions with all their metrics; both sides found the same ones in
the same order, where MLflow was not stopped after {PATIENCE_S} s. Asked for: under 50 ms. Medians of {REPEATS} (MLflow:
{PEER_REPEATS}; 1, and 5 of ours, where it took more than {PATIENCE_MS / 1000:.0f} s), in turn.

| search | ours, ms | ours, ms of processor | MLflow, ms | MLflow / ours |
|---|---|---|---|---|
{rows}

Logging one trial of 10 parameters beside these versions, median of {TRIALS}; asked for: under 2 ms. One fsync costs
{figures["fsync_ms"]} ms here.

| trial | ms | to ours |
|---|---|---|
{logged}

The commit of a trial outlives the process at once, and a power cut from the next lasting commit on: a power cut may take the newest
trials, which are then tried again. Following the chain over all of it took {figures["verify_s"]} s.
"""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", required=True, help="the Python interpreter of an environment that has MLflow")
    parser.add_argument("--versions", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where both databases stay, to ask them again without filling them; default: nowhere")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        figures = measure(asked.mlflow, asked.versions, asked.folder or Path(passing) / "registry")
    asked.out.mkdir(exist_ok=True)
    (asked.out / "registry.json").write_text(json.dumps(figures, indent=2) + "\n")
    (asked.out / "registry.md").write_text(page(figures))
    print(page(figures))


if __name__ == "__main__":
    main()
