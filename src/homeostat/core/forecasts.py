"""What follows from ``task.forecast`` and is used on several floors: its horizons, what it leaves out, and the names of its columns."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeostat.core.sections import Forecast, Task

HORIZON = "horizon"
"""The column that says how many steps ahead of its origin a row is."""
ORIGIN = "_origin"
"""The column with the moment from which a row is forecast: nothing later is known."""
SEASONS_BACK = 4
"""Over so many of the newest known seasons the mean of a season is taken."""
NEWEST = 6
"""So many of the newest known values are inputs, where the charter says nothing of lags."""
FORECASTS_OF_A_VALUE = 4
"""From about so many origins each value is forecast, where the charter says nothing of ``every``."""
DAY, WEEK = timedelta(days=1), timedelta(days=7)


def horizons_of(forecast: Forecast) -> tuple[int, ...]:
    """The steps ahead that are forecast, ascending.

    >>> from homeostat.core.sections import Forecast
    >>> horizons_of(Forecast(step="1h", horizon=3)), horizons_of(Forecast(step="1h", horizon=(24, 1)))
    ((1, 2, 3), (1, 24))
    """
    told = forecast.horizon
    return tuple(range(1, told + 1)) if isinstance(told, int) else tuple(sorted(set(told)))


def delay_steps(forecast: Forecast, label_delay: timedelta) -> int:
    """How many steps before an origin the newest known value lies: labels that come late are not known yet."""
    return math.ceil(label_delay / forecast.step)


def lead(forecast: Forecast, label_delay: timedelta) -> timedelta:
    """From the newest known value to the furthest that is forecast: what is judged and what teaches lie at least so far apart."""
    return (horizons_of(forecast)[-1] + delay_steps(forecast, label_delay)) * forecast.step


def filled(forecast: Forecast) -> Forecast:
    """The section with what it leaves out; what it says stays.

    Seasons are the day and the week where whole steps make them, the year of weekly values, and else one step, whose "season before" is
    the last known value. ``every`` shares no divisor with a season, so that no hour or weekday is missing among the origins.

    >>> from homeostat.core.sections import Forecast
    >>> hourly = filled(Forecast(step="1h", horizon=24))
    >>> hourly.season, hourly.lags, hourly.windows, hourly.every
    ((24, 168), (0, 1, 2, 3, 4, 5, 24, 168), (6, 24, 168), 5)
    """
    seasons = forecast.season if forecast.season is not None else _seasons(forecast.step)
    repeating = [season for season in seasons if season > 1]
    lags = tuple(sorted({*range(NEWEST), *repeating}))
    windows = tuple(sorted({max(2, repeating[0] // 4), *repeating})) if repeating else (3, 12)
    said = {name: value for name, value in forecast if value is not None}
    whole = {"lags": lags, "windows": windows, "season": seasons, "every": _every(forecast, seasons), **said}
    return type(forecast).model_construct(_fields_set=set(forecast.model_fields_set), **whole)


def _seasons(step: timedelta) -> tuple[int, ...]:
    periods = (DAY, WEEK) if step < DAY else (WEEK,) if step < WEEK else (52 * WEEK,)
    return tuple(period // step for period in periods if not period % step and period // step > 1) or (1,)


def _every(forecast: Forecast, seasons: tuple[int, ...]) -> int:
    most = max(1, len(horizons_of(forecast)) // FORECASTS_OF_A_VALUE)
    return next(every for every in range(most, 0, -1) if all(math.gcd(every, season) == 1 for season in seasons))


def lag_column(target: str, lag: int) -> str:
    """The value so many steps before the newest known one."""
    return f"{target}_lag_{lag}"


def window_column(target: str, statistic: str, window: int) -> str:
    """A statistic (mean, std, min, max) over so many newest known values."""
    return f"{target}_{statistic}_{window}"


def change_column(target: str, season: int) -> str:
    """The newest known value less the one a season before it."""
    return f"{target}_change_{season}"


def season_column(target: str, season: int) -> str:
    """The newest known value that lies whole seasons before the time that is forecast."""
    return f"{target}_season_{season}"


def season_mean_column(target: str, season: int) -> str:
    """The mean of this one and of those one, two and three seasons before it."""
    return f"{target}_season_{season}_mean"


def columns_ahead(task: Task) -> frozenset[str]:
    """The columns that say something of the moment that is forecast; the others are the same for all horizons of an origin."""
    if task.forecast is None:
        return frozenset()
    seasons = filled(task.forecast).season or ()
    told = (name(task.target, season) for season in seasons for name in (season_column, season_mean_column))
    return frozenset({*task.entity, str(task.time), HORIZON, *task.forecast.known, *told})


STATISTICS = ("mean", "std", "min", "max")


def made_columns(task: Task) -> tuple[str, ...]:
    """The columns that rows of a forecast have beside those of the data; none where the task is no forecast."""
    if task.forecast is None:
        return ()
    whole, target = filled(task.forecast), task.target
    seasons, windows = whole.season or (), whole.windows or ()
    return (
        HORIZON,
        *(lag_column(target, lag) for lag in whole.lags or ()),
        *(window_column(target, statistic, window) for window in windows for statistic in STATISTICS),
        *(change_column(target, season) for season in seasons if season > 1),
        *(name(target, season) for season in seasons for name in (season_column, season_mean_column)),
    )
