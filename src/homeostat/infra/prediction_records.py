"""What the prediction log holds, read back: all of it, one record, or as a frame. Readers never wait for a writer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from homeostat.infra.predictions import utc_text

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class LogRead:
    """Records in the order of their ids, and how many lines were cut by a kill (``places``: ``segment:line``)."""

    records: list[dict[str, Any]]
    places: tuple[str, ...] = ()

    @property
    def torn(self) -> int:
        """Lines that cannot be read."""
        return len(self.places)


def read(folder: Path, *, since: datetime | None = None) -> LogRead:
    """All records of the log, oldest first; with ``since``, those asked at that instant or later. No folder: no records."""
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    records: list[dict[str, Any]] = []
    places: list[str] = []
    after = "" if since is None else utc_text(since)
    for path in _segments(folder, since):
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            if not line:
                continue
            try:
                record = decode(line)
                wanted = str(record["id"]) != "" and record["at"] >= after
            except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
                places.append(f"{path.name}:{number}")
                continue
            if wanted:
                records.append(record)
    records.sort(key=_id_of)
    return LogRead(records, tuple(places))


def find(folder: Path, prediction_id: str) -> dict[str, Any] | None:
    """The record with this id, or None. Only segments of the days around the id's own time are opened."""
    moment = moment_of(prediction_id)
    if moment is None:
        return None
    wanted = b'"id":' + msgspec.json.encode(prediction_id)
    for path in _segments(folder, moment, moment):
        content = path.read_bytes()
        at = content.find(wanted)
        while at >= 0:
            start, end = content.rfind(b"\n", 0, at) + 1, content.find(b"\n", at)
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                record: dict[str, Any] = msgspec.json.decode(content[start : end if end >= 0 else len(content)], type=dict[str, Any])
                if record["id"] == prediction_id:
                    return record
            at = content.find(wanted, at + 1)
    return None


def count(folder: Path) -> int:
    """How many whole lines the log has."""
    return sum(path.read_bytes().count(b"\n") for path in _segments(folder))


def to_frame(records: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """One row per record: every raw field under its own name, then the rest of the record, its names led by ``_``.

    ``_at`` is a UTC date-time, ``_scores`` a list; ``_lower`` and ``_upper`` are there when an answer had an interval. No records: an
    empty frame.
    """
    import polars as pl

    if not records:
        return pl.DataFrame()
    fields = pl.DataFrame([record["inputs"] for record in records], infer_schema_length=None, strict=False)
    names = ("id", "request", "row", "model", "version", "arm", "scores", "prediction", "latency_ms")
    about = [pl.Series(f"_{name}", [record[name] for record in records], strict=False) for name in names]
    at = pl.Series("_at", [record["at"] for record in records]).str.to_datetime(time_unit="us", time_zone="UTC")
    ends = [
        pl.Series(f"_{name}", [record.get(name) for record in records], dtype=pl.Float64)
        for name in ("lower", "upper")
        if any(name in record for record in records)
    ]
    return fields.with_columns(*about, *ends, at)


def moment_of(prediction_id: str) -> datetime | None:
    """When an id was made, from the id itself; None when it is not of the form this log writes."""
    parts = prediction_id.split("-")
    try:
        return datetime.fromtimestamp(int(parts[1], 16) / 1e9, UTC) if len(parts) == 3 and len(parts[1]) == 16 else None
    except (ValueError, OverflowError, OSError):
        return None


def _id_of(record: dict[str, Any]) -> str:
    return str(record["id"])


def _segments(folder: Path, earliest: datetime | None = None, latest: datetime | None = None) -> Iterator[Path]:
    """Segments in order of name, whose day may hold records between the two instants (a day of margin on both sides)."""
    day = timedelta(days=1)
    low = "" if earliest is None else (earliest.astimezone(UTC) - day).date().isoformat()
    high = "9" if latest is None else (latest.astimezone(UTC) + day).date().isoformat()
    for path in sorted(folder.glob("????-??-??-*.jsonl")):
        if low <= path.name[:10] <= high:
            yield path
