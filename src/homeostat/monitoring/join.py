"""Labels that arrive later, joined to the predictions they are about. Joining the same labels again gives the same frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.core.targets import texts
from homeostat.errors import DataError
from homeostat.monitoring.windows import moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

PREDICTION_ID = "prediction_id"


@dataclass(frozen=True, slots=True, eq=False)
class JoinReport:
    """The predictions that have a label, in their order, with the target column added; and what became of the labels.

    ``matched`` counts predictions with a label, ``unknown`` labels that match no prediction, ``duplicates`` label rows that a later row
    of the same key replaced, ``conflicting`` keys whose repeated rows disagree, ``empty`` label rows without a label.
    """

    joined: pl.DataFrame
    matched: int
    unknown: int
    duplicates: int
    conflicting: int
    empty: int


def join_labels(predictions: pl.DataFrame, labels: pl.DataFrame, target: str, entity: Sequence[str]) -> JoinReport:
    """Give each prediction its label: by ``prediction_id`` when the labels have it, otherwise by the entity columns.

    Values are compared as texts, so 7, 7.0 and "7" are one key; a date or time also equals its usual text. One label may belong to
    several predictions of an entity: all get it. When a file repeats a key the last row wins. A row with a null in its key matches nothing.

    Raises:
        DataError: HS204, the labels lack the target column; HS210, they hold neither prediction ids nor all entity columns, or the
            predictions lack what the labels are keyed by.
    """
    import polars as pl

    if target not in labels.columns:
        found = ", ".join(labels.columns) or "no columns"
        raise DataError("HS204", f"got {found}", place=f"column {target!r} of the labels", next_step="add the column that holds the truth")
    by = _key_columns(predictions, labels, entity)
    keyed, known = _keys(predictions, labels, by)
    names = known.columns
    given = texts(labels[target])
    table = known.with_columns(labels[target].alias("_label"), given.alias("_text")).filter(given.is_not_null())
    keyless = table.filter(pl.any_horizontal(pl.col(name).is_null() for name in names)).height
    table = table.drop_nulls(names)
    latest = table.unique(names, keep="last", maintain_order=True)
    disagreeing = table.group_by(names).agg(pl.col("_text").n_unique().alias("_different")).filter(pl.col("_different") > 1).height
    numbered = keyed.with_row_index("_row")
    pairs = numbered.join(latest, on=names, how="inner").sort("_row")
    joined = predictions.drop(target, strict=False)[pairs["_row"]].with_columns(pairs["_label"].alias(target))
    return JoinReport(
        joined=joined,
        matched=joined.height,
        unknown=latest.join(keyed, on=names, how="anti").height + keyless,
        duplicates=table.height - latest.height,
        conflicting=disagreeing,
        empty=labels.height - int(given.is_not_null().sum()),
    )


def _key_columns(predictions: pl.DataFrame, labels: pl.DataFrame, entity: Sequence[str]) -> tuple[str, ...]:
    if PREDICTION_ID in labels.columns:
        by: tuple[str, ...] = (PREDICTION_ID,)
    elif entity and set(entity) <= set(labels.columns):
        by = tuple(entity)
    else:
        wanted = f"{PREDICTION_ID}, or all of {', '.join(entity)}" if entity else PREDICTION_ID
        step = "add one of them" if entity else "add it, or name the columns that identify a row in task.entity"
        raise DataError("HS210", f"got columns {', '.join(labels.columns)}; needed: {wanted}", place="the labels", next_step=step)
    absent = [name for name in by if name not in predictions.columns]
    if absent:
        raise DataError(
            "HS210",
            f"the predictions hold no {', '.join(absent)}, by which the labels are keyed",
            place="the prediction log",
            next_step=f"send {', '.join(absent)} with each request, or label by {PREDICTION_ID}",
        )
    return by


def _keys(predictions: pl.DataFrame, labels: pl.DataFrame, by: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The key columns of both frames as texts, under names that clash with nothing."""
    import polars as pl

    ours, theirs = {}, {}
    for index, name in enumerate(by):
        left, right = predictions[name], labels[name]
        if left.dtype.is_temporal() or right.dtype.is_temporal():
            left, right = moments(left), moments(right)
        ours[f"_key{index}"], theirs[f"_key{index}"] = texts(left), texts(right)
    return pl.DataFrame(ours), pl.DataFrame(theirs)
