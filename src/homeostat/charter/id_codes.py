"""Identifiers that encode the target: in a remainder, a digit, a letter, a prefix, or a number inside them."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import numpy as np

from homeostat.charter.probes import FEWEST_ROWS, Suspect, Target, auc, codes_of, cross_fitted, skill_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    from numpy.typing import NDArray

DISTINCT = 0.5  # share of distinct values from which a column names rows instead of describing them
MOST_ROWS = 5_000  # rows of which the pieces are looked at, evenly spaced
TOLD_OF_ONE = 0.9  # AUC for one class of several
TOLD = {"binary": 0.8, "regression": 0.75, "multiclass": 0.6}  # skill of one piece of an identifier, which should have none
WORDS = 0.2  # share of values with a space in them, above which a column is text
REMAINDERS = (*range(2, 13), 16, 20, 32, 64, 100, 1000)
PLACES = 20  # characters looked at from either end
LETTERS = string.ascii_lowercase + string.digits


def coded_ids(rows: pl.DataFrame, target: Target, inputs: list[str]) -> Iterator[Suspect]:
    """Columns of many distinct values in which one piece predicts the target on its own, though the whole names nothing but a row."""
    thin = max(1, rows.height // MOST_ROWS)
    target = target.rows(slice(None, None, thin))
    for name in inputs:
        column = rows[name].gather_every(thin)
        known = column.is_not_null().to_numpy()
        values = column.drop_nulls()
        if len(values) < FEWEST_ROWS or values.n_unique() <= DISTINCT * len(values) or _is_prose(values):
            continue
        seen = target.rows(known)
        found = [(*_telling(codes_of(piece), seen), told) for told, piece in _pieces(values) if piece.n_unique() > 1]
        excess, number, what, told = max(found, default=(0.0, 0.0, "", ""))
        if excess >= 1:
            yield Suspect((name,), "id_code", number, f"names rows, yet {told} gives the target away ({number:.3g} {what})")


def _telling(codes: NDArray[np.int64], target: Target) -> tuple[float, float, str]:
    """How telling one piece is: in units of what is too much, and as measured; its skill, or that for one class of several."""
    predicted = cross_fitted(codes, target.y)
    value, what = skill_of(predicted, target)
    number = float(np.nan_to_num(value))
    best = (number / TOLD[target.task], number, what)
    if target.task == "multiclass":
        for at, name in enumerate(target.classes):
            one = float(np.nan_to_num(auc(predicted[:, at], target.y[:, at])))
            best = max(best, (one / TOLD_OF_ONE, one, f"AUC for {name}"))
    return best


def _is_prose(values: pl.Series) -> bool:
    """Whether the values are mostly words: texts say something, identifiers don't."""
    import polars as pl

    return values.dtype == pl.String and values.str.contains(r"\s").sum() > WORDS * len(values)


def _pieces(values: pl.Series) -> Iterator[tuple[str, pl.Series]]:
    """Pieces of identifiers, and what to call them."""
    import polars as pl

    if values.dtype == pl.String:
        yield from _pieces_of_text(values)
    elif values.dtype.is_integer():
        yield from _pieces_of_number(values.cast(pl.Int64, strict=False), "its")


def _pieces_of_number(values: pl.Series, whose: str) -> Iterator[tuple[str, pl.Series]]:
    yield f"the range {whose} value lies in", values
    for divisor in REMAINDERS:
        yield f"{whose} remainder by {divisor}", values % divisor
    for power in range(1, 10):
        yield f"{whose} digit {power + 1} from the end", values.abs() // 10**power % 10


def _pieces_of_text(values: pl.Series) -> Iterator[tuple[str, pl.Series]]:
    import polars as pl

    yield "its length", values.str.len_chars()
    for width in (2, 3):
        yield f"its first {width} characters", values.str.slice(0, width)
        yield f"its last {width} characters", values.str.slice(-width)
    for place in range(PLACES):
        yield f"its character {place + 1}", values.str.slice(place, 1)
        yield f"its character {place + 1} from the end", values.str.slice(-1 - place, 1)
    lower = values.str.to_lowercase()
    for letter in LETTERS:
        yield f"whether it holds {letter!r}", lower.str.contains(letter, literal=True)
    yield "its number of digits", values.str.count_matches(r"\d")
    for place, word in ((0, "first"), (-1, "last")):
        runs = values.str.extract_all(r"\d+").list.get(place, null_on_oob=True).cast(pl.Int64, strict=False)
        if runs.null_count() < len(runs) / 2:
            yield from _pieces_of_number(runs, f"its {word} number's")
