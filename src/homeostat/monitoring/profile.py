"""Profiles: what monitoring keeps of a window of rows. Small, JSON-able, and mergeable without loss.

A reference profile fixes the grid (edges of numbers, texts of categories); every window is counted on that grid, so two
windows compare bin by bin and any window is the exact sum of its parts: merge(profile(x), profile(y)) == profile(x + y).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.targets import texts as texts_of
from homeostat.monitoring.columns import (
    CategoryColumn,
    Column,
    NumberColumn,
    column_from_dict,
    column_to_dict,
    empty,
    longest_run,
    merge_columns,
)
from homeostat.monitoring.moments import LARGEST, exact_sum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from homeostat.graph.plan import Input

    Series = pl.Series | NDArray[np.float64] | Sequence[str]

FORMAT = 1
MAX_EDGES = 64
MAX_TEXTS = 200
MAX_OTHERS = 20_000  # rarer texts remembered so that "never seen" is told from "rare"; beyond it they count as a surprise
_BOOLEANS = {"0": "false", "1": "true"}


@dataclass(frozen=True, slots=True)
class Profile:
    """A window of rows as counts.

    ``columns`` has one entry per profiled input; a column with fewer rows than ``rows`` was missing from (a part of) the window.
    ``prediction`` and ``target`` are profiled like columns when they were given: numbers for values and probabilities, texts for classes.
    """

    rows: int
    columns: Mapping[str, Column]
    prediction: Column | None = None
    target: Column | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; ``from_dict`` reads them back to an equal profile."""
        return {
            "format": FORMAT,
            "rows": self.rows,
            "columns": {name: column_to_dict(column) for name, column in self.columns.items()},
            "prediction": column_to_dict(self.prediction) if self.prediction else None,
            "target": column_to_dict(self.target) if self.target else None,
        }

    @staticmethod
    def from_dict(body: Mapping[str, Any]) -> Profile:
        """The profile that ``to_dict`` wrote.

        Raises:
            ValueError: it was written by a newer program.
        """
        if body.get("format") != FORMAT:
            raise ValueError(f"got a profile of format {body.get('format')!r}; this program reads format {FORMAT}")
        return Profile(
            rows=body["rows"],
            columns={name: column_from_dict(column) for name, column in body["columns"].items()},
            prediction=column_from_dict(body["prediction"]) if body["prediction"] else None,
            target=column_from_dict(body["target"]) if body["target"] else None,
        )


def reference_profile(
    frame: pl.DataFrame, inputs: Sequence[Input], *, prediction: Series | None = None, target: Series | None = None
) -> Profile:
    """The profile other windows are compared with: it fixes edges and texts.

    Args:
        frame: the reference rows in time order (the order decides only how long a value usually stays the same).
        inputs: what to profile; timestamps are left out, because time moves by nature. Booleans are categories, and of texts it is
            the number of characters that is profiled.
        prediction: what the model answered, a score or a class per row.
        target: the truth, a value or a class per row; rows without a label may be absent or null.
    """
    columns: dict[str, Column] = {}
    for one in inputs:
        if one.kind == "timestamp":
            continue
        series = frame[one.name] if one.name in frame.columns else None
        if one.kind == "number":
            columns[one.name] = _number_grid(_floats(series)) if series is not None else _number_grid(np.zeros(0))
        elif one.kind == "text":
            columns[one.name] = replace(_number_grid(_lengths(series) if series is not None else np.zeros(0)), measure="length")
        else:
            known = tuple(_BOOLEANS.values()) if one.kind == "boolean" else one.vocabulary
            columns[one.name] = _category_grid(series, known, boolean=one.kind == "boolean")
    grid = Profile(frame.height, columns, _grid_of(prediction), _grid_of(target))
    return profile(frame, grid, prediction=prediction, target=target)


def profile(frame: pl.DataFrame, reference: Profile, *, prediction: Series | None = None, target: Series | None = None) -> Profile:
    """The rows of a window counted on the reference's edges and texts.

    A column that is missing gets a profile of no rows; columns the reference does not know are ignored. A text where a number is
    due, a NaN and a column of an unusable type count as null; values of 1e150 and more in size count as infinite.
    """
    return Profile(
        rows=frame.height,
        columns={name: _count(frame[name] if name in frame.columns else None, column) for name, column in reference.columns.items()},
        prediction=_count_extra(prediction, reference.prediction),
        target=_count_extra(target, reference.target),
    )


def merge(a: Profile, b: Profile) -> Profile:
    """The profile of both windows together, exactly. Both must have been counted on the same reference.

    Raises:
        ValueError: they were not.
    """
    if set(a.columns) != set(b.columns):
        raise ValueError(f"only profiles of the same columns can be merged; they differ in {sorted(set(a.columns) ^ set(b.columns))}")
    return Profile(
        rows=a.rows + b.rows,
        columns={name: merge_columns(column, b.columns[name]) for name, column in a.columns.items()},
        prediction=_merge_extra(a.prediction, b.prediction),
        target=_merge_extra(a.target, b.target),
    )


def _merge_extra(a: Column | None, b: Column | None) -> Column | None:
    return merge_columns(a, b) if a and b else a or b


def _count_extra(values: Series | None, grid: Column | None) -> Column | None:
    return None if grid is None or values is None else _count(_series(values), grid)


def _grid_of(values: Series | None) -> Column | None:
    if values is None:
        return None
    series = _series(values)
    return _number_grid(_floats(series)) if series.dtype.is_numeric() else _category_grid(series, ())


def _series(values: Series) -> pl.Series:
    import polars as pl

    return values if isinstance(values, pl.Series) else pl.Series(values)


def _floats(series: pl.Series) -> NDArray[np.float64]:
    """The series as float64, NaN for null and for whatever is no number."""
    import polars as pl

    try:
        return series.cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
    except pl.exceptions.PolarsError:  # a list, a struct: no row of it is a number, which the null rate will show
        return np.full(len(series), np.nan)


def measured(series: pl.Series, grid: NumberColumn) -> NDArray[np.float64]:
    """What the grid counts of a column, (n,): its values, or the lengths of its texts; NaN where there is none."""
    return _lengths(series) if grid.measure == "length" else _floats(series)


def _lengths(series: pl.Series) -> NDArray[np.float64]:
    """The number of characters of each text, NaN for null and for whatever is no text."""
    import polars as pl

    if series.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return np.full(len(series), np.nan)
    return series.cast(pl.String).str.len_chars().cast(pl.Float64).to_numpy().astype(np.float64)


def _texts(series: pl.Series, *, boolean: bool) -> pl.Series:
    import polars as pl

    try:
        found = texts_of(series)
    except pl.exceptions.PolarsError:  # a list, a struct: no row of it is a category, which the null rate will show
        return pl.Series([None] * len(series), dtype=pl.String)
    return found.str.to_lowercase().replace(_BOOLEANS) if boolean else found


def _number_grid(values: NDArray[np.float64]) -> NumberColumn:
    finite = values[np.abs(values) < LARGEST]
    ordered = np.sort(finite)
    distinct = np.unique(ordered)
    if len(distinct) > MAX_EDGES - 1:
        ranks = np.ceil(np.linspace(0, 1, MAX_EDGES)[1:] * len(ordered)).astype(np.int64) - 1
        distinct = np.unique(ordered[np.maximum(ranks, 0)])
    # The first edge lies just below the smallest value: a row in the lower tail is below everything the reference holds.
    edges = np.concatenate([[np.nextafter(ordered[0], -np.inf)], distinct]) if len(ordered) else np.zeros(0)
    center = float(ordered[len(ordered) // 2]) if len(ordered) else 0.0
    return NumberColumn(tuple(edges.tolist()), center, longest_run(finite), (0,) * (len(edges) + 1))


def _category_grid(series: pl.Series | None, known: Sequence[str], *, boolean: bool = False) -> CategoryColumn:
    found = _texts(series, boolean=boolean).drop_nulls() if series is not None else None
    tally: dict[str, int] = dict(found.value_counts().iter_rows()) if found is not None else {}
    ordered = sorted(tally, key=lambda text: (-tally[text], text))
    ordered += [text for text in known if text not in tally]
    kept, others, forgotten = ordered[:MAX_TEXTS], ordered[MAX_TEXTS : MAX_TEXTS + MAX_OTHERS], ordered[MAX_TEXTS + MAX_OTHERS :]
    rows = sum(tally.values())
    once = sum(count == 1 for count in tally.values())
    rare = max(once, sum(tally.get(text, 0) for text in forgotten))
    run = longest_run((found != found.shift()).fill_null(True).cum_sum().to_numpy()) if found is not None else 0
    return CategoryColumn(tuple(kept), tuple(others), rare / rows if rows else 0.0, run, (0,) * len(kept))


def _count(series: pl.Series | None, grid: Column) -> Column:
    if series is None:
        return empty(grid)
    if isinstance(grid, CategoryColumn):
        return _count_texts(series, grid)
    return _count_numbers(measured(series, grid), grid)


def _count_numbers(values: NDArray[np.float64], grid: NumberColumn) -> NumberColumn:
    finite = values[np.abs(values) < LARGEST]
    bins = np.searchsorted(np.asarray(grid.edges), finite, side="left")
    nulls = int(np.isnan(values).sum())
    return NumberColumn(
        edges=grid.edges,
        center=grid.center,
        longest_run=grid.longest_run,
        counts=tuple(np.bincount(bins, minlength=len(grid.edges) + 1).tolist()),
        nulls=nulls,
        infinite=len(values) - len(finite) - nulls,
        total=exact_sum(finite),
        squares=exact_sum((finite - grid.center) ** 2),
        low=float(finite.min()) if len(finite) else None,
        high=float(finite.max()) if len(finite) else None,
        measure=grid.measure,
    )


def _count_texts(series: pl.Series, grid: CategoryColumn) -> CategoryColumn:
    boolean = set(grid.texts) == set(_BOOLEANS.values())
    found = _texts(series, boolean=boolean)
    tally: dict[str | None, int] = dict(found.value_counts().iter_rows())
    nulls = tally.pop(None, 0)
    counts = tuple(tally.pop(text, 0) for text in grid.texts)
    known = set(grid.others)
    other = sum(count for text, count in tally.items() if text in known)
    unseen = sum(tally.values()) - other
    return CategoryColumn(grid.texts, grid.others, grid.surprise, grid.longest_run, counts, other, unseen, nulls)
