"""The proof that features at request time are those of training: history is replayed through the online table, and both are compared."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeostat.core.features import Event, Lookup, plain
from homeostat.errors import DataError
from homeostat.flow.curate import changed_columns, featured, joined
from homeostat.flow.enriching import Enricher
from homeostat.flow.intake import MAIN, loaded
from homeostat.flow.online import hold, lookups, require_store, table_of
from homeostat.infra.online_store import OnlineStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from homeostat.core.ports import Progress
    from homeostat.core.sections import Join
    from homeostat.flow.project import Project

SAMPLE = 10_000
SHOWN = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that is not the same: which row of the main table, which feature, and both values."""

    row: str
    feature: str
    training: Any
    online: Any


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay compared. ``changed`` are features that ``data.features`` changes or drops, so what is looked up is no input."""

    rows: int
    events: int
    features: tuple[str, ...]
    values: int
    differences: int
    first: tuple[Difference, ...]
    changed: tuple[str, ...]


def check_features(project: Project, rows: int | None = SAMPLE, seed: int = 0, progress: Progress | None = None) -> Replayed:
    """Compare the joined columns of training rows with what the online table answers at their moments, bit for bit.

    The events of each online join are pushed into an empty online table in order of time; at the moment of each row it is asked, as a
    server would ask it. Null and NaN are the same.

    Args:
        project: the project; nothing of it is changed.
        rows: how many rows, drawn at random; None: all.
        seed: of the draw.
        progress: told how far it is.

    Raises:
        DataError: HS202, a table has no rows.
        ProjectError: HS454, no join is online.
    """
    require_store(project)
    found = lookups(project)
    if not found:
        raise DataError("HS202", "a table that data.joins names has no rows yet", place="data.joins", next_step="run `homeostat ingest`")
    others = {name: loaded(project, name).read() for name in project.charter.data.tables if loaded(project, name).exists()}
    main = loaded(project, MAIN).read()
    whole = joined(project, main, others)
    made, _ = featured(project, whole, others)
    asked = whole if rows is None or rows >= whole.height else whole.sample(rows, seed=seed)
    totals: list[Replayed] = []
    for join, lookup in found:
        if join.online is not None:
            if progress:
                progress.update(f"replay {lookup.table}")
            totals.append(replay(asked, others[lookup.table], join, lookup))
    differences = [one for each in totals for one in each.first]
    return Replayed(
        asked.height,
        sum(each.events for each in totals),
        tuple(name for each in totals for name in each.features),
        sum(each.values for each in totals),
        sum(each.differences for each in totals),
        tuple(differences[:SHOWN]),
        changed_columns(whole, made, [name for each in totals for name in each.features]),
    )


def replay(rows: pl.DataFrame, frame: pl.DataFrame, join: Join, lookup: Lookup) -> Replayed:
    """Push the events of a table in order of time into an empty online table, and ask it at each row's moment for what the row has."""
    from homeostat.dataops.asof import moments_of
    from homeostat.dataops.events import events_of

    assert join.online is not None  # noqa: S101 - the caller asks for online joins only
    names = tuple(each.name for each in lookup.features)
    moments = moments_of(rows, lookup.moment).to_physical()
    order = moments.arg_sort(nulls_last=True).to_list()
    table = replace(table_of(lookup, [lookup], join.online, frame.head(0)), max_age_us=None)
    told = Told(rows, names)
    events = 0
    with tempfile.TemporaryDirectory() as folder, OnlineStore(Path(folder) / "features.sqlite", write=True) as store:
        hold(store, lookup, table, frame.clear(), 0)
        coming = _named(events_of(frame, lookup, table.columns))
        enricher = Enricher([lookup], store, wanted=names)
        event = next(coming, None)
        for at in order:
            moment = moments[at]
            group: list[Event] = []
            while event is not None and moment is not None and event.at_us <= moment:
                group.append(event)
                event = next(coming, None)
            if group:
                store.push(lookup.events, group, None)
                events += len(group)
            told.compare(at, enricher, lookup, moment)
    return Replayed(rows.height, events, names, rows.height * len(names), told.count, tuple(told.first), ())


class Told:
    """Compares rows with answers, counts the differences and keeps the first of them."""

    def __init__(self, rows: pl.DataFrame, names: tuple[str, ...]) -> None:
        self._rows, self._names = rows, names
        self.count = 0
        self.first: list[Difference] = []

    def compare(self, at: int, enricher: Enricher, lookup: Lookup, moment: int | None) -> None:
        """Ask for the features of one row as of its moment."""
        row = self._rows.row(at, named=True)
        request = {name: plain(row[name]) for name in lookup.on} | {lookup.moment: None if moment is None else _instant(moment)}
        (found,) = enricher.enrich([request], _instant(moment or 0))
        for name in self._names:
            if not same(plain(row[name]), found[name]):
                self.count += 1
                if len(self.first) < SHOWN:
                    place = f"{row.get('_source', '')}:{row.get('_line', at)}"
                    self.first.append(Difference(place, name, plain(row[name]), found[name]))


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same, of floats every bit; a whole number equals itself as a float only where a column was cast.

    >>> same(0.1 + 0.2, 0.3), same(None, None), same(0.0, -0.0)
    (False, True, False)
    """
    if isinstance(one, float) and isinstance(other, float):
        return one.hex() == other.hex()
    return type(one) is type(other) and bool(one == other)


def _named(events: Iterator[Event]) -> Iterator[Event]:
    """The events with a key each: where the table has none, each row is an event of its own."""
    for event in events:
        yield event if event.key else event._replace(key=f"row {event.place}")


def _instant(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
