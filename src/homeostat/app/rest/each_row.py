"""An answer or a refusal for each row by itself: a bad row fails none of the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from homeostat.app.rest.predict import Told, no_object, parse_values, told_rows
from homeostat.app.rest.protocol import Reply, json_reply, told
from homeostat.app.rest.rows import ticket_of
from homeostat.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.app.rest.service import Service
    from homeostat.app.rest.ticket import Ticket

ROWS_AT_ONCE = 512
ROW_CODES = frozenset(("HS501", "HS502"))
"""Codes of what is wrong with a row itself; any other failure is one of the whole request."""


class Fault(msgspec.Struct):
    """What is wrong with a row."""

    code: str
    message: str
    fields: list[dict[str, Any]]


class Refused(msgspec.Struct):
    """What stands in place of the answer to a bad row."""

    error: Fault


class EachPredicted(msgspec.Struct):
    """The answer to a request whose bad rows are answered in their places; ``refused`` is how many they are."""

    model: str
    refused: int
    predictions: list[Told | Refused]


async def predict_each(service: Service, body: bytes, started: float) -> Reply:
    """``POST /predict?bad_rows=answer``: as ``/predict``, but a bad row's refusal stands in its place.

    Raises:
        RequestError: what is wrong with the request as a whole: not JSON, no rows, too many.
    """
    rows = parse_values(body, service.serving().main.manifest.accepted())
    if not rows:
        raise RequestError("HS501", "got no rows; allowed: at least one", status=422)
    if len(rows) > service.limits.max_rows:
        message = f"got {len(rows)} rows; allowed: {service.limits.max_rows} in one request"
        raise RequestError("HS503", message, status=413, next_step="send them in several requests, or as a stream of lines")
    found: list[Told | Refused] = []
    size = rows_at_once(service)
    for at in range(0, len(rows), size):
        found += await answer_each(service, rows[at : at + size], range(at, len(rows)), started)
        await asyncio.sleep(0)  # let others have their turn, whatever these rows were
    refused = sum(isinstance(each, Refused) for each in found)
    return json_reply(EachPredicted(service.name, refused, found))


def rows_at_once(service: Service) -> int:
    """How many rows are answered together."""
    return min(ROWS_AT_ONCE, service.limits.max_rows)


async def answer_each(service: Service, rows: Sequence[Any], numbers: Sequence[int], started: float) -> list[Told | Refused]:
    """What is said of each row, in their order, with the version that answered; refusals name rows by their ``numbers``.

    Raises:
        HomeostatError: the answers cannot be given, whatever the rows are: too much to do, or the log cannot be written.
    """
    found: dict[int, Told | Refused] = {}
    for at, row in enumerate(rows):
        error = _wrong(service, row)
        if error is not None:
            found[at] = refusal(error, numbers[at])
    good = [at for at in range(len(rows)) if at not in found]
    open_ = [good] if good else []
    while open_:  # a row that only the model refuses, because its score is endless, is found by halves
        part = open_.pop()
        ticket = await service.batcher.answered(ticket_of(service, [rows[at] for at in part], _never, started))
        failure = ticket.failure
        if failure is None:
            found |= zip(part, with_versions(ticket), strict=True)
        elif not isinstance(failure, RequestError) or failure.code not in ROW_CODES:
            raise failure
        elif len(part) == 1:
            found[part[0]] = refusal(failure, numbers[part[0]])
        else:
            open_ += [part[: len(part) // 2], part[len(part) // 2 :]]
    return [found[at] for at in range(len(rows))]


def with_versions(ticket: Ticket) -> list[Told]:
    """What is told of each row of an answered ticket, each with the version that answered it."""
    found = told_rows(ticket)
    for each in found:
        each.version = each.version or ticket.slot.version
    return found


def refusal(error: RequestError, row: int) -> Refused:
    """What is told in place of the answer to a row, by its number; the error counts from 0."""
    place = f"row {row}{error.place.removeprefix('row 0')}" if error.place.startswith("row 0") else error.place
    message = told(RequestError(error.code, error.message, place=place, next_step=error.next_step))
    return Refused(Fault(error.code, message, [dict(each, row=row) for each in error.fields]))


def _wrong(service: Service, row: Any) -> RequestError | None:
    """What is wrong with a row by itself."""
    if not isinstance(row, dict):
        return no_object(row, 0)
    try:
        ticket_of(service, [row], _never, 0.0)
    except RequestError as error:
        if error.code not in ROW_CODES:
            raise
        return error
    return None


def _never(ticket: Ticket) -> Reply:
    raise AssertionError(f"the rows of {ticket.request} are told one by one")
