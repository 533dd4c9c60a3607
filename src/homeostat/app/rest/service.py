"""What the server holds while it runs: the versions that serve, the prediction log, ids, limits, counts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from homeostat.app.rest.explain import Explaining
from homeostat.app.rest.metrics import Metrics
from homeostat.app.rest.protocol import Limits
from homeostat.core.traffic import CHAMPION, champion_alone
from homeostat.errors import RequestError
from homeostat.infra.predictions import Ids

if TYPE_CHECKING:
    from homeostat.app.rest.batching import Batcher
    from homeostat.app.rest.guard import Guard
    from homeostat.app.rest.listening import Listener
    from homeostat.app.rest.workers import Siblings
    from homeostat.core.tokens import Token
    from homeostat.core.traffic import Traffic
    from homeostat.dataops.privacy import RowShield
    from homeostat.flow.enriching import Enricher
    from homeostat.infra.predictions import PredictionLog
    from homeostat.serving.bundle import Bundle
    from homeostat.serving.manifest import Manifest
    from homeostat.serving.predictor import Predictor
    from homeostat.serving.router import Router


Push = Callable[[str | None, list[dict[str, Any]]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Current:
    """A version that should see requests: its number, its bundle's digest, and how to get the bundle (called only on change).

    ``enricher`` gives what looks up the features that callers need not send; None where the version has none.
    """

    version: int
    digest: str
    load: Callable[[], Bundle]
    enricher: Callable[[Manifest], Enricher | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should serve: how requests are spread over versions, the versions, and who may ask (None: anybody)."""

    traffic: Traffic
    versions: tuple[Current, ...]
    tokens: tuple[Token, ...] | None = None


def alone(current: Current) -> Wanted:
    """One version for everything."""
    return Wanted(champion_alone(current.version, ""), (current,))


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A version that serves under a model's name and as an arm of its traffic."""

    predictor: Predictor
    model: str
    version: int
    digest: str
    arm: str = CHAMPION
    enricher: Enricher | None = None

    @property
    def manifest(self) -> Manifest:
        """The manifest of the bundle that serves."""
        return self.predictor.manifest


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """What serves at one moment: a request takes it once and uses it to its end; a swap is one assignment.

    ``arms`` are the slots by the router's indices; ``main`` is the champion's, or the first one's of a test that it has no part in.
    """

    wanted: Wanted
    router: Router
    arms: tuple[Slot, ...]
    listeners: tuple[Listener, ...] = ()

    @property
    def main(self) -> Slot:
        """The slot that stands for the model where only one can."""
        return next((each for each in self.arms if each.arm == CHAMPION), self.arms[0])


@dataclass(slots=True)
class Service:
    """The server's state.

    Attributes:
        problem: why what is live may be out of date; empty when it is not.
        shield: hides what the charter's privacy says; None when there is nothing to hide.
        push: takes in events of a table, for the features that are looked up; None where there are none.
        guard: asks for tokens; None: nobody needs one.
        siblings: the other workers; None: there are none.
        batcher: is there while the server runs.
    """

    name: str
    log: PredictionLog
    limits: Limits = field(default_factory=Limits)
    shield: RowShield | None = None
    push: Push | None = None
    live: Live | None = None
    guard: Guard | None = None
    problem: str = ""
    swaps: int = 0
    metrics: Metrics = field(default_factory=Metrics)
    siblings: Siblings | None = None
    ids: Ids = field(default_factory=Ids)
    explaining: Explaining = field(default_factory=Explaining)
    batcher: Batcher = field(init=False)
    workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="predict"))

    @property
    def slot(self) -> Slot | None:
        """The slot that stands for the model where only one can; None before the first promotion."""
        return None if self.live is None else self.live.main

    def serving(self) -> Live:
        """What serves at this moment.

        Raises:
            RequestError: HS505 (503), no model is promoted yet.
        """
        live = self.live
        if live is None:
            raise RequestError(
                "HS505", f"no version of {self.name!r} is promoted yet", status=503, next_step="`homeostat run` makes and promotes one"
            )
        return live

    def serving_version(self, name: str, version: str | None) -> Slot | None:
        """The slot of a version that a caller asked for; None when any will do.

        Raises:
            RequestError: HS504 (404), another model or version; HS505 (503), nothing is promoted yet.
        """
        if name != self.name:
            raise RequestError("HS504", f"got model {name[:80]!r}; this server has {self.name!r}", status=404)
        live = self.serving()
        if version is None:
            return None
        found = next((each for each in live.arms if str(each.version) == version), None)
        if found is None:
            numbers = " and ".join(str(number) for number in live.wanted.traffic.answering)
            verb = "serve" if len(live.wanted.traffic.answering) > 1 else "serves"
            raise RequestError("HS504", f"got version {version[:80]!r}; version {numbers} {verb}", status=404)
        return found
