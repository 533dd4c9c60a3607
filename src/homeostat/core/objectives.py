"""Several objectives as one target: the weighted sum of what each of them is about."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from homeostat.core.targets import text_of, texts
from homeostat.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from homeostat.core.sections import Objective


def with_combined(frame: pl.DataFrame, target: str, objectives: Sequence[Objective]) -> pl.DataFrame:
    """The frame with the column ``target``: the sum of weight x value over the objectives, null where one of them is null.

    A regression's value is its number, a binary one's is 1 for the positive class and 0 for another. Without objectives the frame is
    returned as it is.

    Raises:
        DataError: HS204, the column of an objective is missing; HS203, the data has a column of the combined target's name.
    """
    if not objectives:
        return frame
    if target in frame.columns:
        step = "give task.target a name that no column has"
        raise DataError(
            "HS203", "objectives are added up under this name, and the data has such a column", place=f"column {target!r}", next_step=step
        )
    return frame.with_columns(reduce(add, (_value(frame, each) * each.weight for each in objectives)).alias(target))


def _value(frame: pl.DataFrame, objective: Objective) -> pl.Series:
    import polars as pl

    if objective.target not in frame.columns:
        found = ", ".join(frame.columns[:12]) or "no columns"
        raise DataError("HS204", f"got {found}", place=f"column {objective.target!r}, the target of objective {objective.name}")
    column = frame[objective.target]
    if objective.type == "binary":
        return (texts(column) == text_of(objective.positive)).cast(pl.Float64)
    return column.cast(pl.Float64, strict=False).fill_nan(None)
