"""What the prediction log holds, read back: records, one record, a frame. Segments and partitions are one log to readers.

Readers never wait for a writer or for whoever makes partitions, and see each record once (``prediction_files`` says why).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from homeostat.core.targets import texts
from homeostat.errors import ProjectError
from homeostat.infra.prediction_columns import INPUT, Record, to_columns, to_records
from homeostat.infra.prediction_files import DAY, Part, around, chunks, day_of, parts, read_line, segments, torn_places

if TYPE_CHECKING:
    import polars as pl

Seen = Callable[["pl.DataFrame"], "pl.DataFrame"]
FOREVER = datetime.min.replace(tzinfo=UTC)
USUAL = MappingProxyType({name: f"_{name}" for name in ("id", "version", "at", "scores", "prediction")})


@dataclass(frozen=True, slots=True)
class LogRead:
    """Records in the order of their ids, and how many lines were cut by a kill (``places``: ``segment:line``)."""

    records: list[Record]
    places: tuple[str, ...] = ()

    @property
    def torn(self) -> int:
        """Lines that cannot be read."""
        return len(self.places)


@dataclass(frozen=True, slots=True, eq=False)
class FrameRead:
    """The same as columns: see ``read_frame``."""

    frame: pl.DataFrame
    places: tuple[str, ...] = ()

    @property
    def torn(self) -> int:
        """Lines that cannot be read."""
        return len(self.places)


def read(folder: Path, *, since: datetime | None = None) -> LogRead:
    """All records of the log, oldest first; with ``since``, those asked at that instant or later. No folder: no records.

    For millions of rows ask ``read_frame``.
    """
    places: list[str] = []
    records = [record for frame in _frames(folder, since or FOREVER, places) for record in to_records(frame)]
    records.sort(key=_id_of)
    return LogRead(records, tuple(places))


def read_frame(
    folder: Path,
    *,
    since: datetime | None = None,
    fields: Collection[str] | None = None,
    about: Mapping[str, str] = USUAL,
    seen: Seen | None = None,
) -> FrameRead:
    """One row per record, oldest first: every raw field under its own name, then what ``about`` asks for.

    A field whose values differ in type shows numbers as floats, anything else as texts. A raw field gives way to another column of
    its name.

    Args:
        folder: the log's; if it is not there the frame has no columns.
        since: only what was asked at that instant or later; days before it are not opened.
        fields: only these raw fields (those that no row has are not there); None: all.
        about: what else, by its name in ``prediction_columns.ABOUT``, under which name.
        seen: called with each piece of the log as it is stored, ``rest`` included; columns that it adds are kept.
    """
    import polars as pl

    places: list[str] = []
    pieces, ids = [], []
    wanted = None if fields is None else {f"{INPUT}{name}" for name in fields}
    only = None if wanted is None else {*wanted, *about, "id", "at", "rest"}
    for frame in _frames(folder, since or FOREVER, places, only):
        piece = frame if seen is None else seen(frame)
        added = [name for name in piece.columns if name not in frame.columns]
        taken = {*about.values(), *added}
        raw = {name: name.removeprefix(INPUT) for name in frame.columns if name.startswith(INPUT) and (wanted is None or name in wanted)}
        kept = [pl.col(name).alias(short) for name, short in raw.items() if short not in taken]
        pieces.append(piece.select(*kept, *(pl.col(name).alias(told) for name, told in about.items()), *map(pl.col, added)))
        ids.append(frame["id"])
    if not pieces:
        return FrameRead(pl.DataFrame(), tuple(places))
    whole, order = stacked(pieces), pl.concat(ids)
    return FrameRead(whole if order.is_sorted() else whole[order.arg_sort()], tuple(places))


def find(folder: Path, prediction_id: str) -> Record | None:
    """The record with this id, or None. Only what lies around the id's own time is opened."""
    moment = moment_of(prediction_id)
    if moment is None:
        return None
    wanted = b'"id":' + msgspec.json.encode(prediction_id)
    days = around(moment)
    read_whole = set()
    for path in segments(folder, *days):
        with suppress(FileNotFoundError):
            content = path.read_bytes()
            read_whole.add(path.stem)
            found = _in_segment(content, wanted, prediction_id)
            if found is not None:
                return found
    # An id is made as its record is written, so the segment's day is near; that of the question nearly always is.
    low, high = (day.isoformat() for day in days)
    for among in (parts(folder, *days), parts(folder)):
        likely = [part for part in among if low <= part.segment[:10] <= high and part.segment not in read_whole]
        found = _in_parts(likely, prediction_id)
        if found is not None:
            return found
    return None


def count(folder: Path) -> int:
    """How many records the log has: whole lines of segments and rows of partitions, none of them decoded."""
    read_whole: dict[str, int] = {}
    for path in segments(folder):
        with suppress(FileNotFoundError):
            read_whole[path.stem] = path.read_bytes().count(b"\n")
    rest = [part for part in parts(folder) if part.segment not in read_whole]
    return sum(read_whole.values()) + sum(rows_of(part) for part in rest)


def torn(folder: Path) -> list[str]:
    """``segment:line`` of all lines that a kill cut."""
    read_whole, places = set(), []
    for path in segments(folder):
        with suppress(FileNotFoundError):
            for chunk in chunks(path):
                read_whole.add(path.stem)
                places += [f"{path.name}:{number}" for number in chunk.torn]
    return places + [place for place in torn_places(folder) if place.partition(".")[0] not in read_whole]


def rows_of(part: Part) -> int:
    """How many rows a partition has, from its footer; 0 when it has just been removed."""
    import polars as pl

    with suppress(FileNotFoundError), _readable(part):
        return int(pl.scan_parquet(part.path).select(pl.len()).collect().item())
    return 0


def moment_of(prediction_id: str) -> datetime | None:
    """When an id was made, from the id itself; None when it is not of the form this log writes."""
    found = prediction_id.split("-")
    try:
        return datetime.fromtimestamp(int(found[1], 16) / 1e9, UTC) if len(found) == 3 and len(found[1]) == 16 else None
    except (ValueError, OverflowError, OSError):
        return None


def stacked(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Frames one below the other; a column that has several types becomes floats if all are numbers, else texts."""
    import polars as pl

    types: dict[str, pl.DataType] = {}
    for frame in frames:
        for name, dtype in frame.schema.items():
            types[name] = _common(types.get(name, dtype), dtype)
    alike = [
        frame.with_columns(_as(frame[name], types[name]) for name, dtype in frame.schema.items() if dtype != types[name])
        for frame in frames
    ]
    return pl.concat(alike, how="diagonal", rechunk=False).select(*types) if alike else pl.DataFrame()


def _common(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    import polars as pl

    if other in (one, pl.Null):
        return one
    if one == pl.Null:
        return other
    return pl.Float64() if one.is_numeric() and other.is_numeric() else pl.String()


def _as(series: pl.Series, dtype: pl.DataType) -> pl.Series:
    import polars as pl

    return texts(series) if dtype == pl.String else series.cast(dtype)


def _frames(folder: Path, since: datetime, places: list[str], only: Collection[str] | None = None) -> Iterator[pl.DataFrame]:
    """The log piece by piece as ``to_columns`` makes it, what was asked before ``since`` left out; torn lines are told in ``places``."""
    import polars as pl

    # Segments first: one that becomes partitions from here on was read, and the partitions that bear its name are passed by.
    low = day_of(since)
    read_whole = set()
    for path in segments(folder, max(low, date.min + DAY) - DAY):
        with suppress(FileNotFoundError):
            for chunk in chunks(path):
                read_whole.add(path.stem)
                places += [f"{path.name}:{number}" for number in chunk.torn]
                frame = to_columns(chunk.records).filter(pl.col("at") >= since)
                if frame.height:
                    yield frame
    for part in parts(folder, low):
        if part.segment not in read_whole:
            with suppress(FileNotFoundError):  # its time is over: it was removed
                yield read_part(part, only).filter(pl.col("at") >= since)
    places += [place for place in torn_places(folder) if place.partition(".")[0] not in read_whole]


def read_part(part: Part, only: Collection[str] | None = None) -> pl.DataFrame:
    """The rows of a partition, all columns or those of ``only`` that it has.

    Raises:
        FileNotFoundError: it is not there any more.
        ProjectError: HS440, it is damaged.
    """
    import polars as pl

    with _readable(part):
        names = None if only is None else [name for name in pl.read_parquet_schema(part.path) if name in only]
        return pl.read_parquet(part.path, columns=names, hive_partitioning=False)


@contextmanager
def _readable(part: Part) -> Iterator[None]:
    """What Polars says of a damaged partition becomes what a person can act on."""
    import polars as pl

    try:
        yield
    except FileNotFoundError:
        raise
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ProjectError(
            "HS440",
            f"cannot be read: {' '.join(str(error).split())[:200]}",
            place=str(part.path),
            next_step="restore the file from a copy; without one move it away: its rows are lost, the rest of the log is read",
        ) from error


def _in_segment(content: bytes, wanted: bytes, prediction_id: str) -> Record | None:
    at = content.find(wanted)
    while at >= 0:
        start, end = content.rfind(b"\n", 0, at) + 1, content.find(b"\n", at)
        record = read_line(content[start : end if end >= 0 else len(content)])
        if record is not None and record["id"] == prediction_id:
            return record
        at = content.find(wanted, at + 1)
    return None


def _in_parts(among: list[Part], prediction_id: str) -> Record | None:
    import polars as pl

    for part in among:
        with suppress(FileNotFoundError), _readable(part):
            found = pl.scan_parquet(part.path, hive_partitioning=False).filter(pl.col("id") == prediction_id).collect()
            if found.height:
                return to_records(found)[0]
    return None


def _id_of(record: Record) -> str:
    return str(record["id"])
