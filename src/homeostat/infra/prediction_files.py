"""Where the prediction log lies: segments of JSON lines, and the Parquet partitions they become.

```
2026-11-25-4711-17f3a9c0b2d41e88.jsonl                                   a segment: day, process, nanoseconds
day=2026-11-25/version=3/part-2026-11-25-4711-17f3a9c0b2d41e88-0.parquet  what of it was asked that day of that version
torn/2026-11-25-4711-17f3a9c0b2d41e88.json                               the lines of it that a kill cut
```

A partition counts from the moment its segment is gone: until then readers read the segment and pass by whatever bears its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from homeostat.infra.prediction_columns import Record, moment_at

CHUNK_BYTES = 32 << 20
"""So much of a segment is in memory at once; a line that is longer is too."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of the log: rows of one UTC day and version out of one segment."""

    path: Path
    day: date
    version: str
    segment: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some lines of a segment: the records, and the numbers (from 1) of the lines that cannot be read."""

    records: list[Record]
    torn: list[int]


def segments(folder: Path, low: date = date.min, high: date = date.max) -> list[Path]:
    """Segments in order of name whose day lies between two; a day of margin on both sides is the caller's."""
    found = folder.glob("????-??-??-*.jsonl")
    return sorted(path for path in found if low.isoformat() <= path.name[:10] <= high.isoformat())


def parts(folder: Path, low: date = date.min, high: date = date.max) -> list[Part]:
    """Partitions of the days from ``low`` to ``high``, both included, in order of day and name. Some may not count yet."""
    found = []
    for below in sorted(folder.glob("day=????-??-??")):
        day = date.fromisoformat(below.name[4:])
        if low <= day <= high:
            for path in sorted(below.glob("version=*/part-*.parquet"), key=lambda each: each.name):
                segment = path.stem.removeprefix("part-").rpartition("-")[0]
                found.append(Part(path, day, path.parent.name.removeprefix("version="), segment))
    return found


def part_path(folder: Path, day: date, version: object, segment: str, number: int) -> Path:
    """Where the ``number``-th rows of a segment lie that were asked that day of that version (none: not known)."""
    return folder / f"day={day.isoformat()}" / f"version={version}" / f"part-{segment}-{number}.parquet"


def torn_path(folder: Path, segment: str) -> Path:
    """Where the torn lines of a segment are told that has become partitions."""
    return folder / "torn" / f"{segment}.json"


def torn_places(folder: Path) -> list[str]:
    """``segment:line`` of the lines that were cut in segments that have become partitions."""
    places = []
    for path in sorted((folder / "torn").glob("????-??-??-*.json")):
        places += [f"{path.stem}.jsonl:{line}" for line in msgspec.json.decode(path.read_bytes(), type=list[int])]
    return places


def day_of(moment: datetime) -> date:
    """The UTC day of an instant."""
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).date()


def around(moment: datetime) -> tuple[date, date]:
    """The days before and after an instant: what was written about it lies between them."""
    day = day_of(moment)
    return (max(day, date.min + DAY) - DAY, min(day, date.max - DAY) + DAY)


def chunks(path: Path, size: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """A segment in pieces of about so many bytes, whole lines each.

    Raises:
        FileNotFoundError: the segment has become partitions in the meantime.
    """
    first, rest = 1, b""
    with path.open("rb") as file:
        while block := file.read(size):
            lines, found, cut = (rest + block).rpartition(b"\n")
            rest = cut
            if found:
                yield _chunk(lines, first)
                first += lines.count(b"\n") + 1
        if rest:
            yield _chunk(rest, first)


def _chunk(content: bytes, first: int) -> Chunk:
    records: list[Record] = []
    torn = []
    for number, line in enumerate(content.split(b"\n"), start=first):
        if not line:
            continue
        record = read_line(line)
        if record is None:
            torn.append(number)
        else:
            records.append(record)
    return Chunk(records, torn)


_decode = msgspec.json.Decoder(dict[str, Any]).decode


def read_line(line: bytes) -> Record | None:
    """One record; None when the line was cut, or is no record: a JSON object with an id and a time."""
    try:
        record = _decode(line)
        moment_at(record["at"])
        known = record["id"]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        return None
    return record if known and isinstance(known, str) else None
