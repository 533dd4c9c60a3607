"""Tokens of a prediction server: what they may ask for, and how they are known without being kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal, get_args

Scope = Literal["predict", "explain", "events", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "hst_"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the ledger keeps it: whose it is, the SHA-256 of its text, what it may ask for, and until when (None: for ever)."""

    name: str
    digest: str
    scopes: tuple[Scope, ...]
    until: datetime | None = None


def token_digest(text: str) -> str:
    """The digest by which a token is known. Its text has 256 random bits: nothing is won by a slow hash."""
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
