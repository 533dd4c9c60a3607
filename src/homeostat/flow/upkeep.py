"""What a model would cost and earn, from the quick one really compiled and timed: seconds, megabytes, milliseconds, money a month."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from homeostat.charter.evidence import Balance, Cost

if TYPE_CHECKING:
    from homeostat.flow.quick import Bench
    from homeostat.stats.kernels import Floats

MOST_ROWS = 1_000


def cost(bench: Bench) -> Cost:
    """The quick model packed and timed, and how long the charter's search will take at this speed, on all rows."""
    from homeostat.flow.footprint import measure_footprint
    from homeostat.serving.bundle import build, pack

    charter, rows = bench.charter, bench.parts.validation.head(MOST_ROWS)
    plan = bench.quick.candidate.plan
    bundle = build(plan, name=charter.name, sample=rows, ignored=(), facts={}, created="")
    budget, trial = charter.learning.budget, float(np.mean([each.seconds for each in bench.tried])) * bench.every
    first = trial * (len(bench.tried) + 1)  # each learner once, and the winner again on all rows
    seconds = max(first, min(budget.seconds or math.inf, trial * budget.trials if budget.trials else math.inf))
    seconds = seconds if math.isfinite(seconds) else first
    trials = (budget.seconds or math.inf) / trial if trial else math.inf
    return Cost(
        trial, seconds, min(trials, budget.trials or math.inf), len(pack(bundle)) / 1e6, measure_footprint(bundle, rows).latency_p99_ms
    )


def balance(bench: Bench) -> Balance | None:
    """What the quick model earns a month more than the baseline, less what it costs; None where the charter says too little."""
    from homeostat.stats.intervals import bootstrap_mean
    from homeostat.stats.resample import Resampling

    value = bench.charter.value
    ours, theirs = (_earned(bench, scores) for scores in (bench.quick.scores, bench.baseline))
    if ours is None or theirs is None or value.rows_per_month is None:
        return None
    gained = ours - theirs
    low, high = bootstrap_mean(gained[np.isfinite(gained)], Resampling(bench.confidence, 1000, bench.seed, bench.block))
    costs = value.per_month + value.per_prediction * value.rows_per_month
    monthly = [each * value.rows_per_month - costs for each in (float(np.nanmean(gained)), low, high)]
    return Balance(value.currency, monthly[0], monthly[1], monthly[2], costs)


def _earned(bench: Bench, scores: Floats) -> Floats | None:
    """Money per judged row (n,) when decisions follow these scores; None where the charter does not say."""
    from homeostat.evaluation.evaluate import Decided, value_per_row
    from homeostat.flow.amounts import amounts

    decided = Decided(bench.quick.candidate.plan.threshold, amounts(bench.charter, bench.parts.validation))
    return value_per_row(bench.quick.y, scores, bench.classes, bench.charter.value, decided)
