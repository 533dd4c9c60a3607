"""What a column of data most likely is: the kind of task a target makes, and which column says when a row happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.core.targets import texts
from homeostat.errors import LearningError

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.sections import TaskType

MOST_CLASSES = 20
MOST_INTEGER_CLASSES = 10  # a whole number with more values than this is a quantity, with fewer a code
USUAL = (("0", "1"), ("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"))  # (negative, positive) as data write them
ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"
READABLE = 0.95


@dataclass(frozen=True, slots=True)
class TargetGuess:
    """The task a target makes and why. ``classes``: the rarest last, binary: (negative, positive); empty for regression."""

    task: TaskType
    classes: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class TimeGuess:
    """A column that says when a row happened. ``ordered``: the rows already stand in its order."""

    column: str
    ordered: bool
    distinct: int
    span_days: float


def guess_target(column: pl.Series) -> TargetGuess:
    """The kind of task that predicts this column.

    Raises:
        LearningError: HS301, fewer than two values; HS304, neither classes nor a quantity.
    """
    place = f"column {column.name!r}"
    values = column.drop_nulls()
    counts = Counter(sorted(texts(values).drop_nulls().to_list()))
    distinct, fewest = len(counts), min(counts.values(), default=0)
    if distinct < 2:
        only = f" ({next(iter(counts))})" if counts else ""
        raise LearningError("HS301", f"got {distinct} distinct value{only}; a target needs at least two", place=place)
    classes = tuple(name for name, _ in counts.most_common())
    if distinct == 2:
        positive, why = _positive(classes)
        classes = (next(name for name in classes if name != positive), positive)
        return TargetGuess("binary", classes, f"two classes; positive is {why}, {counts[positive]} of {len(values)} rows")
    whole = values.dtype.is_integer() or (values.dtype.is_float() and bool((values == values.round(0)).all()))
    if values.dtype.is_numeric() and not (whole and distinct <= MOST_INTEGER_CLASSES):
        return TargetGuess("regression", (), f"a number with {distinct} distinct values")
    if values.dtype.is_numeric():
        return TargetGuess("multiclass", classes, f"{distinct} distinct whole numbers; change to regression if they are a quantity")
    import polars as pl

    if any(values.dtype == kind for kind in (pl.String, pl.Categorical, pl.Enum)) and distinct <= MOST_CLASSES:
        return TargetGuess("multiclass", classes, f"{distinct} classes; the rarest, {classes[-1]}, in {fewest} rows")
    raise LearningError(
        "HS304",
        f"got {distinct} distinct values of type {values.dtype}; a target is a number or has at most {MOST_CLASSES} classes",
        place=place,
        next_step="choose another --target, or group its values first",
    )


def _positive(classes: tuple[str, ...]) -> tuple[str, str]:
    """The positive one of two classes, and how it was told: by a usual pair of names, else by being the rarer one."""
    for no, yes in USUAL:
        if {name.lower() for name in classes} == {no, yes}:
            return next(name for name in classes if name.lower() == yes), "the usual one of its pair"
    return classes[-1], "the rarer one"


def guess_time(frame: pl.DataFrame, target: str) -> TimeGuess | None:
    """The column that most likely says when a row happened: one in whose order the rows stand, else the one with most values.

    A column qualifies when it is a date or timestamp, or text in ISO form, in more than 95 % of the rows. None when none does.
    """
    found = [guess for name in frame.columns if name != target and (guess := _as_time(frame[name])) is not None]
    return max(found, key=lambda guess: (guess.ordered, guess.distinct), default=None)


def _as_time(column: pl.Series) -> TimeGuess | None:
    import polars as pl

    if column.dtype == pl.String:
        if column.filter(column.str.contains(ISO).fill_null(value=False)).len() <= READABLE * len(column):
            return None
        days = column.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    elif column.dtype in (pl.Date, pl.Datetime):  # a tuple: types of one kind are equal, but do not hash alike
        days = column.cast(pl.Date)
    else:
        return None
    known = days.drop_nulls().cast(pl.Int32)
    if known.len() <= READABLE * len(column) or column.n_unique() < 2:
        return None
    first, last = known.min(), known.max()
    span = float(last - first) if isinstance(first, int) and isinstance(last, int) else 0.0
    return TimeGuess(column.name, ordered=column.drop_nulls().is_sorted(), distinct=column.n_unique(), span_days=span)
