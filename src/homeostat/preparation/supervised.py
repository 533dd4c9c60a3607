"""The supervised view of series: a row for each origin and horizon, whose inputs are known at the origin and whose target comes later.

| column                       | is                                                                                     |
|------------------------------|----------------------------------------------------------------------------------------|
| the entity, ``task.time``    | which series, and the moment that is forecast: the origin and so many steps            |
| ``task.target``              | the value then; null where it is not there yet                                         |
| ``horizon``, ``_origin``     | how many steps ahead, and of which moment                                              |
| ``<target>_lag_<n>``         | the value n steps before the newest known one                                          |
| ``<target>_mean_<n>``        | of the n newest known steps; also ``std``, ``min`` and ``max``                         |
| ``<target>_change_<s>``      | the newest known value less the one s steps before it                                  |
| ``<target>_season_<s>``      | the newest known value a whole number of s steps before the moment that is forecast    |
| ``<target>_season_<s>_mean`` | the mean of it and of those one, two and three seasons before it                       |
| ``known`` columns            | as they are at the moment that is forecast                                             |
| all others                   | as they are at the origin                                                              |

The newest known value lies at the origin, or so many steps before it as labels come late. A step without a row is a null wherever it is
looked at, and nothing moves into its place. Everything is looked up by (series, step), so the order of the rows says nothing, and rows
after the origin change nothing but targets and ``known`` columns.
Source: Bontempi, Ben Taieb & Le Borgne 2013, "Machine learning strategies for time series forecasting" (the horizon as an input).
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.durations import format_duration
from homeostat.core.forecasts import (
    HORIZON,
    ORIGIN,
    SEASONS_BACK,
    STATISTICS,
    change_column,
    delay_steps,
    filled,
    horizons_of,
    lag_column,
    made_columns,
    season_column,
    season_mean_column,
    window_column,
)
from homeostat.core.records import PROVENANCE
from homeostat.errors import DataError
from homeostat.preparation.moments import seconds_of

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from homeostat.core.sections import Forecast, Task

SERIES, STEP, OFFSET = "_series", "_step", "_offset"
"""Columns of our own: which series a row is of, the whole steps from 1970 to it, and what is left over, in microseconds."""
MICROSECOND = timedelta(microseconds=1)


def training_view(frame: pl.DataFrame, task: Task) -> pl.DataFrame:
    """The view from every ``every``-th step that has a row, of the targets that are there; in the order of time, series and horizon.

    Args:
        frame: rows of the series, in any order; rows without a time are left out.
        task: with its ``forecast``.

    Raises:
        DataError: HS203 or HS204, a column is missing; HS205, a time cannot be read; HS356, times are no whole number of steps apart;
            HS357, two rows of a series have one time; HS358, a column has a name that the view gives.
    """
    import polars as pl

    forecast = _section(task)
    rows = _placed(frame, task, forecast)
    origins = rows.filter(pl.col(STEP) % (forecast.every or 1) == 0).select(SERIES, pl.col(STEP).alias(ORIGIN), OFFSET)
    return _view(rows, origins, task, known_targets=True)


def latest_view(frame: pl.DataFrame, task: Task, at: datetime | None = None) -> pl.DataFrame:
    """The view from one origin of each series: the moment its newest value was known, or the last step at or before ``at``.

    Targets are as they are in the frame: null for what has not come yet.

    Args:
        frame: rows of the series, and rows of later moments with what is known ahead.
        task: with its ``forecast``.
        at: a moment; without a zone it is taken as the times of the frame are. A series that begins later is left out.

    Raises:
        DataError: as ``training_view``.
    """
    import polars as pl

    forecast = _section(task)
    rows = _placed(frame, task, forecast)
    known = rows.filter(pl.col(task.target).is_not_null())
    newest = pl.col(STEP).max() + delay_steps(forecast, task.label_delay)
    origins = known.group_by(SERIES).agg(newest.alias(ORIGIN), pl.col(STEP).min().alias("_first"), pl.col(OFFSET).first())
    if at is not None:
        asked = round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6)
        origins = origins.with_columns(((asked - pl.col(OFFSET)) // _step_us(forecast)).alias(ORIGIN)).filter(
            pl.col("_first") <= pl.col(ORIGIN)
        )
    return _view(rows, origins.drop("_first").sort(SERIES), task, known_targets=False)


def _section(task: Task) -> Forecast:
    if task.forecast is None or task.time is None:
        raise ValueError("a view is made of a task with a forecast and a time column")
    return filled(task.forecast)


def _step_us(forecast: Forecast) -> int:
    return forecast.step // MICROSECOND


def _placed(frame: pl.DataFrame, task: Task, forecast: Forecast) -> pl.DataFrame:
    """The rows that have a time, each with its series, step and offset."""
    import polars as pl

    time = str(task.time)
    for name in (task.target, time, *task.entity, *forecast.known):
        if name not in frame.columns:
            code = "HS204" if name == task.target else "HS203"
            raise DataError(code, f"missing; the data has {', '.join(frame.columns[:20])}", place=f"column {name!r}")
    taken = [name for name in made_columns(task) if name in frame.columns]
    if taken:
        raise DataError(
            "HS358",
            "the rows of a forecast get a column of this name",
            place=f"column {taken[0]!r}",
            next_step="rename it in data.features, or choose other lags, windows or seasons",
        )
    seconds = seconds_of(frame, time)
    there = ~np.isnan(seconds)
    moments = np.round(seconds[there] * 1e6).astype(np.int64)
    step = _step_us(forecast)
    placed = frame.filter(pl.Series(there)).with_columns(pl.Series(STEP, moments // step), pl.Series(OFFSET, moments % step))
    if frame.schema[task.target].is_float():
        placed = placed.with_columns(pl.col(task.target).fill_nan(None))
    entity = list(task.entity)
    if entity:
        series = placed.select(entity).unique().sort(entity, nulls_last=True).with_row_index(SERIES)
        placed = placed.join(series, on=entity, how="left", nulls_equal=True, maintain_order="left")
    else:
        placed = placed.with_columns(pl.lit(0, pl.UInt32).alias(SERIES))
    _refuse_irregular(placed, task, forecast)
    return placed


def _refuse_irregular(placed: pl.DataFrame, task: Task, forecast: Forecast) -> None:
    """Return when the times of each series are different ones, whole steps apart."""
    import polars as pl

    off = placed.filter(pl.col(OFFSET) != pl.col(OFFSET).mode().sort().first().over(SERIES))
    if off.height:
        raise DataError(
            "HS356",
            f"{off.height} of {placed.height} rows do not lie whole steps of {format_duration(forecast.step)} from the others of their "
            f"series; the first: {_told(off, task)}",
            place=_place(off, task),
            next_step="set task.forecast.step to the step of the data, or bring the rows to whole steps in data.features",
        )
    again = placed.filter(pl.struct(SERIES, STEP).is_duplicated()).sort(SERIES, STEP, maintain_order=True)
    if again.height:
        step = "name the columns that tell series apart in task.entity, or keep one row of each time in data.features"
        raise DataError(
            "HS357",
            f"{again.height} rows have the time of another one; the first: {_told(again, task)}",
            place=_place(again, task),
            next_step=step,
        )


def _told(rows: pl.DataFrame, task: Task) -> str:
    first = rows.row(0, named=True)
    return ", ".join(f"{name} {first[name]}" for name in (*task.entity, str(task.time)))


def _place(rows: pl.DataFrame, task: Task) -> str:
    source, line = PROVENANCE
    return f"{rows[source][0]}:{rows[line][0]}" if source in rows.columns and line in rows.columns else f"column {task.time!r}"


def _view(rows: pl.DataFrame, origins: pl.DataFrame, task: Task, *, known_targets: bool) -> pl.DataFrame:
    """The rows of all horizons of these origins (``_series``, ``_origin``, ``_offset``)."""
    import polars as pl

    forecast, time = _section(task), str(task.time)
    private = [SERIES, STEP, OFFSET]
    ours = [name for name in rows.columns if name.startswith("_") and name not in private]
    ahead = [task.target, *forecast.known, *(name for name in ours)]
    behind = [name for name in rows.columns if name not in {*ahead, *private, time}]
    values = rows.select(SERIES, STEP, pl.col(task.target).cast(pl.Float64).alias("_value")).drop_nulls()

    at_origin = _at_origin(values, origins, task, forecast)
    at_origin = _looked_up(at_origin, rows.select(SERIES, STEP, *behind), pl.col(ORIGIN))
    if task.entity:  # an origin without a row has its series all the same
        series = rows.select(SERIES, *task.entity).unique(SERIES)
        at_origin = at_origin.drop(task.entity).join(series, on=SERIES, how="left", maintain_order="left")
    whole = at_origin.join(pl.DataFrame({HORIZON: horizons_of(forecast)}), how="cross")
    whole = _looked_up(whole, rows.select(SERIES, STEP, *ahead), pl.col(ORIGIN) + pl.col(HORIZON))
    if known_targets:
        whole = whole.filter(pl.col(task.target).is_not_null())
    whole = _with_seasons(whole, values, task, forecast)
    zone = _zone(rows.schema[time])
    moment = [
        (step * _step_us(forecast) + pl.col(OFFSET)).cast(pl.Datetime("us", zone)).alias(name)
        for name, step in ((time, pl.col(ORIGIN) + pl.col(HORIZON)), (ORIGIN, pl.col(ORIGIN)))
    ]
    named = [*task.entity, time, HORIZON, *made_columns(task)[1:], *forecast.known]
    rest = [name for name in behind if name not in task.entity]
    return whole.with_columns(moment).sort(time, SERIES, HORIZON).select(*named, *rest, task.target, ORIGIN, *ours)


def _zone(dtype: pl.DataType) -> str | None:
    """Times of a zone become times in UTC; others stay without one."""
    return "UTC" if getattr(dtype, "time_zone", None) else None


def _looked_up(frame: pl.DataFrame, table: pl.DataFrame, step: pl.Expr) -> pl.DataFrame:
    """The frame with the columns of the table at this step of the same series; null where there is no row."""
    wanted = frame.with_columns(step.cast(table.schema[STEP]).alias("_wanted"))
    return wanted.join(table, left_on=[SERIES, "_wanted"], right_on=[SERIES, STEP], how="left", maintain_order="left").drop("_wanted")


def _at_origin(values: pl.DataFrame, origins: pl.DataFrame, task: Task, forecast: Forecast) -> pl.DataFrame:
    """What is the same for all horizons of an origin: lags, statistics of windows, and changes since the season before."""
    import polars as pl

    target = task.target
    newest = pl.col(ORIGIN) - delay_steps(forecast, task.label_delay)
    found = origins
    for lag in forecast.lags or ():
        found = _looked_up(found, values.rename({"_value": lag_column(target, lag)}), newest - lag)
    moments = origins.select(SERIES, newest.cast(values.schema[STEP]).alias(STEP))
    timeline = pl.concat([values.select(SERIES, STEP), moments]).unique().join(values, on=[SERIES, STEP], how="left").sort(SERIES, STEP)
    for window in forecast.windows or ():
        of = pl.col("_value")
        statistics = zip(STATISTICS, (of.mean(), of.std(), of.min(), of.max()), strict=True)
        rolled = timeline.rolling(STEP, period=f"{window}i", group_by=SERIES).agg(
            one.alias(window_column(target, name, window)) for name, one in statistics
        )
        found = _looked_up(found, rolled, newest)
    for season in (each for each in forecast.season or () if each > 1):
        pair = _looked_up(_looked_up(found, values, newest), values.rename({"_value": "_before"}), newest - season)
        found = pair.with_columns((pl.col("_value") - pl.col("_before")).alias(change_column(target, season))).drop("_value", "_before")
    return found


def _with_seasons(whole: pl.DataFrame, values: pl.DataFrame, task: Task, forecast: Forecast) -> pl.DataFrame:
    """The rows with the values of the seasons before the moment that is forecast, as far as they are known at the origin."""
    import polars as pl

    late = delay_steps(forecast, task.label_delay)
    for season in forecast.season or ():
        back = (pl.col(HORIZON) + late + season - 1) // season  # the fewest whole seasons to a value that is known
        names = [season_column(task.target, season), *(f"_{n}_before" for n in range(1, SEASONS_BACK))]
        for number, name in enumerate(names):
            step = pl.col(ORIGIN) + pl.col(HORIZON) - season * (back + number)
            whole = _looked_up(whole, values.rename({"_value": name}), step)
        whole = whole.with_columns(pl.mean_horizontal(names).alias(season_mean_column(task.target, season))).drop(names[1:])
    return whole
