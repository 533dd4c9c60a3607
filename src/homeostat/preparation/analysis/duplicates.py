"""Rows that come twice, and rows that agree in every input but not in the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.preparation.analysis.records import Duplicates

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl


ROWS = 250_000


def duplicates(seen: pl.DataFrame, train: pl.DataFrame, target: str, inputs: Sequence[str]) -> Duplicates:
    """Counted over all rows, by a 64-bit hash of each row: in ten million rows the chance of one false repeat is about 1 in 370,000.

    Args:
        seen: the rows, without columns that say where they came from.
        train: the rows that may be looked at with the target.
        target: its column; rows of ``train`` without it are not compared.
        inputs: the columns of ``train`` a model would be given; none: nothing to compare.
    """
    exact = seen.height - _hashes(seen).n_unique() if seen.width and seen.height else 0
    same, contradicting, compared = _contradictions(train, target, inputs)
    return Duplicates(
        exact=exact,
        exact_share=exact / seen.height if seen.height else 0.0,
        same_inputs=same,
        contradicting=contradicting,
        contradicting_share=contradicting / compared if compared else 0.0,
        inputs=tuple(inputs),
    )


def _hashes(frame: pl.DataFrame) -> pl.Series:
    """A hash of each row; some rows at a time, since hashing copies them."""
    import polars as pl

    return pl.concat([rows.hash_rows() for rows in frame.iter_slices(ROWS)])


def _contradictions(train: pl.DataFrame, target: str, inputs: Sequence[str]) -> tuple[int, int, int]:
    """Rows that share their inputs with another, those of them whose group has two targets, and the rows compared."""
    import polars as pl

    if not inputs or target not in train.columns or not train.height:
        return 0, 0, 0
    there = train[target].is_not_null()
    known = train if there.all() else train.filter(there)
    if not known.height:
        return 0, 0, 0
    groups = pl.DataFrame({"inputs": _hashes(known.select(inputs)), "target": _hashes(known.select(target))})
    cells = groups.group_by("inputs", "target").len("rows")
    same = cells.group_by("inputs").agg(pl.col("rows").sum(), pl.col("rows").max().alias("agreeing")).filter(pl.col("rows") > 1)
    return int(same["rows"].sum()), int((same["rows"] - same["agreeing"]).sum()), known.height
