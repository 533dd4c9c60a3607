"""Digests and ids: the same value always has the same name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes.

    Dates are ISO 8601, durations are seconds, tuples are lists. NaN and infinity are refused.

    >>> canonical({"b": 1, "a": (1.5, None)})
    b'{"a":[1.5,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False, default=_plain).encode()


def digest(value: bytes | Any) -> str:
    """SHA-256 of the bytes, or of the canonical JSON of anything else: 64 hex characters."""
    raw = value if isinstance(value, bytes) else canonical(value)
    return hashlib.sha256(raw).hexdigest()


def fact_id(kind: str, key: str) -> str:
    """The id of the fact of this kind with this key. One key, one fact: writing it twice changes nothing.

    >>> fact_id("dataset", "abc") == fact_id("dataset", "abc")
    True
    """
    return f"{kind}-{digest(chr(10).join((kind, key)).encode())[:12]}"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence | set | frozenset):
        return sorted(value) if isinstance(value, set | frozenset) else list(value)
    raise TypeError(f"{type(value).__name__} has no canonical form")
