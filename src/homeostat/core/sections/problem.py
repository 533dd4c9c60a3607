"""Stages 1 and 2: the problem, the task, what being right is worth, what counts as success, what must stay private."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from homeostat.core.sections.base import Column, Duration, Name, Section, TaskType


class Stakeholder(Section):
    """A person with a say."""

    name: str = Field(min_length=1)
    role: Literal["owner", "approver", "user", "developer"] | Name = Field(
        description="besides these four, the roles that deploy.approvals names"
    )


class Scale(Section):
    """Traffic to expect."""

    requests_per_second: float = Field(default=1.0, gt=0, description="expected traffic")
    peak_requests_per_second: float | None = Field(default=None, gt=0)


class MetricMapping(Section):
    """How the model's metric stands for the business metric. The directions must agree: improving one must not worsen the other."""

    metric: str = Field(description="the model metric that stands for the business metric: success.metric")
    business_better: Literal["higher", "lower"] = Field(description="which way the business metric is good")
    business_then: Literal["rises", "falls"] = Field(description="what the business metric does when the model metric improves")
    because: str = Field(min_length=1, description="why the one stands for the other")


class Problem(Section):
    """Stage 1: what is wanted and for whom."""

    statement: str = Field(min_length=1, description="the business problem, in a sentence")
    objective: str = Field(min_length=1, description="what gets better when this works")
    decision: str = Field(min_length=1, description="the decision a prediction feeds")
    business_metric: str = Field(min_length=1, description="what the business measures")
    metric_mapping: MetricMapping | None = Field(default=None, description="how success.metric stands for the business metric")
    stakeholders: tuple[Stakeholder, ...] = ()
    mode: Literal["online", "batch", "edge"] = "online"
    scale: Scale = Scale()


Steps = Annotated[int, Field(gt=0, le=100_000)]


class Forecast(Section):
    """The rows are series in time, and what is predicted are their next values. What is left out here follows from step and horizon."""

    step: Duration = Field(description="the time from one value of a series to the next")
    horizon: Steps | Annotated[tuple[Steps, ...], Field(min_length=1)] = Field(
        description="how many steps ahead: each step up to this one, or a list of steps"
    )
    lags: tuple[Annotated[int, Field(ge=0, le=100_000)], ...] | None = Field(
        default=None, description="inputs: earlier values, so many steps before the newest one that is known; 0 is that one"
    )
    windows: tuple[Annotated[int, Field(gt=1, le=100_000)], ...] | None = Field(
        default=None, description="inputs: mean, spread, least and most of so many newest known values"
    )
    season: tuple[Steps, ...] | None = Field(
        default=None, description="after how many steps the series repeats; the first is the season of the baseline and of MASE"
    )
    known: tuple[Column, ...] = Field(default=(), description="columns known ahead, such as holidays: taken from the time that is forecast")
    every: Steps | None = Field(default=None, description="every so many steps is an origin from which training and judging forecast")


class Task(Section):
    """What is predicted, from what."""

    type: TaskType
    target: Column
    positive: str | int | bool | None = Field(default=None, description="binary: the class the score is the probability of")
    time: Column | None = Field(default=None, description="when a row happened; rows are split and windows are cut by it")
    entity: tuple[Column, ...] = Field(default=(), description="columns that identify what a row is about; labels can be joined on them")
    label_delay: Duration = Field(default=timedelta(0), description="how long after a row its label is known")
    leave_out: tuple[Column, ...] = Field(default=(), description="columns never used as inputs (ids, leaks)")
    forecast: Forecast | None = Field(default=None, description="regression: what is predicted are later values of series in time")


class Objective(Section):
    """One of several models whose scores are added up: the score of a row is the sum of ``weight`` x what each model says.

    A weight is no part of what is trained, so a change of it makes a new version without training.
    """

    name: Name = Field(description="lower-case letters, digits, '.', '_' and '-'")
    target: Column = Field(description="what this model learns; never an input of any of them")
    type: Literal["regression", "binary"] = Field(default="regression", description="binary: the probability of the positive class counts")
    positive: str | int | bool | None = Field(default=None, description="binary: the class whose probability counts")
    metric: str = Field(description="by which this model's trials are compared")
    weight: float = Field(
        default=1.0, description="what one unit, or a probability of one, counts in the score; negative where less is better"
    )
    at_least: float | None = Field(default=None, description="lower limit of the metric on the holdout, where more is better")
    at_most: float | None = Field(default=None, description="upper limit of the metric on the holdout, where less is better")


class Outcome(Section):
    """What one outcome is worth: ``fixed + per_amount x the row's value.amount``. A plain number is short for a fixed one."""

    fixed: float = Field(default=0.0, description="money, whatever the row")
    per_amount: float = Field(default=0.0, description="money for each unit of the row's value.amount")


def _fixed(value: Any) -> Any:
    return {"fixed": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


Money = Annotated[Outcome, BeforeValidator(_fixed, json_schema_input_type=float | Outcome)]


class Payoff(Section):
    """Binary: what one outcome is worth, in money; a cost is negative."""

    true_positive: Money = Field(default=Outcome(), description="acted on, and rightly")
    false_positive: Money = Field(default=Outcome(), description="acted on in vain")
    true_negative: Money = Field(default=Outcome(), description="left alone, and rightly")
    false_negative: Money = Field(default=Outcome(), description="left alone, and missed")


class Value(Section):
    """What being right or wrong is worth, and what the model costs to run."""

    currency: str = "EUR"
    payoff: Payoff | None = Field(default=None, description="binary tasks")
    amount: Column | None = Field(default=None, description="binary: the column with a row's amount, for outcomes that depend on it")
    costs: dict[str, dict[str, float]] | None = Field(
        default=None,
        description="multiclass: costs[actual][predicted], what deciding one class costs when another is true",
    )
    over: float | None = Field(default=None, ge=0, description="regression: cost of predicting one unit too much")
    under: float | None = Field(default=None, ge=0, description="regression: cost of predicting one unit too little")
    per_prediction: float = Field(default=0.0, ge=0, description="what one prediction costs")
    per_month: float = Field(default=0.0, ge=0, description="what running the model costs a month, people included")
    rows_per_month: float | None = Field(default=None, gt=0, description="how many predictions a month the amounts are multiplied by")


def _shorthand(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


class Baseline(Section):
    """What the model must beat, measured on the same rows. ``baseline: naive`` is short for ``baseline: {kind: naive}``."""

    kind: Literal["naive", "seasonal", "column", "rule", "none"] = Field(
        default="naive",
        description="a constant; the value one period ago; an existing system's answer in a column; a rule in SQL; nothing",
    )
    column: Column | None = Field(default=None, description="column: where the existing system's answer is; never an input")
    rule: str | None = Field(default=None, description="rule: an SQL expression over the row that gives the answer")
    period: Duration | None = Field(default=None, description="seasonal: how far back the same season is, such as 7d")

    def label(self) -> str:
        """``naive``, ``seasonal 7d``, ``column forecast``, ``rule``."""
        from homeostat.core.durations import format_duration

        detail = self.column or (format_duration(self.period) if self.period is not None else "")
        return f"{self.kind} {detail}".strip()


class Guardrail(Section):
    """A second metric that must not get worse than a limit, whatever the success metric gains."""

    metric: str = Field(description="another metric of the task than success.metric")
    at_least: float | None = Field(default=None, description="for a metric of which more is better")
    at_most: float | None = Field(default=None, description="for a metric of which less is better")


class Success(Section):
    """What must hold before a model may serve; each clause becomes a gate."""

    metric: str = Field(description="what models are compared and judged by")
    threshold: float | None = Field(default=None, description="the metric must be at least this good on the holdout")
    baseline: Annotated[Baseline, BeforeValidator(_shorthand, json_schema_input_type=Baseline | Literal["naive", "none"])] = Field(
        default=Baseline(), description="what the model must beat"
    )
    improvement: float = Field(default=0.0, ge=0, lt=1, description="by what share it must beat the baseline")
    champion_margin: float = Field(default=0.0, ge=0, lt=1, description="by what share a challenger must beat the champion")
    test: Literal["auto", "bootstrap", "mcnemar", "delong", "diebold_mariano"] = Field(
        default="auto", description="the paired test against baseline and champion; auto: what is right for the metric and the rows"
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="confidence of the paired tests and intervals")
    segments: tuple[Column, ...] = Field(default=(), description="columns whose values are judged one by one")
    segment_gap: float | None = Field(default=None, gt=0, description="no segment may be worse than the whole by more than this share")
    guardrails: tuple[Guardrail, ...] = Field(default=(), description="other metrics with limits of their own, on the same holdout")
    calibration_error: float | None = Field(
        default=None, gt=0, lt=1, description="classes: largest expected calibration error of the probabilities on the holdout"
    )
    robustness: float | None = Field(
        default=None, gt=0, description="by what share the error may grow when any one input is null in a tenth of the rows"
    )
    latency_p99_ms: float | None = Field(default=None, gt=0, description="99th percentile of one prediction on the bundle")
    size_mb: float | None = Field(default=None, gt=0, description="largest bundle")
    memory_mb: float | None = Field(default=None, gt=0, description="largest resident memory of a process that serves the bundle")


class Privacy(Section):
    """Columns with personal data, and what must never happen to them."""

    never_use: tuple[Column, ...] = Field(default=(), description="never an input of a model, nor of anything derived from it")
    never_store: tuple[Column, ...] = Field(default=(), description="dropped before anything is written, quarantine included")
    never_log: tuple[Column, ...] = Field(default=(), description="left out of the prediction log")
    pseudonymise: tuple[Column, ...] = Field(default=(), description="stored and logged as a keyed hash only; still usable to join")
