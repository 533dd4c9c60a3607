"""HTTP as the server sees it: a request, a reply, reading a body within limits, and what an error looks like."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from homeostat.errors import HomeostatError, ProjectError, RequestError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

Headers = tuple[tuple[bytes, bytes], ...]
HeaderList = Sequence[tuple[bytes, bytes]]

JSON = b"application/json"
HEADERS_OF: dict[int, Headers] = {
    401: ((b"www-authenticate", b"Bearer"),),
    429: ((b"retry-after", b"1"),),
    503: ((b"retry-after", b"1"),),
}
encode_json = msgspec.json.Encoder().encode


class ClientGoneError(Exception):
    """The client closed the connection before its request was whole: nobody is left to answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may be: bytes of its body, rows in it, and seconds it may take to arrive; and how many may be under way."""

    max_body_bytes: int = 8 << 20
    max_rows: int = 10_000
    body_timeout_s: float = 30.0
    max_waiting: int = 1_024


@dataclass(slots=True)
class Reply:
    """An answer: status, whole body, and its content type."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: Headers = ()

    async def send(self, send: Send) -> None:
        """Write it."""
        head = [(b"content-type", self.content_type), (b"content-length", str(len(self.body)).encode()), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": head})
        await send({"type": "http.response.body", "body": self.body})


def json_reply(value: Any, status: int = 200, headers: Headers = ()) -> Reply:
    """A JSON answer."""
    return Reply(status, encode_json(value), JSON, headers)


def error_reply(error: HomeostatError, *, plain: bool) -> Reply:
    """An error as JSON: ``{"error": {"code", "message", "fields"}}``, or with ``plain`` (the V2 protocol) ``{"error": text}``."""
    status = error.status if isinstance(error, RequestError) else 503 if isinstance(error, ProjectError) else 500
    fields = list(error.fields) if isinstance(error, RequestError) else []
    headers = HEADERS_OF.get(status, ())
    message = told(error)
    if plain:
        listed = "".join(f"; row {f['row']} {f['field']}: got {f['got']}, allowed {f['allowed']}" for f in fields[1:])
        return json_reply({"error": f"{error.code}: {message}{listed}"}, status, headers)
    return json_reply({"error": {"code": error.code, "message": message, "fields": fields}}, status, headers)


def told(error: HomeostatError) -> str:
    """What is said of an error: where, what, and what to do."""
    where = f"{error.place}: " if error.place else ""
    after = f"; {error.next_step}" if error.next_step else ""
    return f"{where}{error.message}{after}"


async def read_body(receive: Receive, limits: Limits) -> bytes:
    """The whole body of a request whose headers were found right.

    Raises:
        RequestError: HS503 (413) too large, (408) too slow.
        ClientGoneError: the connection closed first.
    """
    message = await receive()
    if message["type"] != "http.request":
        raise ClientGoneError
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        body = await _read_rest(body, receive, limits)
    if len(body) > limits.max_body_bytes:
        raise too_large(limits)
    return body


async def _read_rest(first: bytes, receive: Receive, limits: Limits) -> bytes:
    parts, size = [first], len(first)
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientGoneError
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limits.max_body_bytes:
                    raise too_large(limits)
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise RequestError("HS503", f"the body did not arrive within {limits.body_timeout_s:g} s", status=408) from None


def body_kind(headers: HeaderList, allowed: Sequence[bytes] = (JSON,)) -> bytes:
    """The content type of a body, one of those allowed; the first of them where nothing is said.

    Raises:
        RequestError: HS501 (415), another content type, a charset that is not UTF-8, or an encoding.
    """
    found = allowed[0]
    for name, value in headers:
        if name == b"content-type":
            kind, _, parameters = value.lower().partition(b";")
            charset = parameters.partition(b"charset=")[2].strip(b' "')
            found = kind.strip()
            if found not in allowed or charset not in (b"", b"utf-8", b"utf8"):
                names = ", ".join(each.decode() for each in allowed)
                got = value.decode("latin-1")[:80]
                raise RequestError("HS501", f"got content type {got!r}; allowed: {names} in UTF-8", status=415)
        elif name == b"content-encoding" and value.lower() != b"identity":
            got = value.decode("latin-1")[:40]
            raise RequestError("HS501", f"got content encoding {got!r}; allowed: none", status=415)
    return found


def check_length(headers: HeaderList, limits: Limits) -> None:
    """Refuse a body that says it is larger than bodies may be.

    Raises:
        RequestError: HS503 (413).
    """
    for name, value in headers:
        if name == b"content-length" and int(value) > limits.max_body_bytes:
            raise too_large(limits)


def accepts(headers: HeaderList, kind: bytes) -> bool:
    """Whether the caller names this content type among those it accepts."""
    named = (part.partition(b";")[0].strip().lower() for name, value in headers if name == b"accept" for part in value.split(b","))
    return kind in named


def too_large(limits: Limits) -> RequestError:
    """What is said of a body over the limit."""
    return RequestError(
        "HS503", f"the body is larger than {limits.max_body_bytes} bytes", status=413, next_step="send the rows in several requests"
    )
