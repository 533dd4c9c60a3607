"""What one raw value of one field means: the reader of each kind of input.

| kind      | accepted                                                                       | becomes                          |
|-----------|--------------------------------------------------------------------------------|----------------------------------|
| number    | a finite number, null                                                          | float64; null and NaN are NaN    |
| boolean   | true, false, 0, 1, null                                                        | 1.0, 0.0; null and NaN are NaN   |
| timestamp | an ISO 8601 date or date-time (no offset: UTC), a date, epoch seconds, null    | float64 seconds since 1970 UTC   |
| category  | a text, number, boolean or date by the rule of ``text_of``, null               | 0 null, 1..K known, K + 1 unseen |
| text      | a text, null                                                                   | counts of terms; null is None    |
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from homeostat.core.targets import text_of
from homeostat.graph.terms import term_counter

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.core.sections import Kind
    from homeostat.graph.plan import Input
    from homeostat.graph.terms import Counts

ALLOWED: dict[Kind, str] = {
    "number": "a finite number or null",
    "boolean": "true, false, 0, 1 or null",
    "timestamp": "an ISO 8601 date or date-time, epoch seconds of the years 1 to 9999, or null",
    "category": "a text, a finite number, true, false or null",
    "text": "a text or null",
}

EARLIEST, END = -62_135_596_800.0, 253_402_300_800.0  # the years 1 to 9999 in UTC, END excluded; milliseconds given as seconds fall outside
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]([01]\d|2[0-3]):\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII)
_NAN = math.nan
_NUMBER = (int, float, Decimal)
_SIMPLE = (int, float, Decimal, date)
_ENDLESS = (math.inf, -math.inf)


def reader(field: Input) -> Callable[[Any], Any]:
    """The function from a raw value of this field to its number, code or counts; it raises ValueError for what is not allowed."""
    if field.kind == "category":
        return category_reader(field.vocabulary)
    if field.kind == "text":
        return text_reader(field.vocabulary)
    return {"number": read_number, "boolean": read_boolean, "timestamp": read_timestamp}[field.kind]


def read_number(value: Any) -> float:
    """A finite number as float; None and NaN are NaN; anything else, a boolean too, raises ValueError."""
    if type(value) is float and value - value == 0.0:  # the common case first: neither NaN nor infinite
        return value
    if value is None:
        return _NAN
    if isinstance(value, _NUMBER) and not isinstance(value, bool):
        number = _float(value)
        if number not in _ENDLESS:
            return number
    raise ValueError(ALLOWED["number"])


def read_boolean(value: Any) -> float:
    """1.0 for true and 1, 0.0 for false and 0; None and NaN are NaN; anything else raises ValueError."""
    if value is None:
        return _NAN
    if isinstance(value, _NUMBER) and (value in (0, 1) or value != value):  # noqa: PLR0124  # NaN, of any numeric type
        return float(value)
    raise ValueError(ALLOWED["boolean"])


def read_timestamp(value: Any) -> float:
    """Seconds since 1970-01-01 UTC; None and NaN are NaN; a time without an offset is UTC; anything else raises ValueError."""
    if value is None:
        return _NAN
    if isinstance(value, str):
        return parse_timestamp(value)
    if isinstance(value, date):  # a datetime is one too
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
        return _seconds(moment)
    return _known_year(read_number(value))


def parse_timestamp(text: str) -> float:
    """Seconds since 1970-01-01 UTC of an ISO 8601 text: ``2011-03-01``, ``2011-03-01T08:30Z``, ``2011-03-01 08:30:00.5+01:00``.

    The extended form only, so that every language can read the same texts; digits after the microsecond are dropped.

    Raises:
        ValueError: the text is no such date.

    >>> parse_timestamp("1970-01-02"), parse_timestamp("1970-01-01T01:00:00.5+01:00")
    (86400.0, 0.5)
    """
    if not _ISO.fullmatch(text):
        raise ValueError(ALLOWED["timestamp"])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as impossible:  # the thirteenth month
        raise ValueError(ALLOWED["timestamp"]) from impossible
    return _seconds(moment)


def _float(value: float | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond float64
        return math.inf


def _seconds(moment: datetime) -> float:
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return _known_year((since.days * 86_400 + since.seconds) + since.microseconds / 1e6)


def _known_year(seconds: float) -> float:
    """The seconds unless they lie outside the years 1 to 9999, where an offset can move a text too; NaN stays."""
    if seconds < EARLIEST or seconds >= END:
        raise ValueError(ALLOWED["timestamp"])
    return seconds


def category_reader(vocabulary: tuple[str, ...]) -> Callable[[Any], int]:
    """The function from a category value to its code: 0 null, 1..K in the order of the vocabulary, K + 1 never seen."""
    codes = {text: code for code, text in enumerate(vocabulary, start=1)}
    unseen = len(vocabulary) + 1

    def read(value: Any) -> int:
        if isinstance(value, str):
            return codes.get(value, unseen)
        if value is None or value != value:  # noqa: PLR0124  # NaN
            return 0
        if not isinstance(value, _SIMPLE) or value in _ENDLESS:
            raise ValueError(ALLOWED["category"])
        return codes.get(text_of(value), unseen)

    return read


def text_reader(vocabulary: tuple[str, ...]) -> Callable[[Any], Counts | None]:
    """The function from a text to the counts of the vocabulary's terms; None and NaN are None; anything else raises ValueError."""
    count = term_counter(vocabulary)

    def read(value: Any) -> Counts | None:
        if isinstance(value, str):
            return count(value)
        if value is None or value != value:  # noqa: PLR0124  # NaN
            return None
        raise ValueError(ALLOWED["text"])

    return read
