"""What every section is made of: a frozen group of clauses, and the types of single clauses."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from homeostat.core.durations import PATTERN, format_duration, parse_duration

TaskType = Literal["binary", "multiclass", "regression"]
Kind = Literal["number", "category", "boolean", "timestamp", "text"]


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        # pydantic reports a ValueError as the clause's error; a TypeError would pass through it.
        raise ValueError("write a number and a unit, such as 30m, 6h, 14d or 2w")  # noqa: TRY004
    return parse_duration(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN}),
]
Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Column = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A frozen group of clauses; a clause it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
