"""Addresses in which what is secret cannot be told from the rest are refused before anything of them is shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from homeostat.core.addresses import scheme_of, without_secrets
from homeostat.errors import DataError


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
        raise DataError("HS219", message, place=without_secrets(address), next_step=step)


def _is_marked_off(address: str, host: str, rest: str) -> bool:
    """Whether a password, if there is one, ends before the only ``@`` of the host's part; an ``@`` in the path of a document is fine."""
    try:
        urlsplit(address)
    except ValueError:
        return False
    if "@" in host or ":" not in host or "@" not in rest:
        return host.count("@") <= 1
    return scheme_of(address) in {"http", "https"} and host.rpartition(":")[2].isdigit()
