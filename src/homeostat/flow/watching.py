"""What monitoring needs of the world: the served rows of a window, their labels, and profiles of both."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeostat.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.charter.schema import Charter
    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project
    from homeostat.monitoring.profile import Profile
    from homeostat.serving.bundle import Bundle


def scored_profile(charter: Charter, bundle: Bundle, frame: pl.DataFrame) -> Profile:
    """The reference profile of labelled rows: inputs, the model's predictions, and targets."""
    from homeostat.monitoring.profile import reference_profile
    from homeostat.serving.predictor import Predictor

    prediction = told_prediction(bundle, Predictor(bundle).predict_frame(frame))
    return reference_profile(frame, bundle.inputs(), prediction=prediction, target=told_target(bundle, frame[charter.task.target]))


def told_prediction(bundle: Bundle, scores: NDArray[np.float64]) -> NDArray[np.float64] | list[str]:
    """What is profiled of the answers: the value, the probability of the positive class, or the class of several."""
    if len(bundle.manifest.classes) > 2:
        return [bundle.manifest.classes[place] for place in scores.argmax(axis=1)]
    return scores[:, -1]


def told_target(bundle: Bundle, target: pl.Series) -> pl.Series:
    """What is profiled of the truth: numbers, or class texts."""
    import polars as pl

    from homeostat.core.targets import texts

    return texts(target) if bundle.manifest.classes else target.cast(pl.Float64, strict=False)


def load_profile(project: Project, blob: str) -> Profile:
    """A stored profile."""
    from homeostat.monitoring.profile import Profile

    return Profile.from_dict(json.loads(project.blobs.get(blob)))


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """Logged predictions: every raw field as it was sent, then ``_prediction_id``, ``_version``, ``_scores`` and ``_moment`` (UTC).

    ``torn`` counts log lines that were cut by a kill and cannot be read.
    """

    frame: pl.DataFrame
    torn: int = 0


def read_served(project: Project) -> Served:
    """All logged predictions of the project, with the moment each row is about.

    The moment is the charter's time column where the row carries it, else the time of the request.
    """
    import polars as pl

    from homeostat.infra.predictions import read
    from homeostat.monitoring.windows import moments

    log = read(project.predictions)
    records = log.records
    if not records:
        return Served(pl.DataFrame(), log.torn)
    inputs = pl.DataFrame([record["inputs"] for record in records], infer_schema_length=None, strict=False)
    moment = moments(pl.Series("_moment", [record["at"] for record in records]))
    time = project.charter.task.time
    if time in inputs.columns:
        # zip_with keeps the request's time where the row's own is missing or unreadable.
        own = moments(inputs[time])
        moment = own.zip_with(own.is_not_null(), moment)
    frame = inputs.with_columns(
        pl.Series("_prediction_id", [record["id"] for record in records]),
        pl.Series("_version", [str(record["version"]) for record in records]),
        pl.Series("_scores", [[float(s) for s in record["scores"]] for record in records]),
        moment.alias("_moment"),
    )
    return Served(frame, log.torn)


def take_labels(project: Project, path: Path) -> Fact:
    """Store the labels of a file (once per content) and return the ``labels`` fact with what they match.

    Labels of rows that are not in the prediction log are kept as well: their predictions may come later.

    Raises:
        DataError: the file cannot be read, or (HS210) names neither ``prediction_id`` nor the entity columns.
    """
    import polars as pl

    from homeostat.core.targets import texts
    from homeostat.infra.sources import read, sha256_file
    from homeostat.monitoring.join import join_labels

    task = project.charter.task
    sha256 = sha256_file(path) if path.is_file() else ""
    frame = read(path, project.charter.data, project.root).frame
    _check_labels(project, path, frame)
    # The join itself says what is wrong with the columns; an empty log joins to nothing but is checked the same.
    report = join_labels(_joinable(read_served(project).frame, task.entity), frame, task.target, task.entity)
    keys = ["prediction_id", *task.entity]
    stored = frame.select(
        *[
            (texts(frame[key]) if key in frame.columns else pl.Series(key, [None] * frame.height, dtype=pl.String)).alias(key)
            for key in keys
        ],
        texts(frame[task.target]).alias(task.target),
        pl.col("_source"),
        pl.col("_line"),
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

    task = project.charter.task
    if task.type != "regression" or task.target not in frame.columns:
        return
    numbers = frame[task.target].cast(pl.Float64, strict=False)
    wrong = frame.filter(frame[task.target].is_not_null() & ~(numbers.is_finite().fill_null(False)))
    if wrong.height:
        first = wrong.row(0, named=True)
        raise DataError(
            "HS210",
            f"got the label {first[task.target]!r}; a regression task needs finite numbers ({wrong.height} label(s) are none)",
            place=f"{path.name}:{first['_line']}",
            next_step="mend or leave out these rows; nothing of the file was kept",
        )


def labelled(project: Project, served: pl.DataFrame) -> pl.DataFrame:
    """Served rows that have a label, with it in the target column (as text)."""
    from homeostat.monitoring.join import join_labels

    table = project.table("labels")
    task = project.charter.task
    if served.is_empty() or not table.exists():
        return served.clear()
    labels = table.read()
    by_id = labels.filter(labels["prediction_id"].is_not_null())
    by_entity = labels.filter(labels["prediction_id"].is_null()).drop("prediction_id")
    joined = [
        join_labels(_joinable(served, task.entity), part, task.target, task.entity).joined for part in (by_id, by_entity) if part.height
    ]
    import polars as pl

    whole = pl.concat(joined, how="diagonal_relaxed") if joined else served.clear()
    return whole.unique(subset="_prediction_id", keep="first", maintain_order=True).sort("_moment", maintain_order=True)


def _joinable(served: pl.DataFrame, entity: tuple[str, ...]) -> pl.DataFrame:
    import polars as pl

    if served.is_empty():
        return pl.DataFrame(schema={"prediction_id": pl.String, **dict.fromkeys(entity, pl.String)})
    return served.with_columns(pl.col("_prediction_id").alias("prediction_id"))


def scores_of(served: pl.DataFrame) -> NDArray[np.float64]:
    """The logged scores (n, k) of served rows."""
    import numpy as np

    return np.asarray(served["_scores"].to_list(), dtype=np.float64)


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
