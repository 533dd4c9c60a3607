"""Parity: the bundle's graph against the library's own predictions, on real rows and on rows made to break it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.decode import decode_frame
from homeostat.graph.interpret import bounds
from homeostat.serving.answers import decide
from homeostat.serving.predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from homeostat.graph.plan import Floats, Input
    from homeostat.serving.bundle import Bundle

TOLERANCE, SINGLE_TOLERANCE = 1e-7, 1e-6
"""The largest difference allowed: from libraries that compute in float64, and from those that compute in float32 inside."""
STRESS_ROWS = 16


@dataclass(frozen=True, slots=True)
class ParityReport:
    """The outcome: ``max_difference`` is absolute up to size 1 and relative beyond; ``flips`` counts rows decided otherwise."""

    rows: int
    max_difference: float
    flips: int
    tolerance: float = TOLERANCE

    @property
    def passed(self) -> bool:
        """True when there were rows, none was decided otherwise and no score is off by more than the tolerance."""
        return self.rows > 0 and self.flips == 0 and self.max_difference <= self.tolerance


def parity(bundle: Bundle, frame: pl.DataFrame, oracle_scores: Floats, tolerance: float = TOLERANCE) -> ParityReport:
    """Compare the graph's scores and decisions on a frame with the oracle's scores (n, k) of the same rows.

    Ends of intervals are compared with what the plan means by them beside the graph's own scores. Scores of another shape, or NaN on one
    side only, differ by the largest float there is (so that the report stays JSON).
    """
    scores, decisions, ends = Predictor(bundle).say_frame(frame)
    if scores.shape != oracle_scores.shape:
        return ParityReport(frame.height, sys.float_info.max, frame.height, tolerance)
    flips = int(np.count_nonzero(decisions != decide(bundle.manifest, oracle_scores)))
    differences = [largest_difference(scores, oracle_scores)]
    if ends is not None:
        differences.append(largest_difference(ends, _meant_ends(bundle, frame, scores)))
    return ParityReport(frame.height, max(differences), flips, tolerance)


def _meant_ends(bundle: Bundle, frame: pl.DataFrame, scores: Floats) -> Floats:
    from homeostat.graph.encode import load_plan

    plan = load_plan(bundle.plan)
    if plan.interval is None:
        return np.zeros((0, 0))
    return bounds(plan.interval, plan.out, scores, decode_frame(plan.inputs, frame))


def largest_difference(got: Floats, wanted: Floats) -> float:
    """The largest of ``|got - wanted| / max(1, |wanted|)``; 0 where both are NaN or the same infinity, or there is nothing.

    >>> largest_difference(np.array([[1e6 + 1.0]]), np.array([[1e6]]))
    1e-06
    """
    if got.size == 0:
        return 0.0
    same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(got - wanted) / np.maximum(1.0, np.abs(wanted))
    off = np.where(same, 0.0, np.where(np.isfinite(off), off, sys.float_info.max))
    return float(off.max())


def stress_frame(frame: pl.DataFrame, inputs: Sequence[Input], seed: int) -> pl.DataFrame:
    """Rows derived from some of the frame's: per input a null, unseen categories, odd texts, extreme numbers and dates; then all nulls.

    The columns and their types are the frame's, so that both can be stacked. Empty frame: empty result.
    """
    import polars as pl

    if frame.is_empty():
        return frame
    rng = np.random.default_rng(seed)
    few = frame[np.sort(rng.choice(frame.height, min(STRESS_ROWS, frame.height), replace=False))]
    parts = [few.with_columns(constant(frame[each.name], None)) for each in inputs]
    for each in inputs:
        series = frame[each.name]
        parts += [few.with_columns(constant(series, value)) for value in odd_values(each, series)]
    parts.append(few.with_columns([constant(frame[each.name], None) for each in inputs]))
    return pl.concat(parts, how="vertical")


def constant(series: pl.Series, value: Any) -> pl.Expr:
    """A column of the series' name and type that holds one value only."""
    import polars as pl

    return pl.lit(value, dtype=series.dtype).alias(series.name)


def odd_values(field: Input, series: pl.Series) -> list[Any]:
    """Values of the column's own type that training did not see, or hardly."""
    import polars as pl

    dtype = series.dtype
    if field.kind == "boolean" or dtype == pl.Boolean:
        return [True, False] if dtype == pl.Boolean else [0, 1]
    if field.kind == "timestamp":
        return _odd_times(dtype)
    if field.kind == "category":
        return _odd_categories(field, series)
    if field.kind == "text":
        return _odd_texts(field, series)
    if dtype.is_integer():
        low, high = _integer_range(series)
        return [low, high, 0]
    return [-1e12, 1e12, 0.0, -1e-12]


def _odd_times(dtype: pl.DataType) -> list[Any]:
    from datetime import UTC, date, datetime

    import polars as pl

    days = [date(1700, 1, 1), date(2000, 2, 29), date(2250, 12, 31)]
    if dtype == pl.Date:
        return list(days)
    if dtype == pl.String:
        return [f"{day.isoformat()}T23:59:59" for day in days]
    moments = [datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC) for day in days]
    if isinstance(dtype, pl.Datetime):
        return moments if dtype.time_zone else [moment.replace(tzinfo=None) for moment in moments]
    return [0, 951_868_799]  # epoch seconds: the beginning, and the last second of a leap day


def _odd_categories(field: Input, series: pl.Series) -> list[Any]:
    import polars as pl

    if series.dtype == pl.String:
        longest = max(field.vocabulary, key=len, default="")
        return ["", " ", f"{longest}?", "\N{SNOWMAN}", "null", "x" * 20_000]
    if series.dtype.is_integer():
        low, high = _integer_range(series)
        return [low, high]
    if series.dtype.is_float():
        return [-1e12, 0.5]
    return []  # dates and enumerations: the null is what is left to try


def _odd_texts(field: Input, series: pl.Series) -> list[Any]:
    import polars as pl

    if series.dtype != pl.String:
        return []
    known = field.vocabulary[0]
    return ["", " .,!? ", "\N{SNOWMAN}\N{GRINNING FACE}", f"{known.upper()} {known}-{known}", f"{known} never seen \u00c9 " * 2_000]


def _integer_range(series: pl.Series) -> tuple[int, int]:
    """The ends of an integer column's type, kept to what float64 holds exactly."""
    import polars as pl

    ends = pl.select(low=series.dtype.min(), high=series.dtype.max()).row(0)  # type: ignore[attr-defined]  # integer types have both
    return max(int(ends[0]), -(2**53)), min(int(ends[1]), 2**53)
