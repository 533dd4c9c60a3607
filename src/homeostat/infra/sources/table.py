"""A table or query of a database as a source: one part, or a part for each slice of its watermark, stored as Parquet in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from homeostat.core.addresses import without_secrets
from homeostat.errors import DataError
from homeostat.infra.sources.part import Part, Transform
from homeostat.infra.sources.slices import Rows, SliceFacts, Span, Taken, asked_since, slice_name, slice_start, span_of, start_of

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.sections import Source
    from homeostat.infra.raw import RawFile, RawZone
    from homeostat.infra.sources.retry import Patience


class Database(Protocol):
    """What the two kinds of databases do each in their own way. Each call is one connection and one consistent view of the data."""

    def facts(self, ranges: list[Span] | None) -> list[SliceFacts]:
        """With a watermark: each slice with rows in the ranges (None: each slice) and the rows without a place; else the whole table."""

    def frames(self, rows: Rows) -> Iterator[pl.DataFrame]:
        """The rows in an order that their values alone determine, in frames of one schema, at least one."""


class Table:
    """``Source`` over a database. Slices known before are asked again only if rows may have come late, or to fill in a given range."""

    def __init__(self, section: Source, database: Database, transform: Transform | None, taken: Taken, patience: Patience) -> None:
        self._section, self._database, self._transform = section, database, transform
        self._taken, self._patience = taken, patience
        self._name = section.table or "query"

    def parts(self) -> list[Part]:
        """The whole table, or its slices in order of time with the rows that have no place in time last."""
        ranges = self._ranges()
        facts = [each for each in self._patience.ask(lambda: self._database.facts(ranges), self._place) if each.rows]
        if not facts and ranges is None:
            raise DataError("HS202", "the table holds no rows", place=self._place, next_step="see data.table or data.query")
        if self._section.watermark is None:
            return [Part(self._name, each.fingerprint) for each in facts]
        return [self._part(each) for each in sorted(facts, key=lambda each: (each.start is None, each.start))]

    def asked(self, name: str) -> bool:
        """Of a table with a watermark the slices that can have changed, and the rows without a place in time."""
        kind, ranges = self._section.slice, self._ranges()
        if self._section.watermark is None or ranges is None:
            return True
        start = slice_start(name, self._name, kind)
        if start is None:
            return name == slice_name(self._name, None, kind)
        return any(first <= start < after for first, after in ranges)

    def fetch(self, part: Part, zone: RawZone) -> RawFile:
        """Read the rows into a Parquet file; what breaks off is begun anew."""
        unplaced = self._section.watermark is not None and part.span is None
        return self._patience.ask(lambda: zone.put_frames(self._transformed(Rows(part.span, unplaced))), part.name)

    def _transformed(self, rows: Rows) -> Iterator[pl.DataFrame]:
        for frame in self._database.frames(rows):
            yield frame if self._transform is None else self._transform(frame)

    def _part(self, facts: SliceFacts) -> Part:
        kind = self._section.slice
        span = None if facts.start is None else span_of(facts.start, kind)
        return Part(slice_name(self._name, facts.start, kind), facts.fingerprint, span=span)

    def _ranges(self) -> list[Span] | None:
        kind = self._section.slice
        since = asked_since(self._taken.names, self._name, kind, self._section.late) if self._section.watermark else None
        if since is None:
            return None
        ranges = [(since, datetime.max)]
        if self._taken.backfill is not None:
            first, after = self._taken.backfill
            end = start_of(after, kind)
            ranges.append((start_of(first, kind), end if end == after else span_of(end, kind)[1]))
        return ranges

    @property
    def _place(self) -> str:
        return f"{without_secrets(self._section.source)} {self._name}"
