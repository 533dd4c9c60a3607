"""Stage 8 for series: the champion's forecast from the newest origin of each, written out and logged as predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeostat.core.forecasts import HORIZON, ORIGIN
from homeostat.core.ids import digest, fact_id
from homeostat.core.records import PROVENANCE
from homeostat.errors import DataError, ProjectError
from homeostat.flow.writing import check_suffix, write_rows

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import polars as pl

    from homeostat.core.facts import Fact
    from homeostat.core.sections import Task
    from homeostat.flow.project import Project
    from homeostat.flow.serving import Serving

ARM = "champion"


def forecast(project: Project, at: datetime | None = None, target: Path | None = None) -> dict[str, Any]:
    """Forecast every horizon of every series from the newest dataset version; each forecast is logged once.

    Args:
        project: with a champion.
        at: as if it were then; None: the moment the newest value of each series was known.
        target: a CSV or Parquet file for the answers.

    Returns:
        ``rows`` with entity, ``origin``, time, ``horizon`` and what the model answers; ``unknown``, by column known ahead, how many of
        the rows lack it; and ``version``, ``dataset``, ``logged`` (the ``forecast`` fact) and ``output``.

    Raises:
        ProjectError: HS360, the charter asks for no forecast; HS608, nothing is promoted or ingested yet.
        DataError: HS359, no series has a value by then; HS209, the file cannot be written by its suffix.
    """
    from homeostat.flow.serving import serving
    from homeostat.serving.predictor import Predictor

    task = project.charter.task
    if task.forecast is None:
        step = "give task.forecast, or use `homeostat score` for rows of other tasks"
        raise ProjectError("HS360", "task.forecast is not set; this model answers rows, not series", place="homeostat.yaml", next_step=step)
    if target is not None:
        check_suffix(target)
    now, dataset = serving(project), project.latest("dataset", "run `homeostat ingest` first")
    rows = rows_ahead(project, dataset, at)
    predictor = Predictor(now.bundle)
    said = predictor.say_frame(rows)
    answers = predictor.answers(said.scores, said.ends)
    told = _told(rows, answers, task)
    if target is not None:
        write_rows(target, told, over=True)
    ends = said.ends.tolist() if said.ends is not None else [(None, None)] * rows.height
    logged = _log(project, now, dataset, rows, [said.scores.tolist(), answers["prediction"], ends])
    return {
        "rows": told,
        "unknown": {name: n for name in task.forecast.known if (n := rows[name].null_count())},
        "version": now.version.number,
        "dataset": dataset.id,
        "logged": logged.id,
        "output": str(target) if target is not None else "",
    }


def rows_ahead(project: Project, dataset: Fact, at: datetime | None = None) -> pl.DataFrame:
    """What the model is asked: a row for each horizon of each series, from the values that a training may see as well.

    Raises:
        DataError: HS359, no series has a value by then.
    """
    from homeostat.flow.datasets import read_dataset
    from homeostat.flow.labelling import labels_version, with_labels
    from homeostat.flow.training_rows import outside
    from homeostat.preparation.supervised import latest_view

    frame, _ = with_labels(project, dataset, read_dataset(project, dataset), labels_version(project))
    used = outside(project, dataset, frame, project.ledger.find("quarantine"))
    rows = latest_view(used, project.charter.task, at)
    if rows.is_empty():
        when = "at all" if at is None else f"by {at.isoformat()}"
        raise DataError("HS359", f"no series has a value {when}", place=dataset.id, next_step="give a later --at, or ingest what has come")
    return rows


def _told(rows: pl.DataFrame, answers: dict[str, list[float] | list[str]], task: Task) -> pl.DataFrame:
    import polars as pl

    names = [pl.col(name) for name in (*task.entity, ORIGIN, str(task.time), HORIZON)]
    return rows.select(names).rename({ORIGIN: "origin"}).with_columns(pl.Series(name, values) for name, values in answers.items())


def _log(project: Project, now: Serving, dataset: Fact, rows: pl.DataFrame, answered: list[Any]) -> Fact:
    """The ``forecast`` fact of this version, data and origins; its predictions are logged before it is recorded.

    A kill in between leaves predictions that the next forecast logs again; one that is recorded is not logged twice.
    """
    import polars.selectors as cs

    from homeostat.infra.predictions import Ids, Prediction, PredictionLog, utc_text

    task = project.charter.task
    origins = rows[ORIGIN]
    key = digest({"version": now.version.fact.id, "dataset": dataset.id, "origins": [each.isoformat() for each in origins.to_list()]})
    known = project.ledger.get(fact_id("forecast", key))
    if known is not None:
        return known
    hidden = {task.target, *project.charter.privacy.never_log, *PROVENANCE}
    sent = rows.select(name for name in rows.columns if name not in hidden and not name.startswith("_"))
    sent = sent.with_columns(cs.temporal().dt.to_string("iso:strict"))
    request, *ids = Ids().take(rows.height + 1)
    moment, manifest = project.clock.now(), now.bundle.manifest
    log = PredictionLog(project.predictions)
    try:
        log.append(
            [
                Prediction(
                    f"pr-{name}",
                    f"rq-{request}",
                    row,
                    utc_text(moment),
                    manifest.name,
                    now.version.number,
                    ARM,
                    inputs,
                    scores,
                    answer,
                    0.0,
                    *ends,
                )
                for row, (name, inputs, scores, answer, ends) in enumerate(zip(ids, sent.to_dicts(), *answered, strict=True))
            ]
        )
        log.flush()
    finally:
        log.close()
    body: dict[str, object] = {
        "version": now.version.number,
        "dataset": dataset.id,
        "request": f"rq-{request}",
        "origin": {"first": str(origins.min()), "last": str(origins.max())},
        "rows": rows.height,
    }
    return project.record("forecast", key, body, subject=now.version.fact.id, causes=(now.version.fact.id, dataset.id))
