"""Columns that should not be inputs: identifiers, columns that only grow, and columns that give the target away.

Each probe looks for one way in which a column can hold what is not known at the time of a prediction; ``copies``, ``future`` and
``id_codes`` hold the larger ones.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from homeostat.charter.copies import combinations_of, copies_of, parts_of
from homeostat.charter.future import aggregates, later_values
from homeostat.charter.id_codes import coded_ids
from homeostat.charter.probes import FEWEST_ROWS, Kind, Suspect, Target, codes_of, skill, target_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from homeostat.core.sections import TaskType

__all__ = ["Kind", "Suspect", "find_suspects", "row_order"]

MOST_ROWS = 20_000  # probes of skill look at this many rows, evenly spaced
FEWEST_GAPS = 20  # rows, empty and filled, from which missingness can tell a class
SHORT = 0.05  # share of rows that a figure of the rows before has not yet
WORDS = 5  # a column of more words than these is text
TELLTALE = 0.95  # |Spearman| (regression), AUC (binary), share of errors removed (multiclass)
ID_NAME = re.compile(r"(^|_)(id|uuid|guid|key|index|rowid)$|[a-z](Id|ID)$", re.IGNORECASE)


def find_suspects(
    frame: pl.DataFrame,
    target: str,
    task: TaskType,
    *,
    time: str | None = None,
    entity: Sequence[str] = (),
    skip: Collection[str] = (),
) -> tuple[Suspect, ...]:
    """Suspect columns of a frame, by kind and then in the frame's order; what needs a target skips rows without a (finite) one.

    Args:
        frame: the rows.
        target: the target column.
        task: what kind of prediction it is; decides how a column's skill is measured.
        time: the time column; the frame's rows are put in its order to see what only grows or comes from later rows. It is probed
            for gaps only.
        entity: the columns that say what a row is about; later rows of the same entity are looked at.
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
    ordered = rows if time is None or rows[time].is_sorted() else rows.sort(time, maintain_order=True)
    trends = [s for name in inputs if time is not None and name not in known for s in _trend(ordered[name])]
    sample = rows.gather_every(max(1, rows.height // MOST_ROWS))
    seen, all_seen = target_of(sample[target], task), target_of(rows[target], task)
    found = [
        *shapes,
        *trends,
        *(suspect for name in inputs for suspect in _leak(sample[name], seen)),
        *coded_ids(sample, seen, inputs),
        *copies_of(sample, seen, inputs),
        *later_values(ordered, all_seen if ordered is rows else target_of(ordered[target], task), inputs, entity),
        *aggregates(rows, all_seen, inputs),
        *(combinations_of(sample, seen, inputs) if task == "regression" else ()),
        *(parts_of(sample, seen, inputs) if task == "regression" else ()),
        *(s for name in [*inputs, *([time] if time else [])] for s in _gap(sample[name], seen)),
    ]
    return _without_echoes(found)


def row_order(frame: pl.DataFrame, target: str, task: TaskType) -> tuple[float, str]:
    """How well a row's place in the frame alone predicts the target, and what the number is; 0 with few rows."""
    import polars as pl

    known = frame[target].drop_nulls()
    known = known.drop_nans() if known.dtype.is_float() else known
    if len(known) < FEWEST_ROWS:
        return 0.0, ""
    known = known.gather_every(max(1, len(known) // MOST_ROWS))
    value, told = skill(codes_of(pl.Series(np.arange(len(known)))), target_of(known, task))
    return float(np.nan_to_num(value)), told


def _without_echoes(found: list[Suspect]) -> tuple[Suspect, ...]:
    """Without a weaker word about columns of which something sure is known that says the same."""
    told = {name for one in found if one.kind in ("leak", "aggregate", "combination", "copy", "future") for name in one.columns}
    copied = {name for one in found if one.kind in ("aggregate", "future") for name in one.columns}
    return tuple(
        one
        for one in found
        if not (one.kind in ("part", "id_code") and told & set(one.columns)) and not (one.kind == "copy" and copied & set(one.columns))
    )


def _shape(column: pl.Series) -> Iterator[Suspect]:
    """An identifier, from the column's values alone."""
    import polars as pl

    values = column.drop_nulls()
    if len(values) < FEWEST_ROWS:
        return
    if values.dtype == pl.String:
        distinct = values.n_unique() / len(values)
        words = (values.str.count_matches(r"\s") + 1).mean() if distinct >= 0.99 else None
        if isinstance(words, float) and words <= WORDS:  # a text says something even where no two are alike
            yield Suspect((column.name,), "identifier", distinct, f"an identifier ({distinct:.0%} distinct values)")
    elif values.dtype.is_integer():
        low, high = values.min(), values.max()
        counter = isinstance(low, int) and isinstance(high, int) and high - low + 1 == len(values)
        named = bool(ID_NAME.search(column.name))
        distinct = values.n_unique() / len(values) if counter or named else 0.0
        if distinct == 1 and counter:
            yield Suspect((column.name,), "identifier", 1.0, "a row counter")
        elif distinct > 0.3 and named:
            yield Suspect((column.name,), "identifier", distinct, f"an identifier by its name ({distinct:.0%} distinct values)")


def _trend(column: pl.Series) -> Iterator[Suspect]:
    """A number that never turns back in time: each later row has a value that training has not seen."""
    values = column.drop_nulls()
    if values.dtype.is_numeric() and len(values) >= FEWEST_ROWS:
        for falling, word in ((False, "grows"), (True, "falls")):
            if values.is_sorted(descending=falling) and values.n_unique() > 1:
                yield Suspect((column.name,), "trend", 1.0, f"only {word} with time: the calendar in disguise")


def _leak(column: pl.Series, target: Target) -> Iterator[Suspect]:
    """A column that predicts the target nearly perfectly: over all rows, or over those in which it is filled."""
    filled = column.is_not_null().to_numpy()
    parts = [(np.ones(len(filled), dtype=bool), "")]
    if FEWEST_ROWS <= filled.sum() < len(filled):
        parts.append((filled, ", where it is filled"))
    for rows, where in parts:
        value, name = skill(codes_of(column)[rows], target.rows(rows))
        if value >= TELLTALE:
            yield Suspect((column.name,), "leak", value, f"gives the target away ({value:.3g} {name}{where})")
            return


def _gap(column: pl.Series, target: Target) -> Iterator[Suspect]:
    """Being empty (or not) settles the class: nearly all such rows are of one class that is not nearly all rows."""
    if target.task == "regression":
        return
    empty = column.is_null().to_numpy()
    for rows, word in ((empty, "empty"), (~empty, "filled")):
        if min(rows.sum(), (~rows).sum()) < FEWEST_GAPS or _at_an_end(rows):
            continue
        shares, overall = target.y[rows].mean(axis=0), target.y.mean(axis=0)
        top = int(shares.argmax())
        if shares[top] >= 0.98 and overall[top] <= 0.8:
            reason = f"{word} in {int(rows.sum())} rows, of which {shares[top]:.1%} are of one class: missingness gives the target away"
            yield Suspect((column.name,), "missing", float(shares[top]), reason)


def _at_an_end(rows: NDArray[np.bool_]) -> bool:
    """Whether these few rows are just the first or the last ones: there a figure of the rows before, or behind, has no value yet."""
    count = int(rows.sum())
    return count <= SHORT * len(rows) and bool(rows[:count].all() or rows[-count:].all())
