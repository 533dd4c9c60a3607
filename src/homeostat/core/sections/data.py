"""Stages 3 and 4: where rows come from, what they must look like, how they are labelled, split and prepared."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from homeostat.core.durations import format_duration
from homeostat.core.features import FUNCTIONS, Function
from homeostat.core.sections.base import Column, Duration, Kind, Name, Section, Share


class Source(Section):
    """Where the rows of one table come from, and the contract they must meet when they are loaded."""

    source: str = Field(
        min_length=1,
        description="a CSV, JSON lines or Parquet file, a folder, a glob, http(s)://..., s3://..., postgresql://... or sqlite:///...",
    )
    contract: str | None = Field(default=None, description="the data contract file, relative to the project")
    table: str | None = Field(default=None, description="databases: the table to read")
    query: str | None = Field(default=None, description="databases: a SELECT to read instead of a table")
    watermark: Column | None = Field(default=None, description="databases: the column by which new and changed rows are found")
    slice: Literal["day", "week", "month"] = Field(default="day", description="databases: rows are taken in by spans of the watermark")
    late: Duration = Field(default=timedelta(0), description="databases: how long after the newest watermark rows may still come or change")
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, description="CSV; found from the header when not given")
    decimal: Literal[".", ","] = Field(default=".", description="CSV: the decimal mark")
    encoding: str | None = Field(default=None, description="CSV and JSON lines; found from the bytes when not given")
    null_values: tuple[str, ...] = Field(default=("",), description="CSV and JSON lines: texts that stand for no value")


class Aggregate(Section):
    """A column made of the events of an entity up to the row's moment: one function, over a window or for ever."""

    count: Literal[True] | None = Field(default=None, description="how many events there were")
    sum: Column | None = Field(default=None, description="the sum of this column; 0 without a value")
    mean: Column | None = Field(default=None, description="the mean of this column; null without a value")
    min: Column | None = Field(default=None, description="the least value of this column; null without a value")
    max: Column | None = Field(default=None, description="the largest value of this column; null without a value")
    last: Column | None = Field(default=None, description="this column of the newest event, also where it is null")
    window: Duration | None = Field(default=None, description="how far back events count, exactly so far included; default: for ever")

    @property
    def functions(self) -> tuple[Function, ...]:
        """The functions that are named; right is one."""
        return tuple(name for name in FUNCTIONS if getattr(self, name) is not None)

    @property
    def function(self) -> Function:
        """The function; ``count`` where none is named."""
        return next(iter(self.functions), "count")

    @property
    def column(self) -> str:
        """What it is taken of; empty for ``count``."""
        return "" if self.function == "count" else str(getattr(self, self.function))


class Online(Section):
    """What a join adds is looked up when a request is served, in a table that is refreshed by ingest and updated by events."""

    late: Duration = Field(default=timedelta(hours=1), description="how long after its time an event that is pushed may still come")
    max_age: Duration | None = Field(default=None, description="how long after the last refresh or event values may be used")
    stale: Literal["empty", "refuse"] = Field(default="empty", description="what is older: no value, or the request is refused")


class Join(Section):
    """Columns of another table as they were known at the time of each row: never a value from later."""

    table: Name = Field(description="a name in data.tables")
    on: tuple[Column, ...] = Field(default=(), description="columns that must be equal on both sides; none: the table is one series")
    valid_from: Column = Field(description="the column of the other table that says from when a row of it was known")
    as_of: Column | None = Field(default=None, description="the time column of the main rows; default: task.time")
    tolerance: Duration | None = Field(default=None, description="columns older than this are not used; aggregates have windows")
    columns: tuple[Column, ...] = Field(default=(), description="which columns to take; none named: all others, or none beside aggregates")
    key: tuple[Column, ...] = Field(default=(), description="columns that name an event once: what comes again is not counted again")
    aggregates: dict[Name, Aggregate] = Field(default_factory=dict, description="columns made of the events up to the row's moment")
    online: Online | None = Field(default=None, description="look it up when a request is served; without it callers send its columns")


class Data(Source):
    """Stage 3: the main table, the tables joined to it, the transformation, and how much may be wrong."""

    max_quarantined: float = Field(default=0.2, ge=0, le=1, description="a delivery with a larger share of bad rows is refused whole")
    tables: dict[Name, Source] = Field(default_factory=dict, description="further tables, by the name that joins and features call them")
    joins: tuple[Join, ...] = Field(default=(), description="point-in-time-correct joins of further tables")
    features: str | None = Field(default=None, description="a file with one SQL SELECT over `data` (and data.tables) that makes the rows")
    curated_contract: str | None = Field(default=None, description="what rows must look like after joins and features")
    retries: int = Field(default=3, ge=0, le=20, description="how often a source that does not answer is asked again, ever more slowly")


class LabelRule(Section):
    """A weak label: the rule's label where its condition holds. Several rules vote; a true label always wins."""

    name: Name = Field(description="how the rule is called where its votes are counted")
    when: str = Field(min_length=1, description="an SQL condition over the row")
    label: str | int | float | bool = Field(description="what the target is where the condition holds")


class Labelling(Section):
    """Labels that the source does not hold: rules that vote, and a queue of rows for people to label."""

    rules: tuple[LabelRule, ...] = Field(default=(), description="weak labels for rows that have none")
    weight: float = Field(default=0.5, gt=0, le=1, description="how much a row with a weak label weighs in training; none judges a model")
    queue: int = Field(default=100, gt=0, description="how many rows a review queue holds")


class Window(Section):
    """Which rows a training uses: all, the recent ones, or all with weights that halve with age."""

    kind: Literal["all", "recent", "decay"] = "all"
    length: Duration | None = Field(default=None, description="recent: how far back; decay: the half-life")

    def label(self) -> str:
        """``all``, ``recent 13w``, ``decay 45d``."""
        return self.kind if self.length is None else f"{self.kind} {format_duration(self.length)}"


class SplitPlan(Section):
    """How rows are cut into training, validation and holdout."""

    kind: Literal["time", "random", "stratified", "group"] | None = Field(
        default=None, description="default: time where task.time is set, else the order of the rows"
    )
    group: Column | None = Field(default=None, description="group: rows with the same value are never on both sides of a cut")
    gap: Duration = Field(default=timedelta(0), description="time: rows left out before each cut, whose labels would not be known yet")
    folds: int = Field(default=1, ge=1, le=20, description="more than 1: trials are judged on the mean of so many folds")


class ColumnChoice(Section):
    """A decision about one column, in place of the one the analysis would take."""

    drop: bool | None = Field(default=None, description="the column is no input")
    impute: Literal["median", "mean", "zero", "none"] | None = Field(default=None, description="what stands for a null number")
    indicator: bool | None = Field(default=None, description="a feature that says where the value was null")
    clip: bool | None = Field(default=None, description="limit a number to where nearly all training values lie")
    transform: Literal["none", "log", "yeo_johnson"] | None = Field(default=None, description="of a skewed number")
    encode: Literal["one_hot", "ordinal", "frequency", "target", "tfidf"] | None = Field(
        default=None, description="how a category, or with tfidf a text, becomes numbers"
    )


class Sampling(Section):
    """Fewer training rows, where there are more than are needed or fit into memory."""

    rows: int = Field(gt=0, description="at most so many")
    kind: Literal["random", "stratified"] = Field(default="random", description="stratified: classes keep their shares")


class Preparation(Section):
    """Stage 4: the split and the fitted preparation."""

    types: dict[str, Kind] = Field(default_factory=dict, description="columns whose inferred kind is wrong")
    split: SplitPlan = Field(default=SplitPlan(), description="by what rows are cut")
    holdout: Share | Duration = Field(default=0.2, description="the newest rows, sealed: a share, or a span of the time column")
    validation: Share | Duration = Field(default=0.25, description="the newest rows before the holdout, on which trials are compared")
    max_categories: int = Field(default=50, ge=2, le=10_000, description="rarer values beyond this many are treated as never seen")
    columns: dict[str, ColumnChoice] = Field(default_factory=dict, description="decisions of the analysis, overridden column by column")
    text_terms: int = Field(default=200, ge=1, le=20_000, description="how many terms of a text column become features")
    select: int | None = Field(default=None, gt=0, description="keep only so many features, the most telling ones")
    pca: int | None = Field(
        default=None, gt=0, description="linear learners and neural networks: replace the features by so many principal components"
    )
    imbalance: Literal["none", "weights", "oversample", "undersample"] = Field(
        default="none", description="rare classes: by weights, or by resampling, in training rows only"
    )
    sample: Sampling | None = Field(default=None, description="train on a sample of the rows")
