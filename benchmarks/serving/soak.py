"""Ask one of our servers a million requests, good and bad by turns: ``python -m benchmarks.serving.soak --peers FOLDER``.

Run: ``.venv/bin/python -m benchmarks.serving.soak --peers FOLDER [--requests 1000000] [--variant fast]``; the folder is that of
`benchmarks.serving`. Over raw sockets: ``benchmarks/serving/bad.py`` lists what is asked and what must come back. Every bad request must
get a 4xx with a JSON body that names row and field where there is one; no 5xx comes but 503 and 429 from a server that sheds load; the
process lives on, answers as before, and its memory stays bounded. Ends with 1 if anything of this did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving.__main__ import compare, first, model_folder, prepare
from benchmarks.serving.bad import KINDS, RARE, Request
from benchmarks.serving.load import FailedError, Running, free_port, running
from benchmarks.serving.open_loop import Connection, read_reply
from benchmarks.serving.ours import VARIANTS
from benchmarks.serving.rows import Row, asked_rows
from benchmarks.serving.systems import SYSTEMS, Place, ours

PATIENCE_S = 45.0
"""Longer than the server waits for a slow body."""
SHEDDING = (429, 503)
GROWTH_MB = 40.0
"""What the memory may grow from a tenth of the requests to their end."""
SHOWN = 3


class Findings:
    """What was answered, and what was not as it must be: by kind the number and some examples."""

    def __init__(self) -> None:
        self.statuses: dict[str, Counter[int]] = defaultdict(Counter)
        self.wrong: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = defaultdict(list)
        self.memory: dict[str, float] = {}

    def note(self, request: Request, status: int, content: bytes, problem: str) -> None:
        """Count an answer; ``problem`` is empty when it is as it must be."""
        self.statuses[request.kind][status] += 1
        if problem:
            key = f"{request.kind}: {problem}"
            self.wrong[key] += 1
            if len(self.examples[key]) < SHOWN:
                self.examples[key].append(f"{status} {content[:200].decode(errors='replace')}")


def judged(request: Request, status: int, content: bytes) -> str:
    """What is wrong with an answer; empty when nothing is."""
    if status == 0:
        return "" if request.silent else "no answer"
    if status in SHEDDING:
        return ""
    if status not in request.statuses:
        return f"status {status}; allowed: {', '.join(map(str, request.statuses))}"
    try:
        reply = json.loads(content)
    except ValueError:
        return "the body is no JSON"
    if status == 200:
        return "" if "predictions" in reply or "outputs" in reply else "no predictions"
    return _refused(request, reply)


def _refused(request: Request, reply: Any) -> str:
    """What is wrong with the body of a refusal: ours, or a text as the V2 protocol has it."""
    error = reply.get("error") if isinstance(reply, dict) else None
    if not error or (isinstance(error, dict) and not (error.get("code") and error.get("message"))):
        return "the body has no error"
    named = [(each.get("row"), each.get("field")) for each in error["fields"]] if isinstance(error, dict) else []
    asked = request.row is not None or request.field is not None
    fits = any(request.row in (None, row) and request.field in (None, field) for row, field in named)
    return "row or field not named" if asked and not fits else ""


class Client:
    """One connection, opened again when it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: Connection | None = None

    async def ask(self, request: Request) -> tuple[int, bytes]:
        """Status and body; status 0 when the connection was closed or nothing came in ``PATIENCE_S``."""
        if self._open is None:
            self._open = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._open
        reply = asyncio.create_task(read_reply(reader))
        try:
            async with asyncio.timeout(PATIENCE_S):
                await _write(request, writer, reply)
                status, content, keep = await reply
        except (OSError, asyncio.IncompleteReadError, ValueError):
            reply.cancel()
            self.close()
            return 0, b""
        if request.ends or not keep:
            self.close()
        return status, content

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open[1].close()
            self._open = None


async def _write(request: Request, writer: asyncio.StreamWriter, reply: asyncio.Task[Any]) -> None:
    """Write a request as long as it is not answered; a server may answer and close before it is whole."""
    try:
        for part in request.parts:
            if reply.done():
                return
            writer.write(part)
            if len(request.parts) > 1:
                await writer.drain()
        if request.half_closed:
            writer.write_eof()
    except ConnectionError:
        if not reply.done():
            await asyncio.wait([reply])


async def _ask_by_turns(port: int, left: list[int], seed: int, rows: Sequence[Row], findings: Findings) -> None:
    draw, client = random.Random(seed), Client(port)  # noqa: S311  # nothing secret
    makers = [maker for _, maker in KINDS.values()]
    weights = [weight for weight, _ in KINDS.values()]
    while left[0] > 0:
        left[0] -= 1
        request = draw.choices(makers, weights)[0](draw, rows)
        status, content = await client.ask(request)
        findings.note(request, status, content, judged(request, status, content))
    client.close()


async def _ask_rare(port: int, left: list[int], rows: Sequence[Row], findings: Findings) -> None:
    """Ask what costs seconds, one after the other, at least once and as long as others ask."""
    draw, client = random.Random(0), Client(port)  # noqa: S311  # nothing secret
    while True:
        for maker in RARE.values():
            request = maker(draw, rows)
            status, content = await client.ask(request)
            findings.note(request, status, content, judged(request, status, content))
        if left[0] <= 0:
            return client.close()


async def soak(server: Running, count: int, connections: int) -> Findings:
    """Ask ``count`` requests over some connections; the memory is looked at when warm, after a tenth and at the end."""
    rows, findings, left = asked_rows(), Findings(), [count]

    async def watch() -> None:
        for name, until in (("start", count - count // 100), ("tenth", count - count // 10)):
            while left[0] > until:
                await asyncio.sleep(0.05)
            findings.memory[name] = server.memory_mb()["resident_mb"]

    asking = [_ask_by_turns(server.port, left, seed, rows, findings) for seed in range(connections)]
    await asyncio.gather(watch(), _ask_rare(server.port, left, rows, findings), *asking)
    findings.memory["end"] = server.memory_mb()["resident_mb"]
    return findings


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--peers", type=Path, required=True)
    given.add_argument("--requests", type=int, default=1_000_000)
    given.add_argument("--connections", type=int, default=8)
    given.add_argument("--variant", choices=list(VARIANTS), default="fast")
    asked = given.parse_args()
    prepare(asked.peers)
    system = SYSTEMS["ours-asgi"]
    bodies = [json.dumps(system.asks(row)).encode() for row in asked_rows()]
    with tempfile.TemporaryDirectory() as scratch:
        place = Place(asked.peers, model_folder(asked.peers), Path(scratch), free_port())
        start = (ours(asked.variant)(place), place.environment(""), place.port)
        with running(*start, lambda: first(place.port, system, bodies[0]), place.scratch / "said.txt") as server:
            started = time.perf_counter()
            findings = asyncio.run(soak(server, asked.requests, asked.connections))
            seconds = time.perf_counter() - started
            try:
                compare(server, system, bodies, place.model)
            except (FailedError, OSError) as failure:
                findings.wrong[f"after the soak: {failure}"] += 1
        lines = (place.scratch / "said.txt").read_text(errors="replace").splitlines()
    said = "\n".join(line for line in lines if '"event"' not in line)
    if findings.memory["end"] > findings.memory["tenth"] + GROWTH_MB:
        findings.wrong[f"the memory grew by more than {GROWTH_MB:g} MB"] += 1
    if said:
        findings.wrong["the server wrote"] += len(said.splitlines())
        findings.examples["the server wrote"] = [said[:2_000]]
    print(report(findings, asked.requests, seconds))
    sys.exit(1 if findings.wrong else 0)


def report(findings: Findings, count: int, seconds: float) -> str:
    """What was answered and what was wrong, as text."""
    lines = [f"{count:,} requests in {seconds:.0f} s; resident MB: {findings.memory}"]
    lines += [f"{kind:26} {dict(sorted(found.items()))}" for kind, found in sorted(findings.statuses.items())]
    for what, number in findings.wrong.most_common():
        lines += [f"WRONG {number:7,} x {what}", *(f"        {each}" for each in findings.examples[what])]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
