"""What an evaluation tells of a forecast beside the scores of any regression: the error step by step ahead, and MASE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.core.forecasts import HORIZON

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from homeostat.charter.schema import Charter
    from homeostat.core.records import Split
    from homeostat.graph.plan import Floats
    from homeostat.stats.metrics import Metric


def scaled(charter: Charter, split: Split) -> tuple[Metric, ...]:
    """MASE on the holdout, in units of the error of the season before on the development rows; nothing where the task is no forecast."""
    from homeostat.evaluation.scales import season_scales
    from homeostat.stats.metrics import scaled_error

    if charter.task.forecast is None:
        return ()
    return (scaled_error(season_scales(split.development, split.holdout, charter.task)),)


def by_horizon(charter: Charter, holdout: pl.DataFrame, arrays: Mapping[str, Floats]) -> list[dict[str, Any]]:
    """The success metric of each horizon on the holdout, of the model and of the baseline; empty where the task is no forecast."""
    from homeostat.stats.metrics import metric

    if charter.task.forecast is None:
        return []
    measured, steps = metric(charter.success.metric), holdout[HORIZON].to_numpy()
    told = []
    for step in sorted(set(steps.tolist())):
        rows = steps == step
        values = {name: measured.score(arrays["y"][rows], arrays[name][rows]) for name in ("ours", "baseline")}
        told.append({"horizon": step, "rows": int(rows.sum()), "metric": measured.name, **values})
    return told
