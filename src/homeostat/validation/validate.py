"""Put the evidence through the gates: a verdict with one result and one sentence per gate. What was not measured does not pass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.records import GateResult, Verdict
from homeostat.stats.calibration import BINS, expected_calibration_error
from homeostat.stats.coverage import inside, share_interval
from homeostat.stats.intervals import bootstrap
from homeostat.stats.metrics import better, error_of, metric
from homeostat.stats.paired_tests import TESTS, compare, right_test
from homeostat.stats.resample import Resampling
from homeostat.validation.gates import compile_gates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from homeostat.core.records import Score
    from homeostat.core.sections import Objective, Problem, Success
    from homeostat.stats.decisions import DecisionRule
    from homeostat.stats.kernels import Floats
    from homeostat.validation.gates import Evidence, Fields, Gate, GateName

    Judge = Callable[[Gate, Evidence, Success, int], GateResult]


def validate(
    evidence: Evidence,
    success: Success,
    seed: int = 0,
    problem: Problem | None = None,
    objectives: Sequence[Objective] = (),
    coverage: float | None = None,
) -> Verdict:
    """Judge a candidate by each gate of the charter's ``success`` section and of its objectives, with ``problem`` by the traffic too.

    With ``coverage`` its intervals must hold the truth as often as that.

    Same evidence and seed, same verdict.

    Raises:
        CharterError: HS112, no such metric.
        ValueError: the candidate's scores don't fit its y, or the metric.
    """
    gates = compile_gates(success, problem, objectives, coverage)
    return Verdict(tuple(_JUDGES[gate.name](gate, evidence, success, seed) for gate in gates))


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What a candidate is compared with: its scores (n, k) of the same rows, and how it decides."""

    scores: Floats
    rule: DecisionRule


def _result(gate: Gate, passed: bool, value: float | None, detail: str, limit: float | None = None) -> GateResult:
    """A result that any store can hold: what is not a finite number is None."""
    shown = value if value is not None and math.isfinite(value) else None
    return GateResult(
        " ".join(filter(None, (gate.name, gate.objective, gate.metric))),
        bool(passed),
        shown,
        gate.limit if limit is None else limit,
        f"{detail}: {'passed' if passed else 'failed'}",
    )


def _threshold(gate: Gate, evidence: Evidence, success: Success, seed: int) -> GateResult:
    """The success metric, or a guardrail's, is on the good side of the limit."""
    measured = metric(gate.metric or evidence.metric).by(evidence.rule)
    value, limit = measured.score(evidence.y, evidence.scores), gate.limit
    if limit is None or not math.isfinite(limit) or not math.isfinite(value):
        return _result(gate, False, value, _unmeasured(evidence, measured.name))
    low, high = bootstrap(measured, evidence.y, evidence.scores, confidence=success.confidence, seed=seed, block=evidence.block)
    passed = not better(measured, limit, value)
    side = "at least" if measured.greater_is_better else "at most"
    interval = f" ({_short(low)} to {_short(high)})" if math.isfinite(low) else ""
    return _result(gate, passed, value, f"{measured.name} {_short(value)}{interval} is {'' if passed else 'not '}{side} {_short(limit)}")


def _objective(gate: Gate, evidence: Evidence, _success: Success, _seed: int) -> GateResult:
    """The objective's own metric, as the evaluation measured it, is on the good side of its limit."""
    measured = metric(gate.metric)
    found = next((one for one in evidence.segment_scores if one.objective == gate.objective and one.metric == measured.name), None)
    if found is None or gate.limit is None:
        return _result(gate, False, None, f"{measured.name} of {gate.objective} was not measured")
    passed = not better(measured, gate.limit, found.value)
    side = "at least" if measured.greater_is_better else "at most"
    told = f"{measured.name} of {gate.objective} {_short(found.value)} ({_short(found.low)} to {_short(found.high)})"
    return _result(gate, passed, found.value, f"{told} is {'' if passed else 'not '}{side} {_short(gate.limit)}")


def _baseline(gate: Gate, evidence: Evidence, success: Success, seed: int) -> GateResult:
    theirs = None if evidence.baseline_scores is None else Reference(evidence.baseline_scores, evidence.rule)
    return _compare(gate, evidence, theirs, f"the {success.baseline.label()} baseline", (success, seed))


def _champion(gate: Gate, evidence: Evidence, success: Success, seed: int) -> GateResult:
    if evidence.has_champion:
        theirs = None if evidence.champion_scores is None else Reference(evidence.champion_scores, evidence.champion_rule)
        return _compare(gate, evidence, theirs, "the champion", (success, seed))
    if not math.isfinite(metric(evidence.metric).by(evidence.rule).score(evidence.y, evidence.scores)):
        return _result(gate, False, None, f"there is no champion yet, but {_unmeasured(evidence)}")
    return _result(gate, True, None, "there is no champion yet")


def _compare(gate: Gate, evidence: Evidence, theirs: Reference | None, whom: str, how: tuple[Success, int]) -> GateResult:
    """A paired test of the candidate against a reference; the gate's limit is the share of the reference's error to save."""
    success, seed = how
    if theirs is None:
        return _result(gate, False, None, f"{whom} was not scored on the holdout")
    if theirs.scores.shape != evidence.scores.shape:
        return _result(
            gate, False, None, f"{whom} has scores {theirs.scores.shape}, the candidate {evidence.scores.shape}: they cannot be compared"
        )
    measured, margin, confidence = metric(evidence.metric), gate.limit or 0.0, success.confidence
    each = ((evidence.rule, evidence.scores), (theirs.rule, theirs.scores))
    ours, reference = (rule.taken(scores) if measured.decides else scores for rule, scores in each)  # each as it decides itself
    chosen = right_test(measured, evidence.y, asked=success.test, margin=margin, block=evidence.block)
    found = compare(chosen, measured, evidence.y, ours, reference, margin=margin, confidence=confidence, seed=seed, block=evidence.block)
    if math.isnan(found.difference) or math.isnan(found.p_value):
        return _result(gate, False, None, f"cannot be compared with {whom}: {_unmeasured(evidence)}")
    values = f"{evidence.metric} {_short(found.ours)} against {_short(found.theirs)}"
    if math.isnan(found.low):
        certainty = f"one-sided p {_short(found.p_value)}, asked less than {_short(1 - confidence)}"
    else:
        certainty = f"one-sided {_percent(confidence)} low end {_percent(found.low)}, asked more than {_percent(margin)}"
    certainty = f"{TESTS[chosen.test]}{f', since {chosen.instead}' if chosen.instead else ''}: {certainty}"
    return _result(gate, found.better, found.difference, f"{_how_much(found.difference, whom)} ({values}; {certainty})")


def _how_much(difference: float, whom: str) -> str:
    if difference == 0:
        return f"no better than {whom}"
    if math.isinf(difference):
        return f"worse than {whom}, which makes no error"
    return f"{'better' if difference > 0 else 'worse'} than {whom} by {_percent(abs(difference))} of its error"


def _segments(gate: Gate, evidence: Evidence, success: Success, _seed: int) -> GateResult:
    """Every judged segment's error is at most (1 + gap) x the error of all rows; each column must have a judged segment."""
    measured = metric(evidence.metric).by(evidence.rule)
    if not success.segments:
        return _result(gate, False, None, "success.segment_gap is set, but success.segments names no column")
    whole = measured.score(evidence.y, evidence.scores)
    if not math.isfinite(whole):
        return _result(gate, False, None, _unmeasured(evidence))
    mine = [one for one in evidence.segment_scores if one.metric == measured.name and one.segment and math.isfinite(one.value)]
    missing = [column for column in success.segments if not any(one.segment.startswith(f"{column}=") for one in mine)]
    if missing:
        return _result(gate, False, None, f"no segment of {', '.join(missing)} could be judged")
    error, gap = error_of(measured, whole), gate.limit or 0.0
    errors = [error_of(measured, one.value) for one in mine]
    over = sum(one > error * (1 + gap) for one in errors)
    place = int(np.argmax(errors))
    worst, excess = mine[place], _excess(errors[place], error)
    amount = f"{_percent(abs(excess))} {'more' if excess >= 0 else 'less'} error" if math.isfinite(excess) else "more error than none"
    told = (
        f"{worst.segment} is the worst of {len(mine)} segments: {measured.name} {_short(worst.value)} on {worst.rows} rows "
        f"against {_short(whole)} on all, {amount}, at most {_percent(gap)} more is allowed"
    )
    return _result(gate, over == 0, excess, told + (f"; {over} are over" if over > 1 else "") + _not_judged(mine, evidence, success))


def _excess(error: float, whole: float) -> float:
    """How much larger an error is than the whole's, as a share of it."""
    if whole:
        return error / whole - 1
    return math.inf if error else 0.0


def _not_judged(mine: list[Score], evidence: Evidence, success: Success) -> str:
    left = {name: evidence.rows - sum(one.rows for one in mine if one.segment.startswith(f"{name}=")) for name in success.segments}
    said = [f"{rows} of {name}" for name, rows in left.items() if rows > 0]
    return f"; rows in segments too small to judge: {', '.join(said)}" if said else ""


def _calibration(gate: Gate, evidence: Evidence, _success: Success, _seed: int) -> GateResult:
    """The expected calibration error on the holdout, debiased, in bins of equal mass."""
    value = expected_calibration_error(evidence.y, evidence.scores)
    if not math.isfinite(value) or gate.limit is None:
        return _result(gate, False, None, _unmeasured(evidence, "the calibration error"))
    over = "" if evidence.scores.shape[1] == 2 else f", mean of {evidence.scores.shape[1]} classes"
    told = f"what is said and what comes differ by {_short(value)} on average ({BINS} bins of equal mass, debiased{over})"
    return _result(gate, value <= gate.limit, value, f"{told}, {_short(gate.limit)} is allowed")


def _coverage(gate: Gate, evidence: Evidence, success: Success, seed: int) -> GateResult:
    """The share of rows inside is not significantly below what is asked: by the exact binomial test, in time order by blocks."""
    if evidence.ends is None or gate.limit is None:
        return _result(gate, False, None, "the candidate answers no intervals")
    hits = inside(evidence.y, evidence.ends)
    how = Resampling(2 * success.confidence - 1, seed=seed, block=evidence.block)  # so that each side has the error of a one-sided test
    high = share_interval(hits, how)[1]
    if not math.isfinite(high):
        return _result(gate, False, None, _unmeasured(evidence, "the coverage"))
    value = float(hits.mean())
    told = f"{_percent(value)} of {evidence.rows} rows lie inside their interval, {_percent(gate.limit)} are asked"
    certainty = f"one-sided {_percent(success.confidence)} high end {_percent(high)}"
    return _result(gate, high >= gate.limit, value, f"{told} ({certainty})")


def _robustness(gate: Gate, evidence: Evidence, _success: Success, _seed: int) -> GateResult:
    """No row made to break the bundle does; nulls make the metric worse by no more than the limit, where there is one."""
    found = evidence.robustness
    if found is None or found.rows == 0:
        return _result(gate, False, None, "no row that was made to break the bundle was tried")
    if found.broken:
        more = f" and {len(found.broken) - 1} more" if len(found.broken) > 1 else ""
        return _result(gate, False, None, f"of {found.rows} rows made to break the bundle some did: {found.broken[0]}{more}")
    told = f"{found.rows} rows with nulls, unseen and extreme values all got an answer"
    if not found.growth:
        return _result(gate, gate.limit is None, None, f"{told}; what nulls do to {evidence.metric} was not measured")
    worst = max(found.growth, key=lambda name: found.growth[name])
    grown = max(found.growth[worst], 0.0)
    told = f"{told}; nulls in a tenth of the rows add at most {_percent(grown)} to the error of {evidence.metric} ({worst})"
    if gate.limit is None:
        return _result(gate, True, grown, told)
    return _result(gate, grown <= gate.limit, grown, f"{told}, {_percent(gate.limit)} is allowed")


def _latency(gate: Gate, evidence: Evidence, _success: Success, _seed: int) -> GateResult:
    return _at_most(gate, evidence.latency_p99_ms, "99 of 100 predictions take at most", "ms", "the latency")


def _size(gate: Gate, evidence: Evidence, _success: Success, _seed: int) -> GateResult:
    return _at_most(gate, evidence.size_mb, "the bundle has", "MB", "the bundle's size")


def _memory(gate: Gate, evidence: Evidence, _success: Success, _seed: int) -> GateResult:
    return _at_most(gate, evidence.memory_mb, "a process that answers with the bundle holds", "MB", "the memory")


def _capacity(gate: Gate, evidence: Evidence, _success: Success, _seed: int) -> GateResult:
    """One core, one row after the other, no network: less than this is not enough; more servers carry more."""
    value = evidence.capacity_per_second
    if value is None or not math.isfinite(value) or value < 0 or gate.limit is None:
        return _result(gate, False, None, "the capacity was not measured")
    told = f"one core makes {_short(value)} predictions a second, {_short(gate.limit)} are needed ({gate.clause})"
    return _result(gate, value >= gate.limit, value, told)


def _at_most(gate: Gate, value: float | None, told: str, unit: str, what: str) -> GateResult:
    if value is None or not math.isfinite(value) or value < 0 or gate.limit is None:
        return _result(gate, False, None, f"{what} was not measured")
    return _result(gate, value <= gate.limit, value, f"{told} {_short(value)} {unit}, {_short(gate.limit)} {unit} are allowed")


def _parity(gate: Gate, evidence: Evidence, _success: Success, _seed: int) -> GateResult:
    difference, flips = evidence.parity_difference, evidence.parity_flips
    if difference is None or flips is None or not math.isfinite(difference):
        return _result(gate, False, None, "the bundle was not compared with the library's own prediction")
    told = f"the bundle differs from the library's own prediction by at most {difference:.2g} ({evidence.parity_limit:.2g} allowed)"
    detail = f"{told} and decides {flips} rows differently"
    passed = flips == 0 and 0 <= difference <= evidence.parity_limit
    return _result(gate, passed, difference, detail, evidence.parity_limit)


def _contract(gate: Gate, evidence: Evidence, _success: Success, _seed: int) -> GateResult:
    """A request made for the champion must be right for the candidate: its fields accepted, of the same kinds, and no others needed."""
    if not evidence.has_champion:
        return _result(gate, True, None, "there is no champion whose callers could break")
    if evidence.inputs is None or evidence.champion_inputs is None:
        return _result(gate, False, None, f"the inputs of the {'candidate' if evidence.inputs is None else 'champion'} are not known")
    ours, theirs = _kinds(evidence.inputs), _kinds(evidence.champion_inputs)
    needed = ours if evidence.needed_inputs is None else evidence.needed_inputs
    broken = broken_requests(ours, needed, theirs, evidence.champion_optional)
    if broken:
        return _result(gate, False, float(len(broken)), f"requests made for the champion would break: {'; '.join(broken)}", 0.0)
    return _result(gate, True, 0.0, f"requests made for the champion are still right ({len(theirs)} fields)", 0.0)


def broken_requests(ours: Mapping[str, str], needed: Iterable[str], theirs: Mapping[str, str], optional: Iterable[str]) -> list[str]:
    """Why requests made for the champion would be wrong for another version, a sentence for each field; none: they are right.

    Args:
        ours: the fields the version takes, with their kinds; empty where the kind doesn't matter.
        needed: those of them without which it refuses a row.
        theirs: the fields the champion needs, with their kinds.
        optional: fields its callers may send besides.
    """
    broken = [f"{name} is no longer accepted" for name in (*theirs, *optional) if name not in ours]
    broken += [f"{name} is needed and callers don't send it" for name in needed if name not in theirs]
    both = [(name, theirs[name], ours[name]) for name in theirs if name in ours]
    return broken + [f"{name} was a {old} and is a {new}" for name, old, new in both if old and new and old != new]


def _kinds(fields: Fields) -> dict[str, str]:
    """Names with kinds; the kind is empty where it isn't known."""
    return dict(fields) if isinstance(fields, Mapping) else dict.fromkeys(fields, "")


def _unmeasured(evidence: Evidence, name: str = "") -> str:
    return f"{name or evidence.metric} cannot be measured on the {evidence.rows} rows of the holdout"


def _short(value: float) -> str:
    """A number for people: three significant digits, more where whole digits need them."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.3g}"


def _percent(share: float) -> str:
    if math.isinf(share):
        return "unbounded"
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


_JUDGES: dict[GateName, Judge] = {
    "threshold": _threshold,
    "guardrail": _threshold,
    "objective": _objective,
    "baseline": _baseline,
    "champion": _champion,
    "segments": _segments,
    "calibration": _calibration,
    "coverage": _coverage,
    "robustness": _robustness,
    "latency_p99_ms": _latency,
    "size_mb": _size,
    "memory_mb": _memory,
    "capacity": _capacity,
    "parity": _parity,
    "contract": _contract,
}
