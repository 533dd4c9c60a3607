"""Which columns have no value, how often, and which are empty together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.preparation.analysis.records import Missing

if TYPE_CHECKING:
    import polars as pl

    from homeostat.preparation.analysis.records import ColumnProfile

MOST_COLUMNS = 40  # columns whose nulls are compared
MOST_PATTERNS = 10
MOST_PAIRS = 20
LEAST_PHI = 0.1


def missing(profiles: tuple[ColumnProfile, ...], empty: pl.DataFrame) -> Missing:
    """Shares over all rows, patterns and pairs over the sample.

    Args:
        profiles: of all rows.
        empty: Boolean columns of the sample, True where there is no value.
    """
    columns = [(each.name, each.nulls, each.nulls / each.rows) for each in profiles if each.nulls]
    columns.sort(key=lambda each: -each[1])
    partly = [name for name, nulls, share in columns if share < 1.0 and name in empty.columns][:MOST_COLUMNS]
    return Missing(tuple(columns), _patterns(empty.select(partly)), _pairs(empty.select(partly)))


def _patterns(empty: pl.DataFrame) -> tuple[tuple[tuple[str, ...], int], ...]:
    import polars as pl

    if not empty.width:
        return ()
    numbered = empty.rename({name: str(at) for at, name in enumerate(empty.columns)})
    counted = numbered.group_by(pl.all()).len("rows").filter(pl.any_horizontal(pl.exclude("rows")))
    top = counted.sort(["rows", *numbered.columns], descending=True).head(MOST_PATTERNS)
    return tuple((tuple(name for name, there in zip(empty.columns, row, strict=False) if there), int(row[-1])) for row in top.iter_rows())


def _pairs(empty: pl.DataFrame) -> tuple[tuple[str, str, int, float], ...]:
    """Phi of two Boolean columns is Pearson's correlation of them. Source: Yule 1912."""
    if empty.width < 2 or not empty.height:
        return ()
    masks = empty.to_numpy().astype(np.float64)
    both = masks.T @ masks
    share = masks.mean(axis=0)
    spread = np.sqrt(share * (1 - share))
    with np.errstate(divide="ignore", invalid="ignore"):
        phi = (both / empty.height - np.outer(share, share)) / np.outer(spread, spread)
    found = [
        (empty.columns[i], empty.columns[j], int(both[i, j]), float(np.clip(phi[i, j], -1.0, 1.0)))
        for i in range(empty.width)
        for j in range(i + 1, empty.width)
        if both[i, j] and phi[i, j] >= LEAST_PHI
    ]
    return tuple(sorted(found, key=lambda each: (-each[3], -each[2], each[0], each[1]))[:MOST_PAIRS])
