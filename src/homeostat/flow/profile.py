"""Stage 4's analysis as a journey: the newest dataset version, decisions, suspects, what a quick model leans on. Records nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.charter.effective import effective_task, never_inputs
from homeostat.core.records import PROVENANCE
from homeostat.errors import LearningError
from homeostat.flow.importance import importance
from homeostat.flow.training_rows import split_rows, training_rows

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.core.ports import Progress
    from homeostat.core.records import Decision, Split
    from homeostat.flow.project import Project
    from homeostat.preparation.analysis.analyse import Evidence, Known
    from homeostat.preparation.analysis.records import Analysis, Remark, Suspicion


@dataclass(frozen=True, slots=True)
class Profiled:
    """The analysis, made ``at``, and of what: ``dataset`` names the fact, ``version`` and ``digest`` the rows ``ingested`` then."""

    project: str
    dataset: str
    version: int
    digest: str
    ingested: datetime
    at: datetime
    analysis: Analysis


def profile(project: Project, progress: Progress | None = None) -> Profiled:
    """Analyse the newest dataset version. The sealed holdout is counted and not looked at; the target is, on training rows only.

    Raises:
        ProjectError: HS608, nothing was ingested yet.
        DataError: the target or the time column is missing, or a time cannot be read.
        CharterError: the charter's split does not fit the data.
    """
    from homeostat.preparation.analysis.analyse import analyse

    dataset = project.latest("dataset", "run `homeostat ingest` first")
    charter = project.charter
    evidence, split, problems = _evidence(project, dataset)
    known = _known(project, split, problems, progress)
    if progress:
        progress.update(f"analyse {evidence.seen.height} rows")
    found = analyse(evidence, effective_task(charter), charter.preparation, known, charter.learning.seed)
    body = dataset.body
    return Profiled(charter.name, dataset.id, int(body["version"]), str(body["digest"]), dataset.at, project.clock.now(), found)


def _evidence(project: Project, dataset: Fact) -> tuple[Evidence, Split | None, list[Remark]]:
    """The rows that may be seen; without a split none of them with the target."""
    import polars as pl

    from homeostat.preparation.analysis.analyse import Evidence
    from homeostat.preparation.analysis.records import Remark, RowCounts

    rows = training_rows(project, dataset)
    left = {"unlabelled": rows.unlabelled, "quarantined": rows.quarantined}
    try:
        split = split_rows(project, rows.frame)
    except LearningError as error:  # too few rows to train on are still rows to look at
        counts = RowCounts(seen=rows.frame.height, train=0, seen_sample=0, train_sample=0, **left)
        problem = Remark("high", error.place or "preparation.holdout", f"nothing is told about the target: {error.message}", 1.0)
        return Evidence(rows.frame, rows.frame.clear(), counts), None, [problem]
    seen = pl.concat([split.train, split.validation])
    counts = RowCounts(
        seen=seen.height,
        train=split.train.height,
        seen_sample=0,
        train_sample=0,
        validation=split.validation.height,
        holdout=split.holdout.height,
        **left,
    )
    return Evidence(seen, split.train, counts), split, []


def _known(project: Project, split: Split | None, problems: list[Remark], progress: Progress | None) -> Known:
    from homeostat.preparation.analysis.analyse import Known

    charter = project.charter
    hidden = frozenset({*charter.privacy.never_use, *charter.privacy.never_log})
    if split is None:
        return Known(hidden=hidden, problems=tuple(problems))
    if progress:
        progress.update("look for columns that give the target away")
    decisions = _decisions(project, split, problems)
    suspects = _suspects(project, split.train, hidden)
    if progress:
        progress.update("fit a quick model")
    return Known(decisions, suspects, importance(project, split.train) if decisions else None, hidden, tuple(problems))


def _decisions(project: Project, split: Split, problems: list[Remark]) -> tuple[Decision, ...]:
    from homeostat.preparation.analysis.records import Remark
    from homeostat.preparation.decide import decide

    try:
        charter = project.charter
        return decide(split.train, effective_task(charter), charter.preparation, never_inputs(charter))
    except LearningError as error:  # what cannot be prepared is what the report should show
        problems.append(Remark("high", "task.leave_out", f"preparation refuses {error.place}: {error.message}", 1.0))
        return ()


def _suspects(project: Project, train: pl.DataFrame, hidden: Collection[str]) -> tuple[Suspicion, ...]:
    from homeostat.charter.suspects import find_suspects
    from homeostat.preparation.analysis.records import Suspicion

    task = effective_task(project.charter)
    rows = train.drop(*PROVENANCE, *hidden, strict=False)
    if task.target not in rows.columns:
        return ()
    found = find_suspects(rows, task.target, task.type, time=task.time if task.time in rows.columns else None, skip=task.leave_out)
    return tuple(Suspicion(each.columns, each.kind, each.number, each.reason) for each in found)
