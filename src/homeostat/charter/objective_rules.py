"""Rules about several objectives: each can be learned and judged by itself, and their sum is a quantity whose weights may change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from homeostat.charter.goal_rules import fits, one_limit
from homeostat.charter.violations import Loc, Violation, shown

if TYPE_CHECKING:
    from homeostat.core.sections import Labelling, Objective, Preparation, Privacy, Success, Task

Found = Iterator[Violation]
CODE = "HS120"


def objectives_make_a_sum(task: Task, objectives: tuple[Objective, ...]) -> Found:
    """Two models or more, under names of their own, added up to a number."""
    if not objectives:
        return
    at: Loc = ("objectives",)
    if len(objectives) == 1:
        yield Violation(CODE, at, "got one; its target is then the task's", "write it as task and success, or name a second objective")
    if task.type != "regression":
        message = f"got {task.type} beside objectives; their weighted sum is a number"
        yield Violation(CODE, ("task", "type"), message, "set task.type: regression, and give each objective its type")
    if not any(each.weight for each in objectives):
        yield Violation(CODE, at, "every weight is 0; each row would get the score 0", "give at least one another weight")
    for name in ("name", "target"):
        seen: set[str] = set()
        for index, each in enumerate(objectives):
            value = getattr(each, name)
            if value in seen:
                yield Violation(CODE, (*at, index, name), f"got {shown(value)} a second time", f"each objective has a {name} of its own")
            seen.add(value)


def objectives_can_be_learned(task: Task, objectives: tuple[Objective, ...], success: Success, privacy: Privacy) -> Found:
    """Each has a column that nothing else stands for, a metric that measures it, and at most one limit, on its bad side."""
    elsewhere: dict[str, tuple[Any, ...]] = {
        "task.target, the name of the sum": (task.target,),
        "task.time": (task.time,),
        "task.entity": task.entity,
        "success.segments": success.segments,
        "success.baseline.column": (success.baseline.column,),
        **{f"privacy.{name}": getattr(privacy, name) for name in ("never_use", "never_store", "pseudonymise")},
    }
    for index, each in enumerate(objectives):
        at: Loc = ("objectives", index)
        for where, columns in elsewhere.items():
            if each.target in columns:
                yield Violation(CODE, (*at, "target"), f"got {shown(each.target)}, which is {where}", "name another column")
        if each.type == "binary" and each.positive is None:
            yield Violation(CODE, (*at, "positive"), "missing for type binary", "give the class whose probability counts")
        if each.type != "binary" and each.positive is not None:
            yield Violation(CODE, (*at, "positive"), f"got {shown(each.positive)} for a {each.type}", "drop it, or set type: binary")
        own = task.model_copy(update={"type": each.type})
        yield from fits(own, each.metric, CODE, (*at, "metric"))
        if each.at_least is not None or each.at_most is not None:
            yield from one_limit(own, each, CODE, at)


def objectives_keep_their_holdout(objectives: tuple[Objective, ...], preparation: Preparation, labelling: Labelling) -> Found:
    """Weights may change while the holdout stays sealed: no row is cut, drawn or labelled by the sum."""
    if not objectives:
        return
    reason = "which goes by the value of the sum, and that changes with the weights"
    if preparation.split.kind == "stratified":
        yield Violation(CODE, ("preparation", "split", "kind"), f"got stratified, {reason}", "use time, group or random")
    if preparation.sample is not None and preparation.sample.kind == "stratified":
        yield Violation(CODE, ("preparation", "sample", "kind"), f"got stratified, {reason}", "use random")
    if labelling.rules:
        message = "label one target, and there are several objectives"
        yield Violation(CODE, ("labelling", "rules"), message, "make the labels columns of the source, with data.features")
