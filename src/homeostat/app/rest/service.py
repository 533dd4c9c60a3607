"""What the server holds while it runs: the slot with the model that serves, the prediction log, ids, limits, counts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from homeostat.app.rest.explain import Explaining
from homeostat.app.rest.metrics import Metrics
from homeostat.app.rest.protocol import Limits
from homeostat.errors import RequestError
from homeostat.infra.predictions import Ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.app.rest.batching import Batcher
    from homeostat.dataops.privacy import RowShield
    from homeostat.infra.predictions import PredictionLog
    from homeostat.serving.bundle import Bundle
    from homeostat.serving.manifest import Manifest
    from homeostat.serving.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Current:
    """What should serve: the version's number, its bundle's digest, and how to get the bundle (called only on change)."""

    version: int
    digest: str
    load: Callable[[], Bundle]


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """What serves under a model's name. A request reads the slot once and uses it to its end; a swap is one assignment."""

    predictor: Predictor
    model: str
    version: int
    digest: str
    arm: str = "champion"

    @property
    def manifest(self) -> Manifest:
        """The manifest of the bundle that serves."""
        return self.predictor.manifest


@dataclass(slots=True)
class Service:
    """The server's state. ``problem`` says why the slot may be out of date; empty when it is not.

    ``batcher`` is there while the server runs; ``shield`` hides what the charter's privacy says; None when there is nothing to hide.
    """

    name: str
    log: PredictionLog
    limits: Limits = field(default_factory=Limits)
    shield: RowShield | None = None
    slot: Slot | None = None
    problem: str = ""
    swaps: int = 0
    metrics: Metrics = field(default_factory=Metrics)
    ids: Ids = field(default_factory=Ids)
    explaining: Explaining = field(default_factory=Explaining)
    batcher: Batcher = field(init=False)
    workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="predict"))

    def serving(self) -> Slot:
        """The slot of this moment.

        Raises:
            RequestError: HS505 (503), no model is promoted yet.
        """
        slot = self.slot
        if slot is None:
            raise RequestError(
                "HS505", f"no version of {self.name!r} is promoted yet", status=503, next_step="`homeostat run` makes and promotes one"
            )
        return slot

    def serving_version(self, name: str, version: str | None) -> Slot:
        """The slot, if a caller asked for the model (and version) in it.

        Raises:
            RequestError: HS504 (404), another model or version; HS505 (503), nothing is promoted yet.
        """
        if name != self.name:
            raise RequestError("HS504", f"got model {name[:80]!r}; this server has {self.name!r}", status=404)
        slot = self.serving()
        if version is not None and version != str(slot.version):
            raise RequestError("HS504", f"got version {version[:80]!r}; version {slot.version} serves", status=404)
        return slot
