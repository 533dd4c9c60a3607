"""The router: which arm answers a row. The same in every replica, process and restart, and cheap enough to ask for each row.

A draw is an exponential race: arm i needs -ln(u_i) / share_i, the first one home answers. So each arm gets its share, and when shares
change, keys leave only arms that grew less in proportion: an arm that grew most keeps all it had, whatever the number of arms.

Source: Schindelhauer and Schomaker (2005), "Weighted distributed hash tables", SPAA, the logarithmic method; a hash for each arm as in
Thaler and Ravishankar (1998), "Using name-based mappings to increase hit rates", IEEE/ACM Transactions on Networking 6(1).
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from math import inf, log
from typing import TYPE_CHECKING, Any

from homeostat.core.targets import text_of

if TYPE_CHECKING:
    from homeostat.core.traffic import Traffic

_UNIT = 2.0**-64


class Router:
    """Says by its index which arm of a traffic answers a row. It keeps no state; ask it from any thread.

    ``plain`` is True where one arm answers everything: then no row needs to be looked at, and ``first`` is its index.
    """

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        places = {arm.name: at for at, arm in enumerate(traffic.arms)}
        drawn = [at for at, arm in enumerate(traffic.arms) if arm.share > 0]
        self.first = drawn[0]
        self.plain = len(drawn) == 1 and not traffic.segments
        self._rules = tuple((each.column, each.value, places[each.arm]) for each in traffic.segments)
        self._sticky = traffic.sticky
        self._salted = blake2b(key=traffic.salt.encode())
        self._races = tuple((at, -1.0 / traffic.arms[at].share) for at in drawn) if len(drawn) > 1 else ()
        self._words = struct.Struct(f"<{len(drawn)}Q")  # of the 64 bytes of a hash, 8 for each arm

    def arm(self, row: Any, key: str) -> int:
        """The index of the arm that answers a row: by the first segment it is in, else drawn by its entity, else by ``key``.

        ``key`` is the request's own, and of a row among several also the row's: whoever repeats it gets the same arm again. What is no
        object of named fields is drawn by it too; the decoder of the arm refuses it.
        """
        if not isinstance(row, dict):
            row = {}
        for column, value, arm in self._rules:
            if column in row and _text(row[column]) == value:
                return arm
        if not self._races:
            return self.first
        if self._sticky:
            key = self._entity(row) or key
        return self._drawn(key)

    def _entity(self, row: dict[str, Any]) -> str:
        """The texts of the sticky columns; empty when one is missing or null."""
        if len(self._sticky) == 1:
            return _text(row.get(self._sticky[0]))
        found = [_text(row.get(name)) for name in self._sticky]
        return "\0".join(found) if all(found) else ""

    def _drawn(self, key: str) -> int:
        hashed = self._salted.copy()
        hashed.update(key.encode("utf-8", "surrogatepass"))
        first, least = 0, inf
        for word, (arm, pace) in zip(self._words.unpack_from(hashed.digest()), self._races, strict=True):
            needed = log((word + 1) * _UNIT) * pace
            if needed < least:
                first, least = arm, needed
        return first


def _text(value: Any) -> str:
    """The text that stands for a value; empty for null, NaN, an empty text and an integer too long to be written.

    >>> _text(7.0), _text("7"), _text(None)
    ('7', '7', '')
    """
    if type(value) is str:  # the common case first
        return value
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return ""
    try:
        return text_of(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits; the decoder refuses such a row
        return ""
