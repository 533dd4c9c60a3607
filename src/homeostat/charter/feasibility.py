"""Stage 2's verdict: can this goal be reached with this data? Measured before anything is built, argued number by number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from homeostat.charter.reasons import Reason, reasons_of
from homeostat.charter.suspects import TELLTALE, find_suspects, row_order
from homeostat.core.targets import texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from homeostat.charter.evidence import Evidence
    from homeostat.charter.schema import Charter

Answer = Literal["go", "go with risks", "no-go"]

FEWEST_ROWS = 100
FEWEST_JUDGED_ROWS = 30
FEWEST_OF_A_CLASS = 50
FEWEST_OF_A_SEGMENT = 30
MOST_DUPLICATES = 0.01
WINDOWS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
WEIGHTS = ("no-go", "risk", "question")


@dataclass(frozen=True, slots=True)
class Feasibility:
    """The verdict, its reasons, the heaviest first, and what was measured; no evidence where too few rows could be judged."""

    verdict: Answer
    reasons: tuple[Reason, ...]
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many rows of a source are not among those that are judged: their contract does not let them through, or they cannot be read."""

    rows: int = 0
    of: int = 0


def assess(
    frame: pl.DataFrame, charter: Charter, evidence: Evidence | None, *, obstacle: str = "", left_out: LeftOut | None = None
) -> Feasibility:
    """The verdict on a goal: "no-go" with any reason of that weight, "go with risks" with any risk, else "go". Questions don't count.

    Args:
        frame: the rows that the contract let through; they have the columns the charter names.
        charter: the goal.
        evidence: what a quick model showed; None when there were too few rows to train and judge one, or none could be fitted.
        obstacle: why none could be fitted.
        left_out: rows that are not in the frame.
    """
    reasons = [
        *(_left_out(left_out, charter) if left_out is not None else ()),
        *(_obstacle(obstacle) if obstacle else _rows(frame, charter, evidence)),
        *(reasons_of(charter, evidence) if evidence is not None else ()),
        *_classes(frame, charter),
        *_segments(frame, charter),
        *_quality(frame, charter),
        *_suspects(frame, charter),
        *_timing(charter),
    ]
    reasons.sort(key=lambda reason: WEIGHTS.index(reason.weight))  # the sort keeps the order within each weight
    weights = {reason.weight for reason in reasons}
    verdict: Answer = "no-go" if "no-go" in weights else "go with risks" if "risk" in weights else "go"
    return Feasibility(verdict, tuple(reasons), evidence)


def _obstacle(message: str) -> Iterator[Reason]:
    yield Reason("no-go", "cannot_learn", f"no model can be fitted on the training rows: {message}", 0, "preparation.split")


def _left_out(left_out: LeftOut, charter: Charter) -> Iterator[Reason]:
    """Rows that go to quarantine; with more than so many of them a delivery is refused whole."""
    if not left_out.rows:
        return
    share, limit = left_out.rows / left_out.of, charter.data.max_quarantined
    message = f"{left_out.rows} of {left_out.of} rows cannot be read or break the contract"
    if share > limit:
        message += f"; a delivery with more than {limit:.0%} of them is refused ({share:.0%})"
        yield Reason("no-go", "refused_delivery", message, share, "data.max_quarantined")
    else:
        yield Reason("question", "left_out_rows", f"{message}: they would go to quarantine", share, "data.contract")


def _rows(frame: pl.DataFrame, charter: Charter, evidence: Evidence | None) -> Iterator[Reason]:
    target = frame[charter.task.target].drop_nulls()
    usable = len(target.drop_nans() if target.dtype.is_float() else target)
    if usable < FEWEST_ROWS:
        message = f"{usable} rows have a target; at least {FEWEST_ROWS} are needed to train and judge a model"
        yield Reason("no-go", "few_rows", message, usable, "data.source")
    judged = evidence.judged_rows if evidence is not None else 0
    sealed = evidence.holdout_rows if evidence is not None else 0
    for part, rows, use in (("validation", judged, "compare models on"), ("holdout", sealed, "judge the model on")):
        if rows < FEWEST_JUDGED_ROWS:
            message = f"{rows} rows are left to {use}; at least {FEWEST_JUDGED_ROWS} are needed"
            yield Reason("no-go", f"few_{part}_rows", message, rows, f"preparation.{part}")


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
    if task.time is None and charter.preparation.split.kind in (None, "time"):
        skill, told = row_order(frame, task.target, task.type)
        if skill >= TELLTALE:
            message = f"the rows stand in the order of the target ({skill:.3g} {told}): training and holdout would not hold the same"
            yield Reason("risk", "sorted_by_target", message, skill, "preparation.split")


def _suspects(frame: pl.DataFrame, charter: Charter) -> Iterator[Reason]:
    task = charter.task
    for suspect in find_suspects(frame, task.target, task.type, time=task.time, entity=task.entity, skip=task.leave_out):
        message = f"{' and '.join(suspect.columns)}: {suspect.reason}"
        yield Reason("risk" if suspect.sure else "question", f"suspect_{suspect.kind}", message, suspect.number, "task.leave_out")


def _timing(charter: Charter) -> Iterator[Reason]:
    delay, window = charter.task.label_delay, charter.monitor.window
    if delay > WINDOWS[window]:
        days = delay / timedelta(days=1)
        message = f"labels come {days:g} days after their rows, later than a window of one {window} ends: so late is performance judged"
        yield Reason("risk", "late_labels", message, days, "monitor.window")


def _list(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
