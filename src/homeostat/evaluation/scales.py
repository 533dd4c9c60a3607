"""What error is usual in a series: that of the season before, on the values a model learned from. The unit of MASE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.forecasts import filled

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.core.sections import Task


def season_scales(seen: pl.DataFrame, asked: pl.DataFrame, task: Task) -> NDArray[np.float64]:
    """For each asked row the mean distance of two values of its series that lie a season apart, among the seen rows: (n,).

    A series that did not change, or of which no two such values were seen, gets the mean over all series; NaN where that is 0 too.

    Args:
        seen: rows of a forecast (several horizons may tell the same value), with the entity, the time and the target.
        asked: rows of the same columns.
        task: its first season counts.

    Source: Hyndman & Koehler 2006, "Another look at measures of forecast accuracy", equation of q_t, for seasonal series.
    """
    import polars as pl

    if task.forecast is None or task.time is None:
        raise ValueError("only a forecast has seasons")
    forecast = filled(task.forecast)
    season = (forecast.season or (1,))[0] * forecast.step
    entity, keys = list(task.entity), [*task.entity, task.time]
    values = seen.select(*keys, pl.col(task.target).cast(pl.Float64).alias("_value")).unique(keys)
    before = values.with_columns(pl.col(task.time) + season).rename({"_value": "_before"})
    pairs = values.join(before, on=keys, how="inner", nulls_equal=True)
    pairs = pairs.with_columns((pl.col("_value") - pl.col("_before")).abs().alias("_scale"))
    usual = pairs["_scale"].mean() if pairs.height else None
    overall = float(usual) if isinstance(usual, float) and usual > 0 else np.nan
    if not entity:
        return np.full(asked.height, overall)
    own = pairs.group_by(entity).agg(pl.col("_scale").mean())
    found = asked.select(entity).join(own, on=entity, how="left", nulls_equal=True, maintain_order="left")["_scale"]
    scales = found.to_numpy().astype(np.float64)
    return np.where(scales > 0, scales, overall)
