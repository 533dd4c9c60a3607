"""How far more rows would help: an inverse power law through the errors of models fitted on growing numbers of rows.

error(n) = floor + scale * n ** -rate, with floor and scale at least 0. For a given rate that is linear least squares in two numbers,
so each fit is the best of a grid of rates, and thousands of resampled curves are fitted together.

Source: Cortes, Jackel, Solla, Vapnik & Denker 1993, "Learning curves: asymptotic values and rate of convergence", equation 1; larger
sizes weigh more, in proportion to their rows: Figueroa, Zeng-Treitler, Kandula & Ngo 2012, "Predicting sample size required for
classification performance", equation 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.stats.intervals import draw
from homeostat.stats.metrics import error_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.stats.kernels import Floats
    from homeostat.stats.metrics import Metric
    from homeostat.stats.resample import Resampling

RATES = np.geomspace(0.1, 2.0, 40)
"""Rates tried: below 0.1 a power law is a straight line to nowhere, above 2 a step."""
FEWEST_SIZES = 4
GOOD_FIT = 0.8


@dataclass(frozen=True, slots=True)
class Forecast:
    """The error expected with so many rows (infinite: all there could ever be), and the share of today's error that this saves."""

    rows: float
    error: float
    low: float
    high: float
    saving: float
    saving_low: float
    saving_high: float


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """The measured errors per size, the fitted law, and what it says of more rows.

    ``fit`` is the weighted share of the errors' variance that the law explains. ``falls`` is False when the error on the most rows
    is not below that on the fewest in nearly all resamples: then more rows are not shown to help at all.
    """

    sizes: tuple[int, ...]
    errors: tuple[float, ...]
    floor: float
    scale: float
    rate: float
    fit: float
    falls: bool
    forecasts: tuple[Forecast, ...]

    @property
    def trustworthy(self) -> bool:
        """Whether the law describes what was measured well enough to be followed beyond it."""
        return self.falls and self.fit >= GOOD_FIT


def fit_law(sizes: Floats, errors: Floats) -> tuple[Floats, Floats, Floats]:
    """Floors, scales and rates, each ``(b,)``, of the best laws for ``errors`` ``(b, m)`` at ``sizes`` ``(m,)``.

    >>> floors, scales, rates = fit_law(np.array([100.0, 200, 400, 800]), np.array([[1 + 9 / n**0.5 for n in (100, 200, 400, 800)]]))
    >>> round(float(floors[0]), 2), bool(0.45 < rates[0] < 0.55)
    (1.0, True)
    """
    weights = sizes / sizes.sum()
    basis = sizes[None, :] ** -RATES[:, None]  # (g, m)
    mean_b, mean_e = basis @ weights, errors @ weights  # (g,), (b,)
    spread = ((basis - mean_b[:, None]) ** 2) @ weights
    joint = (errors * weights) @ basis.T - mean_e[:, None] * mean_b[None, :]  # (b, g)
    scale = np.maximum(joint / spread, 0.0)
    floor = mean_e[:, None] - scale * mean_b
    below = floor < 0  # the best law with a floor of 0 goes through the origin of the basis
    through = ((errors * weights) @ basis.T) / ((basis**2) @ weights)
    scale, floor = np.where(below, through, scale), np.where(below, 0.0, floor)
    residual = errors[:, None, :] - floor[:, :, None] - scale[:, :, None] * basis[None, :, :]
    best = np.argmin((residual**2) @ weights, axis=1)
    rows = np.arange(len(errors))
    return floor[rows, best], scale[rows, best], RATES[best]


def measured_errors(metric: Metric, y: Floats, scores: Sequence[Floats], how: Resampling) -> tuple[Floats, Floats]:
    """The error of each model's scores, (k,), and on resampled judged rows, (b, k), all models on the same ones."""
    errors = np.array([error_of(metric, metric.score(y, one)) for one in scores])
    draws = draw([metric.prepare(y, one) for one in scores], len(y), how).T
    return errors, 1 - draws if metric.greater_is_better else draws


def learning_curve(
    sizes: Sequence[int],
    errors: Floats,
    draws: Floats,
    *,
    factors: Sequence[float] = (2.0, 4.0, np.inf),
    confidence: float = 0.95,
    seed: int = 0,
) -> LearningCurve | None:
    """The curve through models fitted on ``sizes`` rows, several models per size, all judged on the same rows.

    Args:
        sizes: rows behind each model, ``(k,)``.
        errors: error of each model, ``(k,)``.
        draws: error of each model on resampled judged rows, ``(b, k)``, all models on the same resample.
        factors: how many times the largest size to look ahead.
        confidence: of the intervals, two-sided.
        seed: of the choice of models: each resample also draws anew which models of a size are averaged.

    None with fewer than four sizes or without a finite error.
    """
    levels = np.unique(np.asarray(sizes))
    if len(levels) < FEWEST_SIZES or not np.isfinite(errors).all() or not len(draws) or not np.isfinite(draws).all():
        return None
    members = [np.flatnonzero(np.asarray(sizes) == level) for level in levels]
    rng = np.random.default_rng(seed)
    mean = np.array([[errors[chosen].mean() for chosen in members]])
    drawn = np.column_stack([_mean_of_drawn(draws[:, chosen], rng) for chosen in members])
    x = levels.astype(np.float64)
    floor, scale, rate = (float(part[0]) for part in fit_law(x, mean))
    law = (floor, scale, rate)
    laws = fit_law(x, drawn)
    explained = _explained(x, mean[0], law)
    falls = bool((drawn[:, 0] > drawn[:, -1]).mean() >= confidence)
    ahead = tuple(_forecast(float(x[-1]) * factor, float(x[-1]), law, laws, confidence) for factor in factors)
    return LearningCurve(tuple(int(n) for n in levels), tuple(mean[0].tolist()), floor, scale, rate, explained, falls, ahead)


def _mean_of_drawn(errors: Floats, rng: np.random.Generator) -> Floats:
    """For each resample the mean over as many models as there are, drawn with replacement: (b,)."""
    drawn = rng.integers(0, errors.shape[1], size=errors.shape)
    return np.asarray(np.take_along_axis(errors, drawn, axis=1).mean(axis=1))


def _explained(x: Floats, errors: Floats, law: tuple[float, float, float]) -> float:
    floor, scale, rate = law
    weights = x / x.sum()
    total = float(weights @ (errors - weights @ errors) ** 2)
    left = float(weights @ (errors - floor - scale * x**-rate) ** 2)
    return 1 - left / total if total > 0 else 0.0


def _forecast(rows: float, now: float, law: tuple[float, float, float], laws: tuple[Floats, Floats, Floats], confidence: float) -> Forecast:
    tails = ((1 - confidence) / 2, (1 + confidence) / 2)
    errors, today = laws[0] + laws[1] * rows ** -laws[2], laws[0] + laws[1] * now ** -laws[2]
    savings = np.divide(today - errors, today, out=np.zeros_like(today), where=today > 0)
    error, current = (law[0] + law[1] * n ** -law[2] for n in (rows, now))
    low, high = np.quantile(errors, tails)
    least, most = np.quantile(savings, tails)
    return Forecast(rows, error, float(low), float(high), 1 - error / current if current > 0 else 0.0, float(least), float(most))
