"""Labels given by people, matched to the rows of a dataset: each is taken or refused with a reason, none is lost."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.core.casts import logical_type, read_as
from homeostat.core.records import PROVENANCE
from homeostat.core.targets import texts
from homeostat.errors import DataError

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """What became of the given rows: ``taken + refused + empty + repeated`` are all of them.

    ``taken`` has the key columns, ``_label_text`` and ``_given`` (the row's place in the file); ``refused`` the given columns and
    ``_reason``; ``empty`` counts rows without a label, ``repeated`` those that say the same as an earlier one.
    """

    taken: pl.DataFrame
    refused: pl.DataFrame
    empty: int
    repeated: int


def key_columns(columns: Collection[str], entity: Sequence[str], target: str) -> tuple[str, ...]:
    """What the labels of a file are keyed by: where a row is from, else the entity columns.

    Raises:
        DataError: HS204, no target column; HS230, neither key is there.
    """
    if target not in columns:
        step = "add the column that holds the labels"
        raise DataError("HS204", f"got {', '.join(columns) or 'no columns'}", place=f"column {target!r} of the labels", next_step=step)
    if set(PROVENANCE) <= set(columns):
        return PROVENANCE
    if entity and set(entity) <= set(columns):
        return tuple(entity)
    wanted = "_source and _line" + (f", or all of {', '.join(entity)}" if entity else "")
    step = "`homeostat label queue` writes files that can be filled in and imported"
    raise DataError("HS230", f"got columns {', '.join(columns)}; needed: {wanted}", place="the labels", next_step=step)


def match_labels(
    given: pl.DataFrame, rows: pl.DataFrame, keys: Sequence[str], target: str, classes: Collection[str] | None, *, most: int | None = None
) -> Matched:
    """Match given labels to rows of the dataset.

    Refused are: keys with no row or incomplete; labels that are no value of the target (a class that is not known, not a finite
    number); keys given twice with different labels (all of them); and labels of rows whose source says something else.

    Args:
        given: the file's rows as texts, with ``_given``, their place in the file.
        rows: the rows of the dataset; its target may be null.
        keys: see ``key_columns``.
        target: the target column.
        classes: the only labels allowed, as texts; None for any value of the target's type.
        most: how many different labels there may be in all (2 in a binary task); None for any number.
    """
    import polars as pl

    kind = logical_type(rows.schema[target]) or "string"
    dataset = rows.select(*(texts(rows[name]).alias(name) for name in keys), texts(rows[target]).alias("_known"))
    told = dataset.group_by(list(keys)).agg(pl.col("_known").drop_nulls().unique().alias("_known"), pl.len().alias("_rows"))
    read = given.select(
        *(_key_text(given, name, rows.schema[name]) for name in keys),
        read_as(target, given.schema[target], kind).alias("_value"),
        pl.col(target).is_not_null().alias("_there"),
        pl.col(target).alias("_as_given"),
        pl.col("_given"),
    ).with_columns(pl.col("_value").map_batches(texts, return_dtype=pl.String).alias("_label_text"))
    if kind == "number":
        read = read.with_columns(pl.when(pl.col("_value").is_finite()).then("_label_text").alias("_label_text"))
    read = read.filter("_there").join(told, on=list(keys), how="left", maintain_order="left")
    whole = read.with_columns(pl.col("_label_text").drop_nulls().n_unique().over(list(keys)).alias("_different"))
    reason = _reasons(whole, keys, kind, classes)
    judged = whole.with_columns(reason.alias("_reason"))
    good = _within(judged.filter(pl.col("_reason").is_null()), classes, most)
    taken = good.filter(pl.col("_reason").is_null()).unique(list(keys), keep="last", maintain_order=True)
    bad = pl.concat([judged.filter(pl.col("_reason").is_not_null()), good.filter(pl.col("_reason").is_not_null())])
    refused = given.join(bad.select("_given", "_reason"), on="_given", how="inner", maintain_order="left")
    return Matched(
        taken.select(*keys, "_label_text", "_given"),
        refused,
        given.height - read.height,
        read.height - refused.height - taken.height,
    )


def _key_text(given: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Series:
    """A key of the file as the text that the dataset's column has for it: 7.0 in a file is 7 in a column of whole numbers."""
    kind = logical_type(dtype) or "string"
    return texts(given.select(read_as(name, given.schema[name], kind)).to_series()).alias(name)


def _reasons(whole: pl.DataFrame, keys: Sequence[str], kind: str, classes: Collection[str] | None) -> pl.Expr:
    import polars as pl

    key = ", ".join(keys)
    said = pl.concat_str(pl.lit("got "), pl.col("_as_given").cast(pl.String).str.head(80))
    listed = ", ".join(sorted(classes)[:10]) if classes is not None else ""
    unknown = pl.lit(value=False) if classes is None else ~pl.col("_label_text").is_in(list(classes))
    source = pl.col("_known").list.get(0, null_on_oob=True)
    another = source.is_not_null() & ((pl.col("_known").list.len() > 1) | (source != pl.col("_label_text")))
    return (
        pl.when(pl.any_horizontal(pl.col(name).is_null() for name in keys))
        .then(pl.lit(f"the key ({key}) is incomplete or unreadable"))
        .when(pl.col("_rows").is_null())
        .then(pl.lit(f"no row of the dataset has this key ({key})"))
        .when(pl.col("_label_text").is_null())
        .then(pl.concat_str(said, pl.lit(f"; the target is a {kind}" + (" that is finite" if kind == "number" else ""))))
        .when(unknown)
        .then(pl.concat_str(said, pl.lit(f"; the classes are {listed}")))
        .when(pl.col("_different") > 1)
        .then(pl.lit("the file says different labels for this key"))
        .when(another)
        .then(pl.concat_str(said, pl.lit("; the source itself says "), source))
    )


def _within(good: pl.DataFrame, classes: Collection[str] | None, most: int | None) -> pl.DataFrame:
    """With no classes known yet, no more different labels than the task has classes; the most frequent ones are kept."""
    import polars as pl

    if classes is not None or most is None:
        return good
    counted = good.group_by("_label_text").len().sort(["len", "_label_text"], descending=[True, False])
    kept = counted["_label_text"].head(most).to_list()
    beyond = ~pl.col("_label_text").is_in(kept)
    told = pl.concat_str(pl.lit("got "), pl.col("_label_text"), pl.lit(f"; the task has {most} classes, and the file more"))
    return good.with_columns(pl.when(beyond).then(told).alias("_reason"))
