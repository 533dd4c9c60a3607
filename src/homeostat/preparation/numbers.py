"""Numbers in training rows: where they lie, how skewed they are, and what straightens and fills them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats

Transform = Literal["none", "log", "yeo_johnson"]

STEPS = 10
"""Numbers with no more distinct values than this are codes, counts or switches: each value counts, and none is straightened."""
CLIPPED_SHARE = 0.001
"""Share of a number's values beyond each limit: one wild value must not move a linear score at will."""
FAR = 3.0
"""Interquartile ranges beyond the quartiles from which a value is called far out. Source: Tukey, "Exploratory Data Analysis" (1977)."""
SKEWED = 5.0
"""Absolute skewness, within the limits, from which a number is straightened; what is less skewed gained nothing where it was measured."""
LOOKED_AT = 100_000
"""Values by which shape is judged, spread over all rows."""
MOST_BENT = 5.0
"""The largest power, up or down, that is fitted: beyond it rounding eats what is gained."""


def few_steps(known: Floats) -> bool:
    """Whether there are at most ``STEPS`` distinct values."""
    return len(np.unique(known[:1_000])) <= STEPS and len(np.unique(known)) <= STEPS


def limits(known: Floats) -> tuple[float, float]:
    """Where all but ``CLIPPED_SHARE`` of the values on each side lie, or all of few distinct ones; without values no limits."""
    if not len(known):
        return -np.inf, np.inf
    if few_steps(known):
        return float(known.min()), float(known.max())
    low, high = np.quantile(known, [CLIPPED_SHARE, 1 - CLIPPED_SHARE])
    return float(low), float(high)


def far_out(known: Floats) -> float:
    """The share of values further than ``FAR`` interquartile ranges beyond the quartiles.

    >>> far_out(np.array([1.0, 2.0, 3.0, 4.0, 500.0]))
    0.2
    """
    low, high = np.quantile(known, [0.25, 0.75])
    reach = FAR * (high - low)
    return float(np.mean((known < low - reach) | (known > high + reach)))


def skewness(known: Floats) -> float:
    """The third standardised moment; 0 where nothing varies.

    >>> skewness(np.array([1.0, 2.0, 3.0]))
    0.0
    """
    centred = known - known.mean()
    spread = float(np.sqrt((centred**2).mean()))
    return float(((centred / spread) ** 3).mean()) if spread > 1e-12 * max(1.0, float(np.abs(known).max())) else 0.0


def straightened(known: Floats, transform: Transform, power: float = 1.0) -> Floats:
    """The values transformed, as the ``Power`` node does: ``log`` is lambda 0."""
    from homeostat.graph.interpret import powered

    if transform == "none":
        return known
    return powered(known[:, None], np.array([0.0 if transform == "log" else power]))[:, 0]


def straightening(known: Floats) -> tuple[Transform, float]:
    """What makes values least skewed, and their skewness within the limits: ``log`` is preferred where none is below 0.

    Values that are not skewed, or that neither transform straightens by half, stay as they are.
    """
    low, high = limits(known)
    inside = np.clip(known, low, high)
    before = skewness(inside)
    if abs(before) <= SKEWED:
        return "none", before
    if known.min() >= 0 and abs(skewness(straightened(inside, "log"))) <= abs(before) / 2:
        return "log", before
    if abs(skewness(straightened(inside, "yeo_johnson", best_power(inside)))) <= abs(before) / 2:
        return "yeo_johnson", before
    return "none", before


def best_power(known: Floats) -> float:
    """The Yeo-Johnson lambda under which values look most normal, by maximum likelihood, to six decimals; 1 where nothing varies.

    Source: Yeo and Johnson (Biometrika 2000), section 3.
    """
    from scipy.optimize import minimize_scalar
    from scipy.stats import yeojohnson_llf

    if len(known) < 2 or known.min() == known.max():
        return 1.0
    with np.errstate(all="ignore"):  # powers that overflow are no better than others, and are passed over
        found = minimize_scalar(lambda power: _cost(yeojohnson_llf(power, known)), bounds=(-MOST_BENT, MOST_BENT), method="bounded")
    return round(float(found.x), 6)


def _cost(likelihood: float) -> float:
    return -float(likelihood) if np.isfinite(likelihood) else 1e300


def filling(known: Floats, impute: str) -> float:
    """What stands in for a null; 0 where there is no value to go by."""
    if impute == "zero" or not len(known):
        return 0.0
    return float(np.median(known) if impute == "median" else known.mean())
