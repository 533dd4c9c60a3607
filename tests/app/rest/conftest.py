from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from homeostat.app.rest.protocol import Limits
from homeostat.app.rest.server import ServeSettings, serve
from homeostat.app.rest.service import Current, Wanted, alone
from homeostat.graph.plan import Concat, Constant, Impute, Input, Linear, Link, Lookup, Numbers, Plan
from homeostat.infra.predictions import PredictionLog
from homeostat.serving.bundle import Bundle, build

INPUTS = (
    Input("temp", "number"),
    Input("hr", "number"),
    Input("holiday", "boolean"),
    Input("day", "timestamp"),
    Input("season", "category", ("spring", "2")),
)
ROW: dict[str, Any] = {"temp": 0.5, "hr": 8, "holiday": False, "day": "2011-05-01T08:00:00", "season": "spring"}
SAMPLE = pl.DataFrame([ROW, {**ROW, "temp": None}]).with_columns(pl.col("day").str.to_datetime())


def bundle_of(task: str = "regression", shift: float = 0.0) -> Bundle:
    """Regression: shift + temp + 10 hr + 100 (season is spring); classes from the same number."""
    nodes = [
        Numbers("raw", (0, 1)),
        Impute("filled", "raw", np.array([0.25, 12.0])),
        Lookup("season", 0, np.array([[0.0], [100.0], [0.0], [0.0]])),
        Concat("features", ("filled", "season")),
    ]
    weights = np.array([[1.0], [10.0], [1.0]])
    classes: tuple[str, ...] = ()
    if task == "regression":
        nodes.append(Linear("score", "features", weights, np.array([shift])))
    elif task == "binary":
        classes = ("no", "yes")
        nodes += [Linear("z", "features", weights / 100, np.array([shift - 1.5])), Link("score", "z", "sigmoid")]
    else:
        classes = ("a", "b", "c")
        nodes += [
            Linear("z", "features", np.hstack([weights, -weights, weights * 0]) / 100, np.array([0.0, 1.0, 2.0])),
            Link("score", "z", "softmax"),
        ]
    plan = Plan(task, "cnt", INPUTS, tuple(nodes), classes)  # type: ignore[arg-type]
    return build(plan, name="bike", sample=SAMPLE, ignored=["cnt", "entity"], facts={}, created="")


def constant_bundle(value: float) -> Bundle:
    plan = Plan("regression", "cnt", INPUTS, (Constant("score", np.array([value])),))
    return build(plan, name="bike", sample=SAMPLE, ignored=[], facts={}, created="")


class Running:
    """A server in a thread, its registry (what ``resolve`` answers), and a client."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.current: Current | Wanted | Exception | None = None
        self.log = PredictionLog(folder)
        self.folder = folder
        self.url = ""
        self.up = threading.Event()
        self.stop = threading.Event()
        self.asked = threading.Condition()
        self.polls = 0
        settings = {"name": "bike", "port": 0, "poll_s": 0.01, "limits": Limits(50_000, 200, 1.0), **settings}
        self.thread = threading.Thread(
            target=lambda: serve(ServeSettings(**settings), self.resolve, self.log, on_ready=self.ready, stop=self.stop)
        )

    def resolve(self) -> Wanted | None:
        with self.asked:
            self.polls += 1
            self.asked.notify_all()
        if isinstance(self.current, Exception):
            raise self.current
        return alone(self.current) if isinstance(self.current, Current) else self.current

    def polled(self) -> None:
        """Wait until whatever stands in the registry now was seen and acted on."""
        with self.asked:
            seen = self.polls
            assert self.asked.wait_for(lambda: self.polls >= seen + 2, 10)

    def put(self, version: int, bundle: Bundle) -> None:
        self.current = Current(version, bundle.manifest.graph_sha256, lambda: bundle)

    def ready(self, url: str) -> None:
        self.url = url
        self.up.set()

    def post(self, path: str = "/predict", **request: Any) -> httpx.Response:
        return self.client.post(path, **request)


@contextmanager
def running(folder: Path, bundle: Bundle | None, **settings: Any) -> Iterator[Running]:
    server = Running(folder, **settings)
    if bundle is not None:
        server.put(1, bundle)
    server.thread.start()
    assert server.up.wait(20)
    server.client = httpx.Client(base_url=server.url, timeout=20)
    try:
        yield server
    finally:
        server.client.close()
        server.stop.set()
        server.thread.join()
        server.log.close()


@pytest.fixture(scope="module", params=[True, False], ids=["fast lane", "asgi"])
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("log"), bundle_of(), fast=request.param) as found:
        yield found
