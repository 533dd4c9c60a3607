"""Rows cut into segments that people can name: categories by value, numbers and times by quartile."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.targets import coded, text_of, texts
from homeostat.errors import DataError
from homeostat.evaluation.slices import Coded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl
    from numpy.typing import NDArray

FEWEST_ROWS = 30
"""A segment with fewer rows is not judged by itself."""
MOST_VALUES = 10
"""Numbers with more distinct values than this are cut at their quartiles."""
MOST_NAMES = 200
"""A column of more names makes no slices."""
NULL, RARE = "null", "(rare values)"


def segment_labels(frame: pl.DataFrame, columns: Iterable[str]) -> dict[str, list[str]]:
    """A label per row for each column: the value as text, or the quarter a number or time lies in; null and NaN are ``null``.

    Quartiles are of this frame. Labels read ``up to 4``, ``4 to 9``, ``9 to 20``, ``over 20``: the upper end belongs to the segment.

    Raises:
        DataError: HS203, a column is not in the frame.
    """
    labels: dict[str, list[str]] = {}
    for column in columns:
        if column not in frame.columns:
            raise DataError("HS203", f"the data has {', '.join(frame.columns[:20])}", place=f"success.segments: {column!r}")
        series = frame[column]
        ordered = series.dtype.is_numeric() or series.dtype.is_temporal()
        many = ordered and series.drop_nulls().n_unique() > MOST_VALUES
        labels[column] = _quarters(series) if many else texts(series).fill_null(NULL).to_list()
    return labels


def coded_columns(frame: pl.DataFrame, reference: pl.DataFrame, columns: Iterable[str]) -> list[Coded]:
    """Columns cut into slices: categories by value, numbers and times with many values at the quartiles of the ``reference`` rows.

    Columns of names that hardly come twice (more than ``MOST_NAMES`` values) and columns with one value make no slices.
    """
    found = []
    for column in columns:
        series, known = frame[column], reference[column]
        ordered = series.dtype.is_numeric() or series.dtype.is_temporal()
        if ordered and known.drop_nulls().n_unique() > MOST_VALUES:
            codes, names = _quarter_codes(series, known)
        else:
            texts_found, codes = coded(series)
            codes, names = np.where(codes < 0, len(texts_found), codes), [*texts_found, NULL]
        if 1 < len(names) <= MOST_NAMES:
            found.append(Coded(column, codes, names))
    return found


def _quarter_codes(series: pl.Series, reference: pl.Series) -> tuple[NDArray[np.int64], list[str]]:
    numbers, known = _numbers(series), _numbers(reference)
    edges = _edges(known)
    told = [_readable(reference, known, edge) for edge in edges]
    if reference.dtype.is_float() and len({f"{edge:.5g}" for edge in edges}) == len(edges):
        told = [f"{edge:.5g}" for edge in edges]  # five digits tell them apart
    names = _names(told)
    place = np.searchsorted(edges, numbers, side="left")
    return np.where(np.isnan(numbers), len(names), place).astype(np.int64), [*names, NULL]


def judged_segments(labels: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    """The rows of each segment that is judged, segments in the order of their labels.

    Values with fewer than 30 rows are judged together as ``(rare values)`` when these reach 30, otherwise not at all.

    >>> {name: len(rows) for name, rows in judged_segments(["a"] * 40 + ["b"] * 20 + ["c"] * 10 + ["d"]).items()}
    {'a': 40, '(rare values)': 31}
    """
    values, inverse, counts = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True, return_counts=True)
    found = {str(values[i]): np.flatnonzero(inverse == i) for i in np.flatnonzero(counts >= FEWEST_ROWS)}
    rest = np.flatnonzero(counts[inverse] < FEWEST_ROWS) if len(values) else np.empty(0, dtype=np.intp)
    if len(rest) >= FEWEST_ROWS:
        found[RARE] = rest
    return found


def _numbers(series: pl.Series) -> NDArray[np.float64]:
    import polars as pl

    plain = series.cast(pl.Int64) if series.dtype.is_temporal() else series
    return plain.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)


def _edges(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quartiles of the finite numbers, each a number among them."""
    known = numbers[np.isfinite(numbers)]
    return np.unique(np.quantile(known, (0.25, 0.5, 0.75), method="lower")) if len(known) else np.empty(0)


def _quarters(series: pl.Series) -> list[str]:
    numbers = _numbers(series)
    edges = _edges(numbers)
    names = _names([_readable(series, numbers, edge) for edge in edges])
    quarter = np.searchsorted(edges, numbers, side="left")  # an edge belongs to the segment below it
    return [NULL if np.isnan(number) else names[place] for number, place in zip(numbers, quarter, strict=True)]


def _names(edges: list[str]) -> list[str]:
    if not edges:
        return ["any"]
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"up to {edges[0]}", *between, f"over {edges[-1]}"]


def _readable(series: pl.Series, numbers: NDArray[np.float64], edge: float) -> str:
    """The edge as a person writes it; every edge is a value of the column."""
    if series.dtype.is_temporal():
        return str(series[int(np.flatnonzero(numbers == edge)[0])])
    return text_of(edge)
