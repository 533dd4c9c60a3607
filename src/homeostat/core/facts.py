"""Facts: what the append-only ledger holds, and the port through which it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from homeostat.core.ids import fact_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened. ``(kind, key)`` names it for ever; ``causes`` are the ids of the facts it follows from.

    Kinds in use: charter, delivery, absence, repair, dataset, reference, decisions, run, trial, candidate, holdout, evaluation,
    bias_variance, verdict, version, approval, forecast, staging, promotion, rollback, traffic, export, reproduction, explanation, study,
    model_test, labels, pruning, forgetting, dataset_labels, queue, key, signing_key, token, token_end, window, finding, diagnosis,
    quarantine, action, outcome.

    A body may hold ``measures``, numbers by name: such a fact can be found and sorted by them (``Query``).
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


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was recorded: of which kind (fact, move, link, file ...), which one, and what is wrong with it."""

    kind: str
    id: str
    what: str


class Ledger(Protocol):
    """An append-only store of facts, with a few pointers that move only together with a fact."""

    def record(self, fact: Fact, *also: Fact, lasting: bool = True) -> Fact:
        """Store the fact unless its (kind, key) is there; return the stored one either way (idempotent).

        ``also`` are stored in the same transaction: all of them or none. When ``fact`` is there already, nothing is stored.
        What isn't ``lasting`` outlives the process; a power cut may take the newest of it, never one of several or one in between.
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


Operator = Literal["<", "<=", "=", "!=", ">=", ">"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)


@dataclass(frozen=True, slots=True)
class Condition:
    """A measure compared with a number, or a label compared with a text (``=`` and ``!=`` only)."""

    name: str
    operator: Operator
    value: float | str


@dataclass(frozen=True, slots=True)
class Query:
    """Which facts of a kind are asked for. All conditions must hold; a fact without a measure or label meets no condition on it.

    ``text`` must be in one of the labels, in whatever case. ``among`` limits the answer to these ids. ``sort`` names a measure (facts
    without it are left out); empty: newest first. Equal values: newest first.
    """

    kind: str
    conditions: tuple[Condition, ...] = ()
    text: str = ""
    among: tuple[str, ...] | None = None
    sort: str = ""
    ascending: bool = False
    limit: int | None = None
