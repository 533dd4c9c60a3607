"""Calendar parts of timestamps by additions, products and floors only, so that every target computes the same float64 values.

Source: C. Neri and L. Schneider, "Euclidean affine functions and their application to calendar algorithms" (2023), proposition 6.3,
with quotients of quarter days in place of four times as many whole ones; proleptic Gregorian, UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.graph.plan import Part

Value = TypeVar("Value")
"""What a target computes with: a NumPy array, or a tensor of a graph being written. It has + - * / with numbers and itself."""

_TO_MARCH = 719_468.0  # days from 0000-03-01, so that a leap day ends its year, to 1970-01-01
_TO_NEW_YEAR = 719_162.0  # days from 0001-01-01 to 1970-01-01


def calendar_part(part: Part, seconds: Value, floor: Callable[[Value], Value]) -> Value:
    """One part of timestamps in seconds since 1970-01-01 UTC; NaN stays NaN.

    Exact for whole and broken seconds of the years 1 to 9999: seconds are floored before they are divided, and every divisor
    is a multiple of a quarter, so no quotient is rounded up to the next whole number.

    >>> import numpy as np
    >>> calendar_part("yearday", np.array([951_868_799.999, 951_868_800.0]), np.floor).tolist()  # the end of 29 February 2000
    [60.0, 61.0]
    """
    found: Value = _part(part, seconds, floor)
    return found


def _part(part: Part, seconds: Any, floor: Callable[[Any], Any]) -> Any:  # arithmetic on arrays and tensors alike has no common type
    whole = floor(seconds)
    days = floor(whole / 86_400.0)
    if part == "hour":
        return floor((whole - days * 86_400.0) / 3_600.0)
    if part == "weekday":  # 1970-01-01 was a Thursday
        from_monday = days + 3.0
        return from_monday - floor(from_monday / 7.0) * 7.0
    late = days + (_TO_MARCH + 0.75)  # three quarters of a day late: each quotient turns over on the right day
    century = floor(late / 36_524.25)
    late_in_century = late - floor(century * 36_524.25)
    year = floor(late_in_century / 365.25)  # within the century, from March on
    late_in_year = late_in_century - floor(year * 365.25)
    month = floor((late_in_year * 5.0 - 1.75) / 153.0)  # 0 is March: months of 31 30 31 30 31 days
    if part == "day":
        return late_in_year - floor((month * 153.0 + 2.0) / 5.0) + 0.25
    turned = floor(month / 10.0)  # 1 in January and February: the next year by the usual count
    if part == "month":
        return month - turned * 12.0 + 3.0
    before = century * 100.0 + year + turned - 1.0  # whole years since 0001-01-01
    leaps = floor(before / 4.0) - floor(before / 100.0) + floor(before / 400.0)
    return days - before * 365.0 - leaps + (_TO_NEW_YEAR + 1.0)
