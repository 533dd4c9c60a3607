"""Requests as bad as we can make them: always a 4xx that says what is wrong, never a 500, never a dead server."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.app.rest.conftest import ROW, Running

JSON = {"content-type": "application/json"}


def body(**changes: Any) -> str:
    return json.dumps({**ROW, **changes})


MATRIX: list[tuple[str, bytes | str, int, str]] = [
    ("empty", b"", 400, "HS501"),
    ("spaces", b"   ", 400, "HS501"),
    ("not json", b"temp=1", 400, "HS501"),
    ("cut", b'{"temp": 1', 400, "HS501"),
    ("trailing", b"{} {}", 400, "HS501"),
    ("nan", body().replace("0.5", "NaN"), 400, "HS501"),
    ("infinity", body().replace("0.5", "-Infinity"), 400, "HS501"),
    ("too large a number", body().replace("0.5", "1e999"), 400, "HS501"),
    ("too long a number", body().replace("0.5", "9" * 6000), 400, "HS501"),
    ("bad utf-8", b'{"temp": "\xff\xfe"}', 400, "HS501"),
    ("utf-16", body().encode("utf-16"), 400, "HS501"),
    ("byte order mark", b"\xef\xbb\xbf" + body().encode(), 400, "HS501"),
    ("lone surrogate", b'{"season": "\\ud800"}', 400, "HS501"),
    ("deep lists", b"[" * 20_000, 400, "HS501"),
    ("deep objects", b'{"a":' * 8_000 + b"1" + b"}" * 8_000, 400, "HS501"),
    ("a number", b"1", 422, "HS501"),
    ("null", b"null", 422, "HS501"),
    ("a text", b'"rows"', 422, "HS501"),
    ("no rows", b"[]", 422, "HS501"),
    ("no wrapped rows", b'{"rows": []}', 422, "HS501"),
    ("rows and more", json.dumps({"rows": [ROW], "x": 1}), 422, "HS501"),
    ("rows is an object", json.dumps({"rows": ROW}), 422, "HS502"),
    ("rows of lists", b"[[1, 2]]", 422, "HS502"),
    ("rows of nulls", b"[null]", 422, "HS502"),
    ("no fields", b"{}", 422, "HS502"),
    ("missing field", json.dumps({k: v for k, v in ROW.items() if k != "hr"}), 422, "HS502"),
    ("unknown field", body(tmp=1), 422, "HS502"),
    ("text for number", body(temp="hot"), 422, "HS502"),
    ("boolean for number", body(temp=True), 422, "HS502"),
    ("list for number", body(temp=[1]), 422, "HS502"),
    ("huge integer", body(temp=10**309), 422, "HS502"),
    ("huge integer for a time", body(day=10**200), 422, "HS502"),
    ("two for boolean", body(holiday=2), 422, "HS502"),
    ("no date", body(day="yesterday"), 422, "HS502"),
    ("thirteenth month", body(day="2011-13-01"), 422, "HS502"),
    ("late date", body(day=1e300), 422, "HS502"),
    ("object for category", body(season={"a": 1}), 422, "HS502"),
    ("list for category", body(season=["spring"]), 422, "HS502"),
    ("object in an ignored field", body(entity={"a": [1]}), 422, "HS502"),
    ("list in an ignored field", body(cnt=[1]), 422, "HS502"),
    ("overflow in the model", body(hr=1.7e308), 422, "HS502"),
    ("duplicate field", body()[:-1] + ', "temp": 3}', 400, "HS501"),
    ("duplicate with an escape", body()[:-1] + ', "t\\u0065mp": "a\\u003a"}', 400, "HS501"),
    ("too large", json.dumps([ROW] * 1000), 413, "HS503"),
    ("too many rows", b"[" + b",".join([b"{}"] * 201) + b"]", 413, "HS503"),
]


@pytest.mark.parametrize(("content", "status", "code"), [case[1:] for case in MATRIX], ids=[case[0] for case in MATRIX])
def test_predict_says_what_is_wrong(server: Running, content: bytes | str, status: int, code: str) -> None:
    found = server.post(content=content, headers=JSON)
    error = found.json()["error"]
    assert (found.status_code, error["code"]) == (status, code), found.text
    assert error["message"]
    if code == "HS502":
        assert error["fields"]
        assert set(error["fields"][0]) == {"row", "field", "got", "allowed"}


def test_all_bad_fields_are_listed(server: Running) -> None:
    error = server.post(json=[{**ROW, "temp": "x", "day": 1e99}, ROW, {**ROW, "hr": []}]).json()["error"]
    assert {(f["row"], f["field"]) for f in error["fields"]} == {(0, "temp"), (0, "day"), (2, "hr")}


def test_a_duplicate_is_named(server: Running) -> None:
    error = server.post(content=body()[:-1] + ', "hr": 9}', headers=JSON).json()["error"]
    assert error["fields"][0]["field"] == "hr"
    assert server.post(content=body(season="a:b", entity="x::y"), headers=JSON).status_code == 200


V2: dict[str, tuple[dict[str, Any] | list[Any], int]] = {
    "a list": ([], 400),
    "nothing": ({}, 400),
    "no inputs": ({"inputs": []}, 400),
    "inputs is null": ({"inputs": None}, 400),
    "no data": ({"inputs": [{"name": "temp", "shape": [1], "datatype": "FP64"}]}, 400),
    "no rows": ({"inputs": [{"name": n, "shape": [0], "datatype": "FP64", "data": []} for n in ROW]}, 422),
    "datatype": ({"inputs": [{"name": "temp", "shape": [1], "datatype": "DOUBLE", "data": [1]}]}, 400),
    "value type": ({"inputs": [{"name": "temp", "shape": [1], "datatype": "FP64", "data": ["1"]}]}, 400),
    "bool as int": ({"inputs": [{"name": "temp", "shape": [1], "datatype": "INT64", "data": [True]}]}, 400),
    "shape": ({"inputs": [{"name": "temp", "shape": [2], "datatype": "FP64", "data": [1]}]}, 400),
    "flat shape": ({"inputs": [{"name": "temp", "shape": [], "datatype": "FP64", "data": []}]}, 400),
    "negative shape": ({"inputs": [{"name": "temp", "shape": [-1], "datatype": "FP64", "data": [1]}]}, 400),
    "huge shape": ({"inputs": [{"name": "temp", "shape": [10**18], "datatype": "FP64", "data": [1]}]}, 400),
    "wide shape": ({"inputs": [{"name": "temp", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}]}, 400),
    "twice": ({"inputs": [{"name": "temp", "shape": [1], "datatype": "FP64", "data": [1]}] * 2}, 400),
    "lengths": ({"inputs": [{"name": n, "shape": [k], "datatype": "FP64", "data": [1] * k} for n, k in (("temp", 1), ("hr", 2))]}, 400),
    "missing": ({"inputs": [{"name": "temp", "shape": [1], "datatype": "FP64", "data": [1]}]}, 422),
    "unknown": ({"inputs": [{"name": n, "shape": [1], "datatype": "FP64", "data": [1]} for n in (*ROW, "x")]}, 422),
    "output": ({"inputs": [{"name": n, "shape": [1], "datatype": "FP64", "data": [1]} for n in ROW], "outputs": [{"name": "z"}]}, 400),
    "too many": ({"inputs": [{"name": n, "shape": [500], "datatype": "FP64", "data": [1] * 500} for n in ROW]}, 413),
}


@pytest.mark.parametrize("name", V2)
def test_v2_says_what_is_wrong(server: Running, name: str) -> None:
    content, status = V2[name]
    found = server.post("/v2/models/bike/infer", json=content)
    assert found.status_code == status, found.text
    assert isinstance(found.json()["error"], str)


@pytest.mark.parametrize("content", [case[1] for case in MATRIX], ids=[case[0] for case in MATRIX])
def test_v2_refuses_the_same_junk(server: Running, content: bytes | str) -> None:
    found = server.post("/v2/models/bike/infer", content=content, headers=JSON)
    assert 400 <= found.status_code < 500
    assert isinstance(found.json()["error"], str)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/predict", 405),
        ("DELETE", "/predict", 405),
        ("PUT", "/v2/models/bike/infer", 405),
        ("POST", "/", 405),
        ("POST", "/v2/health/live", 405),
        ("OPTIONS", "/predict", 405),
        ("GET", "/favicon.ico", 404),
        ("POST", "/predict/", 404),
        ("GET", "/v2/", 404),
        ("GET", "/v2/models", 404),
        ("GET", "/v2/models/", 404),
        ("GET", "/v2/models/bike/", 404),
        ("GET", "/v2/models/bike/versions", 404),
        ("GET", "/v2/models/bike/versions/", 404),
        ("GET", "/v2/models/bike/versions/1/versions/1", 404),
        ("GET", "/v2/models/cat", 404),
        ("GET", "/v2/models/cat/ready", 404),
        ("GET", "/v2/models/bike/versions/2", 404),
        ("POST", "/v2/models/cat/infer", 404),
        ("POST", "/v2/models/bike/versions/9/infer", 404),
        ("POST", "/v2/models/bike/versions/x%00/infer", 404),
        ("GET", "/%ff%fe", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/" + "a" * 5000, 404),
    ],
)
def test_wrong_addresses_and_methods(server: Running, method: str, path: str, status: int) -> None:
    found = server.client.request(method, path, content=b"{}" if method in {"POST", "PUT"} else None)
    assert found.status_code == status
    error = found.json()["error"]
    assert "HS504" in (error if path.startswith("/v2") else error["code"])
    if status == 405:
        assert found.headers["allow"] in {"GET", "POST"}


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "\xff"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_other_content_types_are_415(server: Running, headers: dict[str, str]) -> None:
    raw = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
    assert server.post(content=body(), headers=raw).status_code == 415


def test_content_type_may_carry_utf8_or_be_left_out(server: Running) -> None:
    assert server.post(content=body(), headers={"content-type": 'Application/JSON; charset="UTF-8"'}).status_code == 200
    assert server.post(content=body()).status_code == 200


def raw(server: Running, content: bytes, *, answers: bool = True) -> bytes:
    url = httpx.URL(server.url)
    with socket.create_connection((url.host, url.port), timeout=10) as wire:
        wire.sendall(content)
        if not answers:
            return b""
        wire.shutdown(socket.SHUT_WR)
        parts = []
        with contextlib.suppress(ConnectionResetError):
            while part := wire.recv(65536):
                parts.append(part)
        return b"".join(parts)


@pytest.mark.parametrize(
    "content",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        bytes(range(256)),
    ],
)
def test_junk_on_the_wire_never_gives_500(server: Running, content: bytes) -> None:
    found = raw(server, content)
    assert not found.startswith(b"HTTP/1.1 5"), found[:200]
    assert server.post(json=ROW).status_code == 200


def test_a_large_content_length_is_refused_before_the_body(server: Running) -> None:
    head = (
        b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\nexpect: 100-continue\r\n\r\n"
    )
    found = raw(server, head)
    assert found.startswith(b"HTTP/1.1 413")


def test_a_chunked_body_is_measured_as_it_comes(server: Running) -> None:
    found = server.post(content=(b" " * 10_000 for _ in range(20)), headers=JSON)
    assert found.status_code == 413
    parts = [body().encode()[:20], body().encode()[20:]]
    assert server.post(content=iter(parts), headers=JSON).json()["predictions"][0]["prediction"] == 180.5


def test_a_body_that_never_comes_is_408_and_a_gone_client_harms_nobody(server: Running) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{"
    url = httpx.URL(server.url)
    with socket.create_connection((url.host, url.port), timeout=10) as wire:
        wire.sendall(head)
        assert wire.recv(65536).startswith(b"HTTP/1.1 408")
    raw(server, head, answers=False)
    assert server.post(json=ROW).status_code == 200


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([10**18, 10**40])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=5
)
ROWS = st.fixed_dictionaries({}, optional={name: VALUES | st.just(value) for name, value in [*ROW.items(), ("cnt", 1), ("other", 1)]})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=ROWS | st.lists(ROWS | VALUES, max_size=3) | VALUES)
@example(value={**ROW, "season": "\x00", "entity": "\N{SNOWMAN}", "cnt": -(10**400)})
def test_any_json_gets_200_or_4xx(server: Running, value: Any) -> None:
    found = server.post(json=value)
    assert found.status_code in {200, 400, 413, 422}, found.text
    if found.status_code != 200:
        assert found.json()["error"]["code"] in {"HS501", "HS502", "HS503"}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60))
def test_any_bytes_get_4xx(server: Running, content: bytes) -> None:
    assert 400 <= server.post(content=content, headers=JSON).status_code < 500


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_v2_request_gets_200_or_4xx(server: Running, data: st.DataObject) -> None:
    good = {
        "inputs": [
            {"name": name, "shape": [1], "datatype": kind, "data": [ROW[name]]}
            for name, kind in zip(ROW, ("FP64", "INT64", "BOOL", "BYTES", "BYTES"), strict=True)
        ]
    }
    at = data.draw(st.integers(0, 4))
    key = data.draw(st.sampled_from(["name", "shape", "datatype", "data", "parameters"]))
    good["inputs"][at][key] = data.draw(VALUES | st.sampled_from(["FP64", "BYTES", [2], [1, 1], [None]]))
    found = server.post("/v2/models/bike/infer", json=good)
    assert found.status_code in {200, 400, 413, 422}, found.text


def test_what_was_logged_under_fire_is_whole(server: Running) -> None:
    from homeostat.infra.prediction_records import read, read_frame

    server.log.flush()
    found = read(server.folder)
    assert found.torn == 0
    assert read_frame(server.folder).frame.height == len(found.records) > 0
