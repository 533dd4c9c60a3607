"""Rows of named fields into a ticket: limits, privacy, and what of them the log keeps. Every protocol comes through here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from homeostat.app.rest.ticket import Ticket
from homeostat.errors import RequestError

if TYPE_CHECKING:
    from homeostat.app.rest.service import Service, Slot
    from homeostat.app.rest.ticket import Form

_INT64 = 2**63
_SCALARS = (str, int, float, bool, type(None))


def ticket_of(service: Service, slot: Slot, rows: list[dict[str, Any]], form: Form, started: float) -> Ticket:
    """The ticket of rows of named fields; ``form`` makes the reply of it when it is answered, ``started`` is when the request began.

    Raises:
        RequestError: HS501 (422) no rows; HS503 (413) too many; HS502 (422) bad fields.
    """
    if not rows:
        raise RequestError("HS501", "got no rows; allowed: at least one", status=422)
    if len(rows) > service.limits.max_rows:
        message = f"got {len(rows)} rows; allowed: {service.limits.max_rows} in one request"
        raise RequestError("HS503", message, status=413, next_step="send them in several requests")
    shield = service.shield
    if shield is not None:
        rows = shield.taken(rows)
    read = slot.predictor.read_rows(rows)
    logged = _loggable(slot, rows)
    return Ticket(slot, read, logged if shield is None else shield.logged(logged), form, started)


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
