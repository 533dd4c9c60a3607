"""MLflow's side of ``benchmarks.registry``, run by the interpreter of an environment of its own; it shares nothing but the numbers.

It reads commands from stdin, one JSON list a line, and answers each with a line of JSON.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import numpy as np

METRICS = ("auc", "f1", "log_loss", *(f"metric_{number:02d}" for number in range(3, 50)))
LEARNERS = ("lightgbm", "xgboost", "linear", "extra_trees", "naive")
SHARES = (0.45, 0.3, 0.15, 0.099, 0.001)
PATIENCE_S = 20
"""A search that takes longer is stopped."""
PARAMETERS = {f"parameter_{number}": number * 0.25 for number in range(10)}


def made(count: int) -> Iterator[tuple[str, bool, dict[str, float]]]:
    """Learner, whether it passed, and 50 metrics of each version: the same for both sides."""
    rng = np.random.default_rng(7)
    learners = rng.choice(LEARNERS, count, p=SHARES)
    passed = rng.random(count) < 0.6
    for start in range(0, count, 1000):
        values = rng.random((min(1000, count - start), len(METRICS))).tolist()
        for at, row in enumerate(values, start=start):
            yield str(learners[at]), bool(passed[at]), dict(zip(METRICS, row, strict=True))


class Peer:
    """One MLflow store in a SQLite file, and the runs it was given by bulk insert."""

    def __init__(self, path: str) -> None:
        from mlflow.tracking import MlflowClient
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        self.path = path
        self.deadline = float("inf")

        @event.listens_for(Engine, "connect")
        def impatient(connection: Any, _record: Any) -> None:
            connection.set_progress_handler(lambda: time.perf_counter() > self.deadline, 100_000)

        self.client = MlflowClient(f"sqlite:///{path}")
        self.client.search_experiments()  # makes the tables

    def fill(self, count: int) -> float:
        """Insert finished runs into MLflow's own tables; seconds it took."""
        started = time.perf_counter()
        database = sqlite3.connect(self.path, isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("BEGIN")
        for number, (learner, passed, metrics) in enumerate(made(count)):
            run, at = f"{number:032x}", 1_700_000_000_000 + number * 1000
            database.execute(
                "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, "
                "source_version, lifecycle_stage, artifact_uri, experiment_id) VALUES (?,?,'UNKNOWN','','','someone','FINISHED',?,?,'',"
                "'active',?,0)",
                (run, f"version {number}", at, at + 500, f"/tmp/artifacts/{run}"),  # noqa: S108 - a text, nothing is written there
            )
            database.executemany("INSERT INTO metrics VALUES (?,?,?,?,0,0)", [(name, value, at, run) for name, value in metrics.items()])
            database.executemany(
                "INSERT INTO latest_metrics VALUES (?,?,?,0,0,?)", [(name, value, at, run) for name, value in metrics.items()]
            )
            database.execute("INSERT INTO params VALUES ('learner',?,?)", (learner, run))
            database.executemany(
                "INSERT INTO tags VALUES (?,?,?)",
                [("passed", "yes" if passed else "no", run), ("mlflow.runName", f"version {number}", run)],
            )
        database.execute("COMMIT")
        database.execute("PRAGMA journal_mode=DELETE")
        database.close()
        return time.perf_counter() - started

    def ask(self, where: str, order: str) -> dict[str, Any]:
        """Time of one search for 50 runs, in ms, and what was found; nothing when it was stopped after ``PATIENCE_S``."""
        from mlflow.exceptions import MlflowException

        started = time.perf_counter()
        self.deadline = started + PATIENCE_S
        try:
            found = self.client.search_runs(["0"], filter_string=where, max_results=50, order_by=[order])
        except MlflowException:
            if time.perf_counter() < self.deadline:
                raise
            return {"ms": (time.perf_counter() - started) * 1000, "runs": None}
        finally:
            self.deadline = float("inf")
        taken = (time.perf_counter() - started) * 1000
        return {"ms": taken, "runs": [int(run.info.run_id, 16) for run in found]}

    def trial(self, number: int) -> dict[str, float]:
        """Time to log one trial of 10 parameters and 3 metrics, in ms: in one batch, and call by call as in a script."""
        import mlflow
        from mlflow.entities import Metric, Param

        metrics = dict.fromkeys(METRICS[:3], number * 0.001)
        started = time.perf_counter()
        run = self.client.create_run("0").info.run_id
        self.client.log_batch(
            run,
            metrics=[Metric(name, value, 1, 0) for name, value in metrics.items()],
            params=[Param(name, str(value)) for name, value in PARAMETERS.items()],
        )
        self.client.set_terminated(run)
        batch = (time.perf_counter() - started) * 1000
        mlflow.set_tracking_uri(f"sqlite:///{self.path}")
        started = time.perf_counter()
        with mlflow.start_run(experiment_id="0"):
            mlflow.log_params(PARAMETERS)
            mlflow.log_metrics(metrics)
        return {"batch_ms": batch, "script_ms": (time.perf_counter() - started) * 1000}


def main() -> None:
    """Answer commands until stdin ends."""
    peer = Peer(sys.argv[1])
    commands: dict[str, Callable[..., Any]] = {
        "fill": peer.fill,
        "ask": peer.ask,
        "trial": peer.trial,
        "version": lambda: {name: version(name) for name in ("mlflow", "sqlalchemy")} | {"sqlite": sqlite3.sqlite_version},
    }
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(commands[name](*arguments)), flush=True)


if __name__ == "__main__":
    main()
