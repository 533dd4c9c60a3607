"""Stages 1 and 2 as a journey: the charter against the data, with a naive and a quick model measured before anyone trains for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core.addresses import without_secrets
from homeostat.errors import LearningError

if TYPE_CHECKING:
    import polars as pl

    from homeostat.charter.feasibility import Feasibility, LeftOut
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project


def check(project: Project, progress: Progress | None = None) -> Feasibility:
    """Say from the data whether the charter's goal is feasible. Reads the source, writes nothing.

    Raises:
        CharterError, DataError, LearningError: the charter or the data will not do as they are.
    """
    rows, left_out = source_rows(project, progress)
    return assess_frame(project, rows, progress, left_out)


def source_rows(project: Project, progress: Progress | None = None) -> tuple[pl.DataFrame, LeftOut]:
    """The rows that models would learn from, as the sources have them now: what the contract lets through, joined and transformed.

    Also told is how many rows of the main table the contract does not let through, or cannot be read.

    Raises:
        DataError: a source cannot be read, or lacks a column that the charter names; HS220, the rows as a whole break their contract.
        Unreachable: a source does not answer.
    """
    from homeostat.charter.columns import check_columns
    from homeostat.charter.feasibility import LeftOut
    from homeostat.core.objectives import with_combined
    from homeostat.flow.curate import second_check, transformed
    from homeostat.flow.intake import MAIN, checked, intakes, is_transformed
    from homeostat.flow.reading import read_source

    frames: dict[str, pl.DataFrame] = {}
    left_out = LeftOut()
    for intake in intakes(project):
        # What the contract would quarantine is not evidence; and its types make the parts of one source alike.
        read = read_source(project, intake.section, progress)
        rows = frames[intake.table] = checked(project, intake, read.frame, frames)
        given = read.frame.height + read.broken.height
        left_out = LeftOut(given - rows.height, given)  # the main table comes last
    rows, charter = frames.pop(MAIN), project.charter
    if is_transformed(project):
        made, _ = transformed(project, rows, frames)
        rows = second_check(project, made, frames).good
    else:
        check_columns(charter, rows.columns, place=without_secrets(charter.data.source))
    return with_combined(rows, charter.task.target, charter.objectives), left_out


def assess_frame(project: Project, frame: pl.DataFrame, progress: Progress | None = None, left_out: LeftOut | None = None) -> Feasibility:
    """The feasibility verdict for rows in memory, of which some may have been left out before."""
    from homeostat.charter.effective import effective_task
    from homeostat.charter.feasibility import assess
    from homeostat.flow.scoping import measure
    from homeostat.flow.training_rows import as_learned
    from homeostat.preparation.split import split

    charter = project.charter.model_copy(update={"task": effective_task(project.charter)})
    rows = as_learned(charter.task, frame).drop("_source", "_line", strict=False)
    try:
        parts = split(rows, charter.task, charter.preparation)
        evidence = measure(charter, parts, rows.height, progress)
    except LearningError as error:
        if error.code == "HS302":  # too few rows to measure anything is an answer, not a fault
            return assess(rows, charter, None, left_out=left_out)
        if error.code == "HS301" and rows[charter.task.target].drop_nulls().n_unique() > 1:  # so is a split that leaves one class
            return assess(rows, charter, None, obstacle=error.message, left_out=left_out)
        raise
    if progress:
        progress.update("look for columns that give the target away")
    return assess(rows, charter, evidence, left_out=left_out)
