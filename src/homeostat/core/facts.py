"""Facts: what the append-only ledger holds, and the port through which it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from homeostat.core.ids import fact_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened. ``(kind, key)`` names it for ever; ``causes`` are the ids of the facts it follows from.

    Kinds in use: charter, delivery, absence, repair, dataset, decisions, run, trial, candidate, holdout, evaluation, verdict, version,
    approval, promotion, rollback, reproduction, explanation, study, model_test, labels, dataset_labels, queue, key, window, finding,
    diagnosis, quarantine, action, outcome.
    """

    kind: str
    key: str
    at: datetime
    body: Mapping[str, Any]
    subject: str = ""
    actor: str = ""
    causes: tuple[str, ...] = ()
    seq: int = field(default=0, compare=False)

    @property
    def id(self) -> str:
        """Stable name of the fact: its kind and twelve hex characters of its key's digest."""
        return fact_id(self.kind, self.key)


@dataclass(frozen=True, slots=True)
class Pointer:
    """A movable name for a fact, such as ``champion``: the current fact's id and how often it was moved."""

    name: str
    fact: str
    moves: int
    moved_by: str


class Ledger(Protocol):
    """An append-only store of facts, with a few pointers that move only together with a fact."""

    def record(self, fact: Fact, *also: Fact) -> Fact:
        """Store the fact unless its (kind, key) is there; return the stored one either way (idempotent).

        ``also`` are stored in the same transaction: all of them or none. When ``fact`` is there already, nothing is stored.
        """

    def get(self, fact_id: str) -> Fact | None:
        """The fact with this id."""

    def find(self, kind: str, *, subject: str | None = None, limit: int | None = None) -> list[Fact]:
        """Facts of a kind, newest first."""

    def effects(self, fact_id: str) -> list[Fact]:
        """Facts that name this one among their causes, oldest first."""

    def pointer(self, name: str) -> Pointer | None:
        """Where a pointer stands."""

    def move(self, name: str, *, to: str, expected: str | None, because: Fact, also: Sequence[Fact] = ()) -> Fact:
        """In one transaction: check that the pointer stands at ``expected``, record ``because`` and ``also``, move it.

        Moving again with the same ``because`` changes nothing and returns the stored fact.

        Raises:
            Refusal: HS705, the pointer stands elsewhere; nothing is written.
        """
