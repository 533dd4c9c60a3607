"""Stages 5 to 11: how models are learned, served, watched and kept, and where state lives."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from homeostat.core.sections.base import Column, Duration, Name, Section, Share
from homeostat.core.sections.data import Window
from homeostat.core.sections.estimators import Estimator  # noqa: TC001 - pydantic reads it, inside a dict


class Budget(Section):
    """How long a search may take: seconds, a number of trials, or whichever comes first of both."""

    seconds: float | None = Field(default=30.0, gt=0, description="last fit and packing included; with trials alone there is no limit")
    trials: int | None = Field(default=None, gt=0, description="a number of them gives the same model each time")

    @model_validator(mode="before")
    @classmethod
    def _trials_alone(cls, value: Any) -> Any:
        alone = isinstance(value, dict) and value.get("trials") is not None and "seconds" not in value
        return {**value, "seconds": None} if alone else value


LearnerName = Literal["naive", "linear", "lightgbm", "xgboost", "random_forest", "extra_trees", "neural"]


class Intervals(Section):
    """Regression: a range beside each prediction in which the truth lies as often as ``coverage`` says (conformal prediction)."""

    coverage: Share = Field(default=0.9, description="share of the rows whose truth lies inside; a gate judges it on the holdout")
    method: Literal["auto", "absolute", "scaled"] = Field(
        default="auto",
        description="absolute: as wide everywhere; scaled: as wide as rows of like predictions ask; auto: what is narrower on rows unseen",
    )
    by: Column | None = Field(
        default=None, description="an input whose values get widths of their own: a category, or a number such as a horizon"
    )


class Learning(Section):
    """Stage 5: what is tried, and for how long."""

    learners: tuple[LearnerName | Name, ...] = Field(
        default=("naive", "linear", "lightgbm"), min_length=1, description="these, and the names of learning.estimators"
    )
    estimators: dict[Name, Estimator] = Field(default_factory=dict, description="the team's own, by the name that learners call them")
    budget: Budget = Budget()
    at_once: int = Field(default=2, ge=1, le=64, description="trials that run at the same time; a part of what the search comes to")
    ensemble: bool = Field(default=True, description="whether several trials may be averaged into one model, where that pays")
    ensemble_mb: float = Field(
        default=10.0,
        gt=0,
        description="how large such an average may be; 1,000 rows cost a few ms for each MB, more with many classes",
    )
    calibration: Literal["auto", "none", "platt", "isotonic", "temperature"] = Field(
        default="auto",
        description="how probabilities are set right on the validation rows; auto: by what helps on rows unseen",
    )
    intervals: Intervals | None = Field(default=None, description="regression: a lower and an upper end beside each prediction")
    seed: int = 0
    windows: tuple[Window, ...] = Field(
        default=(Window(),), min_length=1, description="training windows that compete on the validation rows"
    )

    @model_serializer(mode="wrap")
    def _without_what_is_not_asked(self, told: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without intervals a section reads as before there were any: no order, charter or bundle gets another name by them."""
        content: dict[str, Any] = told(self)
        return {name: value for name, value in content.items() if name != "intervals" or value is not None}


class Approval(Section):
    """A yes that a promotion needs: by a stakeholder of the role, who ticks each item of the checklist."""

    role: Name = Field(description="a role of problem.stakeholders")
    checklist: tuple[str, ...] = Field(default=(), description="what the person confirms, each by a tick")


class LogSettings(Section):
    """The prediction log: when an answer counts as kept, and for how long it is."""

    mode: Literal["async", "strict"] = Field(
        default="async", description="strict: no answer leaves before its record is on the disk; async: records follow in groups"
    )
    group_ms: float = Field(default=20.0, gt=0, le=1_000, description="async: how long a group of records grows; a kill loses no more")
    keep: Duration | None = Field(default=None, description="how long predictions stay, in whole days of UTC; default: for ever")


class Tls(Section):
    """The certificate the server shows, with its chain, and its private key: PEM files, by paths from the charter."""

    certificate: str = Field(min_length=1)
    key: str = Field(min_length=1)


class Deploy(Section):
    """Stage 8: how the model is served."""

    approval: Literal["auto", "manual"] = "auto"
    approvals: tuple[Approval, ...] = Field(default=(), description="manual: every one is needed; none listed: one by an approver")
    approver_is_not_author: bool = Field(default=False, description="who trained a version may not approve it; identities are claimed")
    staging: Literal["optional", "required"] = Field(default="optional", description="required: no champion that was not in staging first")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    max_body_mb: float = Field(default=8.0, gt=0)
    max_rows: int = Field(default=10_000, gt=0)
    log: LogSettings = LogSettings()
    max_waiting: int = Field(default=1_024, gt=0, description="requests under way in one process; more are told to come again (429)")
    body_timeout: Duration = Field(default=timedelta(seconds=30), description="how long a request may take to arrive")
    workers: int = Field(default=1, ge=1, le=256, description="processes that serve; each holds the model")
    tls: Tls | None = None


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
    """Stage 11: where state lives, and what runs the work."""

    ledger: str | None = Field(default=None, description="a database URL; default: SQLite under .homeostat/")
    engine: Literal["local", "ray"] = Field(default="local", description="where trials run: in threads here, or on Ray (extra ray)")
    engine_address: str | None = Field(
        default=None, description="host:port of a Ray cluster, auto for the one on this machine; default: RAY_ADDRESS, else one of its own"
    )
