"""Labels that arrive late: taken in once, kept, and joined to the predictions they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.core.objectives import with_combined
from homeostat.errors import DataError
from homeostat.flow.reading import read_whole
from homeostat.flow.served import read_served

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.charter.schema import Charter
    from homeostat.core.facts import Fact
    from homeostat.core.sections import Objective, Task
    from homeostat.flow.project import Project


def take_labels(project: Project, path: Path) -> Fact:
    """Store the labels of a file (once per content) and return the ``labels`` fact with what they match.

    Labels of rows that are not in the prediction log are kept as well: their predictions may come later.

    Raises:
        DataError: the file cannot be read, or (HS210) names neither ``prediction_id`` nor the entity columns.
    """
    import polars as pl

    from homeostat.core.targets import texts
    from homeostat.flow.privacy import shield_frame
    from homeostat.infra.sources import sha256_file
    from homeostat.monitoring.join import join_labels

    task = project.charter.task
    sha256 = sha256_file(path) if path.is_file() else ""
    # Keys are shielded as the log's are, so that pseudonyms meet pseudonyms.
    frame = shield_frame(project, read_whole(path, project.charter.data, project.root))
    _check_labels(project, path, frame)
    # The join itself says what is wrong with the columns; an empty log joins to nothing but is checked the same.
    whole = with_combined(frame, task.target, project.charter.objectives)
    key = label_key(task)
    report = join_labels(_joinable(read_served(project, key).frame, key), _timed(whole, task), task.target, key)
    keys = ["prediction_id", *key]
    stored = frame.select(
        *[
            (texts(frame[key]) if key in frame.columns else pl.Series(key, [None] * frame.height, dtype=pl.String)).alias(key)
            for key in keys
        ],
        *[texts(frame[name]).alias(name) for name in _label_columns(project.charter)],
        pl.col("_source"),
        pl.col("_line"),
        pl.lit(project.clock.now()).alias("_taken"),
    )
    project.table("labels").append(stored, {"sha256": sha256}, key=sha256)
    body: dict[str, object] = {
        "path": path.name,
        "sha256": sha256,
        "rows": frame.height,
        "matched": report.matched,
        "unknown": report.unknown,
        "duplicates": report.duplicates,
        "conflicting": report.conflicting,
    }
    return project.record("labels", sha256, body)


def _check_labels(project: Project, path: Path, frame: pl.DataFrame) -> None:
    """A label that could never be judged is refused before anything is stored."""
    import polars as pl

    for name, kind in _label_columns(project.charter).items():
        if kind != "regression" or name not in frame.columns:
            continue
        numbers = frame[name].cast(pl.Float64, strict=False)
        wrong = frame.filter(frame[name].is_not_null() & ~(numbers.is_finite().fill_null(False)))
        if wrong.height:
            first = wrong.row(0, named=True)
            raise DataError(
                "HS210",
                f"got the label {first[name]!r}; a regression task needs finite numbers ({wrong.height} label(s) are none)",
                place=f"{path.name}:{first['_line']}",
                next_step="mend or leave out these rows; nothing of the file was kept",
            )


def _label_columns(charter: Charter) -> dict[str, str]:
    """The columns that hold the truth, with the kind of task each is for: the target, or that of each objective."""
    return {each.target: each.type for each in charter.objectives} or {charter.task.target: charter.task.type}


def labelled(project: Project, served: pl.DataFrame) -> pl.DataFrame:
    """Served rows that have a label, with it in the target column (as text).

    With objectives it is the sum of theirs, by the weights of the version that served the row.
    """
    import polars as pl

    table = project.table("labels")
    task = project.charter.task
    if served.is_empty() or not (table.exists() or task.forecast):
        return served.clear()
    # Of two labels for one row the one that was taken in last counts, whatever its file is called.
    given = [table.read().sort("_taken", maintain_order=True).drop("_taken")] if table.exists() else []
    if task.forecast is not None:
        told = [*_came(project, served), *(_timed(each, task) for each in given)]
        return _joined(served, pl.concat(told, how="diagonal_relaxed"), task) if told else served.clear()
    (labels,), target = given, task.target
    if not project.charter.objectives:
        return _joined(served, labels, task)
    found = []
    for number, rows in served.partition_by("_version", as_dict=True, maintain_order=True).items():
        objectives = objectives_served(project, int(str(number[0])))
        own = with_combined(labels.drop(target, strict=False), target, objectives) if objectives else labels
        found.append(_joined(rows, own, project.charter.task) if target in own.columns else rows.clear())
    return pl.concat(found, how="diagonal_relaxed").sort("_moment", maintain_order=True)


def label_key(task: Task) -> tuple[str, ...]:
    """The columns that identify what a prediction is about: those of the entity, and of a forecast the time as well."""
    return (*task.entity, task.time) if task.forecast is not None and task.time is not None else task.entity


def _timed(labels: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Labels of a forecast with their time as a moment: it meets that of a prediction however either is written."""
    from homeostat.monitoring.windows import moments

    if task.forecast is None or task.time not in labels.columns:
        return labels
    return labels.with_columns(moments(labels[task.time]).alias(task.time))


def _came(project: Project, served: pl.DataFrame) -> list[pl.DataFrame]:
    """What came of a forecast: the values of the newest dataset version, as labels by series and time.

    Nothing where rows were served without their series or time: such predictions are labelled by their id.
    """
    import polars as pl

    from homeostat.core.targets import texts
    from homeostat.flow.datasets import read_dataset

    task, newest = project.charter.task, project.ledger.find("dataset", limit=1)
    if not newest or not set(label_key(task)) <= set(served.columns):
        return []
    rows = read_dataset(project, newest[0])
    named = [texts(rows[name]) for name in (*task.entity, task.target)]
    return [_timed(rows.select(*named, str(task.time), pl.lit(None, pl.String).alias("prediction_id")), task)]


def objectives_served(project: Project, number: int) -> tuple[Objective, ...]:
    """The objectives, with their weights, that the answers of a version add up."""
    from homeostat.core.sections import Objective
    from homeostat.flow.registry import version_numbered

    return tuple(Objective.model_validate(each) for each in version_numbered(project, number).fact.body.get("objectives", ()))


def _joined(served: pl.DataFrame, labels: pl.DataFrame, task: Task) -> pl.DataFrame:
    import polars as pl

    from homeostat.monitoring.join import join_labels

    by_id = labels.filter(labels["prediction_id"].is_not_null())
    by_entity = labels.filter(labels["prediction_id"].is_null()).drop("prediction_id")
    key = label_key(task)
    joined = [join_labels(_joinable(served, key), part, task.target, key).joined for part in (by_id, by_entity) if part.height]
    whole = pl.concat(joined, how="diagonal_relaxed") if joined else served.clear()
    return whole.unique(subset="_prediction_id", keep="first", maintain_order=True).sort("_moment", maintain_order=True)


def _joinable(served: pl.DataFrame, entity: tuple[str, ...]) -> pl.DataFrame:
    import polars as pl

    if served.is_empty():
        return pl.DataFrame(schema={"prediction_id": pl.String, **dict.fromkeys(entity, pl.String)})
    return served.with_columns(pl.col("_prediction_id").alias("prediction_id"))


def target_values(charter: Charter, classes: tuple[str, ...], joined: pl.DataFrame) -> NDArray[np.float64]:
    """Labels of joined rows as numbers: values, or class indices.

    Raises:
        DataError: HS210, a label is not a number in a regression task.
    """
    import polars as pl

    from homeostat.core.targets import encode_target

    labels = joined[charter.task.target]
    if not classes:
        numbers = labels.cast(pl.Float64, strict=False)
        wrong = labels.filter(numbers.is_null() & labels.is_not_null())
        if wrong.len():
            raise DataError("HS210", f"got the label {wrong[0]!r}; a regression task needs numbers", place=f"column {labels.name!r}")
        labels = numbers
    return encode_target(labels, classes)
