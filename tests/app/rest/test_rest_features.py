"""Features that callers need not send: looked up when a row is asked about, moved by events that are posted, logged as they were."""

from __future__ import annotations

import json
import random
import re
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.app.rest.test_project_server import serving_process

from homeostat.app.cli.main import main
from homeostat.flow.project import open_project
from homeostat.infra.prediction_records import read

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "features.md").read_text(encoding="utf-8")
CHARTER = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose model leans on how often a customer ordered of late, which only the table of orders tells."""
    folder = tmp_path_factory.mktemp("shop")
    draw, now = random.Random(7), datetime.now(UTC).replace(microsecond=0)  # noqa: S311 - test data
    orders = [(n, draw.randrange(12), now - timedelta(hours=draw.uniform(0, 24 * 60)), draw.uniform(1, 90)) for n in range(900)]
    lines = ["order_id,customer,at,amount,status,shop"]
    lines += [f"{n},{who},{at.isoformat()},{amount:.2f},{'paid' if n % 3 else 'open'},s{n % 4}" for n, who, at, amount in orders]
    (folder / "orders.csv").write_text("\n".join(lines))
    visits = ["customer,asked,basket"]
    for _ in range(600):
        who, asked = draw.randrange(12), now - timedelta(hours=draw.uniform(0, 24 * 50))
        week = sum(w == who and asked - timedelta(days=7) <= at <= asked for _, w, at, _ in orders)
        visits.append(f"{who},{asked.isoformat()},{3 * week + draw.gauss(0, 0.3):.3f}")
    (folder / "visits.csv").write_text("\n".join(visits))
    (folder / "homeostat.yaml").write_text(CHARTER + "learning: {learners: [linear], budget: {trials: 1}}\n")
    assert main(["run", "--project", str(folder)]) == 0
    return folder


def logged(folder: Path) -> list[dict[str, Any]]:
    with open_project(folder) as project:
        return read(project.predictions).records


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_row_needs_its_entity_only_and_an_event_moves_the_answer(shop: Path, workers: str) -> None:
    with serving_process(shop, "--workers", workers) as (process, ready), httpx.Client(base_url=ready["url"], timeout=20) as client:

        def asked(**more: Any) -> float:
            reply = client.post("/predict", json={"customer": 3, "asked": datetime.now(UTC).isoformat(), **more})
            assert reply.status_code == 200, reply.text
            return float(reply.json()["predictions"][0]["prediction"])

        before = asked()
        about = {"customer": 3, "amount": 5, "status": "paid", "shop": "s1"}
        event = {"order_id": 10_000 + int(workers), "at": datetime.now(UTC).isoformat(), **about}
        pushed = client.post("/events/orders", json=event)
        assert (pushed.status_code, pushed.json()["taken"]) == (200, 1), pushed.text
        after = asked()
        assert after == pytest.approx(before + 3, abs=0.6), "one more order in seven days"
        again = client.post("/events", content=json.dumps(event) + "\n", headers={"content-type": "application/x-ndjson"}).json()
        assert (again["taken"], again["repeated"]) == (0, 1)
        assert asked() == after
        assert asked(orders_7d=0) < after - 2, "what the caller sends wins"
        unknown = client.post("/predict", json={"basket": None})
        assert (unknown.status_code, unknown.json()["error"]["fields"][0]["field"]) == (422, "customer")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    newest = logged(shop)[-4:]
    counts = [each["inputs"]["orders_7d"] for each in newest]
    assert counts[1] == counts[0] + 1 == counts[2]
    assert counts[3] == 0


@pytest.mark.parametrize(
    ("path", "content", "kind", "status", "code"),
    [
        ("/events/orders", b"[]", "application/json", 422, "HS501"),
        ("/events/orders", b"[1]", "application/json", 422, "HS501"),
        ("/events/orders", b"{", "application/json", 400, "HS501"),
        ("/events/orders", b"", "application/json", 400, "HS501"),
        ("/events/orders", b"{}", "text/plain", 415, "HS501"),
        ("/events/ghosts", b"{}", "application/json", 404, "HS454"),
        ("/events/orders/x", b"{}", "application/json", 404, "HS504"),
    ],
)
def test_events_that_are_none_are_refused(shop: Path, path: str, content: bytes, kind: str, status: int, code: str) -> None:
    with serving_process(shop) as (_, ready), httpx.Client(base_url=ready["url"], timeout=20) as client:
        found = client.post(path, content=content, headers={"content-type": kind})
        assert (found.status_code, found.json()["error"]["code"]) == (status, code), found.text
        bad = client.post("/events/orders", json={"order_id": 1, "customer": 3, "at": "yesterday", "amount": "x"})
        assert bad.status_code == 422
        assert bad.json()["error"]["code"] == "HS455"
        assert bad.json()["error"]["fields"][0]["row"] == 0
        assert client.get("/events").status_code == 405
