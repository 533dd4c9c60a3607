"""Requests of all connections in one call of the graph: what came in one turn of the event loop is scored in the next, without a timer."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.app.rest.listening import Audience
from homeostat.app.rest.scoring import score
from homeostat.app.rest.ticket import Ticket
from homeostat.errors import HomeostatError, RequestError

if TYPE_CHECKING:
    from homeostat.app.rest.service import Service

Answered = Callable[[Ticket], None]
Waiting = Sequence[tuple[Ticket, Answered]]

SMALL_ROWS = 64
"""Rows of a request up to which handing it to a thread costs more than scoring it."""
BATCH_ROWS = 512
"""Rows of one call of the graph: nobody waits long behind the others."""


@dataclass(slots=True, eq=False)
class Scored:
    """Answers whose records are not kept yet; ``group`` is their number in the log, 0 while it has no room. ``since``: the loop's time."""

    waiting: Waiting
    lines: bytes
    records: int
    since: float
    group: int = 0


class Batcher:
    """Answers tickets; many rows of one request in a worker thread. An answer that cannot be logged is not given.

    At most ``limits.max_waiting`` requests are under way: more are refused, so that those that are taken are answered soon.
    All is done in the event loop's thread; build it there.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._log = service, service.log
        self._loop = asyncio.get_running_loop()
        self._new: list[tuple[Ticket, Answered]] = []
        self._held: deque[Scored] = deque()
        self.under_way = 0
        self._audience = Audience(service, self._loop)
        self._log.wake = lambda: self._loop.call_soon_threadsafe(self._written)

    def close(self) -> None:
        """Let go of the log, whose thread outlives the loop."""
        self._log.wake = None

    def submit(self, ticket: Ticket, answered: Answered) -> None:
        """Take a ticket; ``answered`` is called with it when its answers may be given, or its failure told.

        Raises:
            RequestError: HS506 (429), too many requests are under way.
        """
        if self.under_way >= self._service.limits.max_waiting:
            message = f"{self.under_way} requests are under way, as many as this server takes at once"
            raise RequestError("HS506", message, status=429, next_step="try again in a second")
        if ticket.parts:
            self._submit_parts(ticket, answered)
        else:
            self._take(ticket, answered)

    def _submit_parts(self, ticket: Ticket, answered: Answered) -> None:
        left = len(ticket.parts)

        def part_answered(_: Ticket) -> None:
            nonlocal left
            left -= 1
            if not left:
                ticket.join()
                answered(ticket)

        for part in ticket.parts:
            self._take(part, part_answered)

    def _take(self, ticket: Ticket, answered: Answered) -> None:
        self.under_way += 1
        if len(ticket.read) >= SMALL_ROWS:
            self._score_aside(ticket, answered)
            return
        self._new.append((ticket, answered))
        if len(self._new) == 1:
            self._loop.call_soon(self._score_new)

    def hurry(self) -> None:
        """Score now what would be in a moment."""
        if self._new:
            self._score_new()

    def _score_new(self) -> None:
        """One call of the graph for each slot that was asked, and one more whenever it has many rows."""
        new, self._new = self._new, []
        parts: dict[int, list[tuple[Ticket, Answered]]] = {}
        rows: dict[int, int] = {}
        for each in new:
            slot = id(each[0].slot)
            parts.setdefault(slot, []).append(each)
            rows[slot] = rows.get(slot, 0) + len(each[0].read)
            if rows[slot] >= BATCH_ROWS:
                self._score(parts.pop(slot))
                del rows[slot]
        for part in parts.values():
            self._score(part)

    def _score(self, waiting: Waiting) -> None:
        tickets = [ticket for ticket, _ in waiting]
        begun = time.perf_counter()
        try:
            lines, records = score(self._service.ids, tickets[0].slot, tickets)
        except Exception as error:  # noqa: BLE001  # told to those who wait: they must not hang
            if len(waiting) == 1:
                self._fail(waiting, error)
            for each in waiting if len(waiting) > 1 else ():  # a row that breaks the graph's call breaks nobody else's answer
                self._score([each])
        else:
            self._hand_over(waiting, lines, records)
        self._audience.spent += time.perf_counter() - begun

    def _score_aside(self, ticket: Ticket, answered: Answered) -> None:
        def done(future: asyncio.Future[tuple[bytes, int]]) -> None:
            error = future.exception()
            if error is not None:
                self._fail([(ticket, answered)], error if isinstance(error, Exception) else RuntimeError(repr(error)))
            else:
                self._hand_over([(ticket, answered)], *future.result())

        service = self._service
        self._loop.run_in_executor(service.workers, score, service.ids, ticket.slot, [ticket]).add_done_callback(done)

    def _hand_over(self, waiting: Waiting, lines: bytes, records: int) -> None:
        """Log, then answer: at once, or when there is room in the log, and with a strict log when the records are on the disk."""
        scored = Scored(waiting, lines, records, self._loop.time())
        ahead = self._held[-1] if self._held else None
        if ahead is None or ahead.group:  # otherwise the log has no room, and records keep their order
            self._log_it(scored)
        if ahead is None and self._may_answer(scored):
            self._answer(scored.waiting)
            return
        self._held.append(scored)
        if ahead is None:
            self._loop.call_later(self._log.wait_s, self._give_up)

    def _log_it(self, scored: Scored) -> None:
        """Hand the records over if there is room and they are not in the log yet."""
        if scored.group or not scored.records:
            return
        try:
            scored.group = self._log.hand_over(scored.lines, scored.records)
        except HomeostatError as closed:
            for ticket, _ in scored.waiting:
                ticket.failure = closed

    def _may_answer(self, scored: Scored) -> bool:
        """Whether the records are kept as the log's mode asks, or there is nothing to keep."""
        if not scored.group and all(ticket.failure is not None for ticket, _ in scored.waiting):
            return True
        return scored.group > 0 and (not self._log.strict or self._log.kept >= scored.group)

    def _written(self) -> None:
        """The log has written a group: answer those who waited for it."""
        for scored in self._held:
            self._log_it(scored)
            if scored.records and not scored.group:
                break
        while self._held and self._may_answer(self._held[0]):
            self._answer(self._held.popleft().waiting)

    def _give_up(self) -> None:
        """Fail those whose records the disk does not take for too long, in their order."""
        late = self._loop.time() - self._log.wait_s
        while self._held and self._held[0].since <= late:
            self._fail(self._held.popleft().waiting, self._log.refusal("the log cannot be written fast enough"))
        if self._held:
            self._loop.call_at(self._held[0].since + self._log.wait_s, self._give_up)

    def _fail(self, waiting: Waiting, error: Exception) -> None:
        for ticket, _ in waiting:
            ticket.failure = ticket.failure or error
        self._answer(waiting)

    def _answer(self, waiting: Waiting) -> None:
        self.under_way -= len(waiting)
        for ticket, answered in waiting:
            if ticket.failure is None:
                slot = ticket.slot
                self._service.metrics.predictions[slot.version, slot.arm] += len(ticket.read)
            answered(ticket)
        live = self._service.live
        if live is not None and live.listeners:
            self._audience.hear(live.listeners, [ticket for ticket, _ in waiting if ticket.failure is None])

    async def answered(self, ticket: Ticket) -> Ticket:
        """Submit a ticket and wait until it may be replied to; see ``submit``."""
        future: asyncio.Future[Ticket] = self._loop.create_future()
        self.submit(ticket, lambda done: None if future.done() else future.set_result(done))  # done before: the client is gone
        return await future
