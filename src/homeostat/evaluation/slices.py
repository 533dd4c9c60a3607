"""The worst slices by search: values of one column, or of two together, whose rows lose more than the rest by more than chance.

A slice is one value of a column (numbers: one of four bins cut on the development rows) or a pair of them. Its mean loss is compared
with that of all other rows (Welch's test, one-sided), and p-values are corrected for the number of slices that could be tried (Holm), so
that of searches among equal slices at most ``alpha`` find any. Rows in time order whose errors hang together are tested by blocks.

Source: Chung, Kraska, Polyzotis, Tae & Whang, "Slice Finder" (ICDE 2019), for the effect size and the pruning of slices in slices;
Sagadeeva & Boehm, "SliceLine" (SIGMOD 2021), for enumeration by sums over groups; Holm 1979.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from homeostat.stats.kernels import Floats

    Ints = NDArray[np.int64]

FEWEST_ROWS = 30
LEAST_SHARE = 0.01
"""A slice holds at least so large a share of the rows, and at least ``FEWEST_ROWS``."""
MOST_PAIRED = 24
"""Columns whose values are tried in pairs: those whose own slices stand out most."""

MOST_WEIGHED = 300
"""Significant slices that are looked at for what they add to those told."""


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A column in slices: for each row which one it is in, ``(n,)``, -1 for none, and their names."""

    column: str
    codes: Ints
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows that lose more. ``where``: column and value, one or two of them.

    ``loss`` is their mean, ``rest`` that of all other rows. ``effect`` is the difference in units of the losses' spread, ``excess`` the
    share of the whole loss that would be saved if these rows were as the rest. ``p_value`` is corrected for all slices tried.
    """

    where: tuple[tuple[str, str], ...]
    rows: int
    loss: float
    rest: float
    effect: float
    excess: float
    p_value: float


@dataclass(frozen=True, slots=True)
class SliceSearch:
    """What was found, surest first, among how many ``tried`` slices; ``alpha`` is the chance that any of it is chance."""

    found: tuple[Slice, ...]
    tried: int
    alpha: float
    columns: int
    least_rows: int


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """Slices as arrays ``(m,)``: places of their columns (the second -1 for single ones), codes in them, rows, means, and t."""

    first: Ints
    second: Ints
    one: Ints
    two: Ints
    rows: Floats
    mean: Floats
    rest: Floats
    spread: Floats
    t: Floats
    p: Floats


def worst_slices(loss: Floats, columns: Sequence[Coded], alpha: float = 0.05, most: int = 12, block: int = 1) -> SliceSearch:
    """The slices whose loss is higher by more than chance, the surest (largest t) first; pairs only where they are worse than both parts.

    Args:
        loss: per row, ``(n,)``, finite.
        columns: what slices are made of.
        alpha: the accepted chance that a search among equal slices finds any.
        most: slices told.
        block: rows in time order whose errors hang together; found slices must also stand the test by blocks.
    """
    least = max(FEWEST_ROWS, int(np.ceil(LEAST_SHARE * len(loss))))
    singles = _joined([_tried(loss, columns, (at, -1), least) for at in range(len(columns))])
    chosen = _standing_out(singles, len(columns))
    pairs = _joined([_tried(loss, columns, (a, b), least) for a, b in combinations(sorted(chosen), 2)])
    every = _joined([singles, pairs])
    possible = len(every.p) + _untried_pairs(columns, singles, chosen)
    p = every.p
    found = np.flatnonzero(holm(p, possible) <= alpha).tolist()
    if block > 1 and len(found):
        p = p.copy()
        p[found] = np.maximum(p[found], [_block_p(loss, _rows_of(columns, every, at), block) for at in found])
    adjusted = holm(p, possible)
    told: dict[int, NDArray[np.bool_]] = {}
    for at in sorted(np.flatnonzero(adjusted <= alpha).tolist(), key=lambda at: -every.t[at])[:MOST_WEIGHED]:
        inside = _rows_of(columns, every, at)
        if len(told) < most and _adds(loss, inside, list(told.values()), alpha / possible):
            told[at] = inside
    slices = tuple(_slice(loss, columns, every, at, float(adjusted[at])) for at in told)
    return SliceSearch(slices, possible, alpha, len(columns), least)


def holm(p: Floats, tests: int | None = None) -> Floats:
    """P-values corrected so that the chance of any false one is bounded, whatever their dependence; ``tests`` counts untried ones too.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".

    >>> holm(np.array([0.01, 0.04, 0.03])).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    count = len(p) if tests is None else tests
    order = np.argsort(p, kind="stable")
    raised = np.minimum(np.maximum.accumulate(p[order] * (count - np.arange(len(p)))), 1.0) if len(p) else p
    out = np.empty(len(p))
    out[order] = raised
    return out


def _tried(loss: Floats, columns: Sequence[Coded], places: tuple[int, int], least: int) -> _Tried:
    """All slices of one column, or of two, with enough rows in and outside them."""
    first, second = places
    codes, width = columns[first].codes, 1
    if second >= 0:
        width = len(columns[second].names)
        other = columns[second].codes
        codes = np.where((codes >= 0) & (other >= 0), codes * width + other, -1)
    inside = codes >= 0
    size = len(columns[first].names) * width
    kept = codes[inside]
    rows = np.bincount(kept, minlength=size).astype(np.float64)
    taken = np.flatnonzero((rows >= least) & (len(loss) - rows >= least))
    if not len(taken):
        return _EMPTY
    sums, squares = (np.bincount(kept, each[inside], minlength=size)[taken] for each in (loss, np.square(loss)))
    rows = rows[taken]
    others = len(loss) - rows
    mean, rest = sums / rows, (loss.sum() - sums) / others
    var = np.maximum(squares - rows * mean**2, 0) / (rows - 1)
    rest_var = np.maximum(np.square(loss).sum() - squares - others * rest**2, 0) / (others - 1)
    t, p = _welch(mean - rest, var / rows, rest_var / others, rows, others)
    one, two = np.divmod(taken, width)
    return _Tried(
        np.full(len(taken), first), np.full(len(taken), second), one, two if second >= 0 else np.full(len(taken), -1),
        rows, mean, rest, np.sqrt((var + rest_var) / 2), t, p,
    )  # fmt: skip


def _welch(difference: Floats, a: Floats, b: Floats, n: Floats, m: Floats) -> tuple[Floats, Floats]:
    """The t and the one-sided p-value of a difference of means whose variances are a and b. Source: Welch 1947."""
    from scipy.special import stdtr

    variance = a + b
    t = np.divide(difference, np.sqrt(variance), out=np.zeros_like(difference), where=variance > 0)
    freedom = np.divide(variance**2, a**2 / (n - 1) + b**2 / (m - 1), out=np.ones_like(variance), where=variance > 0)
    return t, np.asarray(stdtr(freedom, -t), dtype=np.float64)


_NONE: Ints = np.zeros(0, dtype=np.int64)
_NO: Floats = np.zeros(0)
_EMPTY = _Tried(_NONE, _NONE, _NONE, _NONE, _NO, _NO, _NO, _NO, _NO, _NO)


def _joined(parts: Sequence[_Tried]) -> _Tried:
    names = _Tried.__slots__
    return _Tried(*(np.concatenate([getattr(_EMPTY, name), *(getattr(part, name) for part in parts)]) for name in names))


def _standing_out(singles: _Tried, columns: int) -> list[int]:
    """The columns that are tried in pairs: all, or of many those with the largest t."""
    best = np.full(columns, -np.inf)
    np.maximum.at(best, singles.first, singles.t)
    return [int(at) for at in np.argsort(-best, kind="stable")[:MOST_PAIRED]]


def _untried_pairs(columns: Sequence[Coded], singles: _Tried, chosen: Sequence[int]) -> int:
    """Pairs of slices that were passed over because their columns did not stand out: choosing by the data is trying, so they count."""
    sizes = np.bincount(singles.first, minlength=len(columns))
    together = [int(sizes[list(places)].sum() ** 2 - (sizes[list(places)] ** 2).sum()) // 2 for places in (range(len(columns)), chosen)]
    return together[0] - together[1]


def _rows_of(columns: Sequence[Coded], every: _Tried, at: int) -> NDArray[np.bool_]:
    inside = np.asarray(columns[every.first[at]].codes == every.one[at])
    return inside if every.second[at] < 0 else np.asarray(inside & (columns[every.second[at]].codes == every.two[at]))


def _block_p(loss: Floats, inside: NDArray[np.bool_], block: int) -> float:
    """The one-sided p-value when only whole blocks of neighbours are independent of each other.

    Source: Liang & Zeger 1986 (variance from the sums of residuals by cluster).
    """
    from scipy.special import stdtr

    place = np.arange(len(loss)) // block
    freedom = max(int(place[-1]), 1)
    means = [float(loss[rows].mean()) for rows in (inside, ~inside)]
    residual = np.where(inside, (loss - means[0]) / inside.sum(), -(loss - means[1]) / (~inside).sum())
    variance = float(np.square(np.bincount(place, residual)).sum()) * (freedom + 1) / freedom
    return float(stdtr(freedom, -(means[0] - means[1]) / np.sqrt(variance))) if variance > 0 else 1.0


def _adds(loss: Floats, inside: NDArray[np.bool_], told: Sequence[NDArray[np.bool_]], alpha: float) -> bool:
    """Whether a slice says more than those told: its rows outside them lose more than the rows in none; one within, more than its whole."""
    if not told:
        return True
    covered = np.logical_or.reduce(told)
    new = inside & ~covered
    if new.sum() >= max(FEWEST_ROWS, 0.1 * inside.sum()):
        return _differs(loss, new, ~(covered | inside)) <= alpha
    wholes = [each for each in told if (inside & ~each).sum() <= 0.1 * inside.sum()]
    return all(_differs(loss, inside, whole & ~inside) <= alpha for whole in wholes) and bool(wholes)


def _differs(loss: Floats, one: NDArray[np.bool_], two: NDArray[np.bool_]) -> float:
    """The one-sided p-value that the first rows lose more."""
    if min(one.sum(), two.sum()) < 2:
        return 1.0
    a, b = loss[one], loss[two]
    return float(
        _welch(
            np.array([a.mean() - b.mean()]), np.array([a.var(ddof=1) / len(a)]), np.array([b.var(ddof=1) / len(b)]),
            np.array([float(len(a))]), np.array([float(len(b))]),
        )[1][0]
    )  # fmt: skip


def _slice(loss: Floats, columns: Sequence[Coded], every: _Tried, at: int, p_value: float) -> Slice:
    parts = [(every.first[at], every.one[at]), (every.second[at], every.two[at])]
    difference, total = float(every.mean[at] - every.rest[at]), float(loss.sum())
    return Slice(
        where=tuple((columns[place].column, columns[place].names[code]) for place, code in parts if place >= 0),
        rows=int(every.rows[at]),
        loss=float(every.mean[at]),
        rest=float(every.rest[at]),
        effect=difference / float(every.spread[at]) if every.spread[at] > 0 else 0.0,
        excess=difference * float(every.rows[at]) / total if total else 0.0,
        p_value=p_value,
    )
