"""How many neighbouring rows are resampled together: rows of one day depend on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core.forecasts import horizons_of

if TYPE_CHECKING:
    import polars as pl

    from homeostat.charter.schema import Charter


def block_length(charter: Charter, frame: pl.DataFrame) -> int:
    """Rows of a usual day where there is a time column, and at least the length that grows with the number of rows.

    Of a forecast also those of the span of its furthest horizon: errors of forecasts that look over the same time hang together.
    Source: Kunsch 1989, "The jackknife and the bootstrap for general stationary observations" (blocks longer than the dependence); for
    forecasts of several steps Diebold & Mariano 1995, section 1.1.
    """
    from homeostat.monitoring.windows import moments
    from homeostat.stats.resample import default_block

    shortest = default_block(frame.height)
    if charter.task.time is None or charter.task.time not in frame.columns:
        return shortest
    times = moments(frame[charter.task.time]).drop_nulls()
    a_day = times.dt.date().value_counts()["count"].median()
    spans = [int(each) for each in (a_day, _ahead(charter, times)) if isinstance(each, int | float)]
    return max(shortest, *spans) if spans else shortest


def _ahead(charter: Charter, times: pl.Series) -> float | None:
    """Rows in the span of a forecast's furthest horizon."""
    forecast = charter.task.forecast
    if forecast is None or times.is_empty():
        return None
    return times.len() / times.n_unique() * horizons_of(forecast)[-1]


def judged_block(charter: Charter, frame: pl.DataFrame) -> int:
    """``block_length`` of validation or holdout rows: 1 where rows without a time were placed by their content, not by their order."""
    if charter.task.time is None and charter.preparation.split.kind in ("random", "stratified"):
        return 1
    return block_length(charter, frame)
