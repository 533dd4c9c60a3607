"""Moments as a command-line argument."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import click


class Moment(click.ParamType[datetime]):
    """An ISO 8601 date or date-time; without an offset it is UTC."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment a text stands for."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"got {value!r}; write a date or date-time such as 2012-03-01 or 2012-03-01T06:00", param, ctx)


class Seconds(click.FloatRange):
    """Seconds between two looks: from a tenth to a day; not a number is no number."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(min=0.1, max=86_400.0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number of seconds a text stands for."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):  # NaN passes any range
            self.fail(f"got {value!r}; write a number of seconds from 0.1 to 86400", param, ctx)
        return seconds


MOMENT = Moment()
SECONDS = Seconds()
