"""``homeostat serve`` on a real project, as a process of its own: what it answers, what it follows, how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import polars as pl
import pytest

from homeostat.app.demo.story import deliver
from homeostat.flow.evaluate import evaluate
from homeostat.flow.ingest import ingest
from homeostat.flow.lifecycle import run
from homeostat.flow.project import Project, open_project
from homeostat.flow.promotion import promote, rollback
from homeostat.flow.serving import serving
from homeostat.flow.train import Order, train
from homeostat.flow.validate import validate
from homeostat.infra.prediction_records import read
from homeostat.serving.predictor import Predictor

if TYPE_CHECKING:
    from homeostat.app.demo.months import Month
    from homeostat.core.facts import Fact

PROGRAM = str(Path(sys.executable).parent / "homeostat")
FOLLOWS_S = 1.0
"""How soon a running server must follow a promotion or a rollback."""


@contextmanager
def serving_process(root: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The server of a project on a free port, and what it said when it was ready."""
    command = [PROGRAM, "serve", "--project", str(root), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["event"] == "ready"
            yield process, ready
        finally:
            if process.poll() is None:
                process.kill()


def test_predict_infer_metadata_and_the_predictor_say_the_same(trained: Path, months: list[Month]) -> None:
    rows = list(months[6].requests())[:100]
    with open_project(trained) as project:
        bundle = serving(project).bundle
    scores, _ = Predictor(bundle).score_rows(rows)
    wanted = scores[:, 0].tolist()
    with serving_process(trained) as (process, ready), httpx.Client(base_url=ready["url"], timeout=20) as client:
        assert (ready["model"], ready["version"]) == ("bike-demand", 1)
        answered = client.post("/predict", json=rows).json()
        assert (answered["model"], answered["version"]) == ("bike-demand", 1)
        assert [each["prediction"] for each in answered["predictions"]] == wanted
        one_by_one = [client.post("/predict", json=row).json()["predictions"][0]["prediction"] for row in rows[:20]]
        np.testing.assert_allclose(one_by_one, wanted[:20], rtol=1e-15)  # the exponential of a single row is not the vectorised one

        about = client.get("/v2/models/bike-demand").json()
        assert about["versions"] == ["1"]
        assert about["platform"] == "onnx_onnxruntime"
        assert [each["name"] for each in about["inputs"]] == list(bundle.manifest.required())
        assert [each["name"] for each in about["outputs"]] == ["prediction", "prediction_id"]
        assert client.get("/v2/models/bike-demand/versions/1").json() == about
        assert client.get("/v2/models/bike-demand/ready").json() == {"name": "bike-demand", "ready": True}

        inputs = [
            {"name": each["name"], "datatype": each["datatype"], "shape": [len(rows)], "data": [text_for(each, row) for row in rows]}
            for each in about["inputs"]
        ]
        inferred = client.post("/v2/models/bike-demand/infer", json={"id": "mine", "inputs": inputs}).json()
        assert (inferred["model_name"], inferred["model_version"], inferred["id"]) == ("bike-demand", "1", "mine")
        outputs = {each["name"]: each for each in inferred["outputs"]}
        assert outputs["prediction"] == {"name": "prediction", "datatype": "FP64", "shape": [100], "data": wanted}
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "stopped; 220 predictions were answered and logged" in out
    logged = {each["id"]: each["prediction"] for each in read(trained / ".homeostat" / "predictions").records}
    assert len(logged) == 220
    assert [logged[name] for name in outputs["prediction_id"]["data"]] == wanted
    frame = pl.DataFrame([{**row, "dteday": str(row["dteday"])} for row in rows]).with_columns(pl.col("dteday").str.to_date())
    np.testing.assert_array_equal(Predictor(bundle).predict_frame(frame)[:, 0], wanted)


def text_for(tensor: dict[str, Any], row: dict[str, Any]) -> object:
    """The row's value as the protocol's datatype of its tensor: codes that are categories travel as text."""
    value = row[tensor["name"]]
    return str(value) if tensor["datatype"] == "BYTES" else bool(value) if tensor["datatype"] == "BOOL" else value


def test_a_server_without_a_model_takes_the_first_one_that_is_promoted(founded: Path, months: list[Month]) -> None:
    row = next(months[6].requests())
    with serving_process(founded) as (process, ready), httpx.Client(base_url=ready["url"], timeout=20) as client:
        assert ready["version"] is None
        refused = client.post("/predict", json=row)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "HS505")
        assert client.get("/v2/health/live").status_code == 200
        assert client.get("/v2/health/ready").status_code == 503
        with open_project(founded) as project:
            assert run(project).promotion is not None
            wanted = Predictor(serving(project).bundle).predict_one(row).prediction
        promoted = time.monotonic()
        while client.get("/v2/health/ready").status_code == 503:
            assert time.monotonic() - promoted < FOLLOWS_S
        assert client.post("/predict", json=row).json()["predictions"][0]["prediction"] == wanted
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@dataclass(frozen=True)
class Asked:
    """One request that was answered: when it was sent and answered (monotonic seconds), and the answer."""

    sent: float
    answered: float
    status: int
    body: dict[str, Any]


@dataclass
class Caller:
    """A thread that keeps posting rows over one connection until the server goes away."""

    place: str
    rows: list[dict[str, Any]]
    leaving: threading.Event = field(default_factory=threading.Event)
    answers: list[Asked] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self) -> None:
        connection = HTTPConnection(self.place, timeout=20)
        place = 0
        while not self.failures:
            body = json.dumps(self.rows[place % len(self.rows)])
            place += 1
            sent = time.monotonic()
            try:
                connection.request("POST", "/predict", body, {"content-type": "application/json"})
                response = connection.getresponse()
                asked = Asked(sent, time.monotonic(), response.status, json.loads(response.read()))
                ended = response.getheader("connection") == "close"
            except (OSError, HTTPException) as error:
                self.failures.append(error)
                ended = True
            else:
                with self.news:
                    self.answers.append(asked)
                    self.news.notify_all()
            if ended:
                break
        connection.close()

    def wait(self, until: Callable[[Asked], bool]) -> Asked:
        """The first answer from now on for which this holds."""
        with self.news:
            start = len(self.answers)
            assert self.news.wait_for(lambda: bool(self.failures) or any(map(until, self.answers[start:])), 20)
            assert self.failures == []
            return next(filter(until, self.answers[start:]))


def second_version(project: Project, months: list[Month]) -> Fact:
    """A version trained on the first months of 2012, registered and not yet promoted."""
    for month in months[12:16]:
        deliver(project.root, month)
    learning = project.charter.learning.model_copy(update={"windows": project.charter.policy.windows[1:2], "learners": ("lightgbm",)})
    version = validate(project, evaluate(project, train(project, Order(dataset=ingest(project).id, learning=learning))))
    assert version.body["passed"]
    return version


@pytest.mark.slow
def test_promotion_and_rollback_are_followed_within_a_second_and_no_request_fails(
    project: Project, trained: Path, months: list[Month]
) -> None:
    second = second_version(project, months)
    with serving_process(trained) as (process, ready):
        caller = Caller(ready["url"].removeprefix("http://"), list(months[6].requests()))
        thread = threading.Thread(target=caller)
        thread.start()
        caller.wait(lambda asked: asked.body["version"] == 1)
        moves = [(0.0, 0.0, 1)]  # when the pointer began to move, when it had moved, to which version
        for move, version in ((lambda: promote(project, second), 2), (lambda: rollback(project, reason="test"), 1)):
            begun = time.monotonic()
            move()
            moved = time.monotonic()
            moves.append((begun, moved, version))
            first = caller.wait(lambda asked, version=version: asked.body["version"] == version)  # type: ignore[misc]
            assert first.answered - moved < FOLLOWS_S
        before_the_end = len(caller.answers)
        assert caller.failures == []
        process.send_signal(signal.SIGTERM)
        thread.join(30)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out.count("Traceback") + err.count("Traceback")) == (0, 0), err

    assert before_the_end > 50
    assert {asked.status for asked in caller.answers} == {200}
    assert_each_was_answered_by_an_active_version(caller.answers, moves)
    logged = Counter(each["id"] for each in read(project.predictions).records)
    assert set(logged.values()) == {1}
    ids = [each["id"] for asked in caller.answers for each in asked.body["predictions"]]
    assert len(set(ids)) == len(ids)
    assert set(ids) <= set(logged)
    assert len(logged) - len(ids) <= 1  # at most the one whose answer the end cut off
    assert f"stopped; {len(logged)} predictions were answered and logged" in out


def assert_each_was_answered_by_an_active_version(answers: list[Asked], moves: list[tuple[float, float, int]]) -> None:
    ends = [moved for _, moved, _ in moves[1:]] + [float("inf")]
    spans = [(begun, ended + FOLLOWS_S, version) for (begun, _, version), ended in zip(moves, ends, strict=True)]
    for asked in answers:
        active = {version for begun, ended, version in spans if begun <= asked.answered and asked.sent < ended}
        assert asked.body["version"] in active
    assert {asked.body["version"] for asked in answers} == {1, 2}
