"""Load a server at a fixed rate, whatever it does: ``python -m benchmarks.serving.open_loop URL BODIES --per-second 500 --seconds 20``.

Requests leave at the times of a schedule, each on a free connection or a new one; a latency counts from the scheduled time, so that a
server that stalls is not asked less meanwhile. Each request's status, the version that answered, and what failed is kept. ``BODIES`` has
a JSON body on each line. Connections are never retried: what a careful client would hide counts as failed here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Shot:
    """One request: its scheduled time since the start, its latency from there, and what came back; ``failure`` says why nothing did."""

    at_s: float
    latency_ms: float
    status: int = 0
    version: str = ""
    failure: str = ""


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def fire(url: str, bodies: Sequence[bytes], *, per_second: float, seconds: float) -> list[Shot]:
    """Ask the bodies by turns at the given rate; one shot per request, in the order of the schedule."""
    asked = urlsplit(url)
    head = f"POST {asked.path} HTTP/1.1\r\nhost: {asked.netloc}\r\ncontent-type: application/json\r\ncontent-length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
    free: list[Connection] = []
    started = time.perf_counter()
    under_way = []
    for number in range(int(per_second * seconds)):
        at = number / per_second
        if (left := started + at - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        shot = _shot(asked.hostname or "127.0.0.1", asked.port or 80, requests[number % len(requests)], free, started, at)
        under_way.append(asyncio.create_task(shot))
    shots = await asyncio.gather(*under_way)
    for _, writer in free:
        writer.close()
    return shots


async def _shot(host: str, port: int, request: bytes, free: list[Connection], started: float, at: float) -> Shot:
    writer = None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = free.pop() if free else await asyncio.open_connection(host, port)
            writer.write(request)
            status, content, keep = await read_reply(reader)
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        if writer is not None:
            writer.close()
        return Shot(at, _since_ms(started, at), failure=f"{type(error).__name__}: {error}"[:120])
    latency = _since_ms(started, at)
    if keep:
        free.append((reader, writer))
    else:
        writer.close()
    return Shot(at, latency, status, _version(content))


async def read_reply(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Status, body and whether the connection goes on.

    Raises:
        asyncio.IncompleteReadError: the connection closed before the reply was whole.
        ValueError: it is no reply of HTTP/1.1 that says how long it is.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    protocol, _, rest = head[0].partition(" ")
    if protocol != "http/1.1":
        raise ValueError(f"got {head[0][:60]!r}")
    fields = dict(line.split(":", 1) for line in head[1:] if ":" in line)
    content = await reader.readexactly(int(fields["content-length"])) if "content-length" in fields else b""
    return int(rest[:3]), content, fields.get("connection", "").strip() != "close"


def _since_ms(started: float, at: float) -> float:
    return (time.perf_counter() - started - at) * 1e3


def _version(content: bytes) -> str:
    """The version that a reply names: ours, or the V2 protocol's."""
    try:
        reply = json.loads(content)
    except ValueError:
        return ""
    return str(reply.get("version", reply.get("model_version", ""))) if isinstance(reply, dict) else ""


def summary(shots: Sequence[Shot]) -> dict[str, Any]:
    """Counts by status, version and failure; latencies in ms of those that were answered."""
    latencies = [each.latency_ms for each in shots if not each.failure]
    p50, p99, most = np.percentile(latencies, [50, 99, 100]).tolist() if latencies else (None, None, None)
    return {
        "requests": len(shots),
        "failed": sum(bool(each.failure) or each.status != 200 for each in shots),
        "statuses": dict(Counter(each.status for each in shots)),
        "versions": dict(Counter(each.version for each in shots)),
        "failures": dict(Counter(each.failure for each in shots if each.failure).most_common(5)),
        **{name: value if value is None else round(value, 3) for name, value in (("p50_ms", p50), ("p99_ms", p99), ("max_ms", most))},
    }


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("url")
    given.add_argument("bodies", type=Path)
    given.add_argument("--per-second", type=float, default=500.0)
    given.add_argument("--seconds", type=float, default=20.0)
    asked = given.parse_args()
    bodies = asked.bodies.read_bytes().splitlines()
    print(json.dumps(summary(asyncio.run(fire(asked.url, bodies, per_second=asked.per_second, seconds=asked.seconds)))))


if __name__ == "__main__":
    main()
