"""Columns made from the target: copies with noise, a part of it, and pairs of columns that make it up."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from homeostat.charter.probes import FEWEST_ROWS, Suspect, Target, numbers_of, spearman
from homeostat.core.targets import texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from homeostat.stats.kernels import Floats

MOST_NUMBERS = 60  # columns tried in pairs
AGREES = 0.99  # share of rows in which two columns make up the target
FIRM = 0.05  # a slope or a mean known worse than this says nothing
CLOSE = 0.01  # what the law of a copy may be missed by, beyond three standard errors
SEEN = 0.3  # a copy with more noise correlates less with its target than this
SAME = {"1": "yes", "true": "yes", "y": "yes", "t": "yes", "0": "no", "false": "no", "n": "no", "f": "no"}


def copies_of(rows: pl.DataFrame, target: Target, inputs: list[str]) -> Iterator[Suspect]:
    """Copies of the target with noise. What gives one away is not how well it predicts, but that it is right on average.

    A number that equals the target plus noise has, at each level of the target, that level as its mean: slope 1, no offset. A
    predictor that is not a copy has a smaller slope (regression to the mean) or another unit. A class with some of its values
    exchanged is of the same words, and wrong as often in each class.
    """
    values = numbers_of(rows, inputs)
    for name, x in values.items():
        noise = copied_number(x, target) if target.task == "regression" else _copied_code(x, target)
        if noise is not None:
            reason = f"looks like the target with noise: right on average at every level of it, off by {noise:.2g} around that"
            yield Suspect((name,), "copy", min(1.0, 1 / (1 + noise**2)), reason)
    if target.task != "regression":
        for name in inputs:
            wrong = _copied_class(rows[name], target)
            if wrong is not None:
                reason = f"looks like the target with {wrong:.1%} of its values exchanged: wrong equally often in each class"
                yield Suspect((name,), "copy", 1 - wrong, reason)


def copied_number(x: Floats, target: Target) -> float | None:
    """The noise, in standard deviations of the target, when ``x`` is the target plus noise; else None."""
    known = np.isfinite(x)
    x, y = x[known], target.y[known, 0]
    if len(x) < FEWEST_ROWS or float(y.std()) == 0:
        return None
    y, x = (y - y.mean()) / y.std(), (x - y.mean()) / y.std()
    slope = float((x * y).mean())
    rest = x - slope * y
    noise = float(rest.std())
    error = noise / np.sqrt(len(x))
    firm = error <= FIRM and abs(slope) >= SEEN * float(x.std())
    if not firm or abs(slope - 1) > CLOSE / 2 + 3 * error or abs(float(rest.mean())) > CLOSE / 2 + 3 * error:
        return None
    edges = np.quantile(y, np.linspace(0, 1, 11)[1:-1])
    level = np.searchsorted(edges, y)
    bent = [abs(rest[level == one].mean()) - 4 * noise / np.sqrt((level == one).sum()) for one in np.unique(level)]
    return noise if max(bent) <= 10 * CLOSE else None


def _copied_code(x: Floats, target: Target) -> float | None:
    """The noise when ``x`` is the class's number (0 and 1; or its place among the sorted classes) plus noise; else None."""
    known = np.isfinite(x)
    x, index = x[known], target.index[known]
    counts = np.bincount(index, minlength=len(target.classes))
    if len(x) < FEWEST_ROWS or counts.min() < 20 or len(np.unique(x)) <= len(counts):
        return None
    means = np.array([x[index == one].mean() for one in range(len(counts))])
    spreads = np.array([x[index == one].std() for one in range(len(counts))])
    errors = spreads / np.sqrt(counts)
    if np.sort(errors)[1] > FIRM or spreads.max() > 1.2 * spreads.min() + CLOSE:
        return None
    order = np.argsort(np.argsort(target.classes)).astype(float)
    candidates = [order] if len(counts) > 2 else [np.array([0.0, 1.0]), np.array([1.0, 0.0])]
    if any((np.abs(means - codes) <= CLOSE + 3 * errors).all() for codes in candidates):
        return float(spreads.mean())
    return None


def _copied_class(column: pl.Series, target: Target) -> float | None:
    """The share of exchanged values when the column holds the target's own words, wrong equally often in each class; else None."""
    if column.dtype.is_nested() or column.n_unique() > len(target.classes) + 1:
        return None
    known = column.is_not_null().to_numpy()
    words = [SAME.get(word.lower(), word.lower()) for word in texts(column.drop_nulls()).to_list()]
    classes = [SAME.get(name.lower(), name.lower()) for name in target.classes]
    if set(words) != set(classes) or len(words) < FEWEST_ROWS:
        return None
    place = {name: at for at, name in enumerate(classes)}
    guessed, index = np.array([place[word] for word in words]), target.index[known]
    counts = np.bincount(index, minlength=len(classes))
    if counts.min() < 20:
        return None
    right = np.array([(guessed[index == one] == one).mean() for one in range(len(classes))])
    mean = float(right.mean())
    error = np.sqrt(np.maximum(mean * (1 - mean), 1e-6) / counts)
    same = (np.abs(right - mean) <= CLOSE + 3 * error).all() and error.max() <= FIRM
    return 1 - mean if same and mean >= 1 / len(classes) + max(0.15, 5 * float(error.max())) else None


def parts_of(rows: pl.DataFrame, target: Target, inputs: list[str]) -> Iterator[Suspect]:
    """A number that lies below the target in every row although by chance it would not: a part of it, known only with the whole."""
    y = target.y[:, 0]
    rng = np.random.default_rng(0)
    for name, x in numbers_of(rows, inputs).items():
        known = np.isfinite(x)
        a, b = x[known], y[known]
        if len(a) < FEWEST_ROWS or a.min() < 0 or (a > b).any() or (a == b).all():
            continue
        chance = float((rng.permutation(a) > b).mean())
        if chance >= 0.05 and abs(spearman(a, b)) >= 0.5:
            reason = (
                f"never above the target, though {chance:.0%} of the rows would be if they were unrelated: "
                "is it a part of it, and known when you predict?"
            )
            yield Suspect((name,), "part", 1 - chance, reason, sure=False)


def combinations_of(rows: pl.DataFrame, target: Target, inputs: list[str]) -> Iterator[Suspect]:
    """Two numbers whose sum, difference or product is the target in at least 99 % of the rows."""
    y = target.y[:, 0]
    values = dict(list(numbers_of(rows, inputs).items())[:MOST_NUMBERS])
    alone = {name for name in values if _agreement(values[name], y) >= AGREES}
    for one, two in combinations([name for name in values if name not in alone], 2):
        a, b = values[one], values[two]
        with np.errstate(invalid="ignore", over="ignore"):  # infinite values make NaN here, and NaN agrees with nothing
            tried = {f"{one} + {two}": a + b, f"{one} - {two}": a - b, f"{two} - {one}": b - a, f"{one} * {two}": a * b}
        for formula, result in tried.items():
            share = _agreement(result[:200], y[:200])
            if share >= AGREES and (share := _agreement(result, y)) >= AGREES:
                yield Suspect((one, two), "combination", share, f"{formula} is the target in {share:.1%} of the rows")


def _agreement(a: Floats, b: Floats) -> float:
    return float(np.isclose(a, b, rtol=1e-9, atol=1e-9).mean())
