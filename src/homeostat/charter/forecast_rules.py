"""Rules about forecasts: what a series needs, what its rows are called, how they are cut, and what they are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from homeostat.charter.violations import Loc, Violation, shown
from homeostat.core.durations import format_duration
from homeostat.core.forecasts import filled, lead, made_columns

if TYPE_CHECKING:
    from homeostat.core.sections import Labelling, Objective, Preparation, Success, Task

Found = Iterator[Violation]
CODE = "HS355"
AT: Loc = ("task", "forecast")


def forecasts_are_of_series(task: Task, objectives: tuple[Objective, ...], labelling: Labelling) -> Found:
    """A forecast is of numbers in time, one target, with true values only."""
    forecast = task.forecast
    if forecast is None:
        return
    if task.type != "regression":
        yield Violation(CODE, AT, f"got it for a {task.type} task; numbers are forecast", "set task.type: regression")
    if task.time is None:
        yield Violation(CODE, AT, "got it, and task.time is not set; a series has times", "name the column in task.time")
    elif task.time in task.entity:
        at: Loc = ("task", "entity", task.entity.index(task.time))
        yield Violation(CODE, at, f"got {shown(task.time)}, which is task.time; entities of a forecast tell series apart", "take it out")
    if forecast.step <= timedelta(0):
        yield Violation(CODE, (*AT, "step"), "got no time at all; allowed: more than 0, such as 1h")
    if objectives:
        yield Violation(CODE, AT, "got it together with objectives; one target is forecast", "drop one of the two")
    if labelling.rules:
        yield Violation(CODE, AT, "got it together with labelling.rules; a weak label is no value of a series", "drop one of the two")


def forecast_columns_are_free(task: Task) -> Found:
    """What is known ahead is not what is forecast, and no column has a name that the rows of a forecast get."""
    if task.forecast is None or not task.forecast.step:
        return
    taken = {task.target: "task.target", str(task.time): "task.time", **dict.fromkeys(task.entity, "task.entity")}
    for index, column in enumerate(task.forecast.known):
        if column in taken:
            yield Violation(CODE, (*AT, "known", index), f"got {shown(column)}, which is {taken[column]}", "name another column")
    for column, clause in taken.items():
        if column in made_columns(task):
            message = f"the rows of a forecast get a column {shown(column)}, which is {clause}"
            yield Violation(CODE, AT, message, "rename the one of the data in data.features")


def forecasts_are_cut_by_time(task: Task, preparation: Preparation) -> Found:
    """What teaches was known at the first origin that is judged, which needs a cut by time and a gap; rows are thinned by ``every``."""
    if task.forecast is None or not task.forecast.step:
        return
    split, least = preparation.split, lead(task.forecast, task.label_delay)
    if split.kind not in (None, "time"):
        message = f"got {split.kind} for a forecast: later values would teach what earlier ones are judged by"
        yield Violation(CODE, ("preparation", "split", "kind"), message, "drop it, or use time")
    elif task.time is not None and split.gap < least:
        message = (
            f"got {format_duration(split.gap)}; the furthest horizon with task.label_delay is {format_duration(least)}, and what teaches "
            "must be known by the first origin that is judged"
        )
        yield Violation(CODE, ("preparation", "split", "gap"), message, f"drop it, or give at least {format_duration(least)}")
    if preparation.sample is not None:
        yield Violation(CODE, ("preparation", "sample"), "got it for a forecast", "thin the origins by task.forecast.every")


def baseline_is_a_season(task: Task, success: Success) -> Found:
    """The season of a seasonal baseline is one whose values the rows hold."""
    period = success.baseline.period
    if task.forecast is None or not task.forecast.step or success.baseline.kind != "seasonal" or period is None:
        return
    whole = filled(task.forecast)
    periods = [season * whole.step for season in whole.season or ()]
    if period not in periods:
        message = f"got {format_duration(period)}; the seasons of this forecast: {', '.join(format_duration(each) for each in periods)}"
        yield Violation(CODE, ("success", "baseline", "period"), message, "add it to task.forecast.season, in steps")
