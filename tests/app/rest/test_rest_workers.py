"""`homeostat serve` with several processes, with TLS, and with tokens: as a user starts it."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.app.rest.test_project_server import PROGRAM, serving_process

from homeostat.app.rest.metrics import Metrics
from homeostat.app.rest.project import Asked, settings_of
from homeostat.errors import ProjectError
from homeostat.flow.project import open_project
from homeostat.infra.prediction_records import count

WAIT_S = 20.0


def example(client: httpx.Client) -> dict[str, Any]:
    return dict(client.get("/").json()["example"])


def children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def counted(client: httpx.Client) -> int:
    lines = (line for line in client.get("/metrics").text.splitlines() if line.startswith("homeostat_predictions_total{"))
    return sum(int(line.rsplit(" ", 1)[1]) for line in lines)


def test_workers_share_the_work_their_counts_and_their_end(trained: Path) -> None:
    with serving_process(trained, "--workers", "2") as (process, ready):
        crew = children(process.pid)
        assert len(crew) == 2
        with httpx.Client(base_url=ready["url"], timeout=WAIT_S) as client:
            row = example(client)
            for _ in range(30):
                with httpx.Client(base_url=ready["url"], timeout=WAIT_S) as fresh:  # a connection may land on either
                    assert fresh.post("/predict", json=row).status_code == 200
            until = time.monotonic() + WAIT_S
            while counted(client) < 30 and time.monotonic() < until:
                pass
            assert counted(client) == 30
        os.kill(crew[0], signal.SIGKILL)
        until = time.monotonic() + WAIT_S
        while (len(now := children(process.pid)) < 2 or crew[0] in now) and time.monotonic() < until:
            pass
        assert len(now) == 2
        asked = 30
        for _ in range(10):
            with httpx.Client(base_url=ready["url"], timeout=WAIT_S) as fresh, suppress(httpx.TransportError):
                asked += fresh.post("/predict", json=row).status_code == 200
        assert asked > 30
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0
    with open_project(trained) as project:
        assert count(project.predictions) == asked
    assert f"{asked} predictions" in out


def test_workers_end_when_the_process_that_started_them_is_gone(trained: Path) -> None:
    with serving_process(trained, "--workers", "2") as (process, _):
        crew = children(process.pid)
        process.kill()
        process.wait()
    until = time.monotonic() + WAIT_S
    while any(Path(f"/proc/{each}").exists() for each in crew) and time.monotonic() < until:
        pass
    assert [each for each in crew if Path(f"/proc/{each}").exists()] == []


def test_counts_of_workers_add_up() -> None:
    one, two = Metrics(), Metrics()
    for each, times in ((one, 3), (two, 2)):
        for _ in range(times):
            each.observe("predict", 200, 0.002)
        each.predictions[4, "canary"] += times
        each.dropped[5] += 1
    read = Metrics.of_plain(json.loads(json.dumps(two.plain())))
    assert read == two
    whole = one.plus([read])
    assert (whole.requests["predict", 200], whole.predictions[4, "canary"], whole.dropped[5], sum(whole.buckets)) == (5, 5, 2, 5)
    assert whole.seconds == pytest.approx(0.01)
    assert one.predictions[4, "canary"] == 3, "the counts themselves stay as they are"


def certificate(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


def test_tls_and_tokens_by_hand(trained: Path) -> None:
    path, _ = certificate(trained)
    charter = trained / "homeostat.yaml"
    clause = "\ndeploy:\n  tls: {certificate: cert.pem, key: key.pem}\n"
    text = charter.read_text()
    charter.write_text(text.replace("\ndeploy:\n", clause) if "\ndeploy:\n" in text else text + clause)

    def token(*words: str) -> dict[str, Any]:
        done = subprocess.run([PROGRAM, "token", *words, "--project", str(trained), "--json"], capture_output=True, text=True, check=True)
        return dict(json.loads(done.stdout))

    made = token("add", "web", "--scope", "predict")
    again = subprocess.run([PROGRAM, "token", "add", "web", "--project", str(trained)], capture_output=True, text=True, check=False)
    assert (again.returncode, "HS470" in again.stderr) == (2, True)
    context = ssl.create_default_context(cafile=str(path))
    with serving_process(trained) as (process, ready):
        assert ready["url"].startswith("https://")
        bearer = {"authorization": f"Bearer {made['token']}"}
        with httpx.Client(base_url=ready["url"], verify=context, timeout=WAIT_S) as client:
            assert client.get("/").status_code == 401
            row = client.get("/", headers=bearer).json()["example"]
            assert client.post("/predict", json=row).status_code == 401
            assert client.post("/predict", json=row, headers=bearer).status_code == 200
            assert made["token"] not in json.dumps(token("list"))
            token("revoke", "web")
            until = time.monotonic() + WAIT_S
            while client.post("/predict", json=row, headers=bearer).status_code == 200:
                assert time.monotonic() < until, "a revoked token is refused"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_S)
    assert made["token"].encode() not in (trained / ".homeostat" / "ledger.sqlite").read_bytes()


def test_a_server_is_not_open_to_others_by_accident(trained: Path) -> None:
    from homeostat.flow.tokens import issue

    with open_project(trained) as project:
        for host in ("0.0.0.0", "::", "192.0.2.1", "example.invalid"):  # noqa: S104 - nothing listens
            with pytest.raises(ProjectError, match=r"HS472.*tokens"):
                settings_of(project, Asked(host=host))
            assert settings_of(project, Asked(host=host, open=True)).host == host
        for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9"):
            assert settings_of(project, Asked(host=host)).host == host
        issue(project, "web", ("predict",))
        assert settings_of(project, Asked(host="0.0.0.0")).host == "0.0.0.0"  # noqa: S104 - nothing listens


def test_a_second_server_on_the_port_is_refused_before_its_workers_start(trained: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with serving_process(trained, "--workers", "2", "--port", str(port)):
        command = [PROGRAM, "serve", "--project", str(trained), "--port", str(port), "--workers", "2"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert (done.returncode, "HS604" in done.stderr) == (2, True)
