"""Addresses of databases, buckets and files: what kind they are of, and what in them is secret."""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"
_USER = re.compile(r"(://[^/?#:@\s]*:)(.+)@")
_MISWRITTEN = re.compile(r"((?:^|/)[^/?#:@\s]+:)(?!//)(\S+)@")  # an address without its two slashes, or without all that is before them
_PASSWORD = r"[^=&#]*(?:pass|pwd)[^=&#]*"  # noqa: S105 - what a parameter may be called that holds one
_SECRET = re.compile(rf"([?&](?:{_PASSWORD}|[^=&#]*(?:secret|token|signature|credential|key|auth)[^=&#]*|sig)=)([^&#\s]*)", re.IGNORECASE)


def scheme_of(address: str) -> str:
    """``s3`` of ``s3://bucket/key``; empty for a path.

    >>> scheme_of("s3://bucket/key"), scheme_of("data/x.csv")
    ('s3', '')
    """
    scheme, mark, _ = address.partition("://")
    return scheme.lower() if mark else ""


def is_local(address: str) -> bool:
    """Whether an address is a path: a file, a folder or a glob."""
    return not scheme_of(address)


def without_secrets(address: str) -> str:
    """The text with the password of each URL, and query parameters that look like secrets, replaced by ``***``.

    What is hidden reaches to the last ``@``: a password with an unescaped slash is hidden whole, at the price of hiding too much.
    A password is hidden in a miswritten address too.

    >>> without_secrets("postgresql://me:pa/ss@w@db:5432/x?sslmode=require&sslpassword=p")
    'postgresql://me:***@db:5432/x?sslmode=require&sslpassword=***'
    >>> without_secrets("postgresql:/me:pass@db/x")
    'postgresql:***@db/x'
    >>> without_secrets("s3://bucket/folder"), without_secrets("data/*.csv")
    ('s3://bucket/folder', 'data/*.csv')
    """
    hidden = _MISWRITTEN.sub(rf"\g<1>{HIDDEN}@", _USER.sub(rf"\g<1>{HIDDEN}@", address))
    return _SECRET.sub(rf"\g<1>{HIDDEN}", hidden)


def without_password(address: str) -> str:
    """The address as it may be written into a file: it still says what is asked for, and the password is kept elsewhere.

    >>> without_password("https://ann:secret@host/export?password=secret&month=5")
    'https://ann@host/export?month=5'
    """
    rest = re.sub(rf"(?<=[?&]){_PASSWORD}=[^&#\s]*&?", "", _USER.sub(lambda found: found[1][:-1] + "@", address), flags=re.IGNORECASE)
    return re.sub(r"[?&]+(?=#|$)", "", rest) if rest != address else address


def message_without_secrets(text: str, address: str) -> str:
    """What a library says of an address, on one line, without the secrets in that: as they stand there, decoded, and the whole query.

    >>> message_without_secrets("pa:ss is wrong", "postgresql://ann:pa%3Ass@host/shop")
    '*** is wrong'
    """
    query = "" if is_local(address) else address.partition("?")[2].partition("#")[0]
    secrets = [query, *(found[2] for pattern in (_USER, _SECRET) for found in pattern.finditer(address))]
    for secret in sorted({*secrets, *map(unquote, secrets)} - {""}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return " ".join(text.split())
