"""What every source is: a list of parts, each of which is copied into the raw zone whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import polars as pl

    from homeostat.infra.formats.read import Format
    from homeostat.infra.formats.reads import SourceRead
    from homeostat.infra.raw import RawFile, RawZone

Transform = Callable[["pl.DataFrame"], "pl.DataFrame"]
"""What is done to each batch of rows before anything is stored: it keeps the rows and their order, and gives every batch one schema."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing of a source that is taken in whole: a file, an object, an HTTP document, or a span of a table's watermark.

    Attributes:
        name: what it is called in ``_source`` and in deliveries; it holds no password.
        fingerprint: differs when the content does; comparing it costs less than reading the part.
        bytes: its size, where that is known without reading it.
        span: of a slice of a table the first moment in it and the first one after it, in wall time (UTC where the column has a zone).
    """

    name: str
    fingerprint: str
    bytes: int | None = None
    span: tuple[datetime, datetime] | None = None


class Source(Protocol):
    """A place that rows come from."""

    def parts(self) -> list[Part]:
        """The parts there are now, sorted by name; of a table with a watermark only those that can have changed.

        Raises:
            DataError: there are none, or the place is not what the charter says.
            Unreachable: HS804, it does not answer.
        """

    def asked(self, name: str) -> bool:
        """Whether ``parts`` lists the part of this name if it is there: one it asks for and does not list is gone."""

    def fetch(self, part: Part, zone: RawZone) -> RawFile:
        """Copy a part into the raw zone, whole or not at all. It may have changed since it was listed; then it is what it is now.

        Raises:
            DataError: it is not there any more, or cannot be read.
            Unreachable: HS804, the source does not answer or broke off each time; HS805, the part kept changing while it was copied.
        """


def store_parsed(zone: RawZone, reads: Iterable[SourceRead], transform: Transform) -> RawFile:
    """Store rows as the transformation leaves them; nothing else of them is written."""
    from homeostat.infra.formats.parquet import parsed_frames

    def transformed() -> Iterable[SourceRead]:
        from homeostat.infra.formats.reads import SourceRead

        for read in reads:
            rows = transform(read.frame.drop("_source", "_line"))
            yield SourceRead(rows.hstack(read.frame.select("_source", "_line")), read.broken)

    form: Format = "parsed"
    return zone.put_frames(parsed_frames(transformed()), form)
