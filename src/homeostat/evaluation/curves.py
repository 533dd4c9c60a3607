"""What the report draws of a candidate on judged rows, as frozen records of plain numbers: nothing here draws or reads anything.

Binary tasks: y is what came, ``(n,)``, 1 is positive; ``said`` is the probability of the positive class, ``(n,)``. All values finite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats import calibration
from homeostat.stats.intervals import wilson
from homeostat.stats.kernels import share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from homeostat.stats.kernels import Floats

MOST_POINTS = 200
"""Points of a curve that are kept."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows of like probability: their mean probability ``said``, the share that ``came``, and the interval of that share."""

    rows: int
    said: float
    came: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class BrierParts:
    """Brier = reliability - resolution + uncertainty + within. ``within`` is what bins hide: the spread of probabilities inside them."""

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


@dataclass(frozen=True, slots=True)
class ThresholdPoint:
    """The decision "positive from this threshold on": rates among all rows, and ``value`` per row in money where there is any.

    ``recall`` is the true positive rate. A rate of nothing is None: precision without a positive decision, recall without positives.
    """

    threshold: float
    acted: float
    recall: float | None
    false_positive_rate: float | None
    precision: float | None
    f1: float
    value: float | None = None


@dataclass(frozen=True, slots=True)
class ThresholdCurve:
    """The points by falling threshold, from never acting to always; the served one (``chosen``) and the one that earned most (``best``).

    ``best`` is None without money. It is best on these very rows, so a part of its lead is chance.
    """

    points: tuple[ThresholdPoint, ...]
    chosen: ThresholdPoint
    best: ThresholdPoint | None


@dataclass(frozen=True, slots=True)
class ShiftCurve:
    """Regression in money: the value per row if every prediction were ``shifts[i]`` higher; 0 is what is served."""

    shifts: tuple[float, ...]
    values: tuple[float, ...]
    served: float
    best_shift: float
    best: float


@dataclass(frozen=True, slots=True)
class ResidualBin:
    """Rows of like prediction: mean prediction, mean of truth less prediction with its interval, and quantiles of that difference."""

    rows: int
    prediction: float
    mean: float
    low: float
    high: float
    quantiles: tuple[float, ...]


RESIDUAL_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, slots=True)
class Period:
    """The mean loss of the rows of one period: ours and the baseline's, None where that has no answer."""

    start: str
    rows: int
    ours: float
    baseline: float | None


def reliability(y: Floats, said: Floats, confidence: float = 0.95, bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """The reliability diagram over bins of equal mass, with Wilson intervals. Source: Murphy & Winkler 1977; Wilson 1927.

    >>> reliability(np.array([0.0, 1.0]), np.array([0.2, 0.7]), bins=1)[0].came
    0.5
    """
    found = calibration.reliability(y == 1, said, bins)
    return tuple(
        ReliabilityBin(int(n), float(mean), float(share), *wilson(float(share * n), float(n), confidence))
        for n, mean, share in zip(found.rows, found.said, found.came, strict=True)
    )


def brier_parts(y: Floats, said: Floats, bins: int = 15) -> BrierParts:
    """The Brier score in parts, over bins of equal mass; they add up exactly.

    Source: Murphy 1973; the part within bins: Stephenson, Coelho & Jolliffe 2008, equation 8.
    """
    came, found = (y == 1).astype(np.float64), calibration.reliability(y == 1, said, bins)
    base, mass = came.mean(), found.rows / len(y)
    brier = float(np.mean((said - came) ** 2))
    apart, resolved, uncertain = mass @ (found.said - found.came) ** 2, mass @ (found.came - base) ** 2, base * (1 - base)
    return BrierParts(brier, float(apart), float(resolved), float(uncertain), float(brier - apart + resolved - uncertain))


def threshold_curve(y: Floats, said: Floats, chosen: float, money: tuple[Floats, Floats] | None = None) -> ThresholdCurve:
    """What each threshold would have decided: ROC, precision and recall, gain and money are all drawn from these points.

    Every distinct score is a threshold; of many, ``MOST_POINTS`` are kept, evenly by rank, and always the ends and the best.

    Args:
        y: what came.
        said: probabilities.
        chosen: the threshold that is served.
        money: each row's value when acted on and when left alone, ``(n,)`` both; NaN for rows without an amount, which count for nothing.
    """
    order = np.argsort(-said, kind="stable")
    scores, came = said[order], (y == 1)[order].astype(np.float64)
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    acted = np.append(0, ends + 1)
    hits = np.append(0.0, np.cumsum(came)[ends])
    thresholds = np.append(np.nextafter(max(1.0, scores[0]), 2.0), scores[ends])
    values = None if money is None else _values(money, order, ends)

    def point(at: int, threshold: float) -> ThresholdPoint:
        n, positives = len(y), float(came.sum())
        tp, fp = float(hits[at]), float(acted[at] - hits[at])
        return ThresholdPoint(
            threshold=threshold,
            acted=float(acted[at]) / n,
            recall=tp / positives if positives else None,
            false_positive_rate=fp / (n - positives) if n > positives else None,
            precision=tp / float(acted[at]) if acted[at] else None,
            f1=2 * tp / (float(acted[at]) + positives) if acted[at] + positives else 0.0,
            value=None if values is None else float(values[at]),
        )

    served = int(np.searchsorted(-thresholds, -chosen, side="right")) - 1
    best = None if values is None else int(np.argmax(values))
    kept = _spread(len(acted), {0, len(acted) - 1, max(served, 0)} | (set() if best is None else {best}))
    return ThresholdCurve(
        tuple(point(at, float(thresholds[at])) for at in kept),
        point(max(served, 0), chosen),
        None if best is None else point(best, float(thresholds[best])),
    )


def _values(money: tuple[Floats, Floats], order: NDArray[np.intp], ends: NDArray[np.intp]) -> Floats:
    """The mean value of a row at each threshold, never acting first."""
    acting, idle = money
    known = np.isfinite(acting) & np.isfinite(idle)
    rows = max(int(known.sum()), 1)
    gains = np.where(known, acting - idle, 0.0)[order]
    return np.asarray((np.where(known, idle, 0.0).sum() + np.append(0.0, np.cumsum(gains)[ends])) / rows, dtype=np.float64)


def _spread(count: int, always: set[int]) -> list[int]:
    """At most ``MOST_POINTS`` places, evenly, and those in ``always``."""
    evenly = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(np.int64))
    return sorted({*evenly.tolist(), *always})


def shift_curve(y: Floats, prediction: Floats, over: float, under: float, points: int = 41) -> ShiftCurve:
    """What predictions would have earned (lost, below 0) if all were higher or lower: between the 2 % and 98 % points of the errors.

    The best shift is the ``under / (under + over)`` quantile of truth less prediction. Source: Koenker & Bassett 1978.
    """
    left = y - prediction

    def value(shift: float) -> float:
        short = left - shift
        return float(-np.mean(under * np.maximum(short, 0) + over * np.maximum(-short, 0)))

    best = float(np.quantile(left, under / (under + over), method="inverted_cdf"))
    low, high = np.quantile(left, (0.02, 0.98))
    shifts = sorted({*np.linspace(low, high, points).tolist(), 0.0, best})
    return ShiftCurve(tuple(shifts), tuple(value(shift) for shift in shifts), value(0.0), best, value(best))


def residual_bins(y: Floats, prediction: Floats, bins: int = 10) -> tuple[ResidualBin, ...]:
    """Truth less prediction by tenths of the prediction; the interval of a mean is by its standard error (95 %)."""
    left, place = y - prediction, calibration.equal_mass_bins(prediction, bins)
    found = []
    for at in range(int(place.max()) + 1 if len(place) else 0):
        mine = left[place == at]
        half = 1.96 * float(mine.std(ddof=1)) / np.sqrt(len(mine)) if len(mine) > 1 else 0.0
        mean = float(mine.mean())
        spread = tuple(float(each) for each in np.quantile(mine, RESIDUAL_QUANTILES))
        found.append(ResidualBin(len(mine), float(prediction[place == at].mean()), mean, float(mean - half), float(mean + half), spread))
    return tuple(found)


def loss_over_time(starts: Sequence[str], place: NDArray[np.int64], ours: Floats, baseline: Floats | None) -> tuple[Period, ...]:
    """Mean losses of the rows of each period that has any.

    Args:
        starts: names of the periods.
        place: the period of each row.
        ours: our loss per row.
        baseline: the baseline's, or None.
    """
    rows = np.bincount(place, minlength=len(starts)).astype(np.float64)

    def mean(losses: Floats) -> Floats:
        return share(np.bincount(place, losses, minlength=len(starts)).astype(np.float64), rows)

    means, theirs = mean(ours), None if baseline is None else mean(baseline)
    return tuple(
        Period(start, int(rows[at]), float(means[at]), None if theirs is None else float(theirs[at]))
        for at, start in enumerate(starts)
        if rows[at]
    )


def confusion(y: Floats, decided: Floats, classes: int) -> tuple[tuple[int, ...], ...]:
    """How often each class that came (row) was decided as each class (column); rows of unknown classes are left out.

    >>> confusion(np.array([0.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0]), 2)
    ((1, 0), (1, 1))
    """
    known = y >= 0
    flat = (y[known] * classes + decided[known]).astype(np.int64)
    return tuple(tuple(row) for row in np.bincount(flat, minlength=classes**2).reshape(classes, classes).tolist())
