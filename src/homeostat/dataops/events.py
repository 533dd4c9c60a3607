"""The rows of an events table as events: entity, time, key and values as the online table holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.core.casts import logical_type
from homeostat.core.features import Event, joint, plain
from homeostat.dataops.asof import key_text, known_events

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from homeostat.core.features import Lookup

BATCH_ROWS = 50_000


def kinds_of(frame: pl.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """The logical types of columns; a column that has none holds texts."""
    return {name: logical_type(frame.schema[name]) or "string" for name in names}


def events_of(frame: pl.DataFrame, lookup: Lookup, columns: Sequence[str]) -> Iterator[Event]:
    """The events of a table in order of time, and of place among those of one time; rows that are none (a null in the key) are left out.

    Args:
        frame: the whole table.
        lookup: what names an event's entity, time and key.
        columns: which values an event has.

    Raises:
        DataError: HS203, a column is missing; HS225, a time cannot be read.
    """
    known = known_events(frame, lookup).sort("time", "place")
    keys = frame.select(key_text(frame[name]).alias(name) for name in lookup.key)
    for at in range(0, known.height, BATCH_ROWS):
        part = known[at : at + BATCH_ROWS]
        places = part["place"]
        times = part["time"].to_physical().to_list()
        entities = _joined(part.drop("place", "time"))
        named = _joined(keys[places]) if lookup.key else [""] * part.height
        values = [[plain(value) for value in row] for row in frame.select(columns)[places].iter_rows()] if columns else [[]] * part.height
        yield from map(Event, entities, times, places.to_list(), named, values)


def _joined(frame: pl.DataFrame) -> list[str]:
    rows: list[tuple[Any, ...]] = frame.rows()
    return [joint(row) for row in rows]
