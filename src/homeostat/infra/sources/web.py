"""One HTTP document as a source: its ETag or date says whether it changed; half a document is no document."""

from __future__ import annotations

import base64
import hashlib
import http.client
import netrc
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from os import environ
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from homeostat.core.addresses import message_without_secrets, without_secrets
from homeostat.errors import DataError
from homeostat.infra.formats.read import FORMATS, Format, format_of
from homeostat.infra.sources.part import Part, Transform
from homeostat.infra.sources.retry import Patience, Transient
from homeostat.infra.sources.spool import store

if TYPE_CHECKING:
    from homeostat.core.sections import Source
    from homeostat.infra.raw import RawFile, RawZone

TIMEOUT_S = 30.0
_STEP = 1 << 20
_TYPES: dict[str, Format] = {
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/x-jsonlines": "jsonl",
    "application/vnd.apache.parquet": "parquet",
}
_TRY_AGAIN = {408, 425, 429}


class HttpDocument:
    """``Source`` over one ``http://`` or ``https://`` address.

    A user and password in it, or those that ``~/.netrc`` (or the file ``NETRC`` names) has for the host, are sent as basic authentication.
    """

    def __init__(self, section: Source, transform: Transform | None, patience: Patience) -> None:
        self._section, self._transform, self._patience = section, transform, patience
        self._name = re.split("[?#]", without_secrets(section.source))[0]  # the same however a query is signed

    def parts(self) -> list[Part]:
        """The document, by its ETag or date; by its content if the server tells neither."""
        headers = self._patience.ask(self._headers, self._name)
        size = headers.get("Content-Length") if headers else None
        marks = [f"{key}={headers[key]}" for key in ("ETag", "Last-Modified") if headers.get(key)] if headers else []
        fingerprint = "; ".join([*marks, f"size={size}"]) if marks else self._patience.ask(self._content_digest, self._name)
        return [Part(self._name, fingerprint, int(size) if size and size.isdigit() else None)]

    def asked(self, name: str) -> bool:
        """Every part is asked for each time."""
        return True

    def fetch(self, part: Part, zone: RawZone) -> RawFile:
        """Copy the document; a copy that breaks off is begun anew."""

        def copy() -> RawFile:
            with self._open("GET") as answer:
                how = (self._section, part.name, self._transform)
                return store(zone, self._whole(answer), self._form(answer.headers), how)

        return self._patience.ask(copy, self._name)

    def _form(self, headers: Message) -> Format:
        path = urlsplit(self._section.source).path
        known = _TYPES.get(headers.get_content_type())
        return known if known and not path.lower().endswith(tuple(FORMATS)) else format_of(path)

    def _headers(self) -> Message | None:
        """What a HEAD request tells; None if the server does not answer one."""
        try:
            with self._open("HEAD") as answer:
                headers: Message = answer.headers
                return headers
        except _NotAllowedError:
            return None

    def _content_digest(self) -> str:
        found = hashlib.sha256()
        with self._open("GET") as answer:
            for chunk in self._whole(answer):
                found.update(chunk)
        return found.hexdigest()

    @contextmanager
    def _open(self, method: str) -> Iterator[Any]:
        parts = urlsplit(self._section.source)
        user, host = _credentials(parts.netloc)
        headers = {"User-Agent": "homeostat", "Accept-Encoding": "identity"}
        if user:
            headers["Authorization"] = "Basic " + base64.b64encode(unquote(user).encode()).decode()
        address = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
        request = urllib.request.Request(address, method=method, headers=headers)  # noqa: S310 - opened for http and https only
        try:
            with _opener().open(request, timeout=TIMEOUT_S) as answer:
                yield answer
        except HTTPError as error:
            with error:
                raise self._refused(error, method) from None
        except (URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
            raise Transient(self._said(error)) from None

    def _whole(self, answer: Any) -> Iterator[bytes]:
        """The body, unless it ends before its announced length."""
        length = answer.headers.get("Content-Length")
        got = 0
        try:
            while chunk := answer.read(_STEP):
                got += len(chunk)
                yield chunk
        except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
            raise Transient(f"it broke off after {got} bytes: {self._said(error)}") from None
        if length is not None and got != int(length):
            raise Transient(f"it broke off after {got} of {length} bytes")

    def _said(self, error: Exception) -> str:
        reason = error.reason if isinstance(error, URLError) else error
        text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return message_without_secrets(str(text), self._section.source)

    def _refused(self, error: HTTPError, method: str) -> Exception:
        status = f"HTTP {error.code} {error.reason}"
        if error.code in _TRY_AGAIN or (error.code >= 500 and error.code != 501):
            return Transient(f"it answers {status}")
        if method == "HEAD" and error.code in {400, 403, 405, 501}:  # a signed address is good for one method only
            return _NotAllowedError()
        if error.code in {404, 410}:
            return DataError("HS201", f"there is no such document: {status}", place=self._name, next_step="correct data.source")
        step = "see who may read it" if error.code in {401, 403, 407} else "correct data.source"
        return DataError("HS216", f"the server refuses: {status}", place=self._name, next_step=step)


class _NotAllowedError(Exception):
    """The server does not answer HEAD requests."""


def _credentials(location: str) -> tuple[str, str]:
    """``user:password``, empty for none, and the host of an address."""
    user, _, host = location.rpartition("@")
    if ":" not in user:
        with suppress(OSError, netrc.NetrcParseError):
            known = netrc.netrc(environ.get("NETRC")).authenticators(host.partition(":")[0])
            if known and unquote(user) in {"", known[0]}:
                user = f"{quote(known[0], safe='')}:{quote(known[2] or '', safe='')}"
    return user, host


def _opener() -> urllib.request.OpenerDirector:
    """Follows redirects and uses the proxies of the environment; opens no files and no FTP, wherever a redirect leads."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener
