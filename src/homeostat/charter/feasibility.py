"""Stage 2's first verdict: can this goal be reached with this data? Measured before anything is built, argued number by number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from homeostat.charter.suspects import find_suspects
from homeostat.core.targets import texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from homeostat.charter.schema import Charter

Answer = Literal["go", "go with risks", "no-go"]

FEWEST_ROWS = 100
FEWEST_JUDGED_ROWS = 30
FEWEST_OF_A_CLASS = 50
FEWEST_OF_A_SEGMENT = 30
FEWEST_TRIALS = 5
MOST_DUPLICATES = 0.01
WINDOWS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}


@dataclass(frozen=True, slots=True)
class QuickEvidence:
    """What a quick model showed on the validation rows.

    ``naive`` and ``quick`` are values of ``metric``. ``lift_low`` and ``lift_high`` bound the share of the naive baseline's error that
    the quick model saves, at the charter's confidence (``stats.paired``: 0.12 is 12 % less error). ``rows`` is the number of rows
    in all; ``validation_rows`` were judged, ``holdout_rows`` are sealed.
    """

    metric: str
    greater_is_better: bool
    naive: float
    quick: float
    lift_low: float
    lift_high: float
    rows: int
    validation_rows: int
    holdout_rows: int
    seconds_per_trial: float


@dataclass(frozen=True, slots=True)
class Reason:
    """One argument: how much it weighs, a stable name, a sentence, the number behind it, and the clause to change."""

    weight: Literal["no-go", "risk"]
    code: str
    message: str
    number: float
    clause: str


@dataclass(frozen=True, slots=True)
class Feasibility:
    """The verdict and its reasons, the heaviest first."""

    verdict: Answer
    reasons: tuple[Reason, ...]


def assess(frame: pl.DataFrame, charter: Charter, evidence: QuickEvidence | None) -> Feasibility:
    """The verdict on a goal: "no-go" with any reason of that weight, "go with risks" with any risk, else "go".

    Args:
        frame: the rows that the contract let through; they have the columns the charter names.
        charter: the goal.
        evidence: what a quick model showed; None when there were too few rows to train and judge one.
    """
    reasons = [
        *_rows(frame, charter, evidence),
        *(_skill(charter, evidence) if evidence is not None else ()),
        *_classes(frame, charter),
        *_segments(frame, charter),
        *_quality(frame, charter),
        *_suspects(frame, charter),
        *_timing(charter),
    ]
    reasons.sort(key=lambda reason: reason.weight)  # "no-go" stands before "risk"; the sort keeps the order within each
    weights = {reason.weight for reason in reasons}
    verdict: Answer = "no-go" if "no-go" in weights else "go with risks" if weights else "go"
    return Feasibility(verdict, tuple(reasons))


def _rows(frame: pl.DataFrame, charter: Charter, evidence: QuickEvidence | None) -> Iterator[Reason]:
    target = frame[charter.task.target].drop_nulls()
    usable = len(target.drop_nans() if target.dtype.is_float() else target)
    if usable < FEWEST_ROWS:
        message = f"{usable} rows have a target; at least {FEWEST_ROWS} are needed to train and judge a model"
        yield Reason("no-go", "few_rows", message, usable, "data.source")
    judged = evidence.validation_rows if evidence is not None else 0
    sealed = evidence.holdout_rows if evidence is not None else 0
    for part, rows, use in (("validation", judged, "compare models on"), ("holdout", sealed, "judge the model on")):
        if rows < FEWEST_JUDGED_ROWS:
            message = f"{rows} rows are left to {use}; at least {FEWEST_JUDGED_ROWS} are needed"
            yield Reason("no-go", f"few_{part}_rows", message, rows, f"preparation.{part}")


def _skill(charter: Charter, evidence: QuickEvidence) -> Iterator[Reason]:
    success, low, high = charter.success, evidence.lift_low, evidence.lift_high
    measured = f"{evidence.metric} {evidence.quick:.4g} against {evidence.naive:.4g}"
    bounds = f"{measured}: between {low:.1%} and {high:.1%} less error at {success.confidence:.0%} confidence"
    if not low > 0:  # NaN as well: what cannot be measured is not shown
        message = f"a quick model is not significantly better than the naive baseline ({bounds})"
        yield Reason("no-go", "no_signal", message, low, "task.leave_out")
    asked = success.improvement
    if success.baseline.kind != "none" and asked > 0:
        if high < asked:
            message = f"{asked:.1%} less error than the naive baseline is out of a quick model's reach ({bounds})"
            yield Reason("no-go", "improvement_out_of_reach", message, high, "success.improvement")
        elif 0 < low < asked:
            message = f"{asked:.1%} less error than the naive baseline is not certain ({bounds})"
            yield Reason("risk", "improvement_uncertain", message, low, "success.improvement")
    yield from _threshold(charter, evidence)
    yield from _budget(charter, evidence)


def _threshold(charter: Charter, evidence: QuickEvidence) -> Iterator[Reason]:
    """The quick model misses the threshold by more than its error may be overstated, by the good end of the paired interval."""
    threshold = charter.success.threshold
    if threshold is None:
        return
    short = threshold - evidence.quick if evidence.greater_is_better else evidence.quick - threshold
    naive, quick = (1 - value if evidence.greater_is_better else value for value in (evidence.naive, evidence.quick))
    slack = max(0.0, quick - (1 - evidence.lift_high) * naive)
    if short > slack:
        message = f"{evidence.metric} {evidence.quick:.4g} of a quick model is {short:.3g} short of {threshold:g} (uncertainty {slack:.3g})"
        yield Reason("risk", "threshold_far", message, evidence.quick, "success.threshold")


def _budget(charter: Charter, evidence: QuickEvidence) -> Iterator[Reason]:
    seconds = charter.learning.budget.seconds
    if seconds is not None and evidence.seconds_per_trial * FEWEST_TRIALS > seconds:
        fit = seconds / evidence.seconds_per_trial
        message = f"about {fit:.1f} trials fit into {seconds:g} s ({evidence.seconds_per_trial:.2g} s each)"
        yield Reason("risk", "short_budget", message, fit, "learning.budget.seconds")


def _classes(frame: pl.DataFrame, charter: Charter) -> Iterator[Reason]:
    task = charter.task
    if task.type == "regression":
        return
    counts = texts(frame[task.target]).drop_nulls().value_counts(sort=True)
    if counts.height and (rarest := int(counts["count"][-1])) < FEWEST_OF_A_CLASS:
        name = counts[task.target][-1]
        message = f"class {name} has {rarest} rows; below {FEWEST_OF_A_CLASS} neither skill nor drift can be told from chance"
        yield Reason("risk", "rare_class", message, rarest, "task.target")


def _segments(frame: pl.DataFrame, charter: Charter) -> Iterator[Reason]:
    for column in charter.success.segments:
        counts = frame[column].value_counts(sort=True)
        if counts.height and (rarest := int(counts["count"][-1])) < FEWEST_OF_A_SEGMENT:
            message = f"segment {column}={counts[column][-1]} has {rarest} rows; below {FEWEST_OF_A_SEGMENT} it cannot be judged"
            yield Reason("risk", "small_segment", message, rarest, "success.segments")


def _quality(frame: pl.DataFrame, charter: Charter) -> Iterator[Reason]:
    task = charter.task
    if not frame.height:
        return
    duplicates = 1 - frame.n_unique() / frame.height
    if duplicates > MOST_DUPLICATES:
        message = f"{duplicates:.1%} of the rows repeat another row exactly; copies on both sides of the split flatter a model"
        yield Reason("risk", "duplicates", message, duplicates, "data.source")
    named = {task.target, task.time, *task.entity, *task.leave_out}
    constant = [name for name in frame.columns if name not in named and frame[name].n_unique() <= 1]
    if constant:
        yield Reason("risk", "constant_columns", f"these columns never change: {_list(constant)}", len(constant), "task.leave_out")
    if task.time is not None and (gaps := frame[task.time].null_count()):
        message = f"{gaps} rows ({gaps / frame.height:.1%}) have no {task.time}; they cannot be put in order"
        yield Reason("risk", "rows_without_time", message, gaps, "task.time")


def _suspects(frame: pl.DataFrame, charter: Charter) -> Iterator[Reason]:
    task = charter.task
    for suspect in find_suspects(frame, task.target, task.type, time=task.time, skip=task.leave_out):
        message = f"{' and '.join(suspect.columns)}: {suspect.reason}"
        yield Reason("risk", f"suspect_{suspect.kind}", message, suspect.number, "task.leave_out")


def _timing(charter: Charter) -> Iterator[Reason]:
    delay, window = charter.task.label_delay, charter.monitor.window
    if delay > WINDOWS[window]:
        days = delay / timedelta(days=1)
        message = f"labels come {days:g} days after their rows, later than a window of one {window} ends: so late is performance judged"
        yield Reason("risk", "late_labels", message, days, "monitor.window")


def _list(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
