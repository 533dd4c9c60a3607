"""Who may ask: tokens, scopes, their end, and a server that is not open to others by accident."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.app.rest.conftest import ROW, Running, bundle_of, running

from homeostat.app.rest.service import Current, Wanted
from homeostat.core.tokens import Token, token_digest
from homeostat.core.traffic import champion_alone

BUNDLE = bundle_of()
KEPT = Token("web", token_digest("s3cret"), ("predict",))
WATCHER = Token("prometheus", token_digest("w4tch"), ("metrics",))


def guarded(server: Running, *tokens: Token) -> None:
    server.current = Wanted(champion_alone(1, ""), (Current(1, "d", lambda: BUNDLE),), tokens)
    server.polled()


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


@pytest.mark.parametrize("fast", [True, False])
def test_a_token_opens_what_its_scopes_say(tmp_path: Path, fast: bool) -> None:
    with running(tmp_path, BUNDLE, fast=fast) as server:
        assert server.post(json=ROW).status_code == 200
        guarded(server, KEPT, WATCHER)
        for headers in ({}, bearer("wrong"), {"authorization": "Basic s3cret"}, {"authorization": "Bearer"}):
            refused = server.post(json=ROW, headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "HS471")
            assert refused.headers["www-authenticate"] == "Bearer"
        assert server.post(json=ROW, headers=bearer("s3cret")).status_code == 200
        assert server.post(json=ROW, headers={"authorization": "bearer  s3cret"}).status_code == 200
        refused = server.post(json=ROW, headers=bearer("w4tch"))
        assert refused.status_code == 403
        assert "may ask for metrics; this needs predict" in refused.json()["error"]["message"]
        assert server.client.get("/metrics", headers=bearer("w4tch")).status_code == 200
        assert server.client.get("/metrics", headers=bearer("s3cret")).status_code == 403
        assert server.client.get("/v2/models/bike", headers=bearer("w4tch")).status_code == 200
        assert server.client.get("/v2/models/bike").status_code == 401
        assert isinstance(server.post("/v2/models/bike/infer", json={}).json()["error"], str)
        for open_to_all in ("/v2/health/live", "/v2/health/ready", "/v2/health"):
            assert server.client.get(open_to_all).status_code == 200


def test_a_revoked_token_is_refused_and_the_last_one_gone_opens_nothing(tmp_path: Path) -> None:
    with running(tmp_path, BUNDLE) as server:
        guarded(server, KEPT, WATCHER)
        guarded(server, WATCHER)
        assert server.post(json=ROW, headers=bearer("s3cret")).status_code == 401
        guarded(server)
        assert server.post(json=ROW).status_code == 401
        server.current = Wanted(champion_alone(1, ""), (Current(1, "d", lambda: BUNDLE),), None)
        server.polled()
        assert server.post(json=ROW).status_code == 401


def test_a_token_ends_when_its_time_is_over(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    over = Token("old", token_digest("a"), ("predict",), now - timedelta(seconds=1))
    good = Token("new", token_digest("b"), ("predict",), now + timedelta(hours=1))
    with running(tmp_path, BUNDLE) as server:
        guarded(server, over, good)
        assert server.post(content=json.dumps(ROW), headers=bearer("a")).status_code == 401
        assert server.post(content=json.dumps(ROW), headers=bearer("b")).status_code == 200
