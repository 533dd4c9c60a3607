"""Stages 1 and 2 as a journey: the charter against the data, with a naive and a quick model measured before anyone trains for long."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from homeostat.core import sections
from homeostat.errors import LearningError
from homeostat.flow.baseline import naive_scores
from homeostat.flow.blocks import block_length

if TYPE_CHECKING:
    import polars as pl

    from homeostat.charter.feasibility import Feasibility
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project

QUICK = sections.Budget(seconds=None, trials=1)


def check(project: Project, progress: Progress | None = None) -> Feasibility:
    """Say from the data whether the charter's goal is feasible. Reads the source, writes nothing.

    Raises:
        CharterError, DataError, LearningError: the charter or the data will not do as they are.
    """
    import polars as pl

    from homeostat.charter.columns import check_columns
    from homeostat.flow.ingest import checked, load_contract
    from homeostat.flow.reading import source_reads

    contract = load_contract(project)
    frames = []
    for name, given in source_reads(project.charter.data, project.root, retries=project.charter.data.retries):
        if progress:
            progress.update(f"read {name}")
        frame = given.frame
        check_columns(project.charter, frame.columns, place=name)
        # What the contract would quarantine is not evidence; and its types make the files of one source alike.
        frames.append(checked(project, frame, contract))
    return assess_frame(project, pl.concat(frames, how="diagonal_relaxed"), progress)


def assess_frame(project: Project, frame: pl.DataFrame, progress: Progress | None = None) -> Feasibility:
    """The feasibility verdict for rows in memory."""
    from homeostat.charter.feasibility import QuickEvidence, assess
    from homeostat.core.targets import classes_of, encode_target
    from homeostat.learning.search import Stages, search
    from homeostat.preparation.fit import fit
    from homeostat.preparation.split import split
    from homeostat.preparation.window import select
    from homeostat.stats.metrics import metric
    from homeostat.stats.paired import paired_bootstrap

    charter = project.charter
    task = charter.task
    rows = frame.drop("_source", "_line", strict=False)
    try:
        parts = split(rows, task, charter.preparation)
    except LearningError:  # too few rows to measure anything is an answer, not a fault
        return assess(rows, charter, None)
    classes = classes_of(parts.train[task.target], task)
    measured = metric(charter.success.metric)
    if progress:
        progress.update("fit a quick model")
    found = search(
        parts,
        task,
        sections.Learning(learners=("lightgbm",), budget=QUICK, seed=charter.learning.seed),
        measured,
        Stages(
            lambda part, flavour: fit(part, task, charter.preparation, flavour, classes), lambda part, window: select(part, task, window)
        ),
        clock=time.monotonic,
        refit=False,
    )
    y = encode_target(parts.validation[task.target], classes)
    quick = found.oracle(parts.validation)
    naive = naive_scores(charter, classes, encode_target(parts.train[task.target], classes), len(y))
    lift = paired_bootstrap(
        measured,
        y,
        quick,
        naive,
        margin=charter.success.improvement,
        confidence=charter.success.confidence,
        seed=charter.learning.seed,
        block=block_length(charter, parts.validation),
    )
    evidence = QuickEvidence(
        metric=measured.name,
        greater_is_better=measured.greater_is_better,
        naive=float(measured.score(y, naive)),
        quick=float(measured.score(y, quick)),
        lift_low=lift.low,
        lift_high=lift.high,
        rows=rows.height,
        validation_rows=parts.validation.height,
        holdout_rows=parts.holdout.height,
        seconds_per_trial=found.trials[0].seconds,
    )
    return assess(rows, charter, evidence)
