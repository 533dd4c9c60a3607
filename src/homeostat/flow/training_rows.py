"""Which rows of a dataset a training may see: those with a label, outside every quarantined window.

The label is the source's, else an imported one; rows that only a rule has labelled are apart: they teach, and judge nothing.

A quarantined window closes the rows that were taken in before it was found broken. A delivery taken in later, such as the
mended file of the same month, is open again: it passed the contract after the break was known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.core.records import Split
    from homeostat.core.sections import Task
    from homeostat.flow.project import Project


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """The rows, and how many were left out: ``unlabelled`` for want of a target, ``quarantined`` for lying in a bad window.

    ``weak`` are the rows that only rules have labelled. ``labels`` is the version of the imported labels (None: there were none).
    ``undrawn`` counts what was left out for the charter's sample.
    """

    frame: pl.DataFrame
    weak: pl.DataFrame
    unlabelled: int
    quarantined: int
    windows: tuple[str, ...]
    labels: int | None
    undrawn: int = 0


NOW = -1
"""The imported labels as they are."""


def training_rows(project: Project, dataset: Fact, windows: Sequence[str] | None = None, labels: int | None = NOW) -> TrainingRows:
    """The rows of a dataset version that training and judging may use, with ``_label`` saying where the label is from.

    ``windows`` are the ids of the quarantines that count (None: all there are now), ``labels`` the version of the imported labels.
    Who judges a candidate gives those the candidate was trained with, so that its holdout is the same rows for ever.
    """
    from homeostat.flow.datasets import read_dataset

    rows = usable(project, dataset, read_dataset(project, dataset), windows, labels)
    return replace(rows, frame=as_learned(project.charter.task, rows.frame))


def as_learned(task: Task, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows as models learn from them and are judged on: those of the dataset, or of a forecast its origins and horizons.

    A value that may not be used is in a forecast no target, and a null among the inputs.
    """
    from homeostat.preparation.supervised import training_view

    return rows if task.forecast is None else training_view(rows, task)


def usable(
    project: Project, dataset: Fact, rows: pl.DataFrame, windows: Sequence[str] | None = None, labels: int | None = NOW
) -> TrainingRows:
    """``training_rows`` of some rows of the dataset version: what it says of a row does not depend on the other rows."""
    from homeostat.core.objectives import with_combined
    from homeostat.flow.labelling import labels_version, with_labels
    from homeostat.preparation.labelling import LABEL
    from homeostat.preparation.split import only

    version = labels_version(project) if labels == NOW else labels
    known = with_combined(rows, project.charter.task.target, project.charter.objectives)
    frame, _ = with_labels(project, dataset, known, version)
    labelled = only(frame, frame[LABEL].is_not_null())
    quarantines = project.ledger.find("quarantine") if windows is None else [project.require(each) for each in windows]
    kept = outside(project, dataset, labelled, quarantines)
    return TrainingRows(
        frame=only(kept, kept[LABEL] != "rule"),
        weak=kept.filter(kept[LABEL] == "rule"),
        unlabelled=frame.height - labelled.height,
        quarantined=labelled.height - kept.height,
        windows=tuple(fact.id for fact in quarantines),
        labels=version,
    )


def outside(project: Project, dataset: Fact, rows: pl.DataFrame, quarantines: Sequence[Fact]) -> pl.DataFrame:
    """The rows that lie in none of these quarantined windows, or were delivered after it was found broken."""
    from homeostat.monitoring.windows import moments

    time = project.charter.task.time
    if time is None:
        return rows
    for fact in quarantines:
        start, end = (datetime.fromisoformat(str(fact.body[side])) for side in ("start", "end"))
        moment = moments(rows[time])
        inside = ((moment >= start) & (moment < end)).fill_null(False)
        rows = rows.filter(~(inside & ~rows["_source"].is_in(_delivered_after(project, dataset, fact))))
    return rows


def split_rows(project: Project, frame: pl.DataFrame) -> Split:
    """The charter's split of the training rows."""
    from homeostat.preparation.split import split

    return split(frame, project.charter.task, project.charter.preparation)


def split_all(project: Project, rows: TrainingRows) -> Split:
    """The charter's split, with the weakly labelled rows among those that teach."""
    from homeostat.preparation.labelling import with_weak

    return with_weak(split_rows(project, rows.frame), rows.weak, project.charter.task, project.charter.preparation.split.group)


def _delivered_after(project: Project, dataset: Fact, quarantine: Fact) -> list[str]:
    """Paths whose rows in this dataset come from a delivery that was taken in after the window was found broken."""
    from homeostat.flow.intake import MAIN

    facts = [project.require(cause) for cause in dataset.causes if cause.startswith("delivery-")]
    deliveries = [fact for fact in facts if fact.body["table"] == MAIN]
    newest = {str(d.body["path"]): d.seq for d in sorted(deliveries, key=lambda d: d.seq) if d.body["status"] == "accepted"}
    return [path for path, seq in newest.items() if seq > quarantine.seq]
