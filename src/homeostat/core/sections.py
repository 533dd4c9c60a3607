"""The charter's sections: what each stage may be told. Shapes only; rules across sections live in ``charter``.

A stage receives its own section and never the whole charter.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from homeostat.core.durations import PATTERN, format_duration, parse_duration

TaskType = Literal["binary", "multiclass", "regression"]
Kind = Literal["number", "category", "boolean", "timestamp"]


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        # pydantic reports a ValueError as the clause's error; a TypeError would pass through it.
        raise ValueError("write a number and a unit, such as 30m, 6h, 14d or 2w")  # noqa: TRY004
    return parse_duration(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN}),
]
Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Column = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A frozen group of clauses; a clause it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Stakeholder(Section):
    """A person with a say."""

    name: str = Field(min_length=1)
    role: Literal["owner", "approver", "user", "developer"]


class Scale(Section):
    """Traffic to expect."""

    requests_per_second: float = Field(default=1.0, gt=0, description="expected traffic")
    peak_requests_per_second: float | None = Field(default=None, gt=0)


class Problem(Section):
    """Stage 1: what is wanted and for whom."""

    statement: str = Field(min_length=1, description="the business problem, in a sentence")
    objective: str = Field(min_length=1, description="what gets better when this works")
    decision: str = Field(min_length=1, description="the decision a prediction feeds")
    business_metric: str = Field(min_length=1, description="what the business measures")
    stakeholders: tuple[Stakeholder, ...] = ()
    mode: Literal["online", "batch", "edge"] = "online"
    scale: Scale = Scale()


class Task(Section):
    """What is predicted, from what."""

    type: TaskType
    target: Column
    positive: str | int | bool | None = Field(default=None, description="binary: the class the score is the probability of")
    time: Column | None = Field(default=None, description="when a row happened; rows are split and windows are cut by it")
    entity: tuple[Column, ...] = Field(default=(), description="columns that identify what a row is about; labels can be joined on them")
    label_delay: Duration = Field(default=timedelta(0), description="how long after a row its label is known")
    leave_out: tuple[Column, ...] = Field(default=(), description="columns never used as inputs (ids, leaks)")


class Payoff(Section):
    """Binary: what one outcome is worth, in money; a cost is negative."""

    true_positive: float = 0.0
    false_positive: float = 0.0
    true_negative: float = 0.0
    false_negative: float = 0.0


class Value(Section):
    """What being right or wrong is worth."""

    currency: str = "EUR"
    payoff: Payoff | None = Field(default=None, description="binary tasks")
    over: float | None = Field(default=None, ge=0, description="regression: cost of predicting one unit too much")
    under: float | None = Field(default=None, ge=0, description="regression: cost of predicting one unit too little")


class Success(Section):
    """What must hold before a model may serve; each clause becomes a gate."""

    metric: str
    threshold: float | None = Field(default=None, description="the metric must be at least this good on the holdout")
    baseline: Literal["naive", "none"] = Field(default="naive", description="what the model must beat")
    improvement: float = Field(default=0.0, ge=0, lt=1, description="by what share it must beat the baseline")
    champion_margin: float = Field(default=0.0, ge=0, lt=1, description="by what share a challenger must beat the champion")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="confidence of the paired tests and intervals")
    segments: tuple[Column, ...] = Field(default=(), description="columns whose values are judged one by one")
    segment_gap: float | None = Field(default=None, gt=0, description="no segment may be worse than the whole by more than this share")
    latency_p99_ms: float | None = Field(default=None, gt=0, description="99th percentile of one prediction on the bundle")
    size_mb: float | None = Field(default=None, gt=0, description="largest bundle")


class Data(Section):
    """Stage 3: where rows come from and what they must look like."""

    source: str = Field(min_length=1, description="a CSV or Parquet file, a folder, or a glob, relative to the project")
    contract: str | None = Field(default=None, description="the data contract file, relative to the project")
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    null_values: tuple[str, ...] = ("",)
    max_quarantined: float = Field(default=0.2, ge=0, le=1, description="a delivery with a larger share of bad rows is refused whole")


class Window(Section):
    """Which rows a training uses: all, the recent ones, or all with weights that halve with age."""

    kind: Literal["all", "recent", "decay"] = "all"
    length: Duration | None = Field(default=None, description="recent: how far back; decay: the half-life")

    def label(self) -> str:
        """``all``, ``recent 13w``, ``decay 45d``."""
        return self.kind if self.length is None else f"{self.kind} {format_duration(self.length)}"


class Preparation(Section):
    """Stage 4: the split and the fitted preparation."""

    types: dict[str, Kind] = Field(default_factory=dict, description="columns whose inferred kind is wrong")
    holdout: Share | Duration = Field(default=0.2, description="the newest rows, sealed: a share, or a span of the time column")
    validation: Share | Duration = Field(default=0.25, description="the newest rows before the holdout, on which trials are compared")
    max_categories: int = Field(default=50, ge=2, le=10_000, description="rarer values beyond this many are treated as never seen")


class Budget(Section):
    """How long a search may take: seconds, a number of trials, or whichever comes first."""

    seconds: float | None = Field(default=30.0, gt=0)
    trials: int | None = Field(default=None, gt=0)


class Learning(Section):
    """Stage 5: what is tried, and for how long."""

    learners: tuple[Literal["naive", "linear", "lightgbm"], ...] = Field(default=("naive", "linear", "lightgbm"), min_length=1)
    budget: Budget = Budget()
    seed: int = 0
    windows: tuple[Window, ...] = Field(
        default=(Window(),), min_length=1, description="training windows that compete on the validation rows"
    )


class Deploy(Section):
    """Stage 8: how the model is served."""

    approval: Literal["auto", "manual"] = "auto"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    max_body_mb: float = Field(default=8.0, gt=0)
    max_rows: int = Field(default=10_000, gt=0)


class Monitor(Section):
    """Stage 9: what is watched, how often, and what counts as an alarm."""

    window: Literal["day", "week", "month"] = "day"
    significance: float = Field(default=0.01, gt=0, lt=0.5, description="family-wise false-alarm rate over the columns of one window")
    min_effect: float = Field(default=0.1, gt=0, le=1, description="smallest distance (KS or total variation) that counts as drift")
    min_rows: int = Field(default=100, gt=0, description="fewer rows in a window: said, not judged")
    min_labels: float = Field(default=0.8, gt=0, le=1, description="share of a window's labels that must be there to judge performance")
    degradation: float = Field(default=0.2, gt=0, description="how much worse than at validation the metric may become, as a share")
    max_broken: float = Field(default=0.05, ge=0, le=1, description="share of a window's rows that may break the contract")


ActionName = Literal["none", "quarantine", "retrain", "rollback", "ask"]


class Responses(Section):
    """Which diagnosis leads to which action."""

    broken_data: ActionName = Field(default="quarantine", description="besides closing the window to training, which always happens")
    covariate_shift: ActionName = "none"
    label_shift: ActionName = "retrain"
    concept_change: ActionName = "retrain"


class Policy(Section):
    """Stage 10: what the loop may do by itself."""

    mode: Literal["observe", "recommend", "act"] = "act"
    responses: Responses = Responses()
    cooldown: Duration = Field(default=timedelta(0), description="shortest time between two retrainings")
    windows: tuple[Window, ...] = Field(
        default=(
            Window(),
            Window(kind="recent", length=timedelta(days=90)),
            Window(kind="recent", length=timedelta(days=180)),
            Window(kind="decay", length=timedelta(days=45)),
        ),
        min_length=1,
        description="training windows that compete when the loop retrains",
    )
    budget: Budget = Field(default=Budget(seconds=20.0), description="of one retraining")


class Store(Section):
    """Stage 11: where state lives."""

    ledger: str | None = Field(default=None, description="a database URL; default: SQLite under .homeostat/")
    engine: Literal["local"] = "local"
