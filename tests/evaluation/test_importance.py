"""Importances over rows, and the rows to draw."""

from __future__ import annotations

import numpy as np
import pytest

from homeostat.evaluation.importance import SWARM_ROWS, importances, swarms
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


def test_a_swarm_has_few_rows_and_says_where_each_value_stands() -> None:
    rng = np.random.default_rng(0)
    values, raw = rng.normal(size=(1_000, 2, 1)), np.column_stack([np.arange(1_000.0), np.full(1_000, np.nan)])
    one, other = swarms(explained(values), raw, seed=0)
    assert len(one.added) == len(one.standing) == SWARM_ROWS
    assert (one.standing[0], one.standing[-1]) == (0.0, 1.0)
    assert (np.diff(one.standing) > 0).all()
    assert np.isnan(other.standing).all()
    tied = swarms(explained(values[:3]), np.array([[1.0, np.nan], [1.0, 2.0], [5.0, np.nan]]), seed=0)
    np.testing.assert_allclose(tied[0].standing, [0.25, 0.25, 1.0])
    assert tied[1].standing[1] == pytest.approx(0.0)
