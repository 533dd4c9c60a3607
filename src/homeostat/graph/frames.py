"""The decoder's column-wise twin for Polars frames: the same meaning as ``fields``, a whole column at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.targets import texts
from homeostat.errors import DataError
from homeostat.graph.fields import ALLOWED, EARLIEST, END, parse_timestamp
from homeostat.graph.plan import Decoded, category_inputs, number_inputs, text_inputs, widths
from homeostat.graph.terms import fill_counts, term_counter

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from homeostat.graph.plan import Floats, Input, Ints

Refuse = Callable[["Input", "pl.Series", "pl.Series"], None]
"""Told an input, which rows of its column hold what its kind does not allow (a mask; null is no), and the column. It raises, or notes
them: then what is decoded of these rows means nothing."""


def refuse_first(field: Input, bad: pl.Series, series: pl.Series) -> None:
    """Raise for the first row that ``bad`` marks, if any.

    Raises:
        DataError: HS205.
    """
    marked = bad.fill_null(False)
    if not marked.any():
        return
    row = int(marked.arg_max() or 0)
    count = int(marked.sum())
    raise DataError(
        "HS205",
        f"got {str(series[row])[:60]!r} ({series.dtype}) in row {row}, {count} such rows; a {field.kind} is {ALLOWED[field.kind]}",
        place=f"column {field.name!r}",
    )


def frame_arrays(inputs: Sequence[Input], frame: pl.DataFrame, refuse: Refuse = refuse_first) -> Decoded:
    """The arrays of the frame's columns.

    Raises:
        DataError: HS203, an input is not a column; what ``refuse`` raises: HS205, a column holds a value that its kind does not allow.
    """
    missing = [each.name for each in inputs if each.name not in frame.columns]
    if missing:
        raise DataError("HS203", f"missing {', '.join(missing)}; the frame has {', '.join(frame.columns)}", place=f"column {missing[0]!r}")
    wide = widths(inputs)
    numbers = np.empty((frame.height, wide["numbers"]), dtype=np.float64)
    codes = np.empty((frame.height, wide["codes"]), dtype=np.int64)
    terms = np.zeros((frame.height, wide["terms"]), dtype=np.float64)
    for at, each in enumerate(number_inputs(inputs)):
        numbers[:, at] = _floats(each, frame[each.name], refuse)
    for at, each in enumerate(category_inputs(inputs)):
        _codes(each, frame[each.name], codes[:, at], refuse)
    start = 0
    for each in text_inputs(inputs):
        _count_terms(each, frame[each.name], terms[:, start : start + len(each.vocabulary)], refuse)
        start += len(each.vocabulary)
    return Decoded(numbers, codes, terms)


def _floats(field: Input, series: pl.Series, refuse: Refuse) -> Any:
    import polars as pl

    if series.null_count() == len(series):  # an empty column has whatever type its reader guessed
        return np.full(len(series), np.nan)
    if field.kind == "boolean" and series.dtype == pl.Boolean:
        return series.cast(pl.Float64).to_numpy()
    if field.kind == "timestamp" and series.dtype == pl.String:
        return _parsed(field, series, refuse)
    if field.kind == "timestamp" and series.dtype in (pl.Date, pl.Datetime):
        seconds = _epoch_seconds(series)
        refuse(field, (seconds < EARLIEST) | (seconds >= END), series)
        return seconds.to_numpy()
    if not series.dtype.is_numeric():
        refuse(field, series.is_not_null(), series)
        return np.full(len(series), np.nan)
    values = series.cast(pl.Float64)
    found = values.to_numpy()
    if np.isinf(found).any():
        refuse(field, values.is_infinite(), series)
    if field.kind == "boolean":
        refuse(field, values.is_not_nan() & (values != 0) & (values != 1), series)
    if field.kind == "timestamp":
        refuse(field, values.is_not_nan() & ((values < EARLIEST) | (values >= END)), series)
    return found


def _epoch_seconds(series: pl.Series) -> pl.Series:
    import polars as pl

    micros = series.cast(pl.Datetime("us")).to_physical() if series.dtype == pl.Date else series.dt.cast_time_unit("us").to_physical()
    seconds = micros // 1_000_000  # floored, as a timedelta's days and seconds are
    return seconds.cast(pl.Float64) + (micros - seconds * 1_000_000).cast(pl.Float64) / 1e6


def _parsed(field: Input, series: pl.Series, refuse: Refuse) -> Any:
    known: dict[str | None, float] = {None: np.nan}
    wrong = []
    for text in series.unique().drop_nulls().to_list():
        try:
            known[text] = parse_timestamp(text)
        except ValueError:
            known[text] = np.nan
            wrong.append(text)
    if wrong:
        refuse(field, series.is_in(wrong), series)
    return np.array([known[text] for text in series.to_list()], dtype=np.float64)


def _codes(field: Input, series: pl.Series, out: Ints, refuse: Refuse) -> None:
    """Write the codes of a category's values."""
    import polars as pl

    dtype = series.dtype
    out[:] = 0
    if series.null_count() == len(series):
        return
    if not (dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Date, pl.Datetime) or dtype.is_numeric()):
        refuse(field, series.is_not_null(), series)
        return
    if dtype.is_float():
        refuse(field, series.is_infinite(), series)
    known = texts(series)
    places = known.cast(pl.Enum(field.vocabulary), strict=False).to_physical()
    # Null is here what the vocabulary does not have: a code of its own, but for what is null itself.
    out[:] = places.cast(pl.Int64).fill_null(len(field.vocabulary)).to_numpy()
    out += 1
    if known.null_count():
        out[known.is_null().to_numpy()] = 0


def _count_terms(field: Input, series: pl.Series, block: Floats, refuse: Refuse) -> None:
    """Fill a block of zeros with the counts of the field's terms."""
    import polars as pl

    if series.dtype not in (pl.String, pl.Categorical, pl.Enum):
        refuse(field, series.is_not_null() & series.is_not_nan() if series.dtype.is_float() else series.is_not_null(), series)
        block[:] = np.nan
        return
    count = term_counter(field.vocabulary)
    fill_counts(block, (None if text is None else count(text) for text in series.cast(pl.String).to_list()))
