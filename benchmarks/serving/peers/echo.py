"""The floor: a protocol on uvloop that answers every request with the same bytes: ``-m benchmarks.serving.peers.echo PORT BYTES``.

It looks for nothing but where a request ends.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

_LENGTH = b"content-length:"


class Echo(asyncio.Protocol):
    """One connection."""

    def __init__(self, reply: bytes) -> None:
        self._reply, self._rest = reply, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            head = self._rest[:end].lower()
            at = head.find(_LENGTH)
            size = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._rest) < end + 4 + size:
                return
            self._rest = self._rest[end + 4 + size :]
            self._transport.write(self._reply)


async def serve(port: int, size: int) -> None:
    """Answer for ever with a body of so many bytes."""
    body = b'{"probability":0.5,"rest":"' + b"x" * (size - 29) + b'"}'
    reply = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    server = await asyncio.get_running_loop().create_server(lambda: Echo(reply), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
