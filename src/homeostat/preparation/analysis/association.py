"""How two columns go together: Spearman's correlation, the correlation ratio, Cramer's V; one pair, or all columns at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from homeostat.preparation.analysis.reading import finite, hardly_repeats
from homeostat.preparation.analysis.records import Correlations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from homeostat.preparation.analysis.reading import Readable

MOST_COLUMNS = 40
DENSE_CELLS = 1_000_000  # tables of two columns up to this size are counted without sorting


def association(values: pl.Series, goal: pl.Series) -> tuple[float | None, str | None]:
    """Of two columns, each Float64 or String, over the rows where both are there: the number and its name.

    None when it cannot be said: a side is constant, or has so many names that they would explain anything.
    """
    import polars as pl

    pair = pl.DataFrame({"x": values, "y": goal}).drop_nulls()
    numeric = [pair.schema[side].is_float() for side in ("x", "y")]
    if all(numeric):
        found = pair.select(pl.corr(pl.col("x").rank(), pl.col("y").rank())).item() if pair.height > 1 else None
        return finite(found), "spearman"
    if any(hardly_repeats(pair[side]) for side, is_number in zip("xy", numeric, strict=True) if not is_number):
        return None, None
    if any(numeric):
        number, group = ("x", "y") if numeric[0] else ("y", "x")
        return _eta(pair[number].to_numpy(), _codes(pair[group])), "eta"
    return cramers_v(_codes(pair["x"]), _codes(pair["y"])), "cramers_v"


def correlations(table: Readable, closest: Mapping[str, float], target: str) -> Correlations:
    """Every column with every other, at most 40 of them: the target and those that go with it most; clustered order.

    Spearman with nulls: ranks are taken once per column and correlated over the rows where both are there.

    Args:
        table: rows that may be related to the target.
        closest: the association of columns with the target, for choosing when there are too many.
        target: the target's column.
    """
    usable = [name for name in table.frame.columns if _varies(table.frame[name])]
    ranked = sorted(usable, key=lambda name: (name != target, -abs(closest.get(name) or 0.0)))
    chosen = [name for name in usable if name in set(ranked[:MOST_COLUMNS])]
    if len(chosen) < 2:
        return Correlations(left_out=table.frame.width - len(chosen))
    values = _matrix(table.frame.select(chosen))
    order = _clustered(values)
    return Correlations(
        names=tuple(chosen[i] for i in order),
        shapes=tuple(table.shapes[chosen[i]] for i in order),
        values=tuple(tuple(finite(values[i, j]) for j in order) for i in order),
        left_out=table.frame.width - len(chosen),
    )


def _varies(series: pl.Series) -> bool:
    return series.drop_nulls().n_unique() > 1 and (series.dtype.is_float() or not hardly_repeats(series))


def _matrix(frame: pl.DataFrame) -> NDArray[np.float64]:
    """(m, m) symmetric, 1 on the diagonal, NaN where it cannot be said."""
    names = frame.columns
    numbers = [at for at, name in enumerate(names) if frame.schema[name].is_float()]
    groups = [at for at, name in enumerate(names) if not frame.schema[name].is_float()]
    found = np.eye(len(names))
    if numbers:
        found[np.ix_(numbers, numbers)] = spearman_matrix(frame.select([names[at] for at in numbers]))
    codes = {at: _codes(frame[names[at]]) for at in groups}
    floats = frame.select([names[at] for at in numbers]).to_numpy().astype(np.float64) if numbers else np.empty((frame.height, 0))
    for at in groups:
        for place, number in enumerate(numbers):
            both = (codes[at] >= 0) & ~np.isnan(floats[:, place])
            found[at, number] = found[number, at] = _nan(_eta(floats[both, place], codes[at][both]))
        for other in groups:
            if other < at:
                both = (codes[at] >= 0) & (codes[other] >= 0)
                found[at, other] = found[other, at] = _nan(cramers_v(codes[at][both], codes[other][both]))
    return found


def spearman_matrix(frame: pl.DataFrame) -> NDArray[np.float64]:
    """Pearson's correlation of the columns' ranks over the rows where both are there, (m, m); NaN for a constant side.

    Without nulls it is Spearman's rank correlation. Source: Spearman 1904.
    """
    import polars as pl

    ranks = frame.select(pl.all().rank() / max(frame.height, 1) - 0.5).to_numpy().astype(np.float64)
    there = ~np.isnan(ranks)
    ranks[~there] = 0.0
    mask = there.astype(np.float64)
    n = mask.T @ mask
    x, xx, xy = ranks.T @ mask, (ranks**2).T @ mask, ranks.T @ ranks
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = xy - x * x.T / n
        variance = xx - x**2 / n
        variance[variance < 1e-12] = np.nan
        found = covariance / np.sqrt(variance * variance.T)
    np.fill_diagonal(found, 1.0)
    return np.asarray(np.clip(found, -1.0, 1.0), dtype=np.float64)


def _codes(series: pl.Series) -> NDArray[np.int64]:
    """Names as whole numbers from 0, in no order; -1 for null."""
    import polars as pl

    codes = series.rank("dense").cast(pl.Int64) - 1
    return codes.fill_null(-1).to_numpy()


def _eta(numbers: NDArray[np.float64], codes: NDArray[np.int64]) -> float | None:
    """Square root of the share of the numbers' variance that lies between the groups; None when there is no variance or one group.

    Source: Pearson, On the general theory of skew correlation and non-linear regression (1905).
    """
    if not len(numbers):
        return None
    scale = float(np.abs(numbers).max()) or 1.0
    centred = numbers / scale - (numbers / scale).mean()
    counts = np.bincount(codes)
    whole = float(centred @ centred)
    if (counts > 0).sum() < 2 or whole <= 1e-24 * len(numbers):
        return None
    sums = np.bincount(codes, weights=centred)
    between = float((sums[counts > 0] ** 2 / counts[counts > 0]).sum())
    return math.sqrt(min(between / whole, 1.0))


def cramers_v(one: NDArray[np.int64], two: NDArray[np.int64]) -> float | None:
    """Cramer's V of two columns of codes; None when one of them has fewer than two values.

    Source: Cramer, Mathematical Methods of Statistics (1946), section 21.9.
    """
    rows, columns = np.bincount(one), np.bincount(two)
    fewest = int(min((rows > 0).sum(), (columns > 0).sum()))
    if fewest < 2:
        return None
    pairs = one * len(columns) + two
    if len(rows) * len(columns) <= DENSE_CELLS:
        table = np.bincount(pairs)
        cells = np.flatnonzero(table)
        counts = table[cells]
    else:
        cells, counts = np.unique(pairs, return_counts=True)
    # chi2 / n = sum n_ij^2 / (n_i n_j) - 1: empty cells need not be listed.
    expected = rows[cells // len(columns)].astype(np.float64) * columns[cells % len(columns)]
    phi2 = float((counts.astype(np.float64) ** 2 / expected).sum()) - 1.0
    return math.sqrt(min(max(phi2, 0.0) / (fewest - 1), 1.0))


def _clustered(values: NDArray[np.float64]) -> Sequence[int]:
    """The order in which neighbours go together most: leaves of average linkage on 1 - |association|."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(values) < 3:
        return range(len(values))
    distance = 1.0 - np.abs(np.nan_to_num(values))
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return [int(at) for at in leaves_list(tree)]


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
