"""What was served: the prediction log as a frame, and one window of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from homeostat.core.traffic import SHADOW
from homeostat.infra.prediction_columns import INPUT, exact_values

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.flow.project import Project
    from homeostat.flow.registry import Version

ABOUT = MappingProxyType({"id": "_prediction_id", **{name: f"_{name}" for name in ("version", "scores", "request", "row", "arm")}})


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """Logged predictions: every raw field as it was sent, then ``_prediction_id``, ``_version``, ``_scores`` and ``_moment`` (UTC).

    ``_request`` and ``_row`` pair the answers of several versions to one row, ``_arm`` tells them apart.
    ``frame`` holds the answers that were given, ``shadow`` those that were only logged: no window, label or loop counts them.
    ``torn`` counts log lines that were cut by a kill and cannot be read.
    """

    frame: pl.DataFrame
    shadow: pl.DataFrame
    torn: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One window of one version, ready to be judged."""

    start: datetime
    end: datetime
    version: Version
    rows: pl.DataFrame
    labelled: pl.DataFrame

    @property
    def coverage(self) -> float:
        """Share of the window's rows that have a label."""
        return self.labelled.height / self.rows.height if self.rows.height else 0.0


def read_served(project: Project, fields: Collection[str] | None = None) -> Served:
    """All logged predictions of the project, with the moment each row is about.

    The moment is the charter's time column where the row carries it, else the time of the request.

    Args:
        project: whose log is read.
        fields: only these raw fields, and the time column; None: all.
    """
    import polars as pl

    from homeostat.infra.prediction_records import read_frame

    time = project.charter.task.time
    wanted = None if fields is None else {*fields, *((time,) if time else ())}
    log = read_frame(project.predictions, fields=wanted, about=ABOUT, seen=partial(with_moment, time))
    if log.frame.is_empty():
        return Served(pl.DataFrame(), pl.DataFrame(), log.torn)
    frame = log.frame.filter(pl.col("_version").is_not_null()).with_columns(pl.col("_version").cast(pl.String))
    shadow = frame["_arm"] == SHADOW
    return Served(frame.filter(~shadow), frame.filter(shadow), log.torn) if shadow.any() else Served(frame, frame.clear(), log.torn)


def with_moment(time: str | None, frame: pl.DataFrame) -> pl.DataFrame:
    """A piece of the log, as ``prediction_columns`` has it, with ``_moment``: what each row is about, see ``read_served``."""
    asked = frame["at"].alias("_moment")
    column = f"{INPUT}{time}"
    if column not in frame.columns:
        return frame.with_columns(asked)
    own = _moments(frame, str(time), column)
    return frame.with_columns(own.zip_with(own.is_not_null(), asked).alias("_moment"))


def _moments(frame: pl.DataFrame, time: str, column: str) -> pl.Series:
    import polars as pl

    from homeostat.monitoring.windows import moments

    alike = frame["rest"].null_count() == frame.height
    if alike and (frame[column].dtype == pl.String or frame[column].dtype.is_numeric()):
        return moments(frame[column])
    return moments(pl.Series(column, [_seconds(value) for value in exact_values(frame, time)], dtype=pl.Float64))


def _seconds(value: object) -> float | None:
    """A time as the server reads it, row by row: texts and epoch seconds may come in one log; None where it is unreadable."""
    from homeostat.graph.fields import read_timestamp

    try:
        return read_timestamp(value)
    except ValueError:  # such a row is placed by the time of its request
        return None


def scores_of(served: pl.DataFrame) -> NDArray[np.float64]:
    """The logged scores (n, k) of served rows."""
    import numpy as np

    if served["_scores"].list.len().n_unique() != 1:
        return np.asarray(served["_scores"].to_list(), dtype=np.float64)
    return served["_scores"].list.explode().to_numpy().reshape(served.height, -1)
