"""Addresses of databases, buckets and files, without the secrets in them."""

from __future__ import annotations

import re

HIDDEN = "***"
_USER = re.compile(r"(://[^/?#:@\s]*:)(.+)@")
_MISWRITTEN = re.compile(r"((?:^|/)[^/?#:@\s]+:)(?!//)(\S+)@")  # an address without its two slashes, or without all that is before them
_NAMES = "password|passwd|pwd|secret|token|signature|credential|key|auth"
_SECRET = re.compile(rf"([?&](?:sig|[^=&#]*(?:{_NAMES})[^=&#]*)=)[^&#\s]*", re.IGNORECASE)


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
