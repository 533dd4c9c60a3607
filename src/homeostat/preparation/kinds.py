"""What a column is: its kind, inferred from type and values, and whether it tells anything at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from homeostat.core.targets import texts
from homeostat.errors import LearningError
from homeostat.graph.fields import parse_timestamp
from homeostat.graph.terms import terms_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from homeostat.core import sections

NEARLY_ALL = 0.95
"""Share of distinct values from which a column names rows, and tells nothing about new ones."""
PROSE_TERMS = 4.0
"""Terms a usual value of a text has; a category has fewer."""
PROSE_DISTINCT = 0.5
"""Share of distinct values that a text has at least: whoever picks from a list repeats himself."""
LOOKED_AT = 5_000
"""Values looked at to tell a text from a category, spread over all rows."""


class Silent(NamedTuple):
    """Why a column tells nothing, and the number behind it."""

    reason: str
    number: float


def infer_kind(series: pl.Series, max_categories: int) -> sections.Kind | None:
    """The kind of a column by its type, and for texts by its values.

    Texts that all are ISO 8601 dates are timestamps; those that hardly repeat and have four terms and more are no categories.
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
        return "timestamp" if _all_dates(series) else "text" if _is_prose(series, max_categories) else "category"
    return "category" if dtype in (pl.Categorical, pl.Enum) else None


def known_kind(series: pl.Series, kind: sections.Kind | None) -> sections.Kind:
    """The kind, if a column of this type can be prepared as one.

    Raises:
        LearningError: HS304, it cannot.
    """
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


def without_information(series: pl.Series) -> Silent | None:
    """A column without a value, or with one value in every row. Nulls beside one value tell something."""
    known = series.drop_nulls()
    if series.dtype.is_float():
        known = known.drop_nans()
    if not len(known):
        return Silent("no value in any row", 0)
    if series.dtype.is_nested() or len(known) < len(series):
        return None
    varies = known.head(LOOKED_AT).n_unique() > 1 or known.n_unique() > 1  # most columns vary early, and counting all is slow
    return None if varies else Silent("the same value in every row", 1)


def identifies_rows(series: pl.Series, kind: sections.Kind, max_categories: int) -> Silent | None:
    """A column that names rows: a category with a text of its own in nearly every row, whole numbers that count the rows."""
    if kind == "category":
        known = texts(series).drop_nulls()
        distinct = known.n_unique()
        if distinct > max_categories and distinct >= NEARLY_ALL * len(known):
            share = distinct / len(known)
            return Silent("a different text in every row" if share == 1 else f"a different text in {share:.1%} of the rows", share)
    if kind == "number" and series.dtype.is_integer() and series.null_count() == 0 and len(series) > max_categories:
        low, high = int(series.min()), int(series.max())  # type: ignore[arg-type]  # an integer column without nulls
        if high - low + 1 <= len(series) / NEARLY_ALL and series.n_unique() == len(series):
            return Silent("it counts the rows", len(series))
    return None


def twins(frame: pl.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """The columns that equal an earlier one in every row, each with that earlier one; numbers of different types can be equal."""
    import polars as pl

    found: dict[str, str] = {}
    schema = frame.schema  # made anew at each look, which of thousands of columns takes long
    first: dict[tuple[str, int], list[str]] = {}
    for name in names:
        if schema[name].is_nested() or schema[name] == pl.Binary:
            continue
        plain = _comparable(frame[name])
        alike = first.setdefault((str(plain.dtype), int(plain.hash(0).reinterpret(signed=True).sum())), [])
        twin = next((other for other in alike if _comparable(frame[other]).equals(plain)), None)
        if twin is None:
            alike.append(name)
        else:
            found[name] = twin
    return found


def _comparable(series: pl.Series) -> pl.Series:
    import polars as pl

    if series.dtype.is_numeric():
        return series.cast(pl.Float64).fill_nan(None)
    return series.to_physical() if series.dtype.is_temporal() else series.cast(pl.String)


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


def _is_prose(series: pl.Series, max_categories: int) -> bool:
    known = series.drop_nulls()
    distinct = known.n_unique()
    if distinct <= max_categories or distinct < PROSE_DISTINCT * len(known):
        return False
    looked_at = known.gather_every(max(1, len(known) // LOOKED_AT))
    return float(np.mean([len(terms_of(text)) for text in looked_at.to_list()])) >= PROSE_TERMS
