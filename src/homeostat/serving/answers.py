"""From scores to answers: the decision, and what a caller gets to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from homeostat.serving.manifest import ENDS
from homeostat.stats.money import least_cost

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats, Ints
    from homeostat.serving.manifest import Manifest


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one row.

    Regression: ``prediction`` is the value, between ``lower`` and ``upper`` where the model has intervals. Binary: the class, and
    ``probability`` of the positive class. Multiclass: the class, and ``probabilities`` by class.
    """

    prediction: float | str
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    lower: float | None = None
    upper: float | None = None


def decide(manifest: Manifest, scores: Floats) -> Ints:
    """The class index of each row of scores (n, k); for a regression all zeros."""
    if manifest.task == "regression":
        return np.zeros(len(scores), dtype=np.int64)
    if manifest.task == "binary":
        return np.asarray(scores[:, 1] >= manifest.threshold, dtype=np.int64)
    if manifest.costs:
        return least_cost(scores, np.asarray(manifest.costs))
    return np.asarray(np.argmax(scores, axis=1), dtype=np.int64)


def answers(manifest: Manifest, scores: Floats, decisions: Ints, ends: Floats | None = None) -> list[Answer]:
    """One answer per row of scores (n, k), decisions (n,) and, of a model with intervals, ends (n, 2)."""
    rows = scores.tolist()
    if ends is not None:
        return [Answer(row[0], None, None, *between) for row, between in zip(rows, ends.tolist(), strict=True)]
    if manifest.task == "regression":
        return [Answer(row[0]) for row in rows]
    classes = manifest.classes
    names = [classes[index] for index in decisions.tolist()]
    if manifest.task == "binary":
        return [Answer(name, row[1]) for name, row in zip(names, rows, strict=True)]
    return [Answer(name, None, dict(zip(classes, row, strict=True))) for name, row in zip(names, rows, strict=True)]


def answer_columns(manifest: Manifest, scores: Floats, ends: Floats | None = None) -> dict[str, list[float] | list[str]]:
    """Answers as columns: ``prediction``, then ``probability`` (binary), ``probability_<class>`` per class (multiclass), or the ends."""
    if manifest.task == "regression":
        between = {} if ends is None else {name: ends[:, at].tolist() for at, name in enumerate(ENDS)}
        return {"prediction": scores[:, 0].tolist(), **between}
    prediction = [manifest.classes[index] for index in decide(manifest, scores).tolist()]
    if manifest.task == "binary":
        return {"prediction": prediction, "probability": scores[:, 1].tolist()}
    return {"prediction": prediction, **{f"probability_{name}": scores[:, at].tolist() for at, name in enumerate(manifest.classes)}}
