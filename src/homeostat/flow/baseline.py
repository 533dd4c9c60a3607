"""The baseline a model must beat, measured on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from homeostat.charter.schema import Charter


def naive_scores(charter: Charter, classes: tuple[str, ...], seen: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """What the naive learner, fitted on the targets seen so far, answers for ``rows`` new rows: (rows, k)."""
    from homeostat.learning.learner import Goal, Rows
    from homeostat.learning.learners import LEARNERS
    from homeostat.stats.metrics import metric

    goal = Goal(charter.task.type, classes, metric(charter.success.metric))
    fitted = LEARNERS["naive"].fit(Rows(np.zeros((len(seen), 0)), seen), goal, {}, charter.learning.seed)
    return fitted.predict(np.zeros((rows, 0)))
