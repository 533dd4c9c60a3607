"""Logged predictions as typed columns and back again: what went in comes out, whatever values its rows hold.

A frame has the columns ``ABOUT``, then ``inputs.<name>`` for each raw field, then ``fields`` and ``rest``:

- ``fields`` is the JSON list of the row's field names in their order, so that a null and a field that is not there differ.
- ``rest`` is a JSON object of all that its column cannot give back exactly, null where that is nothing: a whole number in a column of
  floats, a number in a column of texts, integers beyond 64 bits, lists, parts of a record that ``ABOUT`` does not know. It is laid
  over what the columns say.

A column whose values are of several types shows them all in one: numbers as floats, anything else as texts by the rule of ``text_of``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from homeostat.core.targets import text_of

if TYPE_CHECKING:
    import polars as pl

Record = dict[str, Any]
Rest = defaultdict[int, Record]

ABOUT = ("id", "request", "row", "at", "model", "version", "arm", "scores", "prediction", "latency_ms", "lower", "upper")
INPUT = "inputs."
MOST_FIELDS = 2_000
"""Further fields of a frame get no column and stay in ``rest``."""
_AT = "%Y-%m-%dT%H:%M:%S%.6f+00:00"
_TYPES: MappingProxyType[str, type | None] = MappingProxyType(
    {"id": str, "request": str, "row": int, "model": str, "version": int, "arm": str, "prediction": None}
    | dict.fromkeys(("latency_ms", "lower", "upper"), float)
)
_INT64 = 2**63
_NOTHING = type(None)


def moment_at(text: str) -> datetime:
    """When a record was asked, from its ``at``.

    Raises:
        ValueError: the text is no ISO 8601 time with an offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"got {text!r}, which has no offset")
    try:
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"got {text!r}, which is beyond the calendar in UTC") from error


def to_columns(records: Sequence[Record]) -> pl.DataFrame:
    """The records as a frame, one row each, in their order. Each has a text ``id`` and an ``at`` that ``moment_at`` reads."""
    import polars as pl

    rest: Rest = defaultdict(dict)
    known = {name for shape in set(map(tuple, records)) for name in shape}
    columns = [_about(name, records, rest) for name in ABOUT]
    for name in known - {*ABOUT, "inputs"}:
        for number, record in enumerate(records):
            if name in record:
                rest[number][name] = record[name]
    inputs, fields = _inputs(records, rest)
    left = [None if number not in rest else _json(rest[number]) for number in range(len(records))] if rest else [None] * len(records)
    return pl.DataFrame([*columns, *inputs, fields, pl.Series("rest", left, dtype=pl.String)])


def to_records(frame: pl.DataFrame) -> list[Record]:
    """The records that ``to_columns`` was given, in the order of the frame's rows."""
    texts = {"at": frame["at"].dt.to_string(_AT)}
    columns = {name: texts.get(name, frame[name]).to_list() for name in frame.columns}
    about = [(name, columns[name]) for name in ABOUT]
    shapes: dict[str | None, list[tuple[str, list[Any]]]] = {None: []}
    nothing = [None] * frame.height
    records: list[Record] = []
    for number, (shape, left) in enumerate(zip(columns["fields"], columns["rest"], strict=True)):
        if shape not in shapes:
            shapes[shape] = [(name, columns.get(f"{INPUT}{name}", nothing)) for name in msgspec.json.decode(shape)]
        record = {name: values[number] for name, values in about if values[number] is not None}
        if shape is not None:
            record["inputs"] = {name: values[number] for name, values in shapes[shape]}
        if left is not None:
            _lay_over(record, msgspec.json.decode(left))
        records.append(record)
    return records


def exact_values(frame: pl.DataFrame, name: str) -> list[Any]:
    """The raw values of one field as they were sent, None where it is not there."""
    column = f"{INPUT}{name}"
    values = frame[column].to_list() if column in frame.columns else [None] * frame.height
    for number, left in enumerate(frame["rest"].to_list()):
        if left is not None:
            inputs = msgspec.json.decode(left).get("inputs")
            if isinstance(inputs, dict) and name in inputs:
                values[number] = inputs[name]
    return values


def _lay_over(record: Record, rest: Record) -> None:
    inputs = {**record["inputs"], **rest.pop("inputs", {})} if "inputs" in record else None
    record |= rest
    if inputs is not None:
        record["inputs"] = inputs


def _about(name: str, records: Sequence[Record], rest: Rest) -> pl.Series:
    """One column of what is said about a prediction; values that are not as they should be go to the rest."""
    if name == "at":
        return _at([record["at"] for record in records], rest)
    values = [record.get(name) for record in records]
    if None in values:
        for number, record in enumerate(records):
            if name in record and values[number] is None:
                rest[number][name] = None
    if name == "scores":
        return _scores(values, rest)
    column, strange = typed(name, values, _TYPES[name])
    for number in strange:
        rest[number][name] = values[number]
    return column


def _at(texts: list[str], rest: Rest) -> pl.Series:
    import polars as pl

    given = pl.Series("at", texts, dtype=pl.String)
    utc = pl.Datetime("us", "UTC")
    moments = given.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", strict=False).dt.convert_time_zone("UTC").cast(utc)
    other = (moments.dt.to_string(_AT) != given).fill_null(value=True).arg_true()
    for number in other.to_list():
        rest[number]["at"] = texts[number]
    if other.len():
        moments = moments.scatter(other, pl.Series([moment_at(texts[number]) for number in other.to_list()], dtype=utc))
    return moments


def _scores(values: list[Any], rest: Rest) -> pl.Series:
    import polars as pl

    for number, scores in enumerate(values):
        if scores is None or (type(scores) is list and all(type(score) is float for score in scores)):
            continue
        rest[number]["scores"] = scores
        values[number] = None
    width = len(values[0] or ()) if values else 0
    if width == 0 or None in values or set(map(len, values)) != {width}:
        return pl.Series("scores", values, dtype=pl.List(pl.Float64))
    return pl.Series("scores", list(chain.from_iterable(values)), dtype=pl.Float64).reshape((len(values), width)).arr.to_list()


def _inputs(records: Sequence[Record], rest: Rest) -> tuple[list[pl.Series], pl.Series]:
    """A column for each raw field, and the names of each row's fields."""
    import polars as pl

    rows: list[Record] = []
    shapes: dict[tuple[str, ...], str] = {}
    fields: list[str | None] = []
    for number, record in enumerate(records):
        row = record.get("inputs")
        if isinstance(row, dict):
            names = tuple(row)
            if names not in shapes:
                shapes[names] = _json(names)
            fields.append(shapes[names])
            rows.append(row)
            continue
        if "inputs" in record:
            rest[number]["inputs"] = row
        fields.append(None)
        rows.append({})
    known = list(dict.fromkeys(name for names in shapes for name in names))
    columns = []
    for name in known[:MOST_FIELDS]:
        values = [row.get(name) for row in rows]
        column, strange = typed(f"{INPUT}{name}", values)
        columns.append(column)
        for number in strange:
            rest[number].setdefault("inputs", {})[name] = values[number]
    for name in known[MOST_FIELDS:]:
        for number, row in enumerate(rows):
            if name in row:
                rest[number].setdefault("inputs", {})[name] = row[name]
    return columns, pl.Series("fields", fields, dtype=pl.String)


def typed(name: str, values: list[Any], only: type | None = None) -> tuple[pl.Series, list[int]]:
    """JSON values as one column, and the places of those that it does not give back exactly.

    Args:
        name: of the column.
        values: what stands in it, None for nothing.
        only: the one type allowed; values of another type are shown only if they are numbers in a column of floats, and always told.
    """
    import polars as pl

    types = {bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64(), str: pl.String()}
    kinds = set(map(type, values)) - {_NOTHING}
    kind = only or _common(kinds, values)
    if kind is None:
        return pl.Series(name, values, dtype=pl.Null), []
    if kinds <= {kind} and (kind is not int or _within(values)):
        return pl.Series(name, values, dtype=types[kind]), []
    strange = [n for n, value in enumerate(values) if value is not None and not _fits(value, kind)]
    shown = list(values)
    for number in strange:
        shown[number] = _shown(values[number], kind, everything=only is None)
    return pl.Series(name, shown, dtype=types[kind]), strange


def _common(kinds: set[type], values: list[Any]) -> type | None:
    """The type that can show all values; None when there are none."""
    if len(kinds) == 1:
        (kind,) = kinds
        if kind in (bool, float, str) or (kind is int and _within(values)):
            return kind
    if kinds and kinds <= {int, float} and all(value is None or _as_float(value) is not None for value in values):
        return float
    return str if kinds else None


def _within(values: list[Any]) -> bool:
    known = [value for value in values if value is not None]
    return not known or (min(known) >= -_INT64 and max(known) < _INT64)


def _fits(value: Any, kind: type) -> bool:
    return type(value) is kind and (kind is not int or _within([value]))


def _shown(value: Any, kind: type, *, everything: bool) -> Any:
    if kind is float and type(value) is int:
        return _as_float(value)
    if kind is not str or not everything:
        return None
    return _json(value) if isinstance(value, list | dict) else text_of(value)


def _as_float(value: float) -> float | None:
    try:
        return float(value)
    except OverflowError:  # an integer beyond what float64 holds
        return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
