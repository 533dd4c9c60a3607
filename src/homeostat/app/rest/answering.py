"""From rows to logged answers: the one path both protocols take. An answer that cannot be logged is not given."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from homeostat.errors import RequestError
from homeostat.infra.predictions import Prediction, utc_text
from homeostat.serving.answers import Answer, answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.app.rest.service import Service, Slot

SMALL_ROWS = 64  # up to here, handing rows to a thread costs more than scoring them
ARM = "champion"
_INT64 = 2**63
_SCALARS = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers to one request, in the order of its rows: ids of the predictions and of the request."""

    request: str
    ids: list[str]
    answers: list[Answer]


async def answer(service: Service, slot: Slot, rows: list[dict[str, Any]], started: float) -> Answered:
    """Score rows and log them; large batches, and all when the log is behind, run in a worker thread.

    Raises:
        RequestError: HS501 (422) no rows; HS503 (413) too many; HS502 (422) bad fields.
        ProjectError: HS602, the prediction log takes nothing.
    """
    if not rows:
        raise RequestError("HS501", "got no rows; allowed: at least one", status=422)
    if len(rows) > service.limits.max_rows:
        message = f"got {len(rows)} rows; allowed: {service.limits.max_rows} in one request"
        raise RequestError("HS503", message, status=413, next_step="send them in several requests")
    if len(rows) < SMALL_ROWS and not service.log.crowded:
        answered = _answer(service, slot, rows, started)
    else:
        answered = await asyncio.get_running_loop().run_in_executor(service.workers, _answer, service, slot, rows, started)
    service.metrics.predictions[slot.version] += len(rows)
    return answered


def _answer(service: Service, slot: Slot, rows: list[dict[str, Any]], started: float) -> Answered:
    shield = service.shield
    if shield is not None:
        rows = shield.taken(rows)
    said = slot.predictor.say_rows(rows)
    found = answers(slot.manifest, *said)
    logged = _loggable(slot, rows)
    if shield is not None:
        logged = shield.logged(logged)
    request, *ids = service.ids.take(len(rows) + 1)
    request, ids = f"rq-{request}", [f"pr-{each}" for each in ids]
    at, latency_ms = utc_text(datetime.now(UTC)), round((time.perf_counter() - started) * 1e3, 3)
    about = (service.name, slot.version, ARM)
    service.log.append(
        [
            Prediction(ids[row], request, row, at, *about, logged[row], raw, told.prediction, latency_ms, told.lower, told.upper)
            for row, (raw, told) in enumerate(zip(said.scores.tolist(), found, strict=True))
        ]
    )
    return Answered(request, ids, found)


def _loggable(slot: Slot, rows: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The rows as the log can keep them: fields the decoder does not look at must be plain values too."""
    ignored = slot.manifest.ignored
    bad = [
        {"row": at, "field": name, "got": type(row[name]).__name__, "allowed": "a text, a number, true, false or null"}
        for at, row in enumerate(rows)
        for name in ignored
        if name in row and not isinstance(row[name], _SCALARS)
    ]
    if bad:
        raise RequestError(
            "HS502", f"{len(bad)} field(s) hold lists or objects", status=422, fields=tuple(bad[:20]), place=f"row {bad[0]['row']}"
        )
    return [_within_int64(row) for row in rows]


def _within_int64(row: dict[str, Any]) -> dict[str, Any]:
    """JSON integers have no end; tables that read the log have 64 bits."""
    if all(type(value) is not int or -_INT64 <= value < _INT64 for value in row.values()):
        return row
    return {name: _shorter(value) if type(value) is int else value for name, value in row.items()}


def _shorter(value: int) -> int | float | str:
    if -_INT64 <= value < _INT64:
        return value
    return float(value) if abs(value) < 10**300 else str(value)
