"""What the measured evidence says against a goal: skill, power, ceiling, leaks that only a model shows, cost and money."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from homeostat.charter.evidence import Evidence
    from homeostat.charter.schema import Charter
    from homeostat.stats.power import Power

FEWEST_TRIALS = 5
MOST_REPEATED = 0.01
UNLIKELY = 0.2  # chance of reaching a threshold below which it is far


@dataclass(frozen=True, slots=True)
class Reason:
    """One argument: how much it weighs, a stable name, a sentence, the number behind it, and the clause to change.

    A question is for a person to answer and weighs nothing.
    """

    weight: Literal["no-go", "risk", "question"]
    code: str
    message: str
    number: float
    clause: str


def reasons_of(charter: Charter, evidence: Evidence) -> Iterator[Reason]:
    """The reasons in the evidence, in the order of the questions: is there anything to learn, can it be shown, does it pay."""
    yield from _skill(charter, evidence)
    if evidence.signal:
        yield from _rule(evidence)
        yield from _threshold(charter, evidence)
        yield from _ceiling(charter, evidence)
        yield from _power(charter, evidence)
        yield from _carried(evidence)
        yield from _cost(charter, evidence)
        yield from _balance(evidence)


def _skill(charter: Charter, evidence: Evidence) -> Iterator[Reason]:
    success, naive, reference = charter.success, evidence.naive, evidence.reference
    if not evidence.signal:  # NaN as well: what cannot be measured is not shown
        message = (
            f"nothing beyond chance was learned: {evidence.metric} {evidence.quick:.4g} against the naive {naive.value:.4g}, "
            f"at least {evidence.signal_low:.1%} less error"
        )
        yield Reason("no-go", "no_signal", message, evidence.signal_low, "task.leave_out")
        return
    asked, low, high = success.improvement, reference.low, reference.high
    bounds = f"{evidence.metric} {evidence.quick:.4g} against {reference.value:.4g}, {low:.1%} to {high:.1%} less error"
    if success.baseline.kind == "none":
        return
    if high < asked or (asked == 0 and high <= 0):
        message = f"{asked:.1%} less error than the {reference.name} baseline is out of a quick model's reach ({bounds})"
        yield Reason("no-go", "improvement_out_of_reach", message, high, "success.improvement")
    elif low <= asked and (asked > 0 or evidence.baseline is not None):
        message = f"{asked:.1%} less error than the {reference.name} baseline is not certain ({bounds})"
        yield Reason("risk", "improvement_uncertain", message, low, "success.improvement")


def _rule(evidence: Evidence) -> Iterator[Reason]:
    rule = evidence.rule
    if rule is not None and not rule.low > 0:
        message = (
            f"a rule of thumb does as well: {rule.words} ({evidence.metric} {rule.value:.4g} against {evidence.quick:.4g}, "
            f"{rule.low:.1%} to {rule.high:.1%} less error)"
        )
        yield Reason("risk", "rule_suffices", message, rule.low, "success.baseline")


def _threshold(charter: Charter, evidence: Evidence) -> Iterator[Reason]:
    """The quick model would hardly reach the threshold on the holdout."""
    threshold = charter.success.threshold
    if threshold is None:
        return
    ahead = evidence.quick - threshold if evidence.greater_is_better else threshold - evidence.quick
    spread = evidence.spread
    chance = NormalDist().cdf(ahead / spread) if spread > 0 else float(ahead >= 0)
    if ahead < 0 and chance < UNLIKELY:
        message = (
            f"{evidence.metric} {evidence.quick:.4g} of a quick model ({evidence.low:.4g} to {evidence.high:.4g}) is {-ahead:.3g} short "
            f"of {threshold:g}{_with_more_rows(evidence, threshold)}"
        )
        yield Reason("risk", "threshold_far", message, evidence.quick, "success.threshold")


def _with_more_rows(evidence: Evidence, threshold: float) -> str:
    """What the learning curve says about reaching the threshold with more rows; nothing where it cannot be followed."""
    curve = evidence.curve
    if curve is None or not curve.trustworthy:
        return ""
    wanted = 1 - threshold if evidence.greater_is_better else threshold
    for ahead in curve.forecasts:
        if ahead.error <= wanted and math.isfinite(ahead.rows):
            return f"; about {ahead.rows / curve.sizes[-1]:g} times the rows would do"
    return "; more rows alone won't do"


def _ceiling(charter: Charter, evidence: Evidence) -> Iterator[Reason]:
    """The threshold lies beyond what rows with equal inputs allow."""
    threshold, ceiling = charter.success.threshold, evidence.ceiling
    if threshold is None or ceiling is None or ceiling.metric != evidence.metric:
        return
    best = ceiling.high if ceiling.greater_is_better else ceiling.low
    if threshold > best if ceiling.greater_is_better else threshold < best:
        kind = "equal" if ceiling.exact else "near"
        message = (
            f"{ceiling.rows} rows with {kind} inputs differ so much in the target that {ceiling.metric} {ceiling.value:.4g} "
            f"({ceiling.low:.4g} to {ceiling.high:.4g}) is the best possible; {threshold:g} is asked"
        )
        yield Reason("no-go" if ceiling.exact else "risk", "above_ceiling", message, ceiling.value, "success.threshold")


def _power(charter: Charter, evidence: Evidence) -> Iterator[Reason]:
    success = charter.success
    power = evidence.power
    if power is not None and math.isfinite(power.spread) and evidence.reference.high > power.margin:
        saving, chance = evidence.reference.saving, evidence.announced_power
        if chance < power.power:
            message = (
                f"with {evidence.holdout_rows} holdout rows the gate would pass a model as good as the quick one in {chance:.0%} of cases: "
                f"it shows {power.smallest:.1%} less error or more, not {saving:.1%}{_needed(power, saving, evidence)}"
            )
            yield Reason("risk", "low_power", message, chance, "preparation.holdout")
    power, margin = evidence.champion_power, success.champion_margin
    if power is not None and margin > 0 and power.smallest > 2 * margin:
        needed = _needed(power, 2 * margin, evidence, "twice the margin")
        message = f"a challenger must save {power.smallest:.1%} of the champion's error to show that it saves {margin:.1%}{needed}"
        yield Reason("question", "champion_power", message, power.smallest, "success.champion_margin")


def _needed(power: Power, saving: float, evidence: Evidence, what: str = "that") -> str:
    rows = power.rows_for(saving) * evidence.holdout_rows / power.rows
    return f"; for {what} {rows:,.0f} rows are needed" if math.isfinite(rows) else ""


def _carried(evidence: Evidence) -> Iterator[Reason]:
    found = evidence.carried
    if found is not None:
        names = " and ".join(found.columns)
        carries, known = ("carries", "is it") if len(found.columns) == 1 else ("carry", "are they")
        message = (
            f"{names} {carries} most of the skill: {found.saving:.0%} less error than naive with, "
            f"{found.without:.0%} without: {known} known when you predict?"
        )
        yield Reason("question", "carried", message, found.without, "task.leave_out")
    if evidence.repeated is not None and evidence.repeated > MOST_REPEATED:
        message = f"{evidence.repeated:.1%} of the judged rows stand among the training rows as well: copies flatter a model"
        yield Reason("risk", "repeated_rows", message, evidence.repeated, "preparation.split")


def _cost(charter: Charter, evidence: Evidence) -> Iterator[Reason]:
    cost, success, seconds = evidence.cost, charter.success, charter.learning.budget.seconds
    if cost is None:
        return
    if seconds is not None and cost.trials < FEWEST_TRIALS:
        message = f"about {cost.trials:.1f} trials fit into {seconds:g} s ({cost.seconds_per_trial:.2g} s each)"
        yield Reason("risk", "short_budget", message, cost.trials, "learning.budget.seconds")
    if success.latency_p99_ms is not None and cost.latency_p99_ms > success.latency_p99_ms:
        message = f"one prediction of the quick model takes {cost.latency_p99_ms:.3g} ms (p99), {success.latency_p99_ms:g} ms are allowed"
        yield Reason("risk", "slow", message, cost.latency_p99_ms, "success.latency_p99_ms")
    if success.size_mb is not None and cost.size_mb > success.size_mb:
        message = f"the quick model has {cost.size_mb:.3g} MB, {success.size_mb:g} MB are allowed"
        yield Reason("risk", "large", message, cost.size_mb, "success.size_mb")


def _balance(evidence: Evidence) -> Iterator[Reason]:
    found = evidence.balance
    if found is None or not math.isfinite(found.per_month):
        return
    told = f"{found.per_month:,.0f} {found.currency} a month ({found.low:,.0f} to {found.high:,.0f}) after costs of {found.costs:,.0f}"
    if found.per_month < 0:
        yield Reason("no-go", "costs_more", f"a quick model costs more than it earns over the baseline: {told}", found.per_month, "value")
    elif found.low < 0:
        yield Reason("risk", "may_cost_more", f"a quick model may cost more than it earns over the baseline: {told}", found.low, "value")
