"""Which rows of a dataset a training may see: those with a label, outside every quarantined window.

A quarantined window closes the rows that were taken in before it was found broken. A delivery taken in later, such as the
mended file of the same month, is open again: it passed the contract after the break was known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """The rows, and how many were left out: ``unlabelled`` for want of a target, ``quarantined`` for lying in a bad window."""

    frame: pl.DataFrame
    unlabelled: int
    quarantined: int
    windows: tuple[str, ...]


def training_rows(project: Project, dataset: Fact) -> TrainingRows:
    """The rows of a dataset version that training and judging may use."""
    import polars as pl

    from homeostat.flow.ingest import read_dataset
    from homeostat.monitoring.windows import moments

    frame = read_dataset(project, dataset)
    task = project.charter.task
    labelled = frame.filter(pl.col(task.target).is_not_null())
    quarantines = project.ledger.find("quarantine")
    kept = labelled
    if task.time is not None:
        for fact in quarantines:
            start, end = (datetime.fromisoformat(str(fact.body[side])) for side in ("start", "end"))
            moment = moments(kept[task.time])
            inside = ((moment >= start) & (moment < end)).fill_null(False)
            kept = kept.filter(~(inside & ~kept["_source"].is_in(_delivered_after(project, fact))))
    return TrainingRows(
        frame=kept,
        unlabelled=frame.height - labelled.height,
        quarantined=labelled.height - kept.height,
        windows=tuple(fact.id for fact in quarantines),
    )


def _delivered_after(project: Project, quarantine: Fact) -> list[str]:
    return [str(d.body["path"]) for d in project.ledger.find("delivery") if d.seq > quarantine.seq and d.body["status"] == "accepted"]
