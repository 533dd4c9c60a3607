"""Tables and queries of PostgreSQL: one aggregate query tells what changed, the rows come as Arrow over ADBC."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from homeostat.core.addresses import message_without_secrets, without_secrets
from homeostat.core.quoting import quoted
from homeostat.errors import DataError
from homeostat.infra.formats.reads import check_names
from homeostat.infra.sources.extras import needs
from homeostat.infra.sources.retry import Transient
from homeostat.infra.sources.slices import Rows, SliceFacts, Span

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.sections import Source

BATCH_ROWS = 50_000
# The text of a row is hashed and sorted by: nothing of the session may change it. The zone makes a slice mean the same everywhere.
_SESSION = {"timezone": "UTC", "datestyle": "ISO", "intervalstyle": "iso_8601", "extra_float_digits": "1", "bytea_output": "hex"}
_MOMENTS = {1082: "date", 1114: "timestamp", 1184: "timestamptz"}
_AS_THEY_ARE = {16, 20, 21, 23, 700, 701, 25, 1043}  # bool, integers, floats, text, varchar
_NUMERIC = 1700
_OIDS = {26}
_REFUSED = re.compile(r"authentication failed|no pg_hba\.conf entry|role .* does not exist|permission denied|no password supplied")
_NOT_THERE = re.compile(r"database .* does not exist")
_AGAIN = re.compile(
    r"connection|server closed|terminat|starting up|shutting down|too many clients|timeout|could not (send|receive)|EOF", re.I
)


@dataclass(frozen=True, slots=True)
class _Shape:
    """The table's columns as SQL that gives a type Arrow and Polars share, and the type of the watermark."""

    columns: list[str]
    selected: list[str]
    watermark_type: str


class Postgres:
    """``table.Database`` over a PostgreSQL address."""

    def __init__(self, section: Source) -> None:
        self._section = section
        self._place = without_secrets(section.source)
        names = (section.table or "").split(".")
        inner = (section.query or "").strip().rstrip(";")
        self._from = ".".join(map(quoted, names)) + " AS t" if section.table else f"({inner}\n) AS t"
        self._watermark = f"t.{quoted(section.watermark)}" if section.watermark else ""
        self._shape: _Shape | None = None
        self._closing: weakref.finalize[..., Any] | None = None
        self._kept: Any = None

    def facts(self, ranges: list[Span] | None) -> list[SliceFacts]:
        """One aggregate query: how many rows, the newest watermark, and the sum of the rows' hashes, for each slice."""
        with self._connection() as connection:
            shape = self._shape = self._described(connection)
            hashes = "coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text"
            if not self._watermark:
                found = connection.execute(self._select(f"NULL, count(*), '', {hashes}")).fetchall()
            else:
                start = f"CASE WHEN {self._placed} THEN date_trunc('{self._section.slice}', {self._watermark})::date::text END"
                asked = "" if ranges is None else f"WHERE NOT coalesce({self._placed}, false) OR {self._within(ranges, shape)}"
                told = f"{start}, count(*), coalesce(max({self._watermark})::text, ''), {hashes}"
                found = connection.execute(self._select(told, f"{asked} GROUP BY 1")).fetchall()
        return [SliceFacts(datetime.fromisoformat(start) if start else None, *rest) for start, *rest in found]

    def frames(self, rows: Rows) -> Iterator[pl.DataFrame]:
        """The rows as a stream, sorted by the watermark and the text of the row."""
        import polars as pl

        if self._shape is None:
            with self._connection() as connection:
                self._shape = self._described(connection)
        where = f"WHERE {self._within([rows.span], self._shape)}" if rows.span else ""
        where = f"WHERE NOT coalesce({self._placed}, false)" if rows.unplaced else where
        order = 't::text COLLATE "C"'
        order = f"{self._watermark}, {order}" if self._watermark else order
        with self._told():
            try:
                with self._bulk().cursor() as cursor:
                    cursor.execute(self._select(", ".join(self._shape.selected), f"{where} ORDER BY {order}"))
                    batches = pl.scan_arrow_c_stream(cursor.fetch_arrow())
                    yield pl.DataFrame(schema=batches.collect_schema())
                    yield from batches.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)
            except BaseException:
                self._hang_up()  # a stream that was not read to its end is of no more use
                raise

    def _bulk(self) -> Any:
        """The connection for rows: opening one costs more than reading a slice, so it is kept as long as this object."""
        if self._kept is None:
            with needs("postgres", "adbc-driver-postgresql", place=self._place):
                import adbc_driver_postgresql.dbapi as adbc  # type: ignore[import-untyped]
            connection = adbc.connect(self._address, autocommit=True)
            self._kept, self._closing = connection, weakref.finalize(self, connection.close)
            with connection.cursor() as cursor:
                for name, value in {**_SESSION, "default_transaction_read_only": "on"}.items():
                    cursor.execute(f"SET {name} TO '{value}'")
        return self._kept

    def _hang_up(self) -> None:
        if self._closing is not None:
            self._closing()
        self._kept = self._closing = None

    def _select(self, what: str, rest: str = "") -> str:
        return f"SELECT {what} FROM {self._from} {rest}"  # noqa: S608 - names are quoted; the rest is ours, or the charter's own query

    @property
    def _address(self) -> str:
        return re.sub(r"^[a-z+]+://", "postgresql://", self._section.source)

    @property
    def _placed(self) -> str:
        return f"({self._watermark} >= '0001-01-01' AND {self._watermark} < '9999-12-31')"

    def _within(self, ranges: list[Span], shape: _Shape) -> str:
        kind = "timestamp" if shape.watermark_type == "date" else shape.watermark_type
        each = [
            f"{self._watermark} >= {kind} '{first.isoformat(' ')}'"
            + ("" if after == datetime.max else f" AND {self._watermark} < {kind} '{after.isoformat(' ')}'")
            for first, after in ranges
        ]
        return "(" + " OR ".join(f"({one})" for one in each) + ")"

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        with needs("postgres", "psycopg", place=self._place):
            import psycopg
        options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
        with self._told(), psycopg.connect(self._address, connect_timeout=10, options=options) as connection:
            connection.read_only = True
            yield connection

    def _described(self, connection: Any) -> _Shape:
        described = connection.execute(self._select("*", "LIMIT 0")).description
        check_names([column.name for column in described], self._place)
        moments = {column.name: _MOMENTS.get(column.type_code, "") for column in described}
        watermark = self._section.watermark
        if watermark and not moments.get(watermark):
            got = "is no date or timestamp" if watermark in moments else "is not there"
            message = f"the watermark column {watermark!r} {got}"
            raise DataError("HS215", message, place=self._place, next_step="name a date or timestamp column in data.watermark")
        selected = [f"{_selected(column)} AS {quoted(column.name)}" for column in described]
        return _Shape(list(moments), selected, moments.get(watermark or "", ""))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell failures of the two drivers, and of the stream between them and Polars, as ours."""
        import polars as pl
        import psycopg
        from adbc_driver_manager import Error as AdbcError

        try:
            yield
        except (psycopg.Error, AdbcError, pl.exceptions.PolarsError) as error:
            raise self._ours(error) from None

    def _ours(self, error: Exception) -> Exception:
        text = message_without_secrets(str(error) or type(error).__name__, self._section.source)
        state = getattr(error, "sqlstate", None) or ""
        text = re.sub(r" ?(LINE \d+:|Query was:).*", "", text)[:300]
        if _REFUSED.search(text) or state in {"42501", "28000", "28P01"}:
            return DataError("HS216", f"the database refuses: {text}", place=self._place, next_step="see who may read it")
        if _NOT_THERE.search(text) or (state[:2] in {"42", "22", "0A", "21", "3D", "3F"}):
            return DataError("HS215", f"the database cannot answer: {text}", place=self._place, next_step="see data.table and data.query")
        if state[:2] in {"08", "53", "57", "40", "55", "58"} or _AGAIN.search(text):
            return Transient(text)
        return DataError("HS215", f"the database cannot answer: {text}", place=self._place, next_step="see data.source")


def _selected(column: Any) -> str:
    """A column as SQL of a type that keeps its values.

    Whole numbers of a fixed precision too long for 64 bits stay text; other numerics are float64, as decimal numbers in files are.
    Infinite moments become the first and last day of the calendar. What has no counterpart (JSON, arrays, UUID, ...) is its text.
    """
    name = f"t.{quoted(column.name)}"
    code = column.type_code
    if code in _AS_THEY_ARE:
        return name
    if code in _OIDS:
        return f"{name}::int8"
    if code == _NUMERIC:
        whole = column.precision is not None and column.scale == 0
        return f"{name}::{'float8' if not whole else 'int8' if column.precision <= 18 else 'text'}"
    if moment := _MOMENTS.get(code):
        last, first = f"{moment} '9999-12-31'", f"{moment} '0001-01-01'"
        return f"CASE WHEN isfinite({name}) THEN {name} WHEN {name} > '2000-01-01' THEN {last} WHEN {name} < '2000-01-01' THEN {first} END"
    return f"{name}::text"
