"""Which columns become inputs, and as what: the kinds inferred from types and values, and why the other columns are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.core.targets import texts
from homeostat.errors import LearningError
from homeostat.graph.fields import parse_timestamp

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections


@dataclass(frozen=True, slots=True)
class Columns:
    """``kinds`` of the inputs in the order of the frame, and the reason each other column is ``dropped`` for."""

    kinds: Mapping[str, sections.Kind]
    dropped: Mapping[str, str]


def choose_columns(frame: pl.DataFrame, task: sections.Task, section: sections.Preparation) -> Columns:
    """The inputs of a preparation fitted on this frame. Entity columns are inputs unless ``task.leave_out`` names them.

    Dropped are: the target, what ``task.leave_out`` names, columns whose name starts with ``_`` (where a row came from),
    columns without a value, with one value in every row, and texts that differ in every row.

    Raises:
        LearningError: HS304, a column of a type that cannot be prepared, or no column is left.
    """
    kinds: dict[str, sections.Kind] = {}
    dropped: dict[str, str] = {}
    for name in frame.columns:
        reason = _named_out(name, task) or _without_information(frame[name])
        if not reason:
            kind = _known_kind(frame[name], section.types.get(name) or infer_kind(frame[name]))
            if kind == "category" and _is_identifier(frame[name], section.max_categories):
                reason = "a different text in every row"
            else:
                kinds[name] = kind
        if reason:
            dropped[name] = reason
    if not kinds:
        listed = "; ".join(f"{name}: {reason}" for name, reason in dropped.items())
        raise LearningError("HS304", f"no column is left to learn from ({listed})", place="data", next_step="look at task.leave_out")
    return Columns(kinds, dropped)


def infer_kind(series: pl.Series) -> sections.Kind | None:
    """The kind of a column by its type, and for texts by its values: texts that all are ISO 8601 dates are timestamps.

    None for types that cannot be prepared.
    """
    import polars as pl

    dtype = series.dtype
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_numeric():
        return "number"
    if dtype in (pl.Date, pl.Datetime):
        return "timestamp"
    if dtype == pl.String:
        return "timestamp" if _all_dates(series) else "category"
    return "category" if dtype in (pl.Categorical, pl.Enum) else None


def _named_out(name: str, task: sections.Task) -> str:
    if name == task.target:
        return "the target"
    if name in task.leave_out:
        return "named in task.leave_out"
    return "where the row came from" if name.startswith("_") else ""


def _without_information(series: pl.Series) -> str:
    known = series.drop_nulls()
    if series.dtype.is_float():
        known = known.drop_nans()
    if not len(known):
        return "no value in any row"
    if series.dtype.is_nested() or len(known) < len(series):
        return ""
    return "the same value in every row" if known.n_unique() == 1 else ""


def _is_identifier(series: pl.Series, max_categories: int) -> bool:
    known = texts(series).drop_nulls()
    return len(known) > max_categories and known.n_unique() == len(known)


def _all_dates(series: pl.Series) -> bool:
    known = series.drop_nulls()
    if not known.str.contains(r"^\d{4}-\d\d-\d\d").all():
        return False
    try:
        for text in known.unique().to_list():
            parse_timestamp(text)
    except ValueError:
        return False
    return True


def _known_kind(series: pl.Series, kind: sections.Kind | None) -> sections.Kind:
    import polars as pl

    dtype = series.dtype
    simple = dtype.is_numeric() or dtype in (pl.Boolean, pl.String, pl.Categorical, pl.Enum, pl.Date, pl.Datetime)
    if kind is None or not simple:
        raise LearningError(
            "HS304",
            f"got a column of type {dtype}; numbers, texts, booleans, dates and date-times can be prepared",
            place=f"column {series.name!r}",
            next_step="name it in task.leave_out, or bring it in another form",
        )
    return kind
