"""Rules about the goal: the metric and what it stands for, limits on it, the baseline, money, and the traffic to carry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from difflib import get_close_matches

from homeostat.charter.sql import expression_problem
from homeostat.charter.violations import Loc, Violation, shown
from homeostat.core.sections import Baseline, Guardrail, Objective, Payoff, Problem, Success, Task, Value

Found = Iterator[Violation]
OUTCOMES = ("true_positive", "false_positive", "true_negative", "false_negative")


def metric_fits_task(task: Task, success: Success) -> Found:
    """The success metric is one that measures this kind of task."""
    yield from fits(task, success.metric, "HS112", ("success", "metric"))


def fits(task: Task, metric: str, code: str, at: Loc, *, goal: bool = True) -> Found:
    """The metric is one that measures this kind of task, and as the ``goal`` one that tells good models from bad."""
    from homeostat.stats.metrics import METRICS

    roles = {"success"} if goal else {"success", "guardrail"}
    allowed = [name for name, one in METRICS.items() if task.type in one.tasks and one.role in roles]
    if metric not in allowed:
        known = METRICS.get(metric)
        near = get_close_matches(metric, allowed, n=1)
        step = f"did you mean {near[0]}?" if near and known is None else ""
        if known is not None and task.type in known.tasks:
            step = "alone it does not tell a good model from a bad one" + (
                ": limit it in success.guardrails" if known.role == "guardrail" else ""
            )
        yield Violation(code, at, f"got {shown(metric)} for a {task.type} task; use one of {', '.join(allowed)}", step)


def threshold_is_reachable(task: Task, success: Success) -> Found:
    """No threshold outside the metric's range, such as a percentage for a share."""
    if success.threshold is not None:
        yield from _reachable(task, success.metric, success.threshold, "HS105", ("success", "threshold"))


def _reachable(task: Task, metric: str, limit: float, code: str, at: Loc) -> Found:
    from homeostat.stats.metrics import METRICS

    known = METRICS.get(metric)
    if known is None or task.type not in known.tasks:
        return
    low, high = known.least, known.most
    if not low <= limit <= high:
        message = f"got {limit:g} for {metric}; allowed: " + (f"at most {high:g}" if limit > high else f"at least {low:g}")
        yield Violation(code, at, message)


def mapping_points_the_same_way(problem: Problem, success: Success) -> Found:
    """The mapping is of the success metric, and improving that improves the business metric."""
    mapping = problem.metric_mapping
    if mapping is None:
        return
    at: Loc = ("problem", "metric_mapping")
    if mapping.metric != success.metric:
        message = f"got {shown(mapping.metric)}, and success.metric is {shown(success.metric)}; models are chosen by that one"
        yield Violation("HS114", (*at, "metric"), message, "map the metric models are chosen by, or choose them by this one")
    if (mapping.business_better == "higher") != (mapping.business_then == "rises"):
        message = (
            f"got {mapping.business_then}: a better {success.metric} would make {shown(problem.business_metric)} worse, "
            f"of which {mapping.business_better} is better"
        )
        yield Violation("HS114", (*at, "business_then"), message, "choose a metric whose improvement is one for the business")


def guardrails_can_hold(task: Task, success: Success) -> Found:
    """Each guardrail is another metric of the task with one limit, on its bad side and within its range."""
    seen: set[str] = set()
    for index, guardrail in enumerate(success.guardrails):
        at: Loc = ("success", "guardrails", index)
        if guardrail.metric == success.metric:
            message = f"got {shown(guardrail.metric)}, which is success.metric; a guardrail is a second metric"
            yield Violation("HS115", (*at, "metric"), message, "limit it by success.threshold")
        elif guardrail.metric in seen:
            yield Violation("HS115", (*at, "metric"), f"got {shown(guardrail.metric)} a second time", "keep the stricter limit")
        seen.add(guardrail.metric)
        yield from fits(task, guardrail.metric, "HS115", (*at, "metric"), goal=False)
        yield from one_limit(task, guardrail, "HS115", at)


def one_limit(task: Task, guardrail: Guardrail | Objective, code: str, at: Loc) -> Found:
    """One limit of a metric: on its bad side, and within its range."""
    from homeostat.stats.metrics import METRICS

    limits = {name: limit for name, limit in (("at_least", guardrail.at_least), ("at_most", guardrail.at_most)) if limit is not None}
    if len(limits) != 1:
        yield Violation(code, at, f"got {'both at_least and at_most' if limits else 'no limit'}", "give one of at_least, at_most")
        return
    ((name, limit),) = limits.items()
    known = METRICS.get(guardrail.metric)
    right = "at_least" if known is not None and known.greater_is_better else "at_most"
    if known is not None and name != right:
        better = "higher" if known.greater_is_better else "lower"
        yield Violation(
            code, (*at, name), f"got {limit:g}; {better} {guardrail.metric} is better, so this keeps good models out", f"use {right}"
        )
    yield from _reachable(task, guardrail.metric, limit, code, (*at, name))


def test_fits_metric(success: Success) -> Found:
    """The paired test is one that can compare by the success metric."""
    from homeostat.stats.metrics import METRICS
    from homeostat.stats.paired_tests import TESTS, fits

    metric = METRICS.get(success.metric)
    if metric is not None and not fits(success.test, metric):
        usable = [name for name in ("auto", *TESTS) if fits(name, metric)]
        message = f"got {success.test}, which does not compare by {success.metric}; allowed: {', '.join(usable)}"
        yield Violation("HS106", ("success", "test"), message, "use auto")


def calibration_has_probabilities(task: Task, success: Success) -> Found:
    """Only probabilities of classes can be calibrated."""
    if success.calibration_error is not None and task.type == "regression":
        message = f"got {success.calibration_error:g} for a regression task; only the probabilities of classes have a calibration error"
        yield Violation("HS106", ("success", "calibration_error"), message, "drop it")


def improvement_has_a_baseline(success: Success) -> Found:
    """A share by which to beat the baseline needs a baseline, and a gap between segments needs segments."""
    if success.improvement > 0 and success.baseline.kind == "none":
        message = f"got {success.improvement:g} with success.baseline none; there is nothing to improve on"
        yield Violation("HS106", ("success", "improvement"), message, "set success.baseline: naive, or drop success.improvement")
    if success.segment_gap is not None and not success.segments:
        message = f"got {success.segment_gap:g} without success.segments; no segment would be judged"
        yield Violation("HS106", ("success", "segment_gap"), message, "name the columns in success.segments")


BASELINE_NEEDS = {"column": "column", "rule": "rule", "seasonal": "period"}


def baseline_is_whole(task: Task, success: Success) -> Found:
    """Each kind of baseline has the clause it is measured by, no other kind's, and reads nothing that is the answer itself."""
    baseline, at = success.baseline, ("success", "baseline")
    needed = BASELINE_NEEDS.get(baseline.kind)
    for name in BASELINE_NEEDS.values():
        given = getattr(baseline, name) is not None
        if name == needed and not given:
            yield Violation("HS116", at, f"kind {baseline.kind} without {name}; it could not be measured", f"give success.baseline.{name}")
        elif name != needed and given:
            yield Violation(
                "HS116", (*at, name), f"got {name} for kind {baseline.kind}, which does not use it", "drop it, or change the kind"
            )
    yield from _baseline_column(task, baseline)
    if baseline.kind == "rule" and baseline.rule is not None and (wrong := expression_problem(baseline.rule, (task.target,))):
        yield Violation(
            "HS116", (*at, "rule"), f"got {shown(baseline.rule)}, which {wrong}", "write an expression over the row's other columns"
        )
    if baseline.kind == "seasonal":
        if task.time is None:
            yield Violation("HS116", (*at, "kind"), "got seasonal, and task.time is not set", "set task.time, or use naive")
        if baseline.period is not None and baseline.period <= timedelta(0):
            yield Violation("HS116", (*at, "period"), "got no time at all; allowed: more than 0, such as 7d")


def _baseline_column(task: Task, baseline: Baseline) -> Found:
    if baseline.kind != "column" or baseline.column is None:
        return
    for clause, column in (("task.target", task.target), ("task.time", task.time)):
        if baseline.column == column:
            message = f"got {shown(column)}, which is {clause}; a baseline is another system's answer, known before the outcome"
            yield Violation("HS116", ("success", "baseline", "column"), message)


def value_fits_task(task: Task, value: Value) -> Found:
    """A payoff matrix is for binary tasks, a cost matrix for multiclass, costs of over- and under-prediction for regression, as a pair."""
    for name, wanted in (("payoff", "binary"), ("costs", "multiclass"), ("amount", "binary")):
        if getattr(value, name) is not None and task.type != wanted:
            yield Violation("HS113", ("value", name), f"got {NAMES[name]} for a {task.type} task; it is for {wanted} tasks")
    costs: dict[str, float | None] = {"over": value.over, "under": value.under}
    given = {name: cost for name, cost in costs.items() if cost is not None}
    if task.type != "regression":
        for name, cost in given.items():
            yield Violation("HS113", ("value", name), f"got {cost:g} for a {task.type} task; value.{name} is for regression tasks")
    elif len(given) == 1:
        name = next(iter(given))
        other = "under" if name == "over" else "over"
        yield Violation("HS113", ("value", name), f"got value.{name} without value.{other}; give both or none")


NAMES = {"payoff": "a payoff matrix", "costs": "a cost matrix", "amount": "an amount per row"}


def amounts_are_used(task: Task, value: Value) -> Found:
    """Outcomes that depend on a row's amount have a column with it, and the column has outcomes that depend on it."""
    depending = [name for name in OUTCOMES if getattr(value.payoff or Payoff(), name).per_amount != 0]
    if depending and value.amount is None:
        at = ("value", "payoff", depending[0], "per_amount")
        yield Violation("HS113", at, "got an amount to multiply, and value.amount names no column", "name the column in value.amount")
    if value.amount is None or task.type != "binary":
        return
    if not depending:
        message = f"got {shown(value.amount)}, and no outcome of value.payoff depends on it"
        yield Violation("HS113", ("value", "amount"), message, "give per_amount to an outcome, such as true_positive: {per_amount: 1}")
    if value.amount == task.target:
        yield Violation("HS113", ("value", "amount"), f"got {shown(value.amount)}, which is task.target", "name another column")


def costs_are_a_matrix(value: Value) -> Found:
    """The cost matrix has a row and a column for each class, and being right costs no more than being wrong."""
    costs = value.costs
    if costs is None:
        return
    if len(costs) < 2:
        yield Violation("HS113", ("value", "costs"), f"got {len(costs)} classes; allowed: at least two")
    for actual, row in costs.items():
        at: Loc = ("value", "costs", actual)
        missing, odd = [name for name in costs if name not in row], [name for name in row if name not in costs]
        if missing:
            yield Violation(
                "HS113", at, f"says nothing of deciding {', '.join(missing)}", "give costs[actual][predicted] for each pair of classes"
            )
        if odd:
            yield Violation("HS113", (*at, odd[0]), f"got the class {shown(odd[0])}, which has no row; rows: {', '.join(costs)}")
        cheaper = [name for name in costs if name in row and actual in row and row[name] < row[actual]]
        if cheaper:
            message = (
                f"got {row[actual]:g} for being right, and {row[cheaper[0]]:g} for deciding {cheaper[0]} wrongly; being right costs least"
            )
            yield Violation("HS113", (*at, actual), message)


def running_costs_can_be_shared(value: Value) -> Found:
    """A monthly cost and the earnings of a row meet in the number of rows a month; and there are earnings to compare costs with."""
    if value.per_month > 0 and value.rows_per_month is None:
        message = f"got {value.per_month:g} a month without value.rows_per_month; it cannot be compared with what a row earns"
        yield Violation("HS113", ("value", "per_month"), message, "give value.rows_per_month")
    earns = value.payoff is not None or value.costs is not None or value.over is not None
    for name, cost in (("per_prediction", value.per_prediction), ("per_month", value.per_month), ("rows_per_month", value.rows_per_month)):
        if cost and not earns:
            message = f"got {cost:g}, and nothing in value says what a right or wrong prediction is worth"
            yield Violation("HS113", ("value", name), message, "give value.payoff, value.costs, or value.over and value.under")


def positive_is_for_binary(task: Task) -> Found:
    """Only a binary task has a positive class."""
    if task.positive is not None and task.type != "binary":
        yield Violation("HS106", ("task", "positive"), f"got {shown(task.positive)} for a {task.type} task; only a binary task has one")


def peak_is_above_the_mean(problem: Problem) -> Found:
    """Peak traffic is not below the expected traffic, and only an online model has to carry one."""
    peak, mean, at = (
        problem.scale.peak_requests_per_second,
        problem.scale.requests_per_second,
        ("problem", "scale", "peak_requests_per_second"),
    )
    if peak is not None and peak < mean:
        yield Violation("HS106", at, f"got {peak:g}, below requests_per_second {mean:g}")
    if peak is not None and problem.mode != "online":
        yield Violation("HS106", at, f"got {peak:g} with problem.mode {problem.mode}; only an online model answers requests", "drop it")


def edge_has_a_size(problem: Problem, success: Success) -> Found:
    """What shall run on a device has a largest size."""
    if problem.mode == "edge" and success.size_mb is None:
        message = "got edge without success.size_mb; nothing would keep the model small enough for a device"
        yield Violation("HS106", ("problem", "mode"), message, "give success.size_mb")
