"""Columns that should not be inputs: identifiers, columns that only grow, texts, and columns that give the target away.

What is measured: how well one column alone predicts the target on rows it was not fitted on (each half of the rows, odd and even,
predicted from the other half by the target's mean per value, numbers cut into quantile bins, null as a value of its own).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from homeostat.core.targets import texts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import polars as pl
    from numpy.typing import NDArray

    from homeostat.core.sections import TaskType

Kind = Literal["identifier", "text", "trend", "leak", "combination", "missing"]

FEWEST_ROWS = 50  # below this, one column's skill is chance
MOST_ROWS = 20_000  # probes of skill look at this many rows, evenly spaced
MOST_BINS = 64
MOST_NUMBERS = 60  # columns tried in pairs
TELLTALE = 0.95  # |Spearman| (regression), AUC (binary), share of errors removed (multiclass)
ID_NAME = re.compile(r"(^|_)(id|uuid|guid|key|index|rowid)$|[a-z](Id|ID)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Suspect:
    """Columns under suspicion, why, and the number behind it (a share, a Spearman correlation or an AUC, between 0 and 1)."""

    columns: tuple[str, ...]
    kind: Kind
    number: float
    reason: str


def find_suspects(
    frame: pl.DataFrame, target: str, task: TaskType, *, time: str | None = None, skip: Collection[str] = ()
) -> tuple[Suspect, ...]:
    """Suspect columns of a frame, by kind and then in the frame's order; what needs a target skips rows without a (finite) one.

    Args:
        frame: the rows.
        target: the target column.
        task: what kind of prediction it is; decides how a column's skill is measured.
        time: the time column; the frame's rows are put in its order to see what only grows. It is probed for gaps only.
        skip: columns not to look at (already left out).
    """
    rows = frame.drop_nulls(target)
    if rows[target].dtype.is_float():
        rows = rows.filter(rows[target].is_finite())
    if rows.height < FEWEST_ROWS:
        return ()
    inputs = [name for name in rows.columns if name not in {target, time, *skip}]
    shapes = [suspect for name in inputs for suspect in _shape(frame[name])]
    known = {name for suspect in shapes for name in suspect.columns}
    ordered = rows.sort(time, maintain_order=True) if time is not None else None
    trends = [s for name in inputs if ordered is not None and name not in known for s in _trend(ordered[name])]
    sample = rows.gather_every(max(1, rows.height // MOST_ROWS))
    y = _target_matrix(sample[target], task)
    leaks = [suspect for name in inputs for suspect in _leak(sample[name], y, task)]
    gaps = [] if task == "regression" else [s for name in [*inputs, *([time] if time else [])] for s in _gap(sample[name], y)]
    pairs = list(_combinations(sample.select(inputs), y[:, 0])) if task == "regression" else []
    return (*shapes, *trends, *leaks, *pairs, *gaps)


def _shape(column: pl.Series) -> Iterator[Suspect]:
    """An identifier, or free text, from the column's values alone."""
    import polars as pl

    values = column.drop_nulls()
    if len(values) < FEWEST_ROWS:
        return
    distinct = values.n_unique() / len(values)
    if values.dtype == pl.String:
        words = (values.str.count_matches(r"\s") + 1).mean()
        if distinct > 0.5 and isinstance(words, float) and words > 5:
            yield Suspect((column.name,), "text", distinct, f"free text ({distinct:.0%} distinct values)")
        elif distinct >= 0.99:
            yield Suspect((column.name,), "identifier", distinct, f"an identifier ({distinct:.0%} distinct values)")
    elif values.dtype.is_integer():
        low, high = values.min(), values.max()
        counter = isinstance(low, int) and isinstance(high, int) and high - low + 1 == len(values)
        if distinct == 1 and counter:
            yield Suspect((column.name,), "identifier", 1.0, "a row counter")
        elif distinct > 0.3 and ID_NAME.search(column.name):
            yield Suspect((column.name,), "identifier", distinct, f"an identifier by its name ({distinct:.0%} distinct values)")


def _trend(column: pl.Series) -> Iterator[Suspect]:
    """A number that never turns back in time: each later row has a value that training has not seen."""
    values = column.drop_nulls()
    if values.dtype.is_numeric() and len(values) >= FEWEST_ROWS and values.n_unique() > 1:
        for falling, word in ((False, "grows"), (True, "falls")):
            if values.is_sorted(descending=falling):
                yield Suspect((column.name,), "trend", 1.0, f"only {word} with time: the calendar in disguise")


def _target_matrix(column: pl.Series, task: TaskType) -> NDArray[np.float64]:
    """(n, 1) values for regression, (n, k) zeros and ones for classes, the rarest class last."""
    if task == "regression":
        return column.cast(float).to_numpy().astype(np.float64).reshape(-1, 1)
    names, codes = np.unique(texts(column).to_numpy().astype(str), return_inverse=True)
    order = np.argsort(-np.bincount(codes, minlength=len(names)), kind="stable")
    return np.asarray((codes.reshape(-1, 1) == order.reshape(1, -1)), dtype=np.float64)


def _leak(column: pl.Series, y: NDArray[np.float64], task: TaskType) -> Iterator[Suspect]:
    """A column that predicts the target nearly perfectly: over all rows, or over those in which it is filled."""
    filled = column.is_not_null().to_numpy()
    parts = [(np.ones(len(y), dtype=bool), "")]
    if FEWEST_ROWS <= filled.sum() < len(y):
        parts.append((filled, ", where it is filled"))
    for rows, where in parts:
        skill, name = _skill(_codes(column)[rows], y[rows], task)
        if skill >= TELLTALE:
            yield Suspect((column.name,), "leak", skill, f"gives the target away ({skill:.3g} {name}{where})")
            return


def _skill(codes: NDArray[np.int64], y: NDArray[np.float64], task: TaskType) -> tuple[float, str]:
    """How well group means predict ``y`` on the other half of the rows, and what the number is; NaN or 0 when one class is left."""
    predicted = _cross_fitted(codes, y)
    if task == "regression":
        return abs(_spearman(predicted[:, 0], y[:, 0])), "rank correlation with the target"
    if task == "binary":
        return _auc(predicted[:, 1], y[:, 1]), "AUC by itself"
    base = float(y.mean(axis=0).max())
    right = float(y[np.arange(len(y)), predicted.argmax(axis=1)].mean())
    return ((right - base) / (1 - base) if base < 1 else 0.0), "of the errors removed by itself"


def _codes(column: pl.Series) -> NDArray[np.int64]:
    """Values as group numbers: each distinct value, or quantile bins of a number with many values; null is its own group."""
    distinct = column.n_unique()
    if column.dtype.is_numeric() and distinct > MOST_BINS:
        bins = int(np.clip(len(column) // 20, 2, MOST_BINS))
        ranks = column.rank("min").cast(float) / len(column)
        groups = (ranks * bins).floor() + 1
    else:
        groups = column.rank("dense") if not column.dtype.is_nested() else column.is_not_null().cast(int)
    return groups.fill_null(0).cast(int).to_numpy().astype(np.int64)


def _cross_fitted(codes: NDArray[np.int64], y: NDArray[np.float64]) -> NDArray[np.float64]:
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


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Spearman's rank correlation; 0 when one side is constant."""
    ranks = [_ranks(values) for values in (a, b)]
    if min(float(one.std()) for one in ranks) == 0:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _auc(scores: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    from homeostat.stats.metrics import metric

    return metric("auc").score(y, np.column_stack([1 - scores, scores]))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    import polars as pl

    return pl.Series(values).rank("average").to_numpy().astype(np.float64)


def _gap(column: pl.Series, y: NDArray[np.float64]) -> Iterator[Suspect]:
    """Being empty (or not) settles the class: nearly all such rows are of one class that is not nearly all rows."""
    empty = column.is_null().to_numpy()
    for rows, word in ((empty, "empty"), (~empty, "filled")):
        if min(rows.sum(), (~rows).sum()) < 20:
            continue
        shares, overall = y[rows].mean(axis=0), y.mean(axis=0)
        top = int(shares.argmax())
        if shares[top] >= 0.98 and overall[top] <= 0.8:
            reason = f"{word} in {int(rows.sum())} rows, of which {shares[top]:.1%} are of one class: missingness gives the target away"
            yield Suspect((column.name,), "missing", float(shares[top]), reason)


def _combinations(inputs: pl.DataFrame, y: NDArray[np.float64]) -> Iterator[Suspect]:
    """Two numbers whose sum, difference or product is the target in at least 99 % of the rows."""
    names = [name for name in inputs.columns if inputs[name].dtype.is_numeric()][:MOST_NUMBERS]
    values = {name: inputs[name].cast(float).fill_null(np.nan).to_numpy() for name in names}
    varied = [name for name in names if np.nanmax(values[name], initial=-np.inf) > np.nanmin(values[name], initial=np.inf)]
    alone = {name for name in varied if _agreement(values[name], y) >= 0.99}
    for one, two in combinations([name for name in varied if name not in alone], 2):
        a, b = values[one], values[two]
        with np.errstate(invalid="ignore", over="ignore"):  # infinite values make NaN here, and NaN agrees with nothing
            tried = {f"{one} + {two}": a + b, f"{one} - {two}": a - b, f"{two} - {one}": b - a, f"{one} * {two}": a * b}
        for formula, result in tried.items():
            share = _agreement(result[:200], y[:200])
            if share >= 0.99 and (share := _agreement(result, y)) >= 0.99:
                yield Suspect((one, two), "combination", share, f"{formula} is the target in {share:.1%} of the rows")


def _agreement(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.isclose(a, b, rtol=1e-9, atol=1e-9).mean())
