"""Values far from the rest of their column, by the median and the quartiles, which no outlier moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.preparation.analysis.records import Outliers

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from numpy.typing import NDArray

    from homeostat.preparation.analysis.reading import Readable

FAR_Z = 3.5
MAD_TO_SIGMA = 1.4826
FAR_QUARTILES = 3.0
FEWEST_ROWS = 20
FEWEST_VALUES = 10  # numbers with fewer different values are codes or counts of little
EXAMPLES = 3


def outliers(table: Readable, place: Callable[[int], str]) -> tuple[Outliers, ...]:
    """Number columns with values beyond their limits, those with the largest share first.

    Args:
        table: the sample; times are not looked at.
        place: where a row of the sample came from, in words.
    """
    found = [_outliers(table.frame[name], place) for name in table.numbers if table.shapes[name] == "number"]
    return tuple(sorted((each for each in found if each is not None), key=lambda each: -each.share))


def limits(values: NDArray[np.float64]) -> tuple[str, float, float] | None:
    """The rule and its limits; None when half of the values are one value, which leaves no scale.

    Robust z: |value - median| / (1.4826 MAD) > 3.5. Source: Iglewicz and Hoaglin 1993, "How to detect and handle outliers".
    Where the MAD is 0: beyond the quartiles by more than 3 times their distance. Source: Tukey 1977, "far out" values.
    """
    low, middle, high = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
    with np.errstate(over="ignore"):
        sigma = MAD_TO_SIGMA * float(np.median(np.abs(values - middle)))
    if 0 < sigma < np.inf:
        return "robust z", middle - FAR_Z * sigma, middle + FAR_Z * sigma
    spread = high - low
    return ("quartiles", low - FAR_QUARTILES * spread, high + FAR_QUARTILES * spread) if 0 < spread < np.inf else None


def _outliers(series: pl.Series, place: Callable[[int], str]) -> Outliers | None:
    values = series.to_numpy()
    there = np.flatnonzero(~np.isnan(values))
    known = values[there]
    if len(known) < FEWEST_ROWS or len(np.unique(known)) < FEWEST_VALUES:
        return None
    found = limits(known)
    if found is None or not np.isfinite(found[1:]).all():
        return None
    rule, low, high = found
    below, above = int((known < low).sum()), int((known > high).sum())
    if not below + above:
        return None
    how_far = np.maximum(low - known, known - high)
    farthest = np.argsort(-how_far, kind="stable")[: min(EXAMPLES, below + above)]
    examples = tuple((float(known[at]), place(int(there[at]))) for at in farthest)
    return Outliers(
        series.name, "robust z" if rule == "robust z" else "quartiles", low, high, below, above, (below + above) / len(known), examples
    )
