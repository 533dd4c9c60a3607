"""Versions in shadow: they score what was answered, after it was answered; what they say is logged and never given."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from homeostat.app.rest.scoring import score
from homeostat.app.rest.ticket import Ticket
from homeostat.errors import HomeostatError

if TYPE_CHECKING:
    import asyncio

    from homeostat.app.rest.service import Service, Slot

TURN_S = 0.001
ROWS_AT_ONCE = 64
"""Rows that a shadow scores in one turn of the loop: a request that comes meanwhile waits no longer than that."""


@dataclass(slots=True, eq=False)
class Listener:
    """A version in shadow: ``budget`` seconds of its work for each second of answering, and what waits for it, at most ``most`` rows."""

    slot: Slot
    budget: float
    most: int
    tickets: deque[Ticket] = field(default_factory=deque)
    rows: int = 0
    spent: float = 0.0


class Audience:
    """Has the listeners hear what was answered, within their budgets; a turn in which nobody asks is free."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._service, self._loop = service, loop
        self._scheduled = False
        self.spent = 0.0  # seconds of answering

    def hear(self, listeners: Sequence[Listener], tickets: Sequence[Ticket]) -> None:
        """Put tickets that were answered before the listeners; what a listener has no room for is left out and counted."""
        for listener in listeners:
            for ticket in tickets:
                if listener.rows + len(ticket.read) > listener.most:
                    self._service.metrics.dropped[listener.slot.version] += len(ticket.read)
                else:
                    listener.tickets.append(ticket)
                    listener.rows += len(ticket.read)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._listen, listeners, -1.0)

    def _listen(self, listeners: Sequence[Listener], before: float) -> None:
        """One turn: each listener scores some of what waits for it, if its budget allows or nothing was answered since ``before``."""
        idle = self.spent == before
        waiting = False
        for listener in listeners:
            if listener.tickets and (idle or listener.spent <= listener.budget * self.spent):
                begun = time.perf_counter()
                self._score(listener)
                listener.spent += 0.0 if idle else time.perf_counter() - begun
            waiting = waiting or bool(listener.tickets)
        self._scheduled = waiting
        if waiting:
            self._loop.call_later(TURN_S, self._listen, listeners, self.spent)

    def _score(self, listener: Listener) -> None:
        taken: list[Ticket] = []
        rows = 0
        while listener.tickets and rows < ROWS_AT_ONCE:
            heard = listener.tickets.popleft()
            rows += len(heard.read)
            own = _own(listener.slot, heard)
            if own is not None:
                taken.append(own)
        listener.rows -= rows
        lines, records = score(self._service.ids, listener.slot, taken) if taken else (b"", 0)
        service = self._service
        try:
            kept = records if records and service.log.hand_over(lines, records) else 0
        except HomeostatError:  # the log is closed: the server stops
            kept = 0
        service.metrics.predictions[listener.slot.version, listener.slot.arm] += kept
        if rows > kept:
            service.metrics.dropped[listener.slot.version] += rows - kept


def _own(slot: Slot, heard: Ticket) -> Ticket | None:
    """The ticket again, as the slot reads its rows; None when it cannot."""
    read = []
    for row in heard.inputs:
        one = slot.predictor.read_json(row if isinstance(row, msgspec.Raw) else msgspec.json.encode(row))
        if one is None:
            return None
        read.append(one)
    return Ticket(slot, read, heard.inputs, heard.form, heard.started, heard.places, heard.request)
