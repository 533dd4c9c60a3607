"""Timestamps in a frame: as seconds, and which calendar parts of them can tell something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.graph.calendar import calendar_part
from homeostat.graph.decode import decode_frame
from homeostat.graph.plan import Input

if TYPE_CHECKING:
    import polars as pl

    from homeostat.graph.plan import Floats, Part

PERIODS: dict[Part, float] = {"hour": 24.0, "weekday": 7.0, "month": 12.0, "yearday": 365.25}
"""After how many units a part starts again. Source: a mean Julian year for ``yearday``."""

YEARS_TO_LEARN_SEASONS = 1.5
_YEAR_S = 365.25 * 86_400


def seconds_of(frame: pl.DataFrame, column: str) -> Floats:
    """The column as seconds since 1970-01-01 UTC, (n,); NaN where null. Dates, date-times, ISO 8601 texts and epoch seconds are read.

    Raises:
        DataError: HS205, a value is none of these.
    """
    numbers, _, _ = decode_frame((Input(column, "timestamp"),), frame)
    return numbers[:, 0]


def telling_parts(seconds: Floats) -> tuple[Part, ...]:
    """The calendar parts worth a feature: what repeats within the rows and varies at the resolution they are given in.

    ``hour`` needs times that differ within days, ``weekday`` days finer than months, and the season of the year
    (``yearday``, or ``month`` for monthly data) more than one and a half years of rows: within one year a season is just
    another name for time. The time itself is never a feature: every later row lies beyond what a tree has seen.

    >>> telling_parts(np.arange(0, 10 * 86_400.0, 86_400))  # ten days
    ('weekday',)
    """
    known = seconds[~np.isnan(seconds)]
    if not len(known):
        return ()

    def varies(part: Part) -> bool:
        values = calendar_part(part, known, np.floor)
        return bool((values != values[0]).any())

    daily = varies("day")
    wanted: list[Part] = ["hour", "weekday"] if daily else ["hour"]
    if known.max() - known.min() > YEARS_TO_LEARN_SEASONS * _YEAR_S:
        wanted.append("yearday" if daily else "month")
    return tuple(part for part in wanted if varies(part))
