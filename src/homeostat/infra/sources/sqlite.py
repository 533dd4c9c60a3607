"""Tables and queries of SQLite: a column has its declared type only where all its values are of it, since SQLite does not see to that."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from homeostat.core.addresses import without_secrets
from homeostat.core.casts import dtype_of, read_as
from homeostat.core.quoting import quoted, unquoted
from homeostat.errors import DataError
from homeostat.infra.formats.reads import check_names
from homeostat.infra.sources.retry import Transient
from homeostat.infra.sources.slices import Rows, SliceFacts, Span

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.sections import Source

BATCH_ROWS = 50_000
_AT_ONCE = 100  # columns; SQLite takes at most 127 arguments and gives at most 2000 values
_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_CLOCK = "[0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
_EXACT = 2**53
ColumnKind = Literal["integer", "number", "boolean", "date", "timestamp", "string"]


class Sqlite:
    """``table.Database`` over ``sqlite:///FILE``; a path that is not absolute is relative to the project."""

    def __init__(self, section: Source, root: Path) -> None:
        self._section = section
        self._path = root / section.source.removeprefix("sqlite:///")
        self._place = without_secrets(section.source)
        self._watermark = quoted(section.watermark) if section.watermark else ""
        self._day = f"date({self._watermark}, '+0 days')"  # with a modifier it is a day of the calendar, without one it need not be
        kept = f"{self._day} >= '0001-01-01' AND {self._day} < '9999-12-31'"
        self._placed = f"(typeof({self._watermark}) = 'text' AND coalesce({kept}, 0))"

    def facts(self, ranges: list[Span] | None) -> list[SliceFacts]:
        """One aggregate query: how many rows, the newest watermark, and the sum of the rows' hashes, for each slice."""
        with self._opened() as connection:
            hashes = f"row_sum({', '.join(_row_hashes(list(self._columns(connection))))})"
            if not self._watermark:
                found = connection.execute(_select(f"NULL, count(*), '', {hashes}")).fetchall()
            else:
                start = {
                    "day": self._day,
                    "week": f"date({self._watermark}, 'weekday 0', '-6 days')",
                    "month": f"date({self._watermark}, 'start of month')",
                }[self._section.slice]
                asked = "" if ranges is None else "WHERE NOT " + self._placed + "".join(f" OR {self._within(span)}" for span in ranges)
                begin = f"CASE WHEN {self._placed} THEN {start} END"
                told = f"{begin}, count(*), coalesce(max({self._watermark}), ''), {hashes}"
                found = connection.execute(_select(told, f"{asked} GROUP BY 1")).fetchall()
        return [
            SliceFacts(datetime.fromisoformat(start) if start else None, rows, str(newest), check) for start, rows, newest, check in found
        ]

    def frames(self, rows: Rows) -> Iterator[pl.DataFrame]:
        """The rows, sorted by the watermark and then by all their values."""
        import polars as pl

        where = f"WHERE {self._within(rows.span)}" if rows.span else f"WHERE NOT {self._placed}" if rows.unplaced else ""
        with self._opened() as connection:
            columns = self._columns(connection)
            kinds = _kinds(connection, columns, where)
            selected = ", ".join(_selected(name, kind) for name, kind in kinds.items())
            order = ", ".join(f"{name} COLLATE BINARY" for name in ([self._watermark] if self._watermark else []) + list(columns))
            cursor = connection.execute(_select(selected, f"{where} ORDER BY {order}"))
            stored = {unquoted(name): _stored(kind) for name, kind in kinds.items()}
            readers = [_read(unquoted(name), kind) for name, kind in kinds.items()]
            yield pl.DataFrame(schema=stored).select(readers)
            while batch := cursor.fetchmany(BATCH_ROWS):
                yield pl.DataFrame(batch, schema=stored, orient="row").select(readers)

    def _within(self, span: Span) -> str:
        first, after = (moment.date().isoformat() for moment in span)
        return f"({self._placed} AND {self._day} >= '{first}' AND {self._day} < '{after}')"

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        if not self._path.is_file():
            raise DataError("HS201", "there is no such database file", place=self._place, next_step="correct data.source")
        with self._told(), closing(_connected(self._path)) as connection:
            connection.create_function("row_hash", -1, _row_hash, deterministic=True)
            connection.create_aggregate("row_sum", -1, _RowSum)  # type: ignore[arg-type]
            inner = (self._section.query or "").strip().rstrip(";") or _select("*", origin=quoted(self._section.table or ""))
            connection.execute(f"CREATE TEMP VIEW homeostat_rows AS {inner}")
            connection.execute("BEGIN")  # what is looked at and what is read are the same
            yield connection

    def _columns(self, connection: sqlite3.Connection) -> dict[str, str]:
        """The columns, quoted, with their declared types."""
        declared = {str(row[1]): str(row[2]).upper() for row in connection.execute("PRAGMA temp.table_info(homeostat_rows)")}
        check_names(list(declared), self._place)
        watermark = self._section.watermark
        if watermark and watermark not in declared:
            message = f"the watermark column {watermark!r} is not there"
            raise DataError("HS215", message, place=self._place, next_step="correct data.watermark")
        if watermark:
            number = _select("1", f"WHERE typeof({self._watermark}) IN ('integer', 'real') LIMIT 1")
            if connection.execute(number).fetchone():
                message = f"the watermark column {watermark!r} holds numbers"
                raise DataError("HS215", message, place=self._place, next_step="name a column of ISO 8601 dates, or make one in data.query")
        return {quoted(name): kind for name, kind in declared.items()}

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            text = " ".join(str(error).split())[:300]
            if "locked" in text or "busy" in text:
                raise Transient(text) from None
            if "not a database" in text or "malformed" in text:
                message = f"not a SQLite file, or a damaged one: {text}"
                raise DataError("HS209", message, place=self._place, next_step="restore it") from None
            if "decode to UTF-8" in text:
                raise DataError("HS205", text, place=self._place, next_step="make it UTF-8, or cast it in data.query") from None
            message = f"the database cannot answer: {text}"
            raise DataError("HS215", message, place=self._place, next_step="see data.table and data.query") from None


class _RowSum:
    """The sum of the rows' hashes: the same whatever their order."""

    def __init__(self) -> None:
        self._sum = 0

    def step(self, *hashes: object) -> None:
        self._sum += int.from_bytes(_row_hash(*hashes), "big")

    def finalize(self) -> str:
        return str(self._sum)


def _row_hash(*values: object) -> bytes:
    return hashlib.blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _row_hashes(columns: list[str]) -> list[str]:
    """SQL for the hashes of some columns at a time: a function takes no more than so many arguments."""
    return [f"row_hash({', '.join(columns[i : i + _AT_ONCE])})" for i in range(0, len(columns), _AT_ONCE)]


def _connected(path: Path) -> sqlite3.Connection:
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=5, check_same_thread=False)


def _select(what: str, rest: str = "", origin: str = "temp.homeostat_rows") -> str:
    return f"SELECT {what} FROM {origin} {rest}"  # noqa: S608 - names are quoted; the rest is ours, or the charter's own query


@dataclass(frozen=True, slots=True)
class _Held:
    """How many values of a column are stored as what, and how many of the texts are dates."""

    integers: int
    reals: int
    texts: int
    blobs: int
    large: int
    flags: int
    days: int
    moments: int


def _kinds(connection: sqlite3.Connection, columns: dict[str, str], where: str) -> dict[str, ColumnKind]:
    found: dict[str, ColumnKind] = {}
    names = list(columns)
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        sums = ", ".join(f"coalesce(sum({test}), 0)" for name in some for test in _tests(name))
        row: tuple[Any, ...] = connection.execute(_select(sums, where)).fetchone()
        each = len(row) // len(some)
        for i, name in enumerate(some):
            found[name] = _kind(columns[name], _Held(*row[i * each : (i + 1) * each]))
    return found


def _tests(name: str) -> list[str]:
    clock = f"replace(substr({name}, 1, 19), 'T', ' ')"
    rest = f"substr({name}, 20)"
    fraction = f"({rest} = '' OR ({rest} GLOB '.[0-9]*' AND {rest} NOT GLOB '.*[^0-9]*' AND length({rest}) <= 7))"
    dated = f"substr({name}, 1, 4) > '0000'"  # there is no year 0
    moment = f"({name} GLOB '{_DAY}[T ]{_CLOCK}*' AND {dated} AND datetime({clock}, '+0 days') = {clock} AND {fraction})"
    day = f"({name} GLOB '{_DAY}' AND {dated} AND coalesce(date({name}, '+0 days') = {name}, 0))"
    text = f"typeof({name}) = 'text'"
    return [
        f"typeof({name}) = 'integer'",
        f"typeof({name}) = 'real'",
        text,
        f"typeof({name}) = 'blob'",
        f"typeof({name}) = 'integer' AND {name} NOT BETWEEN -{_EXACT} AND {_EXACT}",
        f"typeof({name}) = 'integer' AND {name} IN (0, 1)",
        f"{text} AND {day}",
        f"{text} AND ({day} OR coalesce({moment}, 0))",
    ]


def _kind(declared: str, held: _Held) -> ColumnKind:
    numbers = held.integers + held.reals
    if held.texts or held.blobs:
        if numbers or held.blobs or held.moments < held.texts:
            return "string"
        return "date" if held.days == held.texts else "timestamp"
    if not numbers:
        return "integer" if "INT" in declared else "number" if re.search("REAL|FLOA|DOUB|NUM|DEC", declared) else "string"
    if held.reals:
        return "string" if held.large else "number"
    if "BOOL" in declared and held.flags == held.integers:
        return "boolean"
    return "number" if re.search("NUM|DEC", declared) and not held.large else "integer"


def _selected(name: str, kind: ColumnKind) -> str:
    if kind != "string":
        return name
    return f"CASE typeof({name}) WHEN 'blob' THEN hex({name}) WHEN 'null' THEN NULL ELSE CAST({name} AS TEXT) END"


def _stored(kind: ColumnKind) -> pl.DataType:
    stored: dict[ColumnKind, ColumnKind] = {"boolean": "integer", "date": "string", "timestamp": "string"}
    return dtype_of(stored.get(kind, kind))


def _read(name: str, kind: ColumnKind) -> pl.Expr:
    import polars as pl

    if kind == "boolean":
        return pl.col(name).cast(pl.Boolean)
    return read_as(name, pl.String(), kind) if kind in {"date", "timestamp"} else pl.col(name)
