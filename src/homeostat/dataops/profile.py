"""The numbers behind the analysis report: what each column holds and how it goes with the target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.core.casts import logical_type
from homeostat.core.targets import texts

if TYPE_CHECKING:
    import polars as pl

FEWEST = 3  # rows per name, on average, for an association to mean anything
TOP = 10
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column. Every field is JSON-able; a number that cannot be said (no values, one value) is None.

    ``nulls`` counts nulls, NaN and infinity. ``distinct`` counts values, without null. ``minimum`` and ``maximum`` are ISO texts for dates.
    ``quantiles`` maps "0.05" ... "0.95" to values of number columns. ``top`` lists the ten most frequent values of the others with
    their counts, most frequent first. ``association`` with the target is Spearman's rank correlation (-1 to 1) when both are
    numbers, else the correlation ratio eta (0 to 1) when one is, else Cramer's V (0 to 1); ``association_kind`` names it.
    """

    name: str
    kind: str
    rows: int
    nulls: int
    distinct: int
    constant: bool
    minimum: float | int | str | None = None
    maximum: float | int | str | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: dict[str, float] | None = None
    top: tuple[tuple[str, int], ...] | None = None
    association: float | None = None
    association_kind: str | None = None


def profile_columns(frame: pl.DataFrame, target: str | None) -> tuple[ColumnProfile, ...]:
    """One profile per column, in the frame's order. Works on empty frames and all-null columns.

    Args:
        frame: any rows.
        target: the column associations are measured with; None, or one that is not there, for none.
    """
    goal = _values(frame[target]) if target in frame.columns else None
    return tuple(_profile(frame[name], None if name == target else goal) for name in frame.columns)


def _profile(series: pl.Series, goal: pl.Series | None) -> ColumnProfile:
    values = _values(series)
    filled = values.drop_nulls()
    distinct = filled.n_unique() if filled.len() else 0
    kind = logical_type(series.dtype) or ("null" if filled.is_empty() else str(series.dtype))
    known: dict[str, Any] = {
        "name": series.name,
        "kind": kind,
        "rows": series.len(),
        "nulls": series.len() - filled.len(),
        "distinct": distinct,
        "constant": distinct <= 1,
    }
    if _numeric(values):
        known.update(_numbers(filled))
        if kind == "integer" and filled.len():
            known.update(minimum=series.min(), maximum=series.max())
    else:
        if kind in ("date", "timestamp") and filled.len():
            moments = series.drop_nulls()
            known.update(minimum=_iso(moments.min()), maximum=_iso(moments.max()))
        known["top"] = tuple((str(value), int(count)) for value, count in _counts(filled).rows())
    if goal is not None:
        known["association"], known["association_kind"] = _association(_ordered(series, values), goal)
    return ColumnProfile(**known)


def _values(series: pl.Series) -> pl.Series:
    """Numbers as Float64 without NaN and infinity, anything else as text."""
    import polars as pl

    kind = logical_type(series.dtype)
    if kind in ("number", "integer"):
        numbers = series.cast(pl.Float64)
        return numbers.set(~numbers.is_finite(), None)
    if kind is None and series.dtype != pl.Null:
        return series.to_frame().select(pl.struct(pl.all()).struct.json_encode().alias(series.name)).to_series().set(series.is_null(), None)
    return texts(series)


def _ordered(series: pl.Series, values: pl.Series) -> pl.Series:
    """Times as numbers, so that they are related to the target by their order and not as so many names."""
    import polars as pl

    if series.dtype.is_temporal() and series.dtype in (pl.Date, pl.Datetime):
        return series.cast(pl.Datetime("us")).to_physical().cast(pl.Float64)
    return values


def _numeric(series: pl.Series) -> bool:
    return series.dtype.is_float()


def _numbers(filled: pl.Series) -> dict[str, Any]:
    if filled.is_empty():
        return {}
    return {
        "minimum": filled.min(),
        "maximum": filled.max(),
        "mean": _finite(filled.mean()),
        "std": _finite(filled.std()),
        "quantiles": {str(q): value for q in QUANTILES if (value := _finite(filled.quantile(q, "linear"))) is not None},
    }


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _iso(value: Any) -> str:
    return str(value.isoformat())


def _counts(filled: pl.Series) -> pl.DataFrame:
    import polars as pl

    counted = filled.alias("value").to_frame().group_by("value").len("count")
    return counted.sort(pl.col("count"), pl.col("value"), descending=[True, False]).head(TOP)


def _association(values: pl.Series, goal: pl.Series) -> tuple[float | None, str]:
    import polars as pl

    pair = pl.DataFrame({"x": values, "y": goal}).drop_nulls()
    if _numeric(values) and _numeric(goal):
        found = pair.select(pl.corr(pl.col("x").rank(), pl.col("y").rank())).item() if pair.height > 1 else None
        return _finite(found), "spearman"
    names = [column for column, series in (("x", values), ("y", goal)) if not _numeric(series)]
    if any(pair[column].n_unique() * FEWEST > pair.height for column in names):
        return None, ""  # names that hardly ever come twice would explain anything
    if _numeric(values) or _numeric(goal):
        number, group = ("x", "y") if _numeric(values) else ("y", "x")
        return _eta(pair.rename({number: "number", group: "group"})), "eta"
    return _cramers_v(pair), "cramers_v"


def _eta(pair: pl.DataFrame) -> float | None:
    """Square root of the share of the numbers' variance that lies between the groups; None when there is no variance.

    Source: Pearson, On the general theory of skew correlation and non-linear regression (1905).
    """
    import polars as pl

    if pair["number"].n_unique() < 2 or pair["group"].n_unique() < 2:
        return None
    middle = pair["number"].mean()
    groups = pair.group_by("group").agg(pl.len().alias("n"), pl.col("number").mean().alias("mean"))
    between = groups.select((pl.col("n") * (pl.col("mean") - middle) ** 2).sum()).item()
    whole = pair.select(((pl.col("number") - middle) ** 2).sum()).item()
    share = _finite(between / whole) if whole else None
    return None if share is None else math.sqrt(min(share, 1.0))


def _cramers_v(pair: pl.DataFrame) -> float | None:
    """Cramer's V of two category columns; None when one of them has fewer than two values.

    Source: Cramer, Mathematical Methods of Statistics (1946), section 21.9.
    """
    import polars as pl

    rows, columns = pair["x"].n_unique(), pair["y"].n_unique()
    if min(rows, columns) < 2:
        return None
    cells = pair.group_by("x", "y").len("n")
    cells = cells.with_columns(pl.col("n").sum().over("x").alias("row"), pl.col("n").sum().over("y").alias("column"))
    # chi2 / n = sum n_ij^2 / (n_i n_j) - 1: empty cells need not be listed.
    phi2 = cells.select((pl.col("n").cast(pl.Float64) ** 2 / (pl.col("row") * pl.col("column").cast(pl.Float64))).sum()).item() - 1.0
    return math.sqrt(min(max(phi2, 0.0) / (min(rows, columns) - 1), 1.0))
