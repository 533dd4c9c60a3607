"""What a quick model leans on: how much worse it gets when a column's values are shuffled. Training rows only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.records import Split
from homeostat.errors import HomeostatError
from homeostat.graph.plan import block_columns

if TYPE_CHECKING:
    import polars as pl

    from homeostat.flow.project import Project
    from homeostat.graph.plan import Decoded, Ints
    from homeostat.preparation.analysis.records import Importance

LEARNER = "lightgbm"
FITTED_SHARE = 0.75
MOST_FITTED = 40_000
MOST_CELLS = 200_000  # rows judged times columns
MOST_JUDGED = 5_000
FEWEST_ROWS = 200
SHUFFLES = 3


def importance(project: Project, train: pl.DataFrame) -> Importance | None:
    """Permutation importance of each input, on the newest quarter of the training rows for a quick model fitted on the rest.

    None for fewer than 200 rows, when no model can be fitted, or when the metric has no value on these rows. Correlated columns
    share what they are worth. Source: Breiman 2001, "Random Forests", section 10, on rows the model was not fitted on.
    """
    from homeostat.charter.effective import effective_task
    from homeostat.core.targets import classes_of
    from homeostat.flow.measure import success_metric
    from homeostat.flow.quick import fit_on
    from homeostat.graph.decode import decode_frame
    from homeostat.graph.interpret import run
    from homeostat.preparation.analysis.records import Importance

    if train.height < FEWEST_ROWS:
        return None
    charter = project.charter.model_copy(update={"task": effective_task(project.charter)})
    cut = int(train.height * FITTED_SHARE)
    rng = np.random.default_rng(charter.learning.seed)
    rows = Split(_some(train[:cut], MOST_FITTED, rng), _some(train[cut:], MOST_JUDGED, rng), train.clear())
    judged = _some(train[cut:], min(MOST_JUDGED, max(FEWEST_ROWS, MOST_CELLS // train.width)), rng)
    try:
        quick = fit_on(charter, rows, judged, LEARNER, classes_of(rows.train[charter.task.target], charter.task), refit=False)
    except HomeostatError:
        return None
    plan = quick.candidate.plan
    measured = success_metric(charter, quick.candidate.plan.classes)
    base = measured.score(quick.y, quick.scores)
    if not np.isfinite(base):
        return None
    worse = -1.0 if measured.greater_is_better else 1.0
    drops, decoded = [], decode_frame(plan.inputs, judged)
    for name, places in block_columns(plan.inputs).items():
        shuffled = [_shuffled(decoded, places, rng.permutation(judged.height)) for _ in range(SHUFFLES)]
        changes = worse * (np.array([measured.score(quick.y, run(plan, *each)) for each in shuffled]) - base)
        drops.append((name, float(changes.mean()), float(changes.std(ddof=1))))
    return Importance(measured.name, float(base), judged.height, tuple(sorted(drops, key=lambda each: -each[1])))


def _shuffled(decoded: Decoded, places: tuple[str, slice], order: Ints) -> Decoded:
    """The decoded rows with the columns of one input in another order."""
    name, columns = places
    block = getattr(decoded, name).copy()
    block[:, columns] = block[order, columns]
    return decoded._replace(**{name: block})


def _some(frame: pl.DataFrame, most: int, rng: np.random.Generator) -> pl.DataFrame:
    """At most so many rows, drawn without replacement, in their order."""
    if frame.height <= most:
        return frame
    return frame[np.sort(rng.choice(frame.height, most, replace=False))]
