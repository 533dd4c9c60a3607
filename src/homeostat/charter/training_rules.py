"""Rules about learning: splits, windows, budgets, decisions about columns, labels, and who may approve."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from homeostat.charter.sql import expression_problem
from homeostat.charter.violations import Loc, Violation, shown
from homeostat.core.sections import (
    Budget,
    ColumnChoice,
    Deploy,
    Labelling,
    LabelRule,
    Learning,
    Policy,
    Preparation,
    Privacy,
    Problem,
    Store,
    Success,
    Task,
    Value,
    Window,
)
from homeostat.core.targets import text_of

Found = Iterator[Violation]
NUMBERS_ONLY, CATEGORIES_ONLY = ("clip", "transform"), ("encode",)


def target_is_not_an_input(task: Task) -> Found:
    """The target is not the time column, an entity column or a column left out."""
    step = "name another column, or drop this clause"
    if task.time == task.target:
        yield Violation("HS106", ("task", "time"), f"got {shown(task.time)}, which is task.target", step)
    named: dict[str, tuple[str, ...]] = {"entity": task.entity, "leave_out": task.leave_out}
    for clause, columns in named.items():
        for index in places(task.target, columns):
            yield Violation("HS106", ("task", clause, index), f"got {shown(task.target)}, which is task.target", step)


def an_address_has_its_engine(store: Store) -> Found:
    """Where Ray answers is said only where Ray is asked for."""
    if store.engine_address is not None and store.engine == "local":
        message = f"got {shown(store.engine_address)} for engine local, which is at no address"
        yield Violation("HS106", ("store", "engine_address"), message, "set store.engine: ray, or drop it")


def target_is_not_a_segment(task: Task, success: Success) -> Found:
    """Segments are known before the outcome, so the target is none of them."""
    for index in places(task.target, success.segments):
        yield Violation("HS106", ("success", "segments", index), f"got {shown(task.target)}, which is task.target", "name another column")


def places(column: str, columns: tuple[str, ...]) -> list[int]:
    """Where a column stands in a list."""
    return [index for index, name in enumerate(columns) if name == column]


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


def split_can_be_cut(task: Task, preparation: Preparation) -> Found:
    """The kind of split has what it cuts by, and no clause that another kind cuts by."""
    split, at = preparation.split, ("preparation", "split")
    if split.kind == "group" and split.group is None:
        yield Violation("HS119", at, "kind group without group; nothing says which rows belong together", "name the column in group")
    if split.kind != "group" and split.group is not None:
        message = f"got {shown(split.group)} for kind {split.kind or 'that follows task.time'}, which cuts no groups"
        yield Violation("HS119", (*at, "group"), message, "set preparation.split.kind: group, or drop group")
    if split.group == task.target:
        yield Violation("HS119", (*at, "group"), f"got {shown(split.group)}, which is task.target", "name another column")
    if split.kind == "time" and task.time is None:
        yield Violation("HS119", (*at, "kind"), "got time, and task.time is not set", "set task.time, or use random")
    if split.gap > timedelta(0) and (task.time is None or split.kind not in {None, "time"}):
        reason = "task.time is not set" if task.time is None else f"the kind is {split.kind}"
        yield Violation("HS119", (*at, "gap"), f"got a gap in time, and {reason}", "use kind time with task.time, or drop gap")
    if split.kind in {"random", "stratified", "group"}:
        parts: dict[str, float | timedelta] = {"holdout": preparation.holdout, "validation": preparation.validation}
        for name in (name for name, part in parts.items() if isinstance(part, timedelta)):
            message = f"got a duration, and a {split.kind} split is not cut by time"
            yield Violation("HS119", ("preparation", name), message, "give a share such as 0.2")


def resampling_has_classes(task: Task, preparation: Preparation) -> Found:
    """Classes are balanced only where there are classes."""
    if task.type == "regression" and preparation.imbalance != "none":
        message = f"got {preparation.imbalance} for a regression task, which has no classes"
        yield Violation("HS119", ("preparation", "imbalance"), message, "drop it")


def calibration_fits_classes(task: Task, learning: Learning) -> Found:
    """Probabilities are set right where there are some, by a method that is made for so many classes."""
    asked = learning.calibration
    if asked in {"auto", "none"} or (task.type == "binary") or (task.type == "multiclass" and asked == "temperature"):
        return
    reason = "which has no probabilities" if task.type == "regression" else "and it is for two classes"
    allowed = "auto or none" if task.type == "regression" else "auto, none or temperature"
    yield Violation("HS119", ("learning", "calibration"), f"got {asked} for a {task.type} task, {reason}", f"use {allowed}")


def intervals_fit_task(task: Task, learning: Learning) -> Found:
    """A prediction of a number has a range; a class has a probability."""
    if learning.intervals is not None and task.type != "regression":
        message = f"got intervals for a {task.type} task; only a number lies in a range, and classes have probabilities"
        yield Violation("HS350", ("learning", "intervals"), message, "drop it; success.calibration_error judges probabilities")


def intervals_group_by_an_input(task: Task, success: Success, privacy: Privacy, learning: Learning) -> Found:
    """What intervals are grouped by is known of each row when it is asked about."""
    by = None if learning.intervals is None else learning.intervals.by
    if by is None:
        return
    outside = {
        **dict.fromkeys(privacy.never_store, "named in privacy.never_store"),
        **dict.fromkeys(privacy.never_use, "named in privacy.never_use"),
        **dict.fromkeys(task.leave_out, "named in task.leave_out"),
        **({success.baseline.column: "success.baseline.column"} if success.baseline.column is not None else {}),
        task.target: "task.target",
    }
    if by in outside:
        message = f"got {shown(by)}, which is {outside[by]} and never an input"
        yield Violation("HS351", ("learning", "intervals", "by"), message, "name an input, or drop it")


def components_have_a_learner(preparation: Preparation, learning: Learning) -> Found:
    """Principal components are for linear learners, so one is tried."""
    if preparation.pca is not None and "linear" not in learning.learners:
        message = f"got {preparation.pca}, and learning.learners has no linear learner"
        yield Violation("HS119", ("preparation", "pca"), message, "add linear to learning.learners, or drop it")


def choices_can_be_done(task: Task, success: Success, preparation: Preparation) -> Found:
    """What is decided about a column fits its kind, and is about a column that can be an input at all."""
    outside = {task.target: "task.target", **dict.fromkeys(task.leave_out, "named in task.leave_out")}
    if success.baseline.column is not None:
        outside[success.baseline.column] = "success.baseline.column"
    if task.target in preparation.types:
        yield Violation(
            "HS119", ("preparation", "types", task.target), "is task.target, and the kind of the target is task.type", "drop it"
        )
    for column, choice in preparation.columns.items():
        at: Loc = ("preparation", "columns", column)
        given = {name: value for name in ColumnChoice.model_fields if (value := getattr(choice, name)) is not None}
        if column in outside and given != {"drop": True}:
            yield Violation("HS119", at, f"is {outside[column]} and never an input; nothing can be decided about it", "drop this clause")
        if choice.drop and len(given) > 1:
            others = ", ".join(name for name in given if name != "drop")
            yield Violation("HS119", (*at, "drop"), f"got true together with {others}, which would be done to a column that is gone")
        yield from _fits_kind(choice, preparation.types.get(column), at)


def _fits_kind(choice: ColumnChoice, kind: str | None, at: Loc) -> Found:
    number = [name for name in NUMBERS_ONLY if getattr(choice, name) not in {None, False, "none"}]
    if choice.impute in {"median", "mean", "zero"}:
        number.append("impute")
    if kind in {"category", "text"} and number:
        yield Violation("HS119", (*at, number[0]), f"got {shown(getattr(choice, number[0]))} for a {kind}; it is for numbers")
    if choice.encode is None:
        return
    if number:
        yield Violation("HS119", (*at, "encode"), f"got {choice.encode}, which is for categories, and {number[0]}, which is for numbers")
    if kind in {"number", "boolean", "timestamp"}:
        yield Violation("HS119", (*at, "encode"), f"got {choice.encode} for a {kind}; it is for categories and texts")
    elif kind is not None and (choice.encode == "tfidf") != (kind == "text"):
        allowed = "tfidf" if kind == "text" else "one_hot, ordinal, frequency or target"
        yield Violation("HS119", (*at, "encode"), f"got {choice.encode} for a {kind}; allowed: {allowed}")


def labels_are_classes(task: Task, value: Value, labelling: Labelling) -> Found:
    """A label rule gives what the target can be, by a condition that does not read the target, under a name of its own."""
    seen: set[str] = set()
    classes: set[str] = set()
    for index, rule in enumerate(labelling.rules):
        at: Loc = ("labelling", "rules", index)
        if rule.name in seen:
            yield Violation("HS119", (*at, "name"), f"got {shown(rule.name)} a second time", "give each rule a name of its own")
        seen.add(rule.name)
        if wrong := expression_problem(rule.when, (task.target,)):
            yield Violation(
                "HS119", (*at, "when"), f"got {shown(rule.when)}, which {wrong}", "write a condition over the row's other columns"
            )
        yield from _label(task, value, rule, (*at, "label"))
        classes.add(text_of(rule.label))
    named = classes | ({text_of(task.positive)} if task.positive is not None else set())
    if task.type == "binary" and len(named) > 2:
        yield Violation("HS119", ("labelling", "rules"), f"got the labels {', '.join(sorted(named))}; a binary task has two classes")


def _label(task: Task, value: Value, rule: LabelRule, at: Loc) -> Found:
    number = isinstance(rule.label, int | float) and not isinstance(rule.label, bool)
    if task.type == "regression" and not number:
        yield Violation("HS119", at, f"got {shown(rule.label)} for a regression task; allowed: a number")
    elif value.costs is not None and text_of(rule.label) not in value.costs:
        yield Violation("HS119", at, f"got {shown(rule.label)}, which is no class of value.costs; classes: {', '.join(value.costs)}")


def learning_budget_ends(learning: Learning) -> Found:
    """A search stops: after some seconds, some trials, or both."""
    yield from _budget(("learning", "budget"), learning.budget)


def policy_budget_ends(policy: Policy) -> Found:
    """So does the search of a retraining."""
    yield from _budget(("policy", "budget"), policy.budget)


def _budget(at: Loc, budget: Budget) -> Found:
    if budget.seconds is None and budget.trials is None:
        yield Violation("HS106", at, "got neither seconds nor trials; the search would not end", "give at least one")


ROLES = ("owner", "approver", "user", "developer")


def manual_approval_has_an_approver(problem: Problem, deploy: Deploy) -> Found:
    """Somebody can approve, in each role that must; approvals that are listed are asked for; and no role is misspelt."""
    roles = {one.role for one in problem.stakeholders}
    if deploy.approval == "auto" and deploy.approvals:
        yield Violation("HS106", ("deploy", "approvals"), "got approvals, and deploy.approval is auto: nobody is asked", "set it to manual")
    named = [each.role for each in deploy.approvals]
    for index, each in enumerate(deploy.approvals):
        at: Loc = ("deploy", "approvals", index, "role")
        if each.role not in roles:
            yield Violation("HS106", at, f"got {shown(each.role)}, and no stakeholder has this role", "add one to problem.stakeholders")
        if each.role in named[:index]:
            yield Violation("HS106", at, f"got {shown(each.role)} a second time", "put its checklists together")
    for index, one in enumerate(problem.stakeholders):
        allowed = (*ROLES, *named)
        if one.role not in allowed:
            message = f"got {shown(one.role)}; allowed: {', '.join(dict.fromkeys(allowed))}"
            yield Violation("HS105", ("problem", "stakeholders", index, "role"), message, "name other roles in deploy.approvals")
    if deploy.approval == "manual" and not deploy.approvals and "approver" not in roles:
        message = "got manual, and no stakeholder has the role approver"
        yield Violation("HS106", ("deploy", "approval"), message, "add one to problem.stakeholders, or use approval: auto")
