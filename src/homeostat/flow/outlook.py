"""What can be expected of the holdout and of more rows: power, learning curve, noise ceiling."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.records import Split
from homeostat.flow.quick import Bench, fit_on, set_aside

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.stats.kernels import Floats
    from homeostat.stats.learning_curve import LearningCurve
    from homeostat.stats.noise import Ceiling
    from homeostat.stats.power import Power

SHARES = ((1 / 16, 3), (1 / 8, 3), (1 / 4, 2), (1 / 2, 2), (3 / 4, 1), (1.0, 1))
"""Shares of the rows a curve is measured at, and how often: the smaller, the more it is chance which rows they are."""
MOST_CELLS = 1_000_000
"""Values (rows times columns) up to which a size is measured more than once."""
DRAWS = 200
FEWEST_ROWS = 40
NEAR_ROWS = 4_000
CLOSEST_LABELS, CLOSEST_ERRORS = 0.2, 0.5
"""Shares of the pairs of near rows that are compared: errors of a model differ less with the inputs than labels do."""


def power_against(bench: Bench, theirs: Floats, margin: float) -> Power:
    """The power of the gate that compares with such a reference on the holdout, from the spread on the judged rows.

    Where rows in time order were thinned, what hangs together is counted in spans of time, not in rows: the holdout counts as thinned.
    """
    from homeostat.stats.power import power_of_gain

    quick = bench.quick
    return power_of_gain(
        bench.metric,
        quick.y,
        quick.scores,
        theirs,
        rows=_holdout_rows(bench),
        margin=margin,
        confidence=bench.confidence,
        seed=bench.seed,
        block=bench.block,
    )


def metric_spread(bench: Bench) -> float:
    """Standard deviation of the metric itself on the holdout, from the bootstrap on the judged rows; NaN where it is undefined."""
    from homeostat.stats.intervals import bootstrap

    one = NormalDist().cdf(1) - NormalDist().cdf(-1)
    quick = bench.quick
    low, high = bootstrap(bench.metric, quick.y, quick.scores, confidence=one, resamples=500, seed=bench.seed, block=bench.block)
    return (high - low) / 2 * math.sqrt(len(quick.y) / max(_holdout_rows(bench), 1))


def _holdout_rows(bench: Bench) -> int:
    rows = bench.parts.holdout.height
    return rows if bench.charter.task.time is None else max(1, rows // bench.every)


def learning_curve_of(bench: Bench) -> tuple[LearningCurve | None, Floats]:
    """The curve of the quick model's learner over random samples of its training rows, and the scores of the one fitted on half of them.

    None for the curve where there are too few rows, or a sample lacks a class.
    """
    from homeostat.errors import LearningError, Refusal
    from homeostat.stats.learning_curve import learning_curve, measured_errors
    from homeostat.stats.resample import Resampling

    cut = set_aside(bench.parts.train)
    small = cut.train.height * cut.train.width <= MOST_CELLS
    rng = np.random.default_rng(bench.seed)
    sizes: list[int] = []
    scores: list[Floats] = []
    for share, repeats in SHARES:
        size = int(share * cut.train.height)
        for _ in range((repeats if small else 1) if size >= FEWEST_ROWS else 0):
            chosen = np.sort(rng.choice(cut.train.height, size, replace=False))
            try:
                fitted = fit_on(
                    bench.charter,
                    Split(cut.train[chosen], cut.validation, cut.holdout),
                    bench.parts.validation,
                    bench.quick.candidate.learner,
                    bench.classes,
                    refit=False,
                )
            except (LearningError, Refusal):
                continue  # a small sample may lack a class: one point of the curve less
            sizes.append(size)
            scores.append(fitted.scores)
    half = [one for size, one in zip(sizes, scores, strict=True) if size <= cut.train.height // 2]
    earlier = half[-1] if half else bench.naive
    if not scores:
        return None, earlier
    how = Resampling(bench.confidence, DRAWS, bench.seed, bench.block)
    errors, draws = measured_errors(bench.metric, bench.quick.y, scores, how)
    return learning_curve(sizes, errors, draws, confidence=bench.confidence, seed=bench.seed), earlier


def ceiling(bench: Bench) -> Ceiling | None:
    """The best that these inputs allow: a bound from rows with equal inputs, else an estimate from near ones, else None.

    Near rows are judged rows, and for a number what is compared is the quick model's error on them, which takes away most of what their
    inputs differ by. An estimate that the quick model beats is none.
    """
    import polars as pl

    from homeostat.core.targets import encode_target
    from homeostat.stats.metrics import METRICS, better
    from homeostat.stats.noise import near_twins, noise_ceiling
    from homeostat.stats.resample import Resampling

    how = Resampling(bench.confidence, 500, bench.seed)
    task, quick, name = bench.charter.task, bench.quick, bench.metric.name
    seen = pl.concat([bench.parts.train, bench.parts.validation])
    y = encode_target(seen[task.target], bench.classes)
    exact = noise_ceiling(name, y, _equal(_features(bench, seen)), classes=len(bench.classes), how=how)
    if exact is not None:
        return exact
    chosen = np.arange(len(quick.y))[:: max(1, len(quick.y) // NEAR_ROWS)]
    groups = near_twins(_features(bench, bench.parts.validation[chosen]), closest=CLOSEST_LABELS if bench.classes else CLOSEST_ERRORS)
    rest = quick.y[chosen] if bench.classes else quick.y[chosen] - quick.scores[chosen, 0]
    near = noise_ceiling(name, rest, groups, classes=len(bench.classes), exact=False, how=how)
    if near is None or name == "r2":  # the variance of what is left is not that of the target
        return None
    bound = METRICS[near.metric]
    reached = bound.score(quick.y, quick.scores)
    return None if better(bound, reached, near.high if near.greater_is_better else near.low) else near


def _features(bench: Bench, frame: pl.DataFrame) -> Floats:
    """What the quick model sees of the rows: numbers and category codes, side by side."""
    from homeostat.graph.decode import decode_frame

    return np.hstack(decode_frame(bench.quick.candidate.plan.inputs, frame))


def _equal(features: Floats) -> NDArray[np.int64]:
    """Equal rows, equal numbers."""
    import polars as pl

    if features.shape[1] == 0:
        return np.zeros(len(features), dtype=np.int64)
    keys = pl.DataFrame(features).hash_rows().to_numpy()
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)
