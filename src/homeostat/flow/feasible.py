"""Stages 1 and 2 as a journey: the charter against the data, with a naive and a quick model measured before anyone trains for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.errors import LearningError

if TYPE_CHECKING:
    import polars as pl

    from homeostat.charter.feasibility import Feasibility
    from homeostat.core.ports import Progress
    from homeostat.flow.project import Project


def check(project: Project, progress: Progress | None = None) -> Feasibility:
    """Say from the data whether the charter's goal is feasible. Reads the source, writes nothing.

    Raises:
        CharterError, DataError, LearningError: the charter or the data will not do as they are.
    """
    return assess_frame(project, source_rows(project, progress), progress)


def source_rows(project: Project, progress: Progress | None = None) -> pl.DataFrame:
    """The rows of all files of the source that the contract lets through.

    Raises:
        DataError: a file cannot be read, or lacks a column that the charter names.
    """
    import polars as pl

    from homeostat.charter.columns import check_columns
    from homeostat.flow.ingest import checked, load_contract
    from homeostat.infra.sources import list_files, read

    contract = load_contract(project)
    frames = []
    for path in list_files(project.root, project.charter.data):
        if progress:
            progress.update(f"read {path.name}")
        frame = read(path, project.charter.data, project.root).frame
        check_columns(project.charter, frame.columns, place=path.name)
        # What the contract would quarantine is not evidence; and its types make the files of one source alike.
        frames.append(checked(project, frame, contract))
    return pl.concat(frames, how="diagonal_relaxed")


def assess_frame(project: Project, frame: pl.DataFrame, progress: Progress | None = None) -> Feasibility:
    """The feasibility verdict for rows in memory."""
    from homeostat.charter.feasibility import assess
    from homeostat.flow.scoping import measure
    from homeostat.preparation.split import split

    charter = project.charter
    rows = frame.drop("_source", "_line", strict=False)
    try:
        parts = split(rows, charter.task, charter.preparation)
        evidence = measure(charter, parts, rows.height, progress)
    except LearningError as error:
        if error.code == "HS302":  # too few rows to measure anything is an answer, not a fault
            return assess(rows, charter, None)
        if error.code == "HS301" and rows[charter.task.target].drop_nulls().n_unique() > 1:  # so is a split that leaves one class
            return assess(rows, charter, None, obstacle=error.message)
        raise
    if progress:
        progress.update("look for columns that give the target away")
    return assess(rows, charter, evidence)
