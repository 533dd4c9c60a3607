"""Features at request time: which there are, the online table behind them, its refresh from loaded rows, and the events pushed into it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from homeostat.core.features import EventTable, Lookup, micros_of, whole_us
from homeostat.errors import DataError, ProjectError, RequestError
from homeostat.flow.intake import MAIN, loaded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.core.sections import Join, Online
    from homeostat.flow.project import Project
    from homeostat.flow.registry import Version
    from homeostat.infra.online_store import OnlineStore, Pushed

BATCH = 1_000
Refused = tuple[int, RequestError]
"""The place of an event among those given, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """One table of events after a refresh: how many events are held one by one, how many of those were pushed and not loaded yet."""

    table: str
    events: int
    entities: int
    pushed: int


def online_path(project: Project) -> Path:
    """Where the online table lies."""
    return project.state / "online" / "features.sqlite"


def lookups(project: Project) -> list[tuple[Join, Lookup]]:
    """What the charter's joins add to the rows that are loaded now, in their order; none before anything was loaded."""
    from homeostat.dataops.asof import lookup_as_joined

    names = [MAIN, *{join.table for join in project.charter.data.joins}]
    if not all(loaded(project, name).exists() for name in names):
        return []
    columns = {name: loaded(project, name).scan().collect_schema().names() for name in names}
    found, there = [], columns[MAIN]
    for join in project.charter.data.joins:
        lookup = lookup_as_joined(there, columns[join.table], join, project.charter.task.time or "")
        there = [*there, *(each.name for each in lookup.features)]
        found.append((join, lookup))
    return found


def recorded_lookups(dataset: Fact) -> tuple[Lookup, ...]:
    """What joins added to the rows of a dataset version; nothing of one that was taken in before this was recorded."""
    import msgspec

    return tuple(msgspec.convert(each, Lookup) for each in dataset.body.get("lookups", ()))


def learned_lookups(project: Project, version: Version) -> tuple[Lookup, ...]:
    """What joins added to the rows that a version learned from."""
    return recorded_lookups(project.require(str(version.fact.body["dataset"])))


def is_online(project: Project) -> bool:
    """Whether the charter asks for features at request time."""
    return any(join.online for join in project.charter.data.joins)


def refresh(project: Project, at: datetime | None = None) -> list[Refreshed]:
    """Bring the online table up to date with the loaded rows; events that were pushed and are not loaded yet stay.

    It holds what the charter's online joins look up, and what the version that serves learned with.

    Args:
        project: the project.
        at: when the sources were asked last, such as now after an ingest; by default when a delivery of the table came last.

    Raises:
        DataError: HS202, a table has no rows; HS225, a time cannot be read; HS450, a column is no number.
        ProjectError: HS456, the online table cannot be written.
    """
    from homeostat.infra.online_store import OnlineStore

    if not is_online(project):
        return []
    tables = event_tables(project)
    told = []
    with OnlineStore(online_path(project), write=True) as store:
        known = store.tables()
        for name, (lookup, table) in tables.items():
            looked = at or _delivered_at(project, lookup.table)
            asked = 0 if looked is None else micros_of(looked) or 0
            before = known.get(name)
            refreshed, pushed = (before.refreshed_us, before.pushed_us) if before else (0, 0)
            fresh = replace(table, refreshed_us=max(asked, refreshed), pushed_us=pushed)
            told.append(hold(store, lookup, fresh, loaded(project, lookup.table).read(), _now_us(project)))
        store.keep(tables)
    return told


def event_tables(project: Project) -> dict[str, tuple[Lookup, EventTable]]:
    """The tables of events behind the online joins, by name, with a lookup that says what names their events."""
    from homeostat.flow.registry import champion

    version = champion(project)
    learned = learned_lookups(project, version) if version else ()
    found: dict[str, tuple[Lookup, EventTable]] = {}
    asked = lookups(project)
    if not asked:
        raise DataError("HS202", "a table that data.joins names has no rows yet", place="data.joins", next_step="run `homeostat ingest`")
    for join, lookup in asked:
        if join.online is not None:
            wanted = [one for one in (*learned, *(each for _, each in asked)) if one.events == lookup.events]
            schema = loaded(project, lookup.table).scan().head(0).collect()
            found[lookup.events] = (lookup, table_of(lookup, wanted, join.online, schema))
    return found


def table_of(lookup: Lookup, wanted: Iterable[Lookup], online: Online, schema: pl.DataFrame) -> EventTable:
    """A table of events that answers all these lookups; a column that is not there any more is left out."""
    from homeostat.dataops.events import kinds_of

    asked = list(wanted)
    columns = tuple(sorted({name for one in asked for name in one.columns if name in schema.columns}))
    return EventTable(
        table=lookup.table,
        on=lookup.on,
        time=lookup.time,
        key=lookup.key,
        columns=columns,
        kinds=kinds_of(schema, [*lookup.on, lookup.time, *lookup.key, *columns]),
        reach_us=max(one.reach_us for one in asked),
        endless=any(one.endless for one in asked),
        late_us=whole_us(online.late),
        max_age_us=None if online.max_age is None else whole_us(online.max_age),
        refuse=online.stale == "refuse",
    )


def hold(store: OnlineStore, lookup: Lookup, table: EventTable, frame: pl.DataFrame, now_us: int) -> Refreshed:
    """Put the events of a frame into the store; those that no window will reach again are added up, or left out."""
    import msgspec

    from homeostat.core.features import Event
    from homeostat.dataops.events import events_of
    from homeostat.serving.online import Past, added_up

    held_us = now_us - table.span_us
    gone: dict[str, list[list[Any]]] = {}
    kept: list[Event] = []
    newest = None
    for event in events_of(frame, lookup, table.columns):
        newest = event.at_us
        if event.at_us >= held_us:
            kept.append(event)
        elif table.endless:
            gone.setdefault(event.entity, []).append(event.values)
    past = {entity: msgspec.json.encode(added_up(Past(), table.columns, rows)) for entity, rows in gone.items()}
    complete = None if newest is None else min(newest, now_us)
    pushed = store.replace(lookup.events, replace(table, complete_us=complete, held_us=held_us), kept, past)
    entities = len({event.entity for event in kept} | past.keys())
    return Refreshed(lookup.table, len(kept), entities, pushed)


def push(project: Project, store: OnlineStore, table: str | None, fields: Sequence[Mapping[str, Any]]) -> tuple[Pushed, list[Refused]]:
    """Take in events that came now, in their order; returns what became of them, and which were refused with what is wrong.

    Args:
        project: the project: its clock, and its shield of private columns.
        store: the online table.
        table: the table in ``data.tables`` they belong to; may be left out where the charter has one online table.
        fields: the events. Fields that the table does not look at are passed over.

    Raises:
        DataError: HS454, no events can be pushed into this table.
        ProjectError: HS456, the online table cannot be written.
    """
    from homeostat.flow.privacy import served_shield

    shield = served_shield(project)
    return push_events(store, table, fields if shield is None else shield.taken(fields), _now_us(project))


def push_events(store: OnlineStore, table: str | None, fields: Sequence[Mapping[str, Any]], now_us: int) -> tuple[Pushed, list[Refused]]:
    """As ``push``, of events that are shielded already."""
    from homeostat.infra.online_store import Pushed
    from homeostat.serving.events import read_event

    events: dict[str, list[Any]] = {}
    refused: list[Refused] = []
    targets = _pushable(store.tables(), table)
    for number, each in enumerate(fields):
        try:
            read = {name: read_event(target, each) for name, target in targets.items()}
        except ValueError as error:
            refused.append((number, RequestError("HS455", str(error), status=422, place=f"event {number}")))
        else:
            for name, event in read.items():
                events.setdefault(name, []).append(event)
    done = [store.push(name, found, now_us) for name, found in events.items()]
    return (done[0] if done else Pushed()), refused


def _pushable(tables: Mapping[str, EventTable], table: str | None) -> dict[str, EventTable]:
    """The event tables behind a table: more than one where it is joined by several columns.

    Raises:
        DataError: HS454, there is none, it is not said which, or its events have no key.
    """
    names = sorted({each.table for each in tables.values()})
    if table is None and len(names) != 1:
        raise DataError("HS454", "got no table; there are " + (", ".join(names) or "none"), next_step="say which: --table NAME")
    wanted = table or names[0]
    found = {name: each for name, each in tables.items() if each.table == wanted}
    if not found:
        raise DataError(
            "HS454",
            f"got {wanted!r}; online are {', '.join(names) or 'none'}",
            place="table",
            next_step="give its join `online` in the charter, and run `homeostat features refresh`",
        )
    if not all(each.key for each in found.values()):
        raise DataError(
            "HS454",
            "its events have no key, so one that comes twice would be counted twice",
            place=f"data.joins, table {wanted!r}",
            next_step="name the columns that tell events apart in `key` of the join, and ingest again",
        )
    return found


def read_lines(chunks: Iterable[bytes]) -> Iterator[list[tuple[int, Mapping[str, Any] | DataError]]]:
    """Events from JSON lines as they come, in groups: the line's number, and its fields or what is wrong with the line (HS205)."""
    import msgspec

    rest, number = b"", 0
    for chunk in chain(chunks, [b"\n"]):
        *lines, rest = (rest + chunk).split(b"\n")
        group: list[tuple[int, Mapping[str, Any] | DataError]] = []
        for line in lines:
            number += 1
            if line.strip():
                try:
                    group.append((number, msgspec.json.decode(line, type=dict[str, Any])))
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    group.append((number, DataError("HS205", f"is no JSON object: {error}", place=f"line {number}")))
        for at in range(0, len(group), BATCH):
            yield group[at : at + BATCH]


def told(tables: Sequence[Refreshed]) -> list[dict[str, Any]]:
    """For ``--json``."""
    return [asdict(each) for each in tables]


def _delivered_at(project: Project, table: str) -> datetime | None:
    return max((fact.at for fact in project.ledger.find("delivery") if fact.body["table"] == table), default=None)


def _now_us(project: Project) -> int:
    return micros_of(project.clock.now().astimezone(UTC)) or 0


def require_store(project: Project) -> None:
    """Return where the charter asks for an online table.

    Raises:
        ProjectError: HS454, no join is online.
    """
    if not is_online(project):
        raise ProjectError("HS454", "no join of this charter is online", place="data.joins", next_step="give one `online: {}`")
