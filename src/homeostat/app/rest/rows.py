"""Rows of named fields into a ticket: limits, privacy, looked-up features, and what of them the log keeps. All protocols come this way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from random import getrandbits
from typing import TYPE_CHECKING, Any

from homeostat.app.rest.ticket import Ticket
from homeostat.errors import RequestError
from homeostat.graph.decode import LISTED

if TYPE_CHECKING:
    from homeostat.app.rest.service import Live, Service, Slot
    from homeostat.app.rest.ticket import Form

_INT64 = 2**63
_SCALARS = (str, int, float, bool, type(None))


def ticket_of(service: Service, rows: list[dict[str, Any]], form: Form, started: float, slot: Slot | None = None) -> Ticket:
    """The ticket of rows of named fields.

    Args:
        service: the server's state.
        rows: what was sent.
        form: makes the reply of the ticket when it is answered.
        started: when the request began.
        slot: the version that the caller asked for; None: the one each row is routed to.

    Raises:
        RequestError: HS501 (422) no rows; HS503 (413) too many; HS502 (422) bad fields.
    """
    live = service.serving()
    if not rows:
        raise RequestError("HS501", "got no rows; allowed: at least one", status=422)
    if len(rows) > service.limits.max_rows:
        message = f"got {len(rows)} rows; allowed: {service.limits.max_rows} in one request"
        raise RequestError("HS503", message, status=413, next_step="send them in several requests")
    if service.shield is not None:
        rows = service.shield.taken(rows)
    slots = [slot or live.arms[live.router.first]] * len(rows) if slot or live.router.plain else _routed(live, rows)
    different = list(dict.fromkeys(slots))
    if len(different) == 1:
        return _ticket(service, different[0], rows, form, started)
    request = f"rq-{service.ids.take(1)[0]}"
    parts, refused = [], []
    for each in different:
        places = [at for at, own in enumerate(slots) if own is each]
        try:
            part = _ticket(service, each, [rows[at] for at in places], form, started)
        except RequestError as error:
            refused.append(_placed(error, places))
        else:
            part.places, part.request = places, request
            parts.append(part)
    if refused:
        first = min(refused, key=lambda error: _row(error.fields[0]))
        fields = sorted((each for error in refused for each in error.fields), key=_row)
        raise RequestError(first.code, first.message, status=first.status, fields=tuple(fields[:LISTED]), place=first.place)
    return Ticket(live.main, [read for part in parts for read in part.read], (), form, started, parts=parts)


def _placed(error: RequestError, places: Sequence[int]) -> RequestError:
    """The error about some rows of a request, by the places they have in it."""
    fields = tuple({**each, "row": places[_row(each)]} for each in error.fields)
    name = f" field {fields[0]['field']!r}" if fields[0]["field"] else ""
    return RequestError(error.code, error.message, status=error.status, fields=fields, place=f"row {fields[0]['row']}{name}")


def _row(field: dict[str, object]) -> int:
    return int(str(field["row"]))


def _routed(live: Live, rows: Sequence[dict[str, Any]]) -> list[Slot]:
    """The slot of each row; those that nothing sticks to an arm are drawn by a number of their own."""
    key = f"{getrandbits(64):x}"
    return [live.arms[live.router.arm(row, f"{key}/{at}")] for at, row in enumerate(rows)]


def _ticket(service: Service, slot: Slot, rows: list[dict[str, Any]], form: Form, started: float) -> Ticket:
    if slot.enricher is not None:
        rows = slot.enricher.enrich(rows, datetime.now(UTC))
    read = slot.predictor.read_rows(rows)
    logged = _loggable(slot, rows)
    return Ticket(slot, read, logged if service.shield is None else service.shield.logged(logged), form, started)


def _loggable(slot: Slot, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
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
