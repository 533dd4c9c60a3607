"""What was served: the prediction log as a frame, and one window of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from homeostat.core.traffic import SHADOW

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.flow.project import Project
    from homeostat.flow.registry import Version


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


def read_served(project: Project) -> Served:
    """All logged predictions of the project, with the moment each row is about.

    The moment is the charter's time column where the row carries it, else the time of the request.
    """
    import polars as pl

    from homeostat.infra.predictions import read
    from homeostat.monitoring.windows import moments

    log = read(project.predictions)
    records = log.records
    if not records:
        return Served(pl.DataFrame(), pl.DataFrame(), log.torn)
    inputs = pl.DataFrame([record["inputs"] for record in records], infer_schema_length=None, strict=False)
    moment = moments(pl.Series("_moment", [record["at"] for record in records]))
    time = project.charter.task.time
    if time in inputs.columns:
        own = moments(pl.Series("_moment", [_seconds(record["inputs"].get(time)) for record in records], dtype=pl.Float64))
        moment = own.zip_with(own.is_not_null(), moment)
    frame = inputs.with_columns(
        pl.Series("_prediction_id", [record["id"] for record in records]),
        pl.Series("_version", [str(record["version"]) for record in records]),
        pl.Series("_scores", [[float(s) for s in record["scores"]] for record in records]),
        moment.alias("_moment"),
        *(pl.Series(f"_{name}", [record[name] for record in records]) for name in ("request", "row", "arm")),
    )
    shadow = frame["_arm"] == SHADOW
    return Served(frame.filter(~shadow), frame.filter(shadow), log.torn)


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

    return np.asarray(served["_scores"].to_list(), dtype=np.float64)
