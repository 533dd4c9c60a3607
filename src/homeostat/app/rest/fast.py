"""The fast lane: predicting requests are answered by the connection's protocol itself, without a task and ASGI messages for each.

It stands on uvicorn's protocol and takes a request when its head is the plain case: ``POST`` to an address that predicts, and a JSON body
of known and modest length. Any other goes on to uvicorn and the application, whose parsing, limits, scoring and replies are the same.

It also bounds what uvicorn leaves open on every connection: the size of a request's head, and how long a request may take to arrive.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from homeostat.app.rest.app import failed
from homeostat.app.rest.protocol import JSON, Reply
from homeostat.app.rest.routes import POSTS, Route, begin, find_route
from homeostat.errors import RequestError

if TYPE_CHECKING:
    import asyncio

    from homeostat.app.rest.service import Service
    from homeostat.app.rest.ticket import Ticket

MAX_HEAD_BYTES = 64 << 10
MAX_FAST_BODY = 256 << 10
KNOWN_ADDRESSES = 64
_UNUSUAL = frozenset((b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"inference-header-content-length"))
_CLOSE = b"connection: close\r\n"


@dataclass(slots=True)
class Lane:
    """What the connections of a server share.

    ``idle_s``: how long a connection may ask nothing; ``open``: whether the lane takes requests, or leaves all to the application.
    """

    service: Service
    open: bool = True
    idle_s: float = 75.0  # longer than clients keep idle connections, so that it is not us who closes under a request
    addresses: dict[bytes, Route | None] = field(default_factory=dict)
    _defaults: list[tuple[bytes, bytes]] = field(default_factory=list)
    _default_lines: bytes = b""
    _usual: bytes = b""

    def route(self, url: bytes) -> Route | None:
        """The route of an address in its plainest form, if it predicts."""
        if not self.open:
            return None
        if url not in self.addresses:
            found = None if b"?" in url or b"%" in url or not url.isascii() else find_route(url.decode())
            found = found if found is not None and found.name in POSTS else None
            if len(self.addresses) >= KNOWN_ADDRESSES:
                return found
            self.addresses[url] = found
        return self.addresses[url]

    def head(self, reply: Reply, defaults: list[tuple[bytes, bytes]], *, keep: bool) -> bytes:
        """The reply's head; ``defaults`` are the headers of every reply, a new list whenever they change."""
        if defaults is not self._defaults:
            self._defaults, self._default_lines = defaults, _lines(defaults)
            self._usual = STATUS_LINE[200] + self._default_lines + b"content-type: " + JSON + b"\r\ncontent-length: %d\r\n\r\n"
        if keep and reply.status == 200 and reply.content_type is JSON and not reply.headers:
            return self._usual % len(reply.body)
        length = b"content-length: %d\r\n" % len(reply.body)
        own = b"content-type: " + reply.content_type + b"\r\n" + length + _lines(reply.headers)
        return STATUS_LINE[reply.status] + self._default_lines + own + (b"\r\n" if keep else _CLOSE + b"\r\n")


def _lines(headers: Any) -> bytes:
    return b"".join([name + b": " + value + b"\r\n" for name, value in headers])


class FastLane(HttpToolsProtocol):
    """A connection. Its requests are answered in their order: one that comes while another waits in the lane has it hurried."""

    def __init__(self, lane: Lane, **given: Any) -> None:
        super().__init__(**given)
        self._lane, self._service = lane, lane.service
        self._url = b""
        self._given: list[tuple[bytes, bytes]] = []
        self._route: Route | None = None  # of the request that arrives, when it is in the lane
        self._body: list[bytes] = []
        self._heading = self._keep = self._deaf = self._stopping = False
        self._head_bytes = 0
        self._begun = self._active = time.perf_counter()  # when the request that arrives began, 0: none does; when the last one ended
        self._waiting: tuple[Route, float] | None = None  # the request in the lane that is being answered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Start."""
        super().connection_made(transport)
        self._begun = 0.0

    def data_received(self, data: bytes) -> None:
        """Parse; a head has a limit."""
        if self._deaf:
            return
        super().data_received(data)
        if self._heading:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(RequestError("HS503", f"the head is larger than {MAX_HEAD_BYTES} bytes", status=431))

    def on_message_begin(self) -> None:
        """A request begins; which lane it takes is decided when its head is there."""
        self._url, self._given, self._route, self._body = b"", [], None, []
        self._heading, self._head_bytes = True, 0
        self._begun = time.perf_counter()

    def on_url(self, url: bytes) -> None:
        """A piece of its address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers."""
        self._given.append((name, value))

    def on_headers_complete(self) -> None:
        """Take the request, or tell uvicorn what it would have heard."""
        self._heading = False
        if self._waiting is not None:
            self._service.batcher.hurry()
            if self._waiting is not None:  # its record is not on the disk yet; the caller must ask again, as HTTP lets a server demand
                self._deaf, self._keep = True, False
        if self._deaf:
            return
        self._route = self._plain_route()
        if self._route is None:
            super().on_message_begin()
            super().on_url(self._url)
            for name, value in self._given:
                super().on_header(name, value)
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        if self._route is not None:
            self._body.append(body)
        elif not self._deaf:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        started, self._begun = self._begun, 0.0
        if self._deaf:
            return
        if self._route is None:
            super().on_message_complete()
            return
        self._keep = self.parser.should_keep_alive() and not self._stopping
        route, self._route = self._route, None
        self._waiting = (route, started)
        try:
            if self._service.guard is not None:
                self._service.guard.check(route.name, self._header(b"authorization"))
            self._service.batcher.submit(begin(self._service, route, b"".join(self._body), started), self._answered)
        except Exception as error:  # noqa: BLE001  # answered, as the application answers it
            self._reply(failed(error, plain=route.name == "infer"))

    def _plain_route(self) -> Route | None:
        route = self._lane.route(self._url)
        if route is None or self._busy() or self.flow.write_paused:
            return None
        if self.parser.get_method() != b"POST" or self.parser.get_http_version() != "1.1":
            return None
        length = -1
        for name, value in self._given:
            plain = name.lower()
            if plain == b"content-length":
                length = int(value)
            elif plain in _UNUSUAL or (plain == b"content-type" and value != JSON):
                return None
        return route if 0 <= length <= min(MAX_FAST_BODY, self._service.limits.max_body_bytes) else None

    def _header(self, wanted: bytes) -> bytes | None:
        return next((value for name, value in self._given if name.lower() == wanted), None)

    def _busy(self) -> bool:
        """Whether uvicorn answers a request of this connection."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _answered(self, ticket: Ticket) -> None:
        if self._waiting is None or self.transport.is_closing():  # nobody is left to answer
            self._waiting = None
            return
        try:
            reply = ticket.reply()
        except Exception as error:  # noqa: BLE001  # answered, as the application answers it
            reply = failed(error, plain=self._waiting[0].name == "infer")
        self._reply(reply)

    def _reply(self, reply: Reply) -> None:
        """Answer the request that waits."""
        if self._waiting is None:
            return
        (route, started), self._waiting = self._waiting, None
        self._active = time.perf_counter()
        self._service.metrics.observe(route.name, reply.status, self._active - started)
        self.server_state.total_requests += 1
        self._write(reply, keep=self._keep)

    def _write(self, reply: Reply, *, keep: bool) -> None:
        self.transport.write(self._lane.head(reply, self.server_state.default_headers, keep=keep) + reply.body)
        if not keep:
            self.transport.close()

    def _refuse(self, error: RequestError) -> None:
        """Answer a request that will never be whole, and hang up."""
        self._deaf = True
        self._service.metrics.observe("none", error.status, 0.0)
        if not self.transport.is_closing():
            self._write(failed(error, plain=False), keep=False)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets an error as any other."""
        self._refuse(RequestError("HS501", f"the request is not HTTP: {msg}"))

    def shutdown(self) -> None:
        """Close when what was asked is answered."""
        self._stopping = True
        if self._waiting is None and self._route is None:
            super().shutdown()
        self._keep = False

    def sweep(self, now: float) -> None:
        """Close the connection if it is idle for too long, or its request does not arrive."""
        limit = self._service.limits.body_timeout_s
        arriving = self._begun > 0 and (self._heading or self._route is not None)
        if arriving and now - self._begun > limit:
            self._refuse(RequestError("HS503", f"the request did not arrive within {limit:g} s", status=408))
        elif not self._begun and self._waiting is None and not self._busy() and now - self._active > self._lane.idle_s:
            self.transport.close()
