"""Request rows made whole: the features of joined tables, looked up by entity as of each row's moment, as the model learned with them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec

from homeostat.core.features import joint, key_text, micros_of
from homeostat.errors import BundleError, RequestError
from homeostat.serving.online import Past, Timeline, TooEarly, timeline_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from homeostat.core.features import EventTable, Feature, Lookup
    from homeostat.flow.project import Project
    from homeostat.flow.registry import Version
    from homeostat.infra.online_store import OnlineStore

KEPT = 100_000
"""Entities of which a process keeps what it read."""
LISTED = 20


class Enricher:
    """Adds looked-up features to rows; it may be used from several threads.

    A field that the caller sends wins, also where it is null: it is not looked up, so that one can ask what if, score rows of the past,
    and go on sending what was sent before. As of when is what the row's own time field says, else now, and never later than now.

    Args:
        lookups: what the joins added to the rows that the model learned from; those that are not online are left to the caller.
        store: the online table.
        wanted: the model's inputs; other features are not looked up.
        accepted: fields that the model's decoder lets pass; entity and time fields that are none of them are taken out. None: all stay.

    Raises:
        BundleError: HS453, the online table does not hold what is looked up.
    """

    def __init__(
        self, lookups: Sequence[Lookup], store: OnlineStore, *, wanted: Collection[str], accepted: Collection[str] | None = None
    ) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._tables: dict[str, EventTable] = {}
        self._timelines: dict[tuple[str, str], Timeline] = {}
        self._wanted = frozenset(wanted)
        tables = store.tables()
        needed = [(one, tuple(each for each in one.features if each.name in self._wanted)) for one in lookups if one.events in tables]
        self._lookups = [(one, features) for one, features in needed if features]
        read = {name for one, _ in self._lookups for name in (*one.on, one.moment)}
        self._dropped = frozenset() if accepted is None else frozenset(read) - frozenset(accepted)
        self._catch_up()

    @property
    def features(self) -> tuple[str, ...]:
        """The inputs that need not be sent."""
        return tuple(feature.name for _, features in self._lookups for feature in features)

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields that say which entity a row is about, and as of when."""
        return tuple(dict.fromkeys(name for one, _ in self._lookups for name in (*one.on, one.moment) if name))

    def enrich(self, rows: Sequence[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
        """The rows with their features; what was given is not changed.

        Raises:
            RequestError: HS451 (422), a row does not say which entity it is about, or its time is none; HS452 (503), the features are
                older than the charter allows; HS457 (422), a row's moment is so long ago that its events are not held any more.
            ProjectError: HS456, the online table cannot be read.
        """
        now_us = micros_of(now) or 0
        found = [dict(row) for row in rows]
        problems: list[dict[str, object]] = []
        with self._lock:
            self._catch_up()
            for lookup, features in self._lookups:
                self._add(lookup, features, found, now_us, problems)
        if problems:
            raise _refusal(problems)
        if self._dropped:
            for row in found:
                for name in self._dropped:
                    row.pop(name, None)
        return found

    def _add(
        self, lookup: Lookup, features: tuple[Feature, ...], rows: list[dict[str, Any]], now_us: int, problems: list[dict[str, object]]
    ) -> None:
        table = self._tables[lookup.events]
        age_us = now_us - table.fresh_us
        stale = table.max_age_us is not None and age_us > table.max_age_us
        for number, row in enumerate(rows):
            missing = [feature for feature in features if feature.name not in row]
            if not missing:
                continue
            if stale and table.refuse:
                raise _too_old(missing[0].name, table, age_us)
            try:
                moment = _moment(lookup, row, now_us)
                entity = _entity(lookup, row)
                if stale or entity is None or moment is None:
                    row.update((feature.name, None) for feature in missing)
                    continue
                timeline = self._timeline(lookup.events, table, entity, now_us)
                row.update([(feature.name, timeline.value(feature, moment)) for feature in missing])
            except _Bad as bad:
                problems.append({"row": number, "field": bad.field, "got": bad.got, "allowed": bad.allowed})
            except TooEarly:
                problems.append({"row": number, "field": lookup.moment, "got": str(row.get(lookup.moment)), "allowed": _EARLIER})

    def _timeline(self, name: str, table: EventTable, entity: str, now_us: int) -> Timeline:
        known = self._timelines.get((name, entity))
        if known is None:
            held = self._store.read(name, entity)
            past = Past() if held.past is None else msgspec.json.decode(held.past, type=Past)
            known = timeline_of(table.columns, past, table.held_us, held.events)
            known.fold(now_us - table.span_us)
            if len(self._timelines) >= KEPT:
                self._timelines.pop(next(iter(self._timelines)))
            self._timelines[name, entity] = known
        return known

    def _catch_up(self) -> None:
        """Forget what others wrote to since."""
        changed = self._store.changed()
        if changed is None:
            self._timelines.clear()
        elif changed:
            for key in [(one.events, entity) for one, _ in self._lookups for entity in changed]:
                self._timelines.pop(key, None)
        if changed is None or changed or not self._tables:
            self._tables = self._store.tables()
            for lookup, _ in self._lookups:
                table = self._tables.get(lookup.events)
                if table is None or not table.holds(lookup):
                    raise BundleError(
                        "HS453",
                        "the online table does not hold the events, columns or windows that the model learned with",
                        place=f"data.joins, table {lookup.table!r}",
                        next_step="run `homeostat features refresh`",
                    )


def open_enricher(project: Project, version: Version, wanted: Collection[str], accepted: Collection[str] | None = None) -> Enricher | None:
    """The enricher of a version's requests; None where it learned with no features that are online.

    Raises:
        BundleError: HS453, the online table does not hold what the version learned with.
        ProjectError: HS456, the online table cannot be read.
    """
    from homeostat.flow.online import is_online, learned_lookups, online_path
    from homeostat.infra.online_store import OnlineStore

    if not is_online(project):
        return None
    path = online_path(project)
    learned = learned_lookups(project, version)
    if not learned or not path.exists():
        return None
    found = Enricher(learned, OnlineStore(path), wanted=wanted, accepted=accepted)
    return found if found.features else None


_EARLIER = "a moment of the last two days, or within `online.late` where that is longer"


class _Bad(Exception):
    """A field of a row that cannot be used."""

    def __init__(self, field: str, got: str, allowed: str) -> None:
        super().__init__(field)
        self.field, self.got, self.allowed = field, got, allowed


def _entity(lookup: Lookup, row: Mapping[str, Any]) -> str | None:
    """The entity a row is about; None where one of its keys is null."""
    texts = []
    for name in lookup.on:
        if name not in row:
            raise _Bad(name, "no such field", f"the value by which features of {lookup.table} are looked up, or null")
        value = row[name]
        if not isinstance(value, str | int | float | None):
            raise _Bad(name, type(value).__name__, "a text, a number, true, false or null")
        texts.append(key_text(value))
    return None if None in texts else joint([text for text in texts if text is not None])


def _moment(lookup: Lookup, row: Mapping[str, Any], now_us: int) -> int | None:
    """As of when: the row's own time where it says one, never later than now; None where it is null."""
    if not lookup.moment or lookup.moment not in row:
        return now_us
    try:
        own = micros_of(row[lookup.moment])
    except (ValueError, TypeError, OverflowError) as error:
        raise _Bad(lookup.moment, str(row[lookup.moment])[:60], "an ISO 8601 date or date-time, epoch seconds, or null") from error
    return None if own is None else min(own, now_us)


def _too_old(feature: str, table: EventTable, age_us: int) -> RequestError:
    ages = [f"{us // 10**6} s" for us in (age_us, table.max_age_us or 0)]
    return RequestError(
        "HS452",
        f"the feature is {ages[0]} old; allowed: {ages[1]}",
        status=503,
        place=f"feature {feature!r} of table {table.table!r}",
        next_step="ingest, or push events; online.max_age and online.stale in the charter say what is too old and what then",
    )


def _refusal(problems: list[dict[str, object]]) -> RequestError:
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return RequestError(
        "HS457" if first["allowed"] == _EARLIER else "HS451",
        f"got {first['got']}; allowed: {first['allowed']}{more}",
        status=422,
        fields=tuple(problems[:LISTED]),
        place=f"row {first['row']} field {first['field']!r}",
    )
