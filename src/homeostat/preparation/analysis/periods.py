"""Calendar periods: the finest unit with no more periods than fit, and in which of them each time lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
UNITS: tuple[tuple[str, str, float], ...] = (
    ("second", "1s", 1.0),
    ("minute", "1m", MINUTE),
    ("quarter of an hour", "15m", 15 * MINUTE),
    ("hour", "1h", HOUR),
    ("six hours", "6h", 6 * HOUR),
    ("day", "1d", DAY),
    ("week", "1w", 7 * DAY),
    ("month", "1mo", 30.436875 * DAY),
    ("quarter", "1q", 91.310625 * DAY),
    ("year", "1y", 365.2425 * DAY),
    ("decade", "10y", 3652.425 * DAY),
    ("century", "100y", 36524.25 * DAY),
    ("millennium", "1000y", 365242.5 * DAY),
)


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """``starts``: ISO texts of all periods, without a hole; ``seconds``: the same as numbers. ``place``: (n,) the period of each time."""

    unit: str
    starts: tuple[str, ...]
    seconds: NDArray[np.float64]
    place: NDArray[np.int64]


def periods_of(seconds: pl.Series, most: int) -> Periods:
    """Cut times into at most ``most`` (at least three) calendar periods of the finest unit that allows it.

    Args:
        seconds: since 1970, Float64, no null, at least one.
        most: periods, at least 12.
    """
    import polars as pl

    times = seconds.to_numpy()
    span = float(times.max() - times.min())
    unit, every, _ = next((each for each in UNITS if span / each[2] <= most - 2), UNITS[-1])
    moments = (seconds * 1e6).cast(pl.Int64).cast(pl.Datetime("us")).dt.truncate(every)
    ends = moments.to_frame("start").select(pl.datetime_range(pl.col("start").min(), pl.col("start").max(), every))
    starts = ends.to_series()
    place = starts.search_sorted(moments).cast(pl.Int64).to_numpy()
    edges = starts.to_physical().cast(pl.Float64).to_numpy() / 1e6
    shown = starts.dt.date().cast(pl.String) if every[-1] not in "smh" else starts.dt.strftime("%Y-%m-%dT%H:%M:%S")
    return Periods(unit, tuple(shown.to_list()), edges, np.asarray(place, dtype=np.int64))
