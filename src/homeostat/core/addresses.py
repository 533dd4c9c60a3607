"""Addresses of databases, buckets and files, without the secrets in them."""

from __future__ import annotations

import re

HIDDEN = "***"
_USER = re.compile(r"(://[^/?#:@\s]*:)(.+)@")
_SECRET = re.compile(r"([?&][^=&#]*(?:password|passwd|pwd|secret|token|signature|credential|key)[^=&#]*=)[^&#\s]*", re.IGNORECASE)


def without_secrets(address: str) -> str:
    """The text with the password of each URL, and query parameters that look like secrets, replaced by ``***``.

    What is hidden reaches to the last ``@``: a password with an unescaped slash is hidden whole, at the price of hiding too much.

    >>> without_secrets("postgresql://me:pa/ss@w@db:5432/x?sslmode=require&sslpassword=p")
    'postgresql://me:***@db:5432/x?sslmode=require&sslpassword=***'
    >>> without_secrets("s3://bucket/folder"), without_secrets("data/*.csv")
    ('s3://bucket/folder', 'data/*.csv')
    """
    return _SECRET.sub(rf"\g<1>{HIDDEN}", _USER.sub(rf"\g<1>{HIDDEN}@", address))
