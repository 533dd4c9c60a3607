"""Objects of an S3-compatible bucket as a source: one key, all readable objects below a prefix, or a glob over keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ
from typing import TYPE_CHECKING, Any

from homeostat.core.addresses import without_secrets
from homeostat.errors import DataError
from homeostat.infra.formats.read import SUFFIXES, format_of
from homeostat.infra.sources.extras import needs
from homeostat.infra.sources.files import hidden
from homeostat.infra.sources.part import Part, Transform
from homeostat.infra.sources.retry import Patience, Transient
from homeostat.infra.sources.spool import store

if TYPE_CHECKING:
    from pathlib import Path

    from homeostat.core.sections import Source
    from homeostat.infra.raw import RawFile, RawZone

_STEP = 1 << 20
_MARKS = "*?["
_REFUSED = ("403 Forbidden", "401 Unauthorized", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")


class Bucket:
    """``Source`` over ``s3://bucket/key-prefix-or-glob``.

    Endpoint, region and credentials are those of the ``AWS_*`` variables; with none of them the bucket is asked as AWS's own clients ask.
    """

    def __init__(self, section: Source, transform: Transform | None, patience: Patience) -> None:
        self._section, self._transform, self._patience = section, transform, patience
        self._place = without_secrets(section.source)
        self._bucket, _, self._key = section.source.partition("://")[2].partition("/")
        if not self._bucket:
            raise DataError("HS219", "the address names no bucket", place=self._place, next_step="write s3://BUCKET/KEY")

    def parts(self) -> list[Part]:
        """Each object there is now, by its ETag and size."""
        found = [self._part(entry) for entry in self._patience.ask(self._entries, self._place) if self._wanted(entry["path"])]
        if not found:
            known = ", ".join(SUFFIXES)
            message = f"no object of a readable kind ({known}) matches"
            raise DataError("HS201", message, place=self._place, next_step="put it there, or correct data.source")
        return sorted(found, key=lambda part: part.name)

    def asked(self, name: str) -> bool:
        """Every part is asked for each time."""
        return True

    def fetch(self, part: Part, zone: RawZone) -> RawFile:
        """Copy the object; a copy that breaks off is begun anew."""
        key = part.name.partition("://")[2].partition("/")[2]

        def copy() -> RawFile:
            with self._told(part.name):
                import obstore

                answer = obstore.get(self._store(), key)
                how = (self._section, part.name, self._transform)
                return store(zone, self._whole(answer, part.name), format_of(key), how)

        return self._patience.ask(copy, part.name)

    def put(self, path: Path) -> None:
        """Store a file as the object that the address names, whole or not at all.

        Raises:
            DataError: HS201, there is no such bucket; HS216, it refuses.
            Unreachable: HS804, it does not answer.
        """

        def send() -> None:
            with self._told(self._place):
                import obstore

                obstore.put(self._store(), self._key, path)

        self._patience.ask(send, self._place)

    def _part(self, entry: Any) -> Part:
        mark = entry["e_tag"] or entry["last_modified"].isoformat()
        return Part(f"s3://{self._bucket}/{entry['path']}", f"{mark}; size={entry['size']}", entry["size"])

    def _wanted(self, key: str) -> bool:
        if not key.lower().endswith(SUFFIXES):
            return False
        if self._globbed:
            base = ""
            matched = bool(re.fullmatch(glob_pattern(self._key), key))
        else:
            base = self._key.rstrip("/") + "/" if self._key and key != self._key else ""
            matched = key == self._key or key.startswith(base)
        below = key.removeprefix(base) if key != self._key else key.rpartition("/")[2]
        return matched and not hidden(tuple(below.split("/")), tuple(self._key.split("/")))

    @property
    def _globbed(self) -> bool:
        return any(mark in self._key for mark in _MARKS)

    def _entries(self) -> list[Any]:
        with self._told(self._place):
            import obstore

            if not self._globbed and self._key.lower().endswith(SUFFIXES):
                return [obstore.head(self._store(), self._key)]
            fixed = re.split(r"[*?\[]", self._key, maxsplit=1)[0].rpartition("/")[0] if self._globbed else self._key.rstrip("/")
            return [entry for page in obstore.list(self._store(), prefix=fixed or None) for entry in page]

    def _store(self) -> Any:
        from obstore.store import S3Store

        plain = environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        # It would retry by itself as well, without our telling of it.
        return S3Store(
            self._bucket,
            region=region,
            client_options={"allow_http": plain, "timeout": "60s", "connect_timeout": "10s"},
            retry_config={"max_retries": 0},
        )

    def _whole(self, answer: Any, name: str) -> Iterator[bytes]:
        size, got = answer.meta["size"], 0
        with self._told(name, "it broke off: "):
            for chunk in answer.stream(min_chunk_size=_STEP):
                got += len(chunk)
                yield bytes(chunk)
        if got != size:
            raise Transient(f"it broke off after {got} of {size} bytes")

    @contextmanager
    def _told(self, name: str, before: str = "") -> Iterator[None]:
        """Tell the library's failures as ours. Its texts hold request addresses and dumps of its state: only the first line is told."""
        with needs("s3", "obstore", place=self._place):
            from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise self._no_bucket() from None
            raise DataError("HS201", "there is no such object", place=name, next_step="correct data.source, or put it there") from None
        except (BaseError, OSError) as error:
            text = str(error)
            if "NoSuchBucket" in text or "404 Not Found" in text:
                raise self._no_bucket() from None
            if isinstance(error, PermissionDeniedError | UnauthenticatedError) or any(sign in text for sign in _REFUSED):
                step = "see that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set and that they may read it"
                raise DataError("HS216", "the bucket refuses to be read", place=name, next_step=step) from None
            raise Transient(before + _first_line(text)) from None

    def _no_bucket(self) -> DataError:
        return DataError("HS201", f"there is no bucket {self._bucket!r}", place=self._place, next_step="correct data.source")


def _first_line(text: str) -> str:
    line = text.splitlines()[0] if text else "no answer"
    return re.sub(r"\?\S*", "", line)[:300]


def glob_pattern(glob: str) -> str:
    r"""A glob over keys as a regular expression: ``*`` and ``?`` stay within one level, ``**/`` is any number of levels.

    >>> glob_pattern("data/**/*.csv")
    'data/(?:[^/]+/)*[^/]*\\.csv'
    """
    out = ""
    for piece in re.findall(r"\*\*/|\*+|\?|\[!?\]?[^\]]*\]|.", glob, flags=re.DOTALL):
        if piece == "**/":
            out += "(?:[^/]+/)*"
        elif piece.startswith("*"):
            out += "[^/]*"
        elif piece == "?":
            out += "[^/]"
        elif piece.startswith("[") and len(piece) > 1:
            out += "[" + piece[1:-1].replace("\\", "\\\\").replace("!", "^", 1 if piece[1] == "!" else 0) + "]"
        else:
            out += re.escape(piece)
    return out
