"""Who may ask: the token of a request against those in force."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from homeostat.core.tokens import token_digest
from homeostat.errors import RequestError

if TYPE_CHECKING:
    from homeostat.core.tokens import Token

OPEN = ("health", "live", "ready", "ping")
SCOPES = {
    "predict": "predict",
    "infer": "predict",
    "invocations": "predict",
    "explain": "explain",
    "events": "events",
    "metrics": "metrics",
}
"""What a token needs for a route; any token will do for the others, and nobody is asked for one on those that are ``OPEN``."""


class Guard:
    """Knows tokens by their digests: what a caller guesses tells nothing by the time it takes."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tuple(tokens)
        self._known = {token.digest: (token, None if token.until is None else token.until.timestamp()) for token in tokens}

    def check(self, route: str, authorization: bytes | None) -> None:
        """Let a request pass that has a token for its route.

        Raises:
            RequestError: HS471 (401), no valid token; (403) one that may not ask for this.
        """
        if route in OPEN:
            return
        kind, _, text = (authorization or b"").partition(b" ")
        known = self._known.get(token_digest(text.strip().decode("utf-8", "surrogateescape"))) if kind.lower() == b"bearer" else None
        if known is None or (known[1] is not None and time.time() >= known[1]):
            got = "none" if not authorization else "one that is not valid" if kind.lower() == b"bearer" else "something else"
            step = 'send the header "authorization: Bearer TOKEN"; `homeostat token add NAME` makes one'
            raise RequestError("HS471", f"a token is needed; got {got}", status=401, next_step=step)
        scope = SCOPES.get(route)
        if scope is not None and scope not in known[0].scopes:
            may = ", ".join(known[0].scopes)
            raise RequestError("HS471", f"the token {known[0].name!r} may ask for {may}; this needs {scope}", status=403)
