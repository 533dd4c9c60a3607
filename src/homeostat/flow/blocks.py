"""How many neighbouring rows are resampled together: rows of one day depend on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from homeostat.charter.schema import Charter


def block_length(charter: Charter, frame: pl.DataFrame) -> int:
    """Rows of a usual day where there is a time column, and at least the length that grows with the number of rows.

    Source: Kunsch 1989, "The jackknife and the bootstrap for general stationary observations" (blocks longer than the dependence).
    """
    from homeostat.monitoring.windows import moments
    from homeostat.stats.resample import default_block

    shortest = default_block(frame.height)
    if charter.task.time is None or charter.task.time not in frame.columns:
        return shortest
    a_day = moments(frame[charter.task.time]).dt.date().drop_nulls().value_counts()["count"].median()
    return max(shortest, int(a_day)) if isinstance(a_day, int | float) else shortest


def judged_block(charter: Charter, frame: pl.DataFrame) -> int:
    """``block_length`` of validation or holdout rows: 1 where rows without a time were placed by their content, not by their order."""
    if charter.task.time is None and charter.preparation.split.kind in ("random", "stratified"):
        return 1
    return block_length(charter, frame)
