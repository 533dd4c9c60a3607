"""A request that predicts, between its parsing and its reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import msgspec

    from homeostat.app.rest.protocol import Reply
    from homeostat.app.rest.service import Slot
    from homeostat.graph.decode import Read
    from homeostat.serving.answers import Answer

    Inputs = Sequence[msgspec.Raw | dict[str, Any]]
    Form = Callable[["Ticket"], Reply]


@dataclass(slots=True, eq=False)
class Ticket:
    """Rows that were read for a slot, and in the end what it says of them.

    Attributes:
        slot: what answers: a request is answered by one model, whatever is promoted meanwhile.
        read: the rows as the slot's decoder reads them.
        inputs: the rows as the log keeps them.
        form: makes the reply, in the protocol that was asked.
        started: what ``time.perf_counter`` said when the request began.
        request: its id; with ``ids``, those of its rows, and ``answers`` set when it is scored.
        failure: why there are no answers.
    """

    slot: Slot
    read: Sequence[Read]
    inputs: Inputs
    form: Form
    started: float
    request: str = ""
    ids: Sequence[str] = ()
    answers: Sequence[Answer] = ()
    failure: Exception | None = None

    def reply(self) -> Reply:
        """The reply.

        Raises:
            Exception: why there are no answers.
        """
        if self.failure is not None:
            raise self.failure
        return self.form(self)
