"""The target column as numbers: class texts to indices, quantities to float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.errors import DataError, LearningError

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.core.sections import Task


def text_of(value: Any) -> str:
    """One text for equal category values, whatever carried them: ``1``, ``1.0`` and ``"1"`` are ``"1"``, True is ``"true"``.

    >>> text_of(1.0), text_of(True), text_of("a")
    ('1', 'true', 'a')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def texts(series: pl.Series) -> pl.Series:
    """The whole column by the rule of ``text_of``; nulls and NaN stay null."""
    import polars as pl

    if series.dtype.is_float() or series.dtype.is_temporal() or series.dtype.is_decimal():
        known = series.fill_nan(None).unique().drop_nulls() if series.dtype.is_float() else series.unique().drop_nulls()
        return series.replace_strict(known, [text_of(value) for value in known.to_list()], default=None, return_dtype=pl.String)
    return series.cast(pl.String)


def coded(series: pl.Series) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The distinct values as texts, sorted, and for each row which of them it has, (n,); -1 for null."""
    import polars as pl

    known = texts(series)
    names = known.drop_nulls().unique().sort()
    codes = known.cast(pl.Enum(names)).to_physical().cast(pl.Int64).fill_null(-1)
    return tuple(names.to_list()), codes.to_numpy().astype(np.int64)


def classes_of(series: pl.Series, task: Task) -> tuple[str, ...]:
    """The classes in a fixed order: sorted texts; for binary tasks (negative, positive). Regression: empty.

    Raises:
        LearningError: HS301, fewer than two classes, not exactly two in a binary task, or a single value in a regression; HS308, texts
            where a regression needs numbers.
        DataError: HS204, the positive class is not in the data.
    """
    if task.type == "regression":
        _require_numbers(series, task.target)
        if series.drop_nulls().n_unique() < 2:
            raise LearningError("HS301", "every row has the same value; there is nothing to learn", place=f"column {task.target!r}")
        return ()
    found = sorted(set(texts(series).drop_nulls().to_list()))
    if len(found) < 2 or (task.type == "binary" and len(found) != 2):
        wanted = "exactly two classes" if task.type == "binary" else "at least two classes"
        raise LearningError(
            "HS301", f"got {len(found)} ({', '.join(found[:5])}); a {task.type} task needs {wanted}", place=f"column {task.target!r}"
        )
    if task.type == "binary":
        positive = text_of(task.positive) if task.positive is not None else found[1]
        if positive not in found:
            raise DataError("HS204", f"the positive class {positive!r} is not among {found}", place=f"column {task.target!r}")
        found = [next(c for c in found if c != positive), positive]
    return tuple(found)


def _require_numbers(series: pl.Series, target: str) -> None:
    import polars as pl

    if series.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return
    numbers = series.cast(pl.String).cast(pl.Float64, strict=False)
    if numbers.null_count() > series.null_count():
        first = series.filter(numbers.is_null() & series.is_not_null())[0]
        step = "set task.type to binary or multiclass, or mend the column"
        raise LearningError("HS308", f"got {first[:80]!r}; a regression task needs numbers", place=f"column {target!r}", next_step=step)


def encode_target(series: pl.Series, classes: tuple[str, ...]) -> NDArray[np.float64]:
    """Class indices (as float64, -1 for a class not listed, NaN for null) when there are classes, else the values as float64."""
    import polars as pl

    if not classes:
        return series.cast(pl.Float64).to_numpy().astype(np.float64)
    index = {name: float(i) for i, name in enumerate(classes)}
    values = [np.nan if text is None else index.get(text, -1.0) for text in texts(series).to_list()]
    return np.asarray(values, dtype=np.float64)
