"""A first contract from data that are taken to be sound: a draft for the team to tighten, wide enough not to refuse tomorrow's rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from homeostat.core.casts import LogicalType, logical_type, present, read_as
from homeostat.core.records import PROVENANCE
from homeostat.core.targets import texts
from homeostat.dataops.rules import ColumnRule, Contract
from homeostat.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.sections import Task

MOSTLY = 0.95
CODES = 50


def infer_contract(frame: pl.DataFrame, task: Task, name: str = "data") -> Contract:
    """Types, required columns and ranges as the frame shows them.

    - A column is required when it has a value in every row. The target and the time column always are.
    - An input column of numbers may range over what was seen, widened by half of it on both sides, never below 0 when nothing
      below 0 was seen. Numbers seen only within 0 to 1 must stay there.
    - No range: constants; integers with at most 50 distinct values other than 0 and 1 (codes are categories, and a new code must
      be able to arrive); the time column; identifiers (the entity columns). The target has no upper limit, since growth must reach
      monitoring instead of quarantine.
    - Allowed values only for a classification target. Categories seen for the first time in production are served, so text
      inputs have none.
    - Columns left out as inputs may be absent and have a type only.
    - A text column in which at least 95% of the values are numbers, dates or timestamps is one with broken rows.

    Raises:
        DataError: HS204, the target is not in the frame; HS209, a column is of a type no contract can hold.
    """
    if task.target not in frame.columns:
        raise DataError(
            "HS204", f"got the columns {', '.join(frame.columns)}", place=f"column {task.target!r}", next_step="name one of them"
        )
    columns = [column for column in frame.columns if column not in PROVENANCE]
    return Contract(name, "1.0.0", tuple(_infer(frame, column, task) for column in columns))


def _infer(frame: pl.DataFrame, name: str, task: Task) -> ColumnRule:
    dtype = frame.schema[name]
    kind = _kind(frame, name)
    if name in task.leave_out and name not in (task.target, task.time, *task.entity):
        return ColumnRule(name, kind, optional=True)
    has_value = frame.select(present(name, dtype)).to_series()
    required = bool(has_value.all()) and frame.height > 0
    if name == task.target:
        if task.type != "regression":
            seen = tuple(sorted(set(texts(frame[name]).drop_nulls().to_list())))
            return ColumnRule(name, _target_kind(kind), required=True, allowed=seen or None)
        low, _ = _range(frame, name, kind)
        return ColumnRule(name, kind, required=True, minimum=0 if low is not None and low >= 0 else None)
    if name == task.time or name in task.entity:
        return ColumnRule(name, kind, required=required or name == task.time)
    low, high = _range(frame, name, kind)
    codes = kind == "integer" and _distinct(frame, name) <= CODES and (low, high) != (0, 1)
    if low is None or high is None or low == high or codes:
        return ColumnRule(name, kind, required=required)
    return ColumnRule(name, kind, required, False, *_widen(low, high, kind))


def _kind(frame: pl.DataFrame, name: str) -> LogicalType:
    import polars as pl

    dtype = frame.schema[name]
    if dtype == pl.Null:
        return "string"
    known = logical_type(dtype)
    if known is None:
        raise DataError(
            "HS209",
            f"got a column of type {dtype}; a contract holds numbers, texts, booleans, dates and timestamps",
            place=f"column {name!r}",
            next_step="leave the column out of the file, or turn it into columns of these types",
        )
    filled = frame.filter(present(name, dtype))
    if known != "string" or filled.is_empty():
        return known
    kinds: tuple[LogicalType, ...] = ("integer", "number", "date", "timestamp")
    shares = filled.select(read_as(name, dtype, kind).is_not_null().mean().alias(kind) for kind in kinds).row(0, named=True)
    best = max(kinds, key=lambda kind: shares[kind])  # the first, the narrowest, when two read as much
    # A column that is wholly numbers yet arrives as text was kept so on purpose: leading zeros, long identifiers.
    return best if MOSTLY <= shares[best] < 1 else "string"


def _target_kind(kind: LogicalType) -> LogicalType:
    return "string" if kind in ("date", "timestamp") else kind


def _range(frame: pl.DataFrame, name: str, kind: LogicalType) -> tuple[Any, Any]:
    import polars as pl

    if kind not in ("number", "integer"):
        return None, None
    values = frame.select(read_as(name, frame.schema[name], kind)).to_series()
    finite = values.filter(values.cast(pl.Float64).is_finite())
    return (finite.min(), finite.max()) if finite.len() else (None, None)


def _distinct(frame: pl.DataFrame, name: str) -> int:
    return frame[name].n_unique()


def _widen(low: float, high: float, kind: LogicalType) -> tuple[float | None, float | None]:
    if low >= 0 and high <= 1:
        return (0, 1) if kind == "integer" else (0.0, 1.0)
    half = (high - low) / 2
    wide = (max(low - half, 0.0) if low >= 0 else low - half, high + half)
    if not all(abs(bound) < 2**63 for bound in wide):
        return None, None  # beyond what a contract states
    return (math.floor(wide[0]), math.ceil(wide[1])) if kind == "integer" else _rounded(wide)


def _rounded(wide: tuple[float, float]) -> tuple[float, float]:
    """Outwards to three significant digits of the span, so that a person can read the limits."""
    digits = 2 - math.floor(math.log10(wide[1] - wide[0]))
    if not -15 <= digits <= 15:
        return wide
    unit = 10.0**-digits
    low, high = round(math.floor(wide[0] / unit) * unit, max(digits, 0)), round(math.ceil(wide[1] / unit) * unit, max(digits, 0))
    return min(low, wide[0]), max(high, wide[1])
