"""``POST /events`` and ``/events/{table}``: what happened, for the features that are looked up when a row is asked about.

The body is one event (an object of the table's fields), a list of them, or lines of JSON. An event that is refused is told by its place
and keeps no other back; one that came before is told as repeated and counts once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from homeostat.app.rest.predict import decode_json
from homeostat.app.rest.protocol import Reply, json_reply
from homeostat.errors import DataError, RequestError
from homeostat.graph.decode import LISTED

if TYPE_CHECKING:
    from homeostat.app.rest.service import Service


async def reply(service: Service, table: str | None, body: bytes, *, lines: bool) -> Reply:
    """``{"taken", "repeated", "late", "refused": [{"event", "code", "message"}]}``.

    Raises:
        RequestError: HS504 (404), this model looks up no features; HS454 (404), none of this table; HS501, the body holds no events;
            HS503 (413), too many; HS455 (422), every one of them is refused.
    """
    if service.push is None:
        raise RequestError("HS504", f"{service.name!r} looks up no features that events could change", status=404)
    given = [decode_json(line) for line in body.splitlines() if line.strip()] if lines else decode_json(body)
    events: list[Any] = given if isinstance(given, list) else [given]
    if not events or not all(isinstance(each, dict) for each in events):
        raise RequestError("HS501", "got no events; allowed: an object of named fields, a list of them, or lines of them", status=422)
    if len(events) > service.limits.max_rows:
        raise RequestError("HS503", f"got {len(events)} events; allowed: {service.limits.max_rows} in one request", status=413)
    try:
        told = await asyncio.get_running_loop().run_in_executor(service.workers, service.push, table, events)
    except DataError as error:
        raise RequestError(error.code, error.message, status=404, place=error.place, next_step=error.next_step) from error
    if len(told["refused"]) == len(events):
        raise _all_refused(told["refused"])
    return json_reply(told)


def _all_refused(refused: list[dict[str, Any]]) -> RequestError:
    fields = tuple({"row": each["event"], "field": "", "got": "an event", "allowed": each["message"]} for each in refused[:LISTED])
    return RequestError("HS455", refused[0]["message"], status=422, fields=fields, place=f"event {refused[0]['event']}")
