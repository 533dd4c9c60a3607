"""The evidence of a feasibility verdict, measured piece by piece on the rows a training may see and the rows that judge it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from homeostat.charter.evidence import SIGNAL_CONFIDENCE, Compared, Evidence
from homeostat.core.targets import encode_target
from homeostat.flow.carriers import carried, repeated
from homeostat.flow.outlook import ceiling, learning_curve_of, metric_spread, power_against
from homeostat.flow.quick import Bench, open_bench
from homeostat.flow.upkeep import balance, cost

if TYPE_CHECKING:
    from homeostat.charter.schema import Charter
    from homeostat.core.ports import Progress
    from homeostat.core.records import Split
    from homeostat.stats.kernels import Floats


SIGNAL_RESAMPLES = 3_000
"""A rare chance is read off the outermost of them."""


def measure(charter: Charter, parts: Split, rows: int, progress: Progress | None = None) -> Evidence:
    """All evidence for a split of ``rows`` rows. Without a signal only what says so is measured.

    Raises:
        LearningError: no model can be fitted on these rows or columns.
    """
    say = progress.update if progress else _silent
    say("fit a quick model")
    bench = open_bench(charter, parts)
    say("compare it with the naive baseline and a rule of thumb")
    found = _compared(bench, rows)
    if not found.signal:
        return found
    say("draw a learning curve")
    curve, earlier = learning_curve_of(bench)
    say("look for noise and for what carries the skill")
    found = replace(found, ceiling=ceiling(bench), carried=carried(bench), repeated=repeated(bench))
    say("compile and time the quick model")
    return replace(
        found,
        curve=curve,
        power=power_against(bench, bench.baseline, charter.success.improvement) if charter.success.baseline.kind != "none" else None,
        champion_power=power_against(bench, earlier, charter.success.champion_margin),
        spread=metric_spread(bench),
        cost=cost(bench),
        balance=balance(bench),
    )


def _silent(message: str) -> None:
    """Progress that nobody asked for."""


def _compared(bench: Bench, rows: int) -> Evidence:
    from homeostat.stats.intervals import bootstrap

    quick, measured, charter = bench.quick, bench.metric, bench.charter
    other = charter.success.baseline.kind not in ("naive", "none")
    rule = _rule(bench)
    low, high = bootstrap(measured, quick.y, quick.scores, confidence=bench.after_choice, seed=bench.seed, block=bench.block)
    return Evidence(
        metric=measured.name,
        greater_is_better=measured.greater_is_better,
        learner=quick.candidate.learner,
        quick=measured.score(quick.y, quick.scores),
        low=low,
        high=high,
        naive=_against(bench, "naive", "always the same answer", bench.naive),
        signal_low=_signal(bench, rule[1] if rule else None),
        rows=rows,
        judged_rows=len(quick.y),
        holdout_rows=bench.parts.holdout.height,
        every=bench.every,
        baseline=_against(bench, charter.success.baseline.label(), "the charter's baseline", bench.baseline) if other else None,
        rule=_against(bench, "rule of thumb", *rule) if rule else None,
    )


def _signal(bench: Bench, rule: Floats | None) -> float:
    """The share of the naive error that something surely saves: the best low end of all quick models and the rule.

    All of them are looked at, so each is tested at its part of the accepted chance of a false alarm (Bonferroni).
    """
    from homeostat.stats.paired import paired_bootstrap

    found = [each.scores for each in bench.tried] + ([rule] if rule is not None else [])
    strict = 1 - (1 - max(SIGNAL_CONFIDENCE, bench.confidence)) / len(found)
    lows = [
        paired_bootstrap(
            bench.metric,
            bench.quick.y,
            scores,
            bench.naive,
            confidence=strict,
            resamples=SIGNAL_RESAMPLES,
            seed=bench.seed,
            block=bench.block,
        ).low
        for scores in found
    ]
    return float(np.max(np.nan_to_num(lows, nan=-np.inf)))


def _against(bench: Bench, name: str, words: str, theirs: Floats) -> Compared:
    """The quick model against a reference's scores (n, k) of the judged rows."""
    from homeostat.stats.paired import paired_bootstrap

    quick = bench.quick
    found = paired_bootstrap(bench.metric, quick.y, quick.scores, theirs, confidence=bench.after_choice, seed=bench.seed, block=bench.block)
    return Compared(name, words, found.theirs, found.difference, found.low, found.high)


def _rule(bench: Bench) -> tuple[str, Floats] | None:
    """The best rule of thumb in words, and its scores (n, k) of the judged rows."""
    from homeostat.learning.learner import Goal
    from homeostat.learning.rule_of_thumb import few_values, rule_of_thumb, tabulate

    task, train, inputs = bench.charter.task, bench.parts.train, bench.quick.candidate.plan.inputs
    values = few_values(inputs, train)
    y = encode_target(train[task.target], bench.classes)
    rule = rule_of_thumb(tabulate(inputs, train, values), y, Goal(task.type, bench.classes, bench.metric))
    return None if rule is None else (rule.words, rule.predict(tabulate(inputs, bench.parts.validation, values)))
