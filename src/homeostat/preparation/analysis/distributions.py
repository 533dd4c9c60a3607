"""How the values of a column are spread: bins for numbers, calendar units for times, lengths and words for texts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from homeostat.preparation.analysis.periods import periods_of
from homeostat.preparation.analysis.reading import finite
from homeostat.preparation.analysis.records import Bins, Spans

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

MOST_BINS = 40
TAIL = 0.01  # the share of values on each side that edges need not reach
MOST_SPANS = 60
MOST_WORDS = 20
TEXT_ROWS = 20_000  # rows of a text column whose words are counted
TEXT_LENGTH = 2_000  # characters of a text that are read


def robust_range(values: NDArray[np.float64]) -> tuple[float, float]:
    """From where to where a plot reaches: the middle 98 % and half as much on both sides, never beyond the values.

    One far-off value doesn't flatten the plot. When the middle 98 % are one value, everything is shown.

    Args:
        values: finite, at least one.
    """
    low, high = float(values.min()), float(values.max())
    inner, outer = (float(q) for q in np.quantile(values, (TAIL, 1 - TAIL)))
    if inner == outer:
        return low, high
    margin = outer / 2 - inner / 2
    return max(low, inner - margin), min(high, outer + margin)


def bins_of(series: pl.Series) -> Bins | None:
    """The histogram of a Float64 column, whole numbers in bins of whole width; None without a value."""
    values = series.drop_nulls().to_numpy()
    if not len(values):
        return None
    edges = _edges(values)
    inside = values[(values >= edges[0]) & (values <= edges[-1])]
    place = np.minimum(np.searchsorted(edges, inside, side="right") - 1, len(edges) - 2)
    counts = np.bincount(place, minlength=len(edges) - 1)
    return Bins(
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        below=int((values < edges[0]).sum()),
        above=int((values > edges[-1]).sum()),
        skew=skewness(values),
        log_skew=skewness(np.log1p(values)) if values.min() >= 0 else None,
    )


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """At least two rising edges."""
    low, high = robust_range(values)
    if low == math.nextafter(math.inf, 0):  # nothing is beyond it
        return np.array([math.nextafter(low, 0), low])
    if low == high:
        return np.array([low, np.nextafter(high, math.inf)])
    whole = abs(low) < 2**52 and abs(high) < 2**52 and bool((values == np.round(values)).all())
    if whole:
        width = math.ceil((high - low + 1) / MOST_BINS)
        first = math.floor(low)
        return np.arange(first, math.ceil(high) + width + 1, width, dtype=np.float64) - 0.5
    wanted = int(np.clip(math.sqrt(len(values)), 5, MOST_BINS))
    shares = np.linspace(0.0, 1.0, wanted + 1)
    edges = np.unique(low * (1 - shares) + high * shares)  # no high - low, which may be beyond float64
    edges[0], edges[-1] = low, high
    return edges


def skewness(values: NDArray[np.float64]) -> float | None:
    """The third standardised moment; None for fewer than three values or no spread.

    Source: Joanes and Gill 1998, "Comparing measures of sample skewness and kurtosis", g1.

    >>> skewness(np.array([0.0, 0.0, 1.0, 1.0]))
    0.0
    """
    if len(values) < 3:
        return None
    scale = float(np.abs(values).max()) or 1.0
    centred = values / scale - (values / scale).mean()
    spread = math.sqrt(float((centred**2).mean()))
    return finite((centred**3).mean() / spread**3) if spread > 1e-12 else None


def spans_of(seconds: pl.Series) -> Spans | None:
    """Rows per calendar unit, at most 60 units; times far from the rest are counted but not drawn. None without a time."""
    known = seconds.drop_nulls()
    if known.is_empty():
        return None
    low, high = robust_range(known.to_numpy())
    inside = known.filter((known >= low) & (known <= high))
    found = periods_of(inside, MOST_SPANS)
    counts = np.bincount(found.place, minlength=len(found.starts))
    return Spans(found.unit, found.starts, tuple(counts.tolist()), int((known < low).sum()), int((known > high).sum()))


def lengths_of(texts: pl.Series) -> Bins | None:
    """The histogram of the lengths in characters."""
    import polars as pl

    return bins_of(texts.str.len_chars().cast(pl.Float64))


def words_of(texts: pl.Series) -> tuple[tuple[str, int], ...]:
    """The twenty most frequent words of two letters or more, in lower case, and in how many of the first rows each is."""
    import polars as pl

    read = texts.drop_nulls().head(TEXT_ROWS).str.slice(0, TEXT_LENGTH).str.to_lowercase()
    found = read.str.extract_all(r"[\p{L}\p{N}_']{2,}").list.unique().explode(empty_as_null=False).alias("word").to_frame()
    counted = found.drop_nulls().group_by("word").len("rows").sort(pl.col("rows"), pl.col("word"), descending=[True, False])
    return tuple((str(word)[:40], int(rows)) for word, rows in counted.head(MOST_WORDS).rows())
