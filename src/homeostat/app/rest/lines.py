"""``POST /predict`` as a stream: rows as lines of JSON in, their answers as lines out, in order and as they come.

The stream has no end of its own, so nothing of it is kept: lines are taken in batches, and the next are read when the answers to these
are sent. A caller who sends and does not read is therefore waited for, and hung up on when it takes too long.
Source: https://github.com/ndjson/ndjson-spec.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.app.rest.each_row import Refused, answer_each, refusal, rows_at_once, with_versions
from homeostat.app.rest.predict import parse_rows, quick_ticket, reply
from homeostat.app.rest.protocol import ClientGoneError, encode_json, told
from homeostat.errors import HomeostatError, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.app.rest.predict import Told
    from homeostat.app.rest.protocol import Receive, Send
    from homeostat.app.rest.service import Service

LINES = (b"application/x-ndjson", b"application/jsonlines", b"application/jsonl")
MAX_LINE_BYTES = 1 << 20

Line = tuple[int, bytes | None]
"""A line's number, from 1, and its content; None: it is too long."""


class LineSplitter:
    """Cuts what arrives into lines; keeps at most one unfinished line of ``longest`` bytes."""

    def __init__(self, longest: int) -> None:
        self._longest, self._rest, self._number, self._too_long = longest, b"", 0, False

    def feed(self, content: bytes, *, last: bool) -> list[Line]:
        """The lines that are whole now, without empty ones; with ``last`` the unfinished one too."""
        *whole, self._rest = (self._rest + content).split(b"\n")
        if last:
            whole.append(self._rest)
            self._rest = b""
        found: list[Line] = []
        for each in whole:
            self._number += 1
            if self._too_long or len(each) > self._longest:
                found.append((self._number, None))
                self._too_long = False
            elif line := each.strip():
                found.append((self._number, line))
        if len(self._rest) > self._longest:
            self._too_long, self._rest = True, b""
        return found


@dataclass(frozen=True, slots=True, eq=False)
class LineStream:
    """The reply to a stream of lines: it is read while it is answered."""

    service: Service
    receive: Receive
    status: int = 200

    async def send(self, send: Send) -> None:
        """Answer line by line until the caller's last one, or until it is gone."""
        headers = [(b"content-type", LINES[0]), (b"connection", b"close")]  # a stream that breaks off is not read to its end
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        answered = 0
        try:
            async for batch in self._batches():
                await self._write(send, await answer_lines(self.service, batch))
                answered = batch[-1][0]
            await send({"type": "http.response.body", "body": b""})
        except ClientGoneError:
            return
        except HomeostatError as error:  # of the stream as a whole: the caller hears where it broke off
            broken = {"line": answered + 1, "error": {"code": error.code, "message": told(error), "fields": []}}
            await send({"type": "http.response.body", "body": encode_json(broken) + b"\n"})

    async def _write(self, send: Send, content: bytes) -> None:
        limit = self.service.limits.body_timeout_s
        try:
            async with asyncio.timeout(limit):
                await send({"type": "http.response.body", "body": content, "more_body": True})
        except TimeoutError:
            raise ClientGoneError from None

    async def _batches(self) -> AsyncIterator[list[Line]]:
        splitter = LineSplitter(min(MAX_LINE_BYTES, self.service.limits.max_body_bytes))
        size, more = rows_at_once(self.service), True
        while more:
            content, more = await self._read()
            lines = splitter.feed(content, last=not more)
            for at in range(0, len(lines), size):
                yield lines[at : at + size]

    async def _read(self) -> tuple[bytes, bool]:
        limit = self.service.limits.body_timeout_s
        try:
            async with asyncio.timeout(limit):
                message = await self.receive()
        except TimeoutError:
            raise RequestError("HS503", f"no further line arrived within {limit:g} s", status=408) from None
        if message["type"] != "http.request":
            raise ClientGoneError
        return message.get("body", b""), message.get("more_body", False)


async def answer_lines(service: Service, lines: Sequence[Line]) -> bytes:
    """The lines that answer lines, in their order.

    Raises:
        HomeostatError: the answers cannot be given, whatever the rows are.
    """
    started = time.perf_counter()
    found = await _all_right(service, lines, started) or await _each(service, lines, started)
    told_lines = []
    for (number, _), each in zip(lines, found, strict=True):
        if isinstance(each, Refused):
            told_lines.append(encode_json({"line": number, "error": each.error}))
        else:
            told_lines.append(b'{"line":%d,%b' % (number, encode_json(each)[1:]))
    return b"\n".join(told_lines) + b"\n"


async def _all_right(service: Service, lines: Sequence[Line], started: float) -> Sequence[Told] | None:
    """The answers where all lines are right at first sight, which is the common case."""
    rows = [content for _, content in lines if content is not None]
    if not rows or len(rows) < len(lines):
        return None
    ticket = quick_ticket(service, b"[" + b",".join(rows) + b"]", reply, started)
    if ticket is None or [bytes(each) for each in ticket.inputs if not isinstance(each, dict)] != rows:
        return None  # what is a list of rows may come from lines that are none: one with two rows, and one half of a row
    await service.batcher.answered(ticket)
    if ticket.failure is None:
        return with_versions(ticket)
    if isinstance(ticket.failure, RequestError) and ticket.failure.status == 422:
        return None
    raise ticket.failure


async def _each(service: Service, lines: Sequence[Line], started: float) -> list[Told | Refused]:
    found: dict[int, Told | Refused] = {}
    rows = {}
    for number, content in lines:
        try:
            rows[number] = _row(service, content)
        except RequestError as error:
            found[number] = refusal(error, number)
    found |= zip(rows, await answer_each(service, list(rows.values()), list(rows), started), strict=True)
    return [found[number] for number, _ in lines]


def _row(service: Service, content: bytes | None) -> dict[str, object]:
    """The row in a line.

    Raises:
        RequestError: HS503, the line is too long; HS501, HS502, it holds no row, or several.
    """
    if content is None:
        longest = min(MAX_LINE_BYTES, service.limits.max_body_bytes)
        raise RequestError("HS503", f"the line is longer than {longest} bytes", status=413)
    if content[:1] != b"{":
        raise RequestError("HS501", "the line holds no row; allowed: one object of named fields in each line", status=422)
    return parse_rows(content, (*service.serving().main.manifest.accepted(), "rows"))[0]
