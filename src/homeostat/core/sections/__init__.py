"""The charter's sections: what each stage may be told. Shapes only; rules across sections live in ``charter``.

A stage receives its own section and never the whole charter.
"""

from __future__ import annotations

from homeostat.core.sections.base import Column, Duration, Kind, Name, Section, Share, TaskType
from homeostat.core.sections.data import (
    ColumnChoice,
    Data,
    Join,
    Labelling,
    LabelRule,
    Preparation,
    Sampling,
    Source,
    SplitPlan,
    Window,
)
from homeostat.core.sections.problem import (
    Baseline,
    Forecast,
    Guardrail,
    MetricMapping,
    Money,
    Objective,
    Outcome,
    Payoff,
    Privacy,
    Problem,
    Scale,
    Stakeholder,
    Success,
    Task,
    Value,
)
from homeostat.core.sections.running import ActionName, Approval, Budget, Deploy, Intervals, Learning, Monitor, Policy, Responses, Store

__all__ = [
    "ActionName",
    "Approval",
    "Baseline",
    "Budget",
    "Column",
    "ColumnChoice",
    "Data",
    "Deploy",
    "Duration",
    "Forecast",
    "Guardrail",
    "Intervals",
    "Join",
    "Kind",
    "LabelRule",
    "Labelling",
    "Learning",
    "MetricMapping",
    "Money",
    "Monitor",
    "Name",
    "Objective",
    "Outcome",
    "Payoff",
    "Policy",
    "Preparation",
    "Privacy",
    "Problem",
    "Responses",
    "Sampling",
    "Scale",
    "Section",
    "Share",
    "Source",
    "SplitPlan",
    "Stakeholder",
    "Store",
    "Success",
    "Task",
    "TaskType",
    "Value",
    "Window",
]
