"""The rules that tie clauses of several sections together. Each is one function: the sections it needs in, violations out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from homeostat.charter.violations import Loc, Violation, shown
from homeostat.core.sections import Budget, Deploy, Learning, Policy, Preparation, Problem, Section, Success, Task, Value, Window

Found = Iterator[Violation]
SHARES = frozenset({"auc", "average_precision", "brier", "accuracy", "f1", "macro_f1"})  # metrics between 0 and 1


def metric_fits_task(task: Task, success: Success) -> Found:
    """The success metric is one that measures this kind of task."""
    from homeostat.stats.metrics import METRICS

    allowed = [name for name, metric in METRICS.items() if task.type in metric.tasks]
    if success.metric not in allowed:
        near = get_close_matches(success.metric, allowed, n=1)
        step = f"did you mean {near[0]}?" if near and success.metric not in METRICS else ""
        message = f"got {shown(success.metric)} for a {task.type} task; use one of {', '.join(allowed)}"
        yield Violation("HS112", ("success", "metric"), message, step)


def threshold_is_reachable(task: Task, success: Success) -> Found:
    """No threshold outside the metric's range, such as a percentage for a share."""
    from homeostat.stats.metrics import METRICS

    limit = success.threshold
    if limit is None or success.metric not in METRICS or task.type not in METRICS[success.metric].tasks:
        return
    high = 1.0 if success.metric in SHARES or success.metric == "r2" else float("inf")
    low = float("-inf") if success.metric == "r2" else 0.0
    if not low <= limit <= high:
        message = f"got {limit:g} for {success.metric}; allowed: " + (f"at most {high:g}" if limit > high else f"at least {low:g}")
        yield Violation("HS105", ("success", "threshold"), message)


def improvement_has_a_baseline(success: Success) -> Found:
    """A share by which to beat the baseline needs a baseline, and a gap between segments needs segments."""
    if success.improvement > 0 and success.baseline.kind == "none":
        message = f"got {success.improvement:g} with success.baseline none; there is nothing to improve on"
        yield Violation("HS106", ("success", "improvement"), message, "set success.baseline: naive, or drop success.improvement")
    if success.segment_gap is not None and not success.segments:
        message = f"got {success.segment_gap:g} without success.segments; no segment would be judged"
        yield Violation("HS106", ("success", "segment_gap"), message, "name the columns in success.segments")


def value_fits_task(task: Task, value: Value) -> Found:
    """A payoff matrix is for binary tasks; costs of over- and under-prediction are for regression, and come as a pair."""
    if value.payoff is not None and task.type != "binary":
        yield Violation("HS113", ("value", "payoff"), f"got a payoff matrix for a {task.type} task; it is for binary tasks")
    costs: dict[str, float | None] = {"over": value.over, "under": value.under}
    given = {name: cost for name, cost in costs.items() if cost is not None}
    if task.type != "regression":
        for name, cost in given.items():
            yield Violation("HS113", ("value", name), f"got {cost:g} for a {task.type} task; value.{name} is for regression tasks")
    elif len(given) == 1:
        name = next(iter(given))
        other = "under" if name == "over" else "over"
        yield Violation("HS113", ("value", name), f"got value.{name} without value.{other}; give both or none")


def positive_is_for_binary(task: Task) -> Found:
    """Only a binary task has a positive class."""
    if task.positive is not None and task.type != "binary":
        yield Violation("HS106", ("task", "positive"), f"got {shown(task.positive)} for a {task.type} task; only a binary task has one")


def target_is_not_an_input(task: Task) -> Found:
    """The target is not the time column, an entity column or a column left out."""
    step = "name another column, or drop this clause"
    if task.time == task.target:
        yield Violation("HS106", ("task", "time"), f"got {shown(task.time)}, which is task.target", step)
    named: dict[str, tuple[str, ...]] = {"entity": task.entity, "leave_out": task.leave_out}
    for clause, columns in named.items():
        for index in _places(task.target, columns):
            yield Violation("HS106", ("task", clause, index), f"got {shown(task.target)}, which is task.target", step)


def target_is_not_a_segment(task: Task, success: Success) -> Found:
    """Segments are known before the outcome, so the target is none of them."""
    for index in _places(task.target, success.segments):
        yield Violation("HS106", ("success", "segments", index), f"got {shown(task.target)}, which is task.target", "name another column")


def learning_windows_are_whole(task: Task, learning: Learning) -> Found:
    """Each training window is complete and can be cut."""
    yield from _windows(("learning", "windows"), learning.windows, task)


def policy_windows_are_whole(task: Task, policy: Policy) -> Found:
    """The same for the loop's windows. The default ones need no time column: without one, only ``all`` competes."""
    if policy.windows != Policy().windows:
        yield from _windows(("policy", "windows"), policy.windows, task)


def _windows(at: Loc, windows: tuple[Window, ...], task: Task) -> Found:
    for index, window in enumerate(windows):
        where = (*at, index, "length")
        if window.kind == "all":
            if window.length is not None:
                yield Violation("HS106", where, "got a length for kind all, which takes every row", "drop it, or use recent or decay")
        elif window.length is None:
            yield Violation("HS106", where, f"missing for kind {window.kind}", "give a duration such as 90d")
        elif window.length <= timedelta(0):
            yield Violation("HS105", where, "got no time at all; allowed: more than 0, such as 90d")
        elif task.time is None:
            yield Violation(
                "HS106", where, f"kind {window.kind} is cut by time, and task.time is not set", "set task.time, or use kind all"
            )


def spans_need_time(task: Task, preparation: Preparation) -> Found:
    """A holdout or validation given as a span of time needs a time column."""
    parts: dict[str, float | timedelta] = {"holdout": preparation.holdout, "validation": preparation.validation}
    for name, part in parts.items():
        if isinstance(part, timedelta) and part <= timedelta(0):
            yield Violation("HS105", ("preparation", name), "got no time at all; allowed: more than 0, such as 14d")
        elif isinstance(part, timedelta) and task.time is None:
            message = "got a duration, and task.time is not set"
            yield Violation("HS106", ("preparation", name), message, "set task.time, or give a share such as 0.2")


def learning_budget_ends(learning: Learning) -> Found:
    """A search stops: after some seconds, some trials, or both."""
    yield from _budget(("learning", "budget"), learning.budget)


def policy_budget_ends(policy: Policy) -> Found:
    """So does the search of a retraining."""
    yield from _budget(("policy", "budget"), policy.budget)


def _budget(at: Loc, budget: Budget) -> Found:
    if budget.seconds is None and budget.trials is None:
        yield Violation("HS106", at, "got neither seconds nor trials; the search would not end", "give at least one")


def manual_approval_has_an_approver(problem: Problem, deploy: Deploy) -> Found:
    """Somebody can approve."""
    if deploy.approval == "manual" and not any(one.role == "approver" for one in problem.stakeholders):
        message = "got manual, and no stakeholder has the role approver"
        yield Violation("HS106", ("deploy", "approval"), message, "add one to problem.stakeholders, or use approval: auto")


def peak_is_above_the_mean(problem: Problem) -> Found:
    """Peak traffic is not below the expected traffic."""
    scale = problem.scale
    if scale.peak_requests_per_second is not None and scale.peak_requests_per_second < scale.requests_per_second:
        message = f"got {scale.peak_requests_per_second:g}, below requests_per_second {scale.requests_per_second:g}"
        yield Violation("HS106", ("problem", "scale", "peak_requests_per_second"), message)


def _places(column: str, columns: tuple[str, ...]) -> list[int]:
    return [index for index, name in enumerate(columns) if name == column]


RULES: tuple[tuple[Callable[..., Found], tuple[str, ...]], ...] = (
    (metric_fits_task, ("task", "success")),
    (threshold_is_reachable, ("task", "success")),
    (improvement_has_a_baseline, ("success",)),
    (value_fits_task, ("task", "value")),
    (positive_is_for_binary, ("task",)),
    (target_is_not_an_input, ("task",)),
    (target_is_not_a_segment, ("task", "success")),
    (learning_windows_are_whole, ("task", "learning")),
    (policy_windows_are_whole, ("task", "policy")),
    (spans_need_time, ("task", "preparation")),
    (learning_budget_ends, ("learning",)),
    (policy_budget_ends, ("policy",)),
    (manual_approval_has_an_approver, ("problem", "deploy")),
    (peak_is_above_the_mean, ("problem",)),
)


def violations(sections: Mapping[str, Section | Any]) -> list[Violation]:
    """What the rules find, in their order; a rule whose sections are not all there (because one is malformed) is not asked."""
    found: list[Violation] = []
    for rule, needs in RULES:
        if all(isinstance(sections.get(name), Section) for name in needs):
            found.extend(rule(*(sections[name] for name in needs)))
    return found
