"""What the leak probes share: a suspect, the target as numbers, and how well one column alone predicts it.

A column's skill is measured on rows it was not fitted on: each half of the rows, odd and even, is predicted from the other half by the
target's mean per value, numbers cut into quantile bins, null as a value of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from homeostat.core.targets import coded

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.core.sections import TaskType
    from homeostat.stats.kernels import Floats

Kind = Literal["identifier", "trend", "leak", "combination", "missing", "copy", "part", "future", "aggregate", "id_code"]

FEWEST_ROWS = 50  # below this, one column's skill is chance
MOST_BINS = 64


@dataclass(frozen=True, slots=True)
class Suspect:
    """Columns under suspicion, why, and the number behind it (a share, a rank correlation or an AUC, between 0 and 1).

    ``sure`` is False where an honest column could look the same: then the reason ends in a question.
    """

    columns: tuple[str, ...]
    kind: Kind
    number: float
    reason: str
    sure: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The target of some rows: ``y`` (n, 1) values for regression, else (n, k) zeros and ones, the rarest class last."""

    y: Floats
    task: TaskType
    classes: tuple[str, ...] = ()

    @property
    def index(self) -> NDArray[np.int64]:
        """The class of each row, as its place in ``classes``."""
        return np.asarray(self.y.argmax(axis=1), dtype=np.int64)

    def rows(self, chosen: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Target:
        """Some of the rows."""
        return Target(self.y[chosen], self.task, self.classes)


def target_of(column: pl.Series, task: TaskType) -> Target:
    """The target column, which has no nulls, as numbers."""
    if task == "regression":
        return Target(column.cast(float).to_numpy().astype(np.float64).reshape(-1, 1), task)
    names, codes = coded(column)
    order = np.argsort(-np.bincount(codes, minlength=len(names)), kind="stable")
    matrix = np.asarray((codes.reshape(-1, 1) == order.reshape(1, -1)), dtype=np.float64)
    return Target(matrix, task, tuple(names[at] for at in order))


def skill(codes: NDArray[np.int64], target: Target) -> tuple[float, str]:
    """How well group means predict the target on the other half of the rows, and what the number is; NaN or 0 with one class left."""
    return skill_of(cross_fitted(codes, target.y), target)


def skill_of(predicted: Floats, target: Target) -> tuple[float, str]:
    """The skill of predictions (n, k) of the target, and what the number is."""
    y = target.y
    if target.task == "regression":
        return abs(spearman(predicted[:, 0], y[:, 0])), "rank correlation with the target"
    if target.task == "binary":
        return auc(predicted[:, 1], y[:, 1]), "AUC by itself"
    base = float(y.mean(axis=0).max())
    right = float(y[np.arange(len(y)), predicted.argmax(axis=1)].mean())
    return ((right - base) / (1 - base) if base < 1 else 0.0), "of the errors removed by itself"


def codes_of(column: pl.Series) -> NDArray[np.int64]:
    """Values as group numbers: each distinct value, or quantile bins of a number with many values; null is its own group."""
    distinct = column.n_unique()
    if column.dtype.is_numeric() and distinct > MOST_BINS:
        bins = int(np.clip(len(column) // 20, 2, MOST_BINS))
        ranks = column.rank("min").cast(float) / len(column)
        groups = (ranks * bins).floor() + 1
    else:
        groups = column.rank("dense") if not column.dtype.is_nested() else column.is_not_null().cast(int)
    return groups.fill_null(0).cast(int).to_numpy().astype(np.int64)


def cross_fitted(codes: NDArray[np.int64], y: Floats) -> Floats:
    """Mean of ``y`` (n, k) per group, for each half of the rows from the other half; the overall mean for an unknown group."""
    predicted = np.empty_like(y)
    halves = np.arange(len(codes)) % 2
    groups = int(codes.max()) + 1
    for half in (0, 1):
        fitted, asked = halves != half, halves == half
        counts = np.bincount(codes[fitted], minlength=groups)
        for k in range(y.shape[1]):
            sums = np.bincount(codes[fitted], weights=y[fitted, k], minlength=groups)
            means = np.where(counts > 0, sums / np.maximum(counts, 1), y[fitted, k].mean())
            predicted[asked, k] = means[codes[asked]]
    return predicted


def spearman(a: Floats, b: Floats) -> float:
    """Spearman's rank correlation; 0 when one side is constant."""
    ranked = [ranks(values) for values in (a, b)]
    if min(float(one.std()) for one in ranked) == 0:
        return 0.0
    return float(np.corrcoef(ranked[0], ranked[1])[0, 1])


def auc(scores: Floats, y: Floats) -> float:
    """Chance that a row of class 1 has the larger score; NaN with one class."""
    from homeostat.stats.metrics import metric

    return metric("auc").score(y, np.column_stack([1 - scores, scores]))


def ranks(values: Floats) -> Floats:
    """Average ranks from 1."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), dtype=np.float64)


def numbers_of(frame: pl.DataFrame, names: list[str]) -> dict[str, Floats]:
    """The numeric columns among these, as float64 with NaN for null, that have more than one value."""
    found = {}
    for name in names:
        if frame[name].dtype.is_numeric():
            values = frame[name].cast(float).fill_null(np.nan).to_numpy()
            if np.nanmax(values, initial=-np.inf) > np.nanmin(values, initial=np.inf):
                found[name] = values
    return found
