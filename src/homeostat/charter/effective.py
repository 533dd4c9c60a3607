"""What follows from several clauses together: the task as models see it, and what a version says it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from homeostat.core.forecasts import HORIZON, filled, lead
from homeostat.core.sections import Baseline, Section, Success, Value

if TYPE_CHECKING:
    from homeostat.charter.schema import Charter
    from homeostat.core.sections import Objective, Task

S = TypeVar("S", bound=Section)


def never_inputs(charter: Charter) -> dict[str, str]:
    """Columns that no model may use, with the clause that says so; the target is not among them.

    ``task.leave_out``, ``privacy.never_use`` and ``never_store``, the existing system's answer, and what objectives are about.
    """
    column = charter.success.baseline.column
    clauses = {
        "objectives": tuple(each.target for each in charter.objectives),
        "success.baseline.column": (column,) if column is not None else (),
        "privacy.never_store": charter.privacy.never_store,
        "privacy.never_use": charter.privacy.never_use,
        "task.leave_out": charter.task.leave_out,
    }
    return {name: clause for clause, columns in clauses.items() for name in columns}


def effective_task(charter: Charter) -> Task:
    """The charter's task whose ``leave_out`` names every column that is never an input. What fits or feeds a model is given this one."""
    forbidden = sorted(set(never_inputs(charter)) - set(charter.task.leave_out))
    return charter.task.model_copy(update={"leave_out": (*charter.task.leave_out, *forbidden)})


def with_forecast(charter: Charter) -> Charter:
    """The charter with what follows from ``task.forecast`` and is not said: its own clauses, the gap of the split, baseline and segments.

    The gap is the furthest horizon, and the time labels are late: no target that teaches is later than the first origin that is judged.
    The baseline is the season before, and the error is told by horizon.
    """
    task = charter.task
    if task.forecast is None or task.time is None or not task.forecast.step:
        return charter
    forecast = filled(task.forecast)
    split, success = charter.preparation.split, charter.success
    if "gap" not in split.model_fields_set:
        split = _assumed(split, gap=lead(forecast, task.label_delay))
    if "baseline" not in success.model_fields_set:
        success = _assumed(success, baseline=_assumed(Baseline(), kind="seasonal", period=(forecast.season or (1,))[0] * forecast.step))
    if "segments" not in success.model_fields_set:
        success = _assumed(success, segments=(HORIZON,))
    changed = {
        "task": _assumed(task, forecast=forecast),
        "preparation": _assumed(charter.preparation, split=split),
        "success": success,
    }
    return _assumed(charter, **changed)


def _assumed(section: S, **values: Any) -> S:
    """The section with other values that it does not count as said."""
    return cast("S", type(section).model_construct(_fields_set=set(section.model_fields_set), **{**dict(section), **values}))


def charter_of(charter: Charter, objective: Objective) -> Charter:
    """The charter by which one objective's model is trained: its own target, type and metric, and no other objective."""
    task = effective_task(charter)
    others = tuple(name for name in task.leave_out if name != objective.target)
    own = {"type": objective.type, "target": objective.target, "positive": objective.positive, "leave_out": (*others, task.target)}
    return charter.model_copy(
        update={
            "task": task.model_copy(update=own),
            "objectives": (),
            "value": Value(),
            "success": Success(metric=objective.metric),
        }
    )


def purpose(charter: Charter) -> dict[str, Any]:
    """What a model is for and who answers for it, as every registered version carries it."""
    said = charter.problem.model_dump(mode="json", include=set(SAID))
    return {name: said[name] for name in SAID}


SAID = ("statement", "objective", "decision", "business_metric", "metric_mapping", "stakeholders", "mode")
