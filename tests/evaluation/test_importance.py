"""Importances over rows."""

from __future__ import annotations

import numpy as np

from homeostat.evaluation.importance import importances
from homeostat.graph.explain import Explained
from homeostat.stats.resample import Resampling


def explained(values: np.ndarray) -> Explained:
    columns = tuple("abc"[: values.shape[1]])
    outputs = tuple("uv"[: values.shape[2]])
    return Explained(columns, outputs, "value", "exact", np.zeros(len(outputs)), values)


def test_the_mean_size_is_over_rows_and_sums_over_scores() -> None:
    values = np.array([[[1.0, -1.0], [0.5, 0.0]], [[-3.0, 0.0], [0.5, 0.0]]])
    found = importances(explained(values), Resampling(0.95, 200, 0))
    assert [(each.column, each.mean_abs) for each in found] == [("a", 2.5), ("b", 0.5)]
    assert (found[0].low, found[0].high) == (2.0, 3.0)
    assert [each.mean_abs for each in importances(explained(values), Resampling(), np.array([1]))] == [3.0, 0.5]


def test_intervals_hold_the_true_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(100):
        (one,) = importances(explained(rng.exponential(size=(80, 1, 1))), Resampling(0.9, 300, seed))
        held += one.low <= 1.0 <= one.high
    assert 80 <= held <= 97
