"""Addresses of sources as they may be shown, stored and compared: without passwords."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from homeostat.core import addresses
from homeostat.errors import DataError


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


def refuse_misplaced_secrets(address: str) -> None:
    """Return when it can be told what of an address is secret: its password is marked off, and keys of a bucket are elsewhere.

    Raises:
        DataError: HS219, what would be shown of the address could hold a secret.
    """
    scheme = scheme_of(address)
    if not scheme or scheme == "sqlite":
        return
    rest = address.partition("://")[2]
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if scheme == "s3":
        told = not {":", "@"} & set(host)
        message = "got : or @ in the name of the bucket; keys don't belong into the address"
        step = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and write s3://BUCKET/KEY"
    else:
        told = _is_marked_off(address, host, rest[len(host) :])
        message = "it cannot be told where the password ends and the host begins"
        step = "write / ? # @ [ and ] in a password as %2F %3F %23 %40 %5B and %5D"
    if not told:
        raise DataError("HS219", message, place=addresses.without_secrets(address), next_step=step)


def _is_marked_off(address: str, host: str, rest: str) -> bool:
    """Whether a password, if there is one, ends before the only ``@`` of the host's part; an ``@`` in the path of a document is fine."""
    try:
        urlsplit(address)
    except ValueError:
        return False
    if "@" in host or ":" not in host or "@" not in rest:
        return host.count("@") <= 1
    return scheme_of(address) in {"http", "https"} and host.rpartition(":")[2].isdigit()


def without_password(address: str) -> str:
    """The address as it may be written into a file: with its query, which says what is asked for, but without its password.

    >>> without_password("https://ann:secret@host/export?month=5")
    'https://ann@host/export?month=5'
    """
    scheme = scheme_of(address)
    if not scheme or scheme in {"s3", "sqlite"}:
        return address
    parts = urlsplit(address)
    user, mark, host = parts.netloc.rpartition("@")
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if "pass" not in name.lower()])
    kept = query if "pass" in parts.query.lower() else parts.query
    return urlunsplit((parts.scheme, user.partition(":")[0] + mark + host, parts.path, kept, parts.fragment))


def shown_address(address: str) -> str:
    """The address without password, query and fragment: a query may hold a signature or a token.

    >>> shown_address("postgresql://ann:secret@host:5432/shop?password=secret")
    'postgresql://ann@host:5432/shop'
    >>> shown_address("data/2024/*.csv")
    'data/2024/*.csv'
    """
    scheme = scheme_of(address)
    if not scheme or scheme in {"s3", "sqlite"}:  # keys and paths may hold any character, and no secret
        return address
    parts = urlsplit(address)
    user, mark, host = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, user.partition(":")[0] + mark + host, parts.path, "", ""))


def secrets_of(address: str) -> list[str]:
    """Texts of an address that must appear nowhere: its password, as it stands there and decoded, its query, and passwords in that."""
    if scheme_of(address) in {"", "s3", "sqlite"}:
        return []
    parts = urlsplit(address)
    password = parts.netloc.rpartition("@")[0].partition(":")[2]
    named = [value for name, value in parse_qsl(parts.query) if "pass" in name.lower()]
    return [text for text in {password, unquote(password), parts.query, *named} if text]


def without_secrets(text: str, address: str) -> str:
    """A message of a library on one line, with what the address keeps secret left out."""
    for secret in sorted(secrets_of(address), key=len, reverse=True):
        text = text.replace(secret, "***")
    return " ".join(text.split())
