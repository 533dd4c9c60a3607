"""The server as a process: swaps under load, failing registries, ports, signals, and what it loads."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.app.rest.conftest import INPUTS, ROW, bundle_of, constant_bundle, running

from homeostat.app.rest.server import ServeSettings, bind, follow, serve
from homeostat.app.rest.service import Current, Service, alone
from homeostat.errors import BundleError, ProjectError
from homeostat.infra.prediction_records import read
from homeostat.infra.predictions import PredictionLog
from homeostat.infra.segment import lost
from homeostat.serving.bundle import pack, unpack


def test_twenty_swaps_under_load_fail_no_request(tmp_path: Path) -> None:
    bundles = [constant_bundle(float(version)) for version in range(1, 22)]
    answers: list[tuple[float, float, int, Any]] = []
    active: list[tuple[float, int]] = []
    versions: set[int] = set()
    news = threading.Condition()
    done = threading.Event()
    with running(tmp_path, bundles[0]) as server:

        def load(size: int) -> None:
            with httpx.Client(base_url=server.url, timeout=20) as client:
                while not done.is_set():
                    asked = time.monotonic()
                    found = client.post("/predict", json=[ROW] * size)
                    answers.append((asked, time.monotonic(), found.status_code, found.json()))
                    with news:
                        versions.add(found.json().get("version"))
                        news.notify_all()

        def answered_by(version: int) -> None:
            with news:
                assert news.wait_for(lambda: version in versions, 20)

        threads = [threading.Thread(target=load, args=(size,)) for size in (1, 3, 100)]
        for each in threads:
            each.start()
        active.append((0.0, 1))
        answered_by(1)
        for version, bundle in enumerate(bundles[1:], start=2):
            active.append((time.monotonic(), version))
            server.put(version, bundle)
            server.polled()
            assert server.client.get("/v2/health").json()["version"] == version
            answered_by(version)
        done.set()
        for each in threads:
            each.join()
    starts = {version: at for at, version in active}
    assert {found["version"] for *_, found in answers} == set(range(1, 22))
    for asked, answered, status, found in answers:
        assert status == 200
        version = found["version"]
        assert {p["prediction"] for p in found["predictions"]} == {float(version)}, "a request is answered by one model"
        assert starts[version] <= answered
        later = starts.get(version + 2)  # when this version's successor was replaced in turn, nothing older may begin
        assert later is None or asked <= later
    logged = {each["id"]: each["version"] for each in read(tmp_path).records}
    assert logged == {p["id"]: found["version"] for *_, found in answers for p in found["predictions"]}


def test_a_failing_registry_leaves_the_last_good_model_serving(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with running(tmp_path, bundle_of()) as server:
        good = server.current
        for problem in (ProjectError("HS602", "gone for now"), RuntimeError("database is locked")):
            server.current = problem
            server.polled()
            assert server.post(json=ROW).json()["version"] == 1
            assert str(problem).split(":")[-1].strip() in server.client.get("/v2/health").json()["problem"]
        assert "homeostat_healthy 0" in server.client.get("/metrics").text

        def damaged() -> Any:
            return unpack(pack(bundle_of())[:-9])

        server.current = Current(2, "other", damaged)
        server.polled()
        assert server.post(json=ROW).json()["version"] == 1
        assert "HS401" in server.client.get("/v2/health").json()["problem"]
        server.current = good
        server.polled()
        assert server.client.get("/v2/health").json()["problem"] == ""
    said = capfd.readouterr().err
    assert said.count("gone for now") == said.count("database is locked") == said.count("HS401") == 1


def test_follow_swaps_only_on_change(tmp_path: Path) -> None:
    bundle, loads = bundle_of(), []

    def load() -> Any:
        loads.append(1)
        return bundle

    with PredictionLog(tmp_path) as log:
        service = Service("bike", log)
        assert not follow(service, None)
        assert follow(service, alone(Current(1, "a", load)))
        assert not follow(service, alone(Current(1, "a", load)))
        assert not follow(service, None)
        first = service.slot
        assert follow(service, alone(Current(2, "a", load))), "the same bundle under a new number is served under that number"
        assert len(loads) == 1
        assert service.slot is not None
        assert first is not None
        assert (service.slot.version, service.slot.predictor) == (2, first.predictor)
        assert service.swaps == 1


def test_a_first_model_that_cannot_be_loaded_is_an_error(tmp_path: Path) -> None:
    def damaged() -> Any:
        return unpack(b"junk")

    with PredictionLog(tmp_path) as log, pytest.raises(BundleError, match="HS401"):
        serve(ServeSettings("bike", port=0), lambda: alone(Current(1, "x", damaged)), log)


def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, PredictionLog(tmp_path) as log:
        port = taken.getsockname()[1]
        with pytest.raises(ProjectError, match=rf"HS604.*127.0.0.1:{port}") as caught:
            serve(ServeSettings("bike", port=port), lambda: None, log)
        assert caught.value.exit_code == 2
    with pytest.raises(ProjectError, match="HS609"):
        bind("host.invalid", 0)
    with pytest.raises(ProjectError, match="HS609"):
        bind("203.0.113.7", 0)


def test_a_log_that_takes_nothing_stops_answers_not_the_server(tmp_path: Path) -> None:
    with running(tmp_path, bundle_of()) as server:
        server.log.close()
        found = server.post(json=ROW)
        assert (found.status_code, found.json()["error"]["code"]) == (503, "HS602")
        assert server.client.get("/v2/health/live").status_code == 200


CHILD = """
import sys
from pathlib import Path
from homeostat.app.rest.server import ServeSettings, serve
from homeostat.app.rest.service import Current, alone
from homeostat.infra.predictions import PredictionLog
from homeostat.serving.bundle import unpack
folder = Path(sys.argv[1])
content = (folder / "bundle").read_bytes()
with PredictionLog(folder / "log", strict="strict" in sys.argv) as log:
    serve(ServeSettings("bike", port=0), lambda: alone(Current(1, "d", lambda: unpack(content))), log)
heavy = {"sklearn", "pandas", "optuna", "lightgbm", "polars", "scipy", "dbos", "duckdb", "deltalake"}
heavy |= {"pyarrow", "onnx", "pydantic", "sqlalchemy"}
sys.stdout.write(",".join(sorted(heavy & set(sys.modules))) + ".\\n")
"""


@contextmanager
def child(folder: Path, *how: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    (folder / "bundle").write_bytes(pack(bundle_of()))
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), *how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["event"] == "ready"
            yield process, ready["url"]
        finally:
            process.kill()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_the_process_stayed_light(tmp_path: Path, how: signal.Signals) -> None:
    with child(tmp_path) as (process, url), httpx.Client(base_url=url, timeout=20) as client:
        ids = [p["id"] for p in client.post("/predict", json=[ROW] * 5).json()["predictions"]]
        ids += [p["id"] for p in client.post("/predict", json=[ROW] * 100).json()["predictions"]]
        # A request whose body is still under way when the signal comes is answered all the same.
        address = httpx.URL(url)
        body = json.dumps(ROW).encode()
        with socket.create_connection((address.host, address.port), timeout=20) as wire:
            wire.sendall(b"POST /predict HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body))
            assert wire.recv(65536).startswith(b"HTTP/1.1 100")
            process.send_signal(how)
            refused = False
            while not refused:
                try:
                    socket.create_connection((address.host, address.port), timeout=5).close()
                except (ConnectionRefusedError, ConnectionResetError):  # reset: it waited in the backlog of the socket that closed
                    refused = True
            wire.sendall(body)
            answer = b""
            while part := wire.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200"), answer
        ids += [p["id"] for p in json.loads(answer.partition(b"\r\n\r\n")[2])["predictions"]]
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, ".\n", "")
    assert [each["id"] for each in read(tmp_path / "log").records] == ids


def test_kill_9_under_load_keeps_what_was_flushed_and_corrupts_nothing(tmp_path: Path) -> None:
    answered: list[str] = []
    with child(tmp_path) as (process, url), httpx.Client(base_url=url, timeout=20) as client:
        for _ in range(200):
            answered += [p["id"] for p in client.post("/predict", json=[ROW] * 3).json()["predictions"]]
        process.kill()
        process.communicate(timeout=20)
    found = read(tmp_path / "log")
    names = [each["id"] for each in found.records]
    assert found.torn <= 1
    assert names == answered[: len(names)]
    assert len(names) >= 3, "groups written before the last one are there"
    assert len(INPUTS) == len(found.records[0]["inputs"])


def test_a_kill_loses_no_more_than_is_counted(tmp_path: Path) -> None:
    answered = 0
    with child(tmp_path) as (process, url), httpx.Client(base_url=url, timeout=20) as client:
        for _ in range(100):
            answered += len(client.post("/predict", json=[ROW] * 3).json()["predictions"])
        process.kill()
        process.communicate(timeout=20)
    assert len(read(tmp_path / "log").records) + lost(tmp_path / "log") == answered


@pytest.mark.parametrize("round_", range(3))
def test_what_a_strict_server_answered_is_in_the_log_once_whenever_it_is_killed(tmp_path: Path, round_: int) -> None:
    answered: list[str] = []
    enough = threading.Event()

    def load(url: str, size: int) -> None:
        with httpx.Client(base_url=url, timeout=20) as client, suppress(httpx.TransportError):
            while True:
                answered.extend(p["id"] for p in client.post("/predict", json=[ROW] * size).json()["predictions"])
                if len(answered) > 40 * (round_ + 1):
                    enough.set()

    with child(tmp_path, "strict") as (process, url):
        threads = [threading.Thread(target=load, args=(url, size)) for size in (1, 1, 2, 80)]
        for each in threads:
            each.start()
        assert enough.wait(20)
        process.kill()
        process.communicate(timeout=20)
        for each in threads:
            each.join()
    names = Counter(each["id"] for each in read(tmp_path / "log").records)
    assert [name for name in answered if names[name] != 1] == []
