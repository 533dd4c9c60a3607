"""``POST /explain``: what each field of a row adds to the model's raw score, from what it is for the rows compared with.

Values are exact where ``graph.explain`` has them exactly, else sampled. ``base`` and the contributions sum to ``score``, which is in the
units that ``scale`` names: the number before the link that makes probabilities of it, where the model has one.

Compared with are the training rows, when the project has explained the model (`homeostat explain`) and so kept what it takes; else
the one example row of the manifest, of which ``base`` then is the score. Explanations are no predictions: they are not logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from homeostat.app.rest.predict import parse_rows
from homeostat.app.rest.protocol import Reply, json_reply
from homeostat.app.rest.rows import ticket_of
from homeostat.errors import RequestError

if TYPE_CHECKING:
    from homeostat.app.rest.service import Service, Slot
    from homeostat.app.rest.ticket import Ticket
    from homeostat.graph.explain import Explained, Reference
    from homeostat.graph.plan import Plan
    from homeostat.graph.shapley_rows import LaidOut

    Known = Callable[[str], Reference | None]

EXACT_ROWS, SAMPLED_ROWS = 64, 8
"""Rows of one request: a sampled one asks the model some hundred times."""
MOST_WAITING = 16
DRAWS = 16
"""Orders of the fields that are sampled against the example row."""
_SEED = 0


class Added(msgspec.Struct):
    """What one field adds."""

    field: str
    value: Any
    contribution: float
    standard_error: float | msgspec.UnsetType = msgspec.UNSET


class Explanation(msgspec.Struct):
    """One row: ``base`` and the contributions sum to ``score``, of ``output``; the largest stand first."""

    output: str
    base: float
    score: float
    contributions: list[Added]


class Explanations(msgspec.Struct):
    """The answer to a request."""

    model: str
    version: int
    scale: str
    method: str
    compared_with: str
    explanations: list[Explanation]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What it takes to explain a slot's rows."""

    slot: Slot
    plan: Plan
    reference: Reference
    forests: dict[str, LaidOut]
    compared_with: str
    exact: bool

    def explain(self, rows: list[dict[str, Any]]) -> Explained:
        """What each column adds."""
        from homeostat.graph.decode import decode_rows
        from homeostat.graph.explain import explain

        decoded = decode_rows(self.plan.inputs, rows, self.slot.manifest.ignored)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told as such
            return explain(self.plan, decoded, self.reference, self.slot.predictor.score_decoded, _SEED, self.forests)


class Explaining:
    """Explains in a worker thread, one request after the other, so that predictions keep theirs.

    ``known`` gives the reference of training rows of a bundle, by its digest, where one is kept.
    """

    def __init__(self) -> None:
        self.known: Known = lambda _: None
        self._under_way = 0
        self._one = asyncio.Lock()
        self._kept: Model | None = None

    async def explain(self, service: Service, slot: Slot, rows: list[dict[str, Any]]) -> tuple[Model, Explained]:
        """What each column adds to the rows' scores.

        Raises:
            RequestError: HS506 (429), too many wait; HS503 (413), too many rows.
        """
        if self._under_way >= MOST_WAITING:
            raise RequestError("HS506", f"{self._under_way} explanations are under way", status=429, next_step="try again in a second")
        self._under_way += 1
        try:
            async with self._one:
                return await asyncio.get_running_loop().run_in_executor(service.workers, self._explained, slot, rows)
        finally:
            self._under_way -= 1

    def _explained(self, slot: Slot, rows: list[dict[str, Any]]) -> tuple[Model, Explained]:
        model = self._kept
        if model is None or model.slot.digest != slot.digest:
            model = self._kept = model_of(slot, self.known(slot.digest))
        most = EXACT_ROWS if model.exact else SAMPLED_ROWS
        if len(rows) > most:
            raise RequestError("HS503", f"got {len(rows)} rows; allowed: {most} to explain in one request", status=413)
        return model, model.explain(rows)


def model_of(slot: Slot, known: Reference | None) -> Model:
    """What it takes to explain a slot: a reference of training rows if there is one, else the manifest's example."""
    from homeostat.graph.decode import decode_rows
    from homeostat.graph.encode import load_plan
    from homeostat.graph.explain import exactly, laid_out, row_reference

    plan = load_plan(slot.predictor.plan)
    if known is not None:
        return Model(slot, plan, known, laid_out(plan, known), "training rows", exactly(plan))
    example = decode_rows(plan.inputs, [{each.name: each.example for each in slot.manifest.inputs}])
    reference = row_reference(plan, example, DRAWS)
    return Model(slot, plan, reference, laid_out(plan, reference, example), "the example row", exactly(plan))


async def reply(service: Service, body: bytes, started: float) -> Reply:
    """The explanations of a body's rows, which are given as on ``/predict``.

    Raises:
        RequestError: anything about the request that is not right.
    """
    slot = service.serving().main
    given = parse_rows(body, slot.manifest.accepted())
    ticket_of(service, given, _never, started, slot)  # judged as rows to predict are
    rows = given if service.shield is None else service.shield.taken(given)
    model, found = await service.explaining.explain(service, slot, rows)
    scores = found.base + found.values.sum(axis=1)
    if not np.isfinite(scores).all():
        bad = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise RequestError("HS502", "the row has no finite score; its numbers are too large for the model", status=422, place=f"row {bad}")
    told = [_told(found, row, at, scores[at]) for at, row in enumerate(given)]
    return json_reply(Explanations(slot.model, slot.version, found.scale, found.method, model.compared_with, told))


def _told(found: Explained, row: dict[str, Any], at: int, scores: Any) -> Explanation:
    """The explanation of one row; of several classes, of the most likely one."""
    output = int(np.argmax(scores))
    values = found.values[at, :, output]
    errors = None if found.errors is None else found.errors[at, :, output]
    added = [
        Added(
            found.columns[column], row[found.columns[column]], float(values[column]), *(() if errors is None else (float(errors[column]),))
        )
        for column in np.argsort(-np.abs(values), kind="stable").tolist()
    ]
    return Explanation(found.outputs[output], float(found.base[output]), float(scores[output]), added)


def _never(ticket: Ticket) -> Reply:
    raise AssertionError(f"{ticket.request} is explained, not predicted")
