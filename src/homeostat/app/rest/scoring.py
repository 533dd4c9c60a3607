"""From rows to answers and the records of them: the one path all protocols take."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from homeostat.infra.predictions import Prediction, encode_lines, utc_text
from homeostat.serving.answers import answers
from homeostat.serving.predictor import Said, endless, refuse_endless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.app.rest.service import Slot
    from homeostat.app.rest.ticket import Ticket
    from homeostat.infra.predictions import Ids


def score(ids: Ids, slot: Slot, tickets: Sequence[Ticket]) -> tuple[bytes, int]:
    """Answer the tickets of one slot in one call of its graph; gives the records of the answers as lines, and how many they are.

    A ticket with a row that has no finite score gets its ``failure``, and the others their answers.
    """
    said = slot.predictor.say_read([row for ticket in tickets for row in ticket.read])
    if bad := endless(said):
        said, tickets = _without_endless(said, bad, tickets)
    found, scores = answers(slot.manifest, *said), said.scores.tolist()
    names = iter(ids.take(len(found) + len(tickets)))
    at, now = utc_text(datetime.now(UTC)), time.perf_counter()
    records, row = [], 0
    for ticket in tickets:
        ticket.request = ticket.request or f"rq-{next(names)}"
        ticket.ids = [f"pr-{next(names)}" for _ in ticket.read]
        ticket.answers = found[row : row + len(ticket.read)]
        latency_ms = round((now - ticket.started) * 1e3, 3)
        about = (at, slot.model, slot.version, slot.arm)
        places = ticket.places or range(len(ticket.read))
        for place, name, told, inputs in zip(places, ticket.ids, ticket.answers, ticket.inputs, strict=True):
            records.append(
                Prediction(name, ticket.request, place, *about, inputs, scores[row], told.prediction, latency_ms, told.lower, told.upper)
            )
            row += 1
    return encode_lines(records), len(records)


def _without_endless(said: Said, bad: Sequence[int], tickets: Sequence[Ticket]) -> tuple[Said, list[Ticket]]:
    """What is said of the tickets that have no row among ``bad``, and these; the others are told their rows."""
    kept: list[Ticket] = []
    rows: list[int] = []
    start = 0
    for ticket in tickets:
        end = start + len(ticket.read)
        own = [row - start for row in bad if start <= row < end]
        if own:
            ticket.failure = refuse_endless(own if ticket.places is None else [ticket.places[row] for row in own])
        else:
            kept.append(ticket)
            rows.extend(range(start, end))
        start = end
    take = np.asarray(rows, dtype=np.int64)
    return Said(said.scores[take], said.decisions[take], None if said.ends is None else said.ends[take]), kept
