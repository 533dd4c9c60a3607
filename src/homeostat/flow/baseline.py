"""The baseline a model must beat, answered row by row from what was known when each row had to be decided."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.forecasts import season_column
from homeostat.errors import DataError

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.charter.schema import Charter

    Floats = NDArray[np.float64]

BASELINE = "success.baseline"


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """A baseline's scores ``(rows, k)``, and for how many rows it had no answer of its own, so that the naive one stands there."""

    scores: Floats
    without: int


def baseline_scores(charter: Charter, classes: tuple[str, ...], seen: pl.DataFrame, asked: pl.DataFrame) -> Floats:
    """The scores of ``baseline_answers``, ``(asked.height, k)``."""
    return baseline_answers(charter, classes, seen, asked).scores


def baseline_answers(charter: Charter, classes: tuple[str, ...], seen: pl.DataFrame, asked: pl.DataFrame) -> Answers:
    """What ``success.baseline`` answers for the asked rows; of kind ``none`` what the naive one answers.

    ``naive``: the best constant on the seen rows. ``seasonal``: the target one period before, of the same entity where task.entity
    names columns beside the time; with labels later than a period, so many whole periods before that the label was known by then; of a
    forecast so many that it was known at the row's origin.
    The season before may lie in either frame. ``column``: the answer in the column. ``rule``: the value of
    the SQL expression. Where these say nothing (a null, an unknown class, no row one period before), the naive answer stands.

    Answers in classes become probabilities: as sure as they were right on the seen rows (at least a little surer than chance, never
    quite certain, so that log_loss stays finite), the rest shared among the other classes. In a binary task a number that is no class is
    the probability of the positive class.

    Args:
        charter: task, baseline and success metric.
        classes: of the target, as ``core.targets.classes_of`` orders them; empty for regression.
        seen: labelled rows that may be learned from.
        asked: rows to answer, with the target (an earlier one of them may be the season before a later one).

    Raises:
        DataError: HS203, the column, or one the rule reads, is missing; HS205, answers that are neither numbers nor classes.
    """
    from homeostat.core.targets import encode_target

    task = charter.task
    naive = naive_scores(charter, classes, encode_target(seen[task.target], classes), asked.height)
    kind = charter.success.baseline.kind
    if kind in {"naive", "none"}:
        return Answers(naive, 0)
    if kind == "seasonal" and task.forecast is not None and charter.success.baseline.period is not None:
        before = season_column(task.target, charter.success.baseline.period // task.forecast.step)
        past, answers = seen[before], asked[before]
    elif kind == "seasonal":
        past, answers = _seasonal(charter, classes, seen, asked)
    else:
        past, answers = (_told(charter, frame) for frame in (seen, asked))
    found = _scores(answers, classes, _sureness(past, seen[task.target], classes))
    silent = np.isnan(found[:, 0])
    return Answers(np.where(silent[:, None], naive, found), int(np.count_nonzero(silent)))


def naive_scores(charter: Charter, classes: tuple[str, ...], seen: Floats, rows: int) -> Floats:
    """What the naive learner, fitted on the targets seen so far, answers for ``rows`` new rows: (rows, k)."""
    from homeostat.learning.learner import Goal, Rows
    from homeostat.learning.learners import LEARNERS
    from homeostat.stats.metrics import metric

    goal = Goal(charter.task.type, classes, metric(charter.success.metric))
    fitted = LEARNERS["naive"].fit(Rows(np.zeros((len(seen), 0)), seen), goal, {}, charter.learning.seed)
    return fitted.predict(np.zeros((rows, 0)))


def _told(charter: Charter, frame: pl.DataFrame) -> pl.Series:
    """What the column or the rule says for each row of a frame."""
    import polars as pl

    baseline = charter.success.baseline
    if baseline.kind == "column":
        if str(baseline.column) not in frame.columns:
            raise _missing(f"column {baseline.column!r}", frame, f"{BASELINE}.column")
        return frame[str(baseline.column)]
    rule = str(baseline.rule)
    try:
        return frame.with_columns(pl.sql_expr(rule).alias("_answer"))["_answer"]
    except pl.exceptions.ColumnNotFoundError as error:
        raise _missing(str(error).splitlines()[0], frame, f"{BASELINE}.rule") from error
    except pl.exceptions.PolarsError as error:
        told = str(error).splitlines()[0]
        raise DataError("HS205", f"the rule {rule!r} cannot be computed on the data: {told}", place=f"{BASELINE}.rule") from error


def _missing(what: str, frame: pl.DataFrame, place: str) -> DataError:
    return DataError("HS203", f"{what} is missing; the data has {', '.join(frame.columns[:20])}", place=place)


def _scores(answers: pl.Series, classes: tuple[str, ...], sureness: float) -> Floats:
    """Answers as scores ``(n, k)``; rows of NaN where there is none."""
    import polars as pl

    if not classes:
        return _numbers(answers)[:, None]
    index = _indices(answers, classes)
    if index is None:
        positive = _numbers(answers)
        if len(classes) > 2 or not ((positive >= 0) & (positive <= 1) | np.isnan(positive)).all():
            odd = answers.drop_nulls().unique().sort().head(5).cast(pl.String).to_list()
            message = f"got {', '.join(odd)}; allowed: the classes {', '.join(classes)}"
            raise DataError("HS205", message + (" or a probability from 0 to 1" if len(classes) == 2 else ""), place=BASELINE)
        return np.column_stack([1 - positive, positive])
    rest = (1 - sureness) / (len(classes) - 1)
    scores = np.full((len(index), len(classes)), rest)
    known = np.flatnonzero(index >= 0)
    scores[known, index[known].astype(np.int64)] = sureness
    scores[index < 0] = np.nan
    return scores


def _indices(answers: pl.Series, classes: tuple[str, ...]) -> Floats | None:
    """Class indices ``(n,)``, -1 for null and unknown; None for numbers that are probabilities and no classes."""
    import polars as pl

    from homeostat.core.targets import encode_target

    if answers.dtype == pl.Boolean and len(classes) == 2 and not {"true", "false"} & set(classes):
        return answers.cast(pl.Int64).fill_null(-1).to_numpy().astype(np.float64)
    index = np.nan_to_num(encode_target(answers, classes), nan=-1.0)
    if not (answers.dtype.is_numeric() or answers.dtype == pl.Null):
        return index
    right, given = int(np.count_nonzero(index >= 0)), answers.len() - answers.null_count()
    return None if right < given and (len(classes) == 2 or right == 0) else index


def _numbers(answers: pl.Series) -> Floats:
    """Answers as float64, NaN for null."""
    import polars as pl

    if not (answers.dtype.is_numeric() or answers.dtype in (pl.Boolean, pl.Null)):
        raise DataError("HS205", f"got answers of type {answers.dtype}; allowed: numbers", place=BASELINE)
    values = answers.cast(pl.Float64).to_numpy().astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _sureness(answers: pl.Series, target: pl.Series, classes: tuple[str, ...]) -> float:
    """How sure an answer in classes is: the share of right ones among the answers given so far.

    Source: Laplace's rule of succession, (right + 1) / (given + 2).
    """
    from homeostat.core.targets import encode_target

    index = _indices(answers, classes) if classes else None
    if index is None:
        return 1.0
    given = index >= 0
    right = int((index[given] == encode_target(target, classes)[given]).sum())
    return max((right + 1) / (int(given.sum()) + 2), 1 / len(classes) + 0.01)


def _seasonal(charter: Charter, classes: tuple[str, ...], seen: pl.DataFrame, asked: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """The target one season before, for the seen and the asked rows; the mean, or the most frequent class, of several rows there."""
    import polars as pl

    from homeostat.core.targets import texts
    from homeostat.preparation.moments import seconds_of

    task = charter.task
    same = [name for name in task.entity if name not in (task.time, task.target)]

    def keyed(frame: pl.DataFrame) -> pl.DataFrame:
        moment = pl.Series("_moment", np.round(seconds_of(frame, str(task.time)), 3), nan_to_null=True)
        target = texts(frame[task.target]) if classes else frame[task.target].cast(pl.Float64).fill_nan(None)
        return pl.DataFrame([*(frame[name] for name in same), moment, target.alias("_answer")])

    rows = [keyed(frame) for frame in (seen, asked)]
    known = pl.concat(rows, how="vertical_relaxed").drop_nulls(["_moment", "_answer"])
    usual = pl.col("_answer").mode().sort().first() if classes else pl.col("_answer").mean()
    before = known.group_by([*same, "_moment"]).agg(usual).with_columns(pl.col("_moment") + lookback_s(charter))
    joined = [
        frame.drop("_answer").join(before, on=[*same, "_moment"], how="left", nulls_equal=True, maintain_order="left") for frame in rows
    ]
    return joined[0]["_answer"], joined[1]["_answer"]


def lookback_s(charter: Charter) -> float:
    """How far back the season before is, in seconds: the fewest whole periods after which a row's label is known.

    A label that comes exactly one period late is known by then.
    """
    period = charter.success.baseline.period
    if period is None:
        raise ValueError("a seasonal baseline has a period")
    return max(1, math.ceil(charter.task.label_delay / period)) * period.total_seconds()
