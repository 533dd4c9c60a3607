"""A request that predicts, between its parsing and its reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
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
        places: the rows' places in their request; None: as they stand here.
        request: its id, set when it is scored; with ``ids``, those of its rows, and ``answers``.
        failure: why there are no answers.
        parts: of a request whose rows go to several slots, a ticket for each; ``slot`` then stands for the model.
    """

    slot: Slot
    read: Sequence[Read]
    inputs: Inputs
    form: Form
    started: float
    places: Sequence[int] | None = None
    request: str = ""
    ids: Sequence[str] = ()
    answers: Sequence[Answer] = ()
    failure: Exception | None = None
    parts: Sequence[Ticket] = ()

    @property
    def versions(self) -> list[int] | None:
        """The version that answered each row, where they differ; else None."""
        if not self.parts:
            return None
        found = {place: part.slot.version for part in self.parts for place in part.places or ()}
        return [found[place] for place in sorted(found)]

    def join(self) -> None:
        """Take the answers of the parts, in the order of the rows; what failed in one of them fails the request."""
        placed = [each for part in self.parts for each in zip(part.places or (), part.ids, part.answers, strict=False)]
        placed.sort(key=itemgetter(0))
        self.request = self.parts[0].request
        self.ids, self.answers = [name for _, name, _ in placed], [told for *_, told in placed]
        self.failure = next((part.failure for part in self.parts if part.failure is not None), None)

    def reply(self) -> Reply:
        """The reply.

        Raises:
            Exception: why there are no answers.
        """
        if self.failure is not None:
            raise self.failure
        return self.form(self)
