"""Streams of lines: each line its own answer in order, bad lines fail no others, memory stays bounded, callers who go are let go."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.app.rest.conftest import ROW, Running, bundle_of, running

from homeostat.app.rest.lines import LineSplitter
from homeostat.app.rest.protocol import Limits
from homeostat.infra.prediction_records import find

MUCH = 30_000_000
LINES = {"content-type": "application/x-ndjson"}


def told(server: Running, *lines: Any, **headers: str) -> list[Any]:
    content = b"\n".join(each if isinstance(each, bytes) else json.dumps(each).encode() for each in lines)
    found = server.post(content=content, headers={**LINES, **headers})
    assert found.status_code == 200, found.text
    assert found.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in found.text.splitlines()]


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonlines", "application/jsonl; charset=utf-8"])
def test_each_line_is_answered_in_order(server: Running, kind: str) -> None:
    answers = told(server, *({**ROW, "hr": at} for at in range(7)), b"", **{"content-type": kind})
    assert [each["line"] for each in answers] == list(range(1, 8))
    assert [each["prediction"] for each in answers] == [100.5 + 10 * at for at in range(7)]
    assert {each["version"] for each in answers} == {1}
    server.log.flush()
    kept = find(server.folder, answers[3]["id"])
    assert kept is not None
    assert (kept["inputs"]["hr"], kept["row"]) == (3, 3)


BAD: dict[str, tuple[bytes, str, str]] = {
    "not json": (b"{", "HS501", "not JSON"),
    "a list": (b"[1]", "HS501", "one object of named fields"),
    "two rows": (json.dumps(ROW).encode() + b"," + json.dumps(ROW).encode(), "HS501", "not JSON"),
    "half a row": (json.dumps(ROW).encode()[:-20], "HS501", "not JSON"),
    "no utf-8": (b'{"temp": "\xff"}', "HS501", "not JSON"),
    "wrapped rows": (json.dumps({"rows": [ROW]}).encode(), "HS502", "missing"),
    "a field twice": (json.dumps(ROW).encode()[:-1] + b', "hr": 1}', "HS501", "twice"),
    "text for number": (json.dumps({**ROW, "hr": "x"}).encode(), "HS502", "row 2 field 'hr'"),
    "endless": (json.dumps({**ROW, "hr": 1.7e308}).encode(), "HS502", "no finite score"),
    "deep": (b'{"a":' * 5000 + b"1" + b"}" * 5000, "HS501", "nested too deep"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_fails_no_other(server: Running, name: str) -> None:
    line, code, said = BAD[name]
    answers = told(server, ROW, line, {**ROW, "season": "2"})
    assert [each["line"] for each in answers] == [1, 2, 3]
    assert [each.get("prediction") for each in answers] == [180.5, None, 80.5]
    assert answers[1]["error"]["code"] == code
    assert said in answers[1]["error"]["message"]
    assert all(field["row"] == 2 for field in answers[1]["error"]["fields"])


def test_lines_that_only_together_look_like_rows_are_each_refused(server: Running) -> None:
    row = json.dumps(ROW).encode()
    halves = row[: row.index(b", ")], row[row.index(b", ") + 2 :]
    answers = told(server, halves[0], halves[1], row + b"," + row)
    assert [each["error"]["code"] for each in answers] == ["HS501"] * 3


def test_a_line_too_long_is_refused_and_the_next_one_answered(server: Running) -> None:
    answers = told(server, ROW, b'{"season": "' + b"x" * 200_000 + b'"}', ROW)
    assert [each.get("prediction") for each in answers] == [180.5, None, 180.5]
    assert (answers[1]["error"]["code"], answers[1]["line"]) == ("HS503", 2)


def test_more_rows_than_a_request_may_have(server: Running) -> None:
    count = 5 * server_limits().max_rows
    answers = told(server, *({**ROW, "hr": at % 24} for at in range(count)))
    assert [each["prediction"] for each in answers] == [100.5 + 10 * (at % 24) for at in range(count)]


def server_limits() -> Limits:
    return Limits(50_000, 200, 1.0)


def test_answers_come_while_the_stream_goes_on(server: Running) -> None:
    heard: list[Any] = []

    async def talk() -> None:
        host, port = server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        for at in range(3):
            line = json.dumps({**ROW, "hr": at}).encode() + b"\n"
            writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            size = int(await reader.readline(), 16)
            heard.append(json.loads(await reader.readexactly(size)))
            await reader.readexactly(2)
        writer.write(b"0\r\n\r\n")
        assert await reader.readexactly(5) == b"0\r\n\r\n"
        writer.close()
        await writer.wait_closed()

    asyncio.run(asyncio.wait_for(talk(), 20))
    assert [(each["line"], each["prediction"]) for each in heard] == [(1, 100.5), (2, 110.5), (3, 120.5)]


def test_a_stream_that_falls_silent_is_ended_with_the_place(server: Running) -> None:
    def lines() -> Iterator[bytes]:
        yield json.dumps(ROW).encode() + b"\n"
        assert server.stop.wait(1.6) is False

    text = server.post(content=lines(), headers=LINES).text
    answers = [json.loads(line) for line in text.splitlines()]
    assert answers[0]["prediction"] == 180.5
    assert (answers[1]["line"], answers[1]["error"]["code"]) == (2, "HS503")


@pytest.mark.parametrize("fast", [True, False])
def test_a_caller_who_goes_or_never_reads_stops_the_work(tmp_path: Any, fast: bool) -> None:
    with running(tmp_path, bundle_of(), fast=fast) as server:
        host, port = server.url.removeprefix("http://").split(":")
        line = json.dumps(ROW).encode() + b"\n"
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ncontent-length: {10**12}\r\n\r\n"
            connection.sendall(head.encode())
            connection.settimeout(0.5)
            sent = 0
            with contextlib.suppress(TimeoutError, ConnectionError):  # it is not read for ever on our behalf
                while sent < MUCH:
                    sent += connection.send(line * 100)
        assert sent < MUCH
        assert server.post(json=ROW).status_code == 200
        assert server.log.failure == ""


def test_without_a_model_a_stream_is_refused_at_once(tmp_path: Any) -> None:
    with running(tmp_path, None) as server:
        found = server.post(content=b"{}", headers=LINES)
        assert (found.status_code, found.json()["error"]["code"]) == (503, "HS505")


@given(st.lists(st.binary(max_size=12).filter(lambda each: b"\n" not in each)), st.lists(st.integers(1, 30)), st.booleans())
def test_lines_are_the_same_however_they_arrive(lines: list[bytes], cuts: list[int], ends: bool) -> None:
    longest, content = 8, b"\n".join(lines) + (b"\n" if ends and lines else b"")
    meant = [(at, None if len(each) > longest else each.strip()) for at, each in enumerate(lines, 1)]
    splitter, found, start = LineSplitter(longest), [], 0
    for cut in [*cuts, len(content)]:
        found += splitter.feed(content[start : start + cut], last=False)
        start += cut
    found += splitter.feed(content[start:], last=True)
    assert found == [each for each in meant if each[1] != b""]
