"""Events as callers send them: named fields, read by the types of the table that the events belong to."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from homeostat.core.features import Event, joint, key_text, micros_of, moment_text
from homeostat.core.targets import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeostat.core.features import EventTable

ALLOWED = {
    "number": "a finite number or null",
    "integer": "a whole number of 64 bits or null",
    "string": "a text, a number, true, false or null",
    "boolean": "true, false or null",
    "date": "an ISO 8601 date or null",
    "timestamp": "an ISO 8601 date or date-time, epoch seconds, or null",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400 * 10**6


def read_event(table: EventTable, fields: Mapping[str, Any]) -> Event:
    """One event of the table; fields that the table does not look at are passed over, values that are not there are null.

    Raises:
        ValueError: a field of the entity, the time or the key is missing or null, or a field is of another type; says which.
    """
    for name in (*table.on, table.time, *table.key):
        if fields.get(name) is None:
            got = "null" if name in fields else "no such field"
            raise ValueError(f"{name}: got {got}; allowed: a value, as it names the event, its time or its entity")
    values = {name: read_value(name, fields.get(name), table.kinds.get(name, "string")) for name in (*table.on, *table.key, *table.columns)}
    moment = _moment(table.time, fields[table.time])
    entity, key = ([str(key_text(_instant(values[name], table.kinds.get(name)))) for name in names] for names in (table.on, table.key))
    return Event(joint(entity), moment, 0, joint(key) if table.key else "", [values[name] for name in table.columns])


def read_value(name: str, value: Any, kind: str) -> Any:
    """A field's value as a column of this logical type holds it.

    Raises:
        ValueError: it is none.
    """
    if value is None:
        return None
    read = _READERS[kind](value) if isinstance(value, str | int | float) else None
    if read is None:
        raise ValueError(f"{name}: got {_shown(value)}; allowed: {ALLOWED[kind]}")
    return read


def _number(value: Any) -> float | None:
    if isinstance(value, str | bool) or (isinstance(value, int) and abs(value) >= 2**1023):
        return None
    return float(value) if value - value == 0 else None


def _integer(value: Any) -> int | None:
    number = _number(value)
    if number is None or number != int(number) or not -(2**63) <= int(value) < 2**63:
        return None
    return int(value)


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else text_of(value)


def _boolean(value: Any) -> bool | None:
    return bool(value) if not isinstance(value, str) and value in (0, 1) else None


def _date(value: Any) -> str | None:
    micros = _micros(value) if isinstance(value, str) else None
    return None if micros is None or micros % _DAY_US else _told(micros).date().isoformat()


def _timestamp(value: Any) -> str | None:
    micros = _micros(value)
    return None if micros is None else moment_text(_told(micros))


_READERS = {"number": _number, "integer": _integer, "string": _string, "boolean": _boolean, "date": _date, "timestamp": _timestamp}


def _moment(name: str, value: Any) -> int:
    micros = _micros(value)
    if micros is None:
        raise ValueError(f"{name}: got {_shown(value)}; allowed: {ALLOWED['timestamp'].removesuffix(', or null')}")
    return micros


def _micros(value: Any) -> int | None:
    try:
        return micros_of(value)
    except (ValueError, OverflowError):
        return None


def _told(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _instant(value: Any, kind: str | None) -> Any:
    """A key of type timestamp as the moment it stands for, whose text at midnight is its day."""
    return datetime.fromisoformat(value) if kind == "timestamp" and isinstance(value, str) else value


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
