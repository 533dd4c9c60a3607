"""The neural learner: the same network each time, the rows it stops by, what it answers where training had nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from homeostat.learning.learner import Fitted, Goal, Rows
from homeostat.learning.learners import neural
from homeostat.learning.learners.network import batch_of
from homeostat.stats.metrics import metric

pytest.importorskip("torch")

SMALL = {"width": 16, "depth": 2, "steps": 8, "learning_rate": 0.01, "dropout": 0.2, "weight_decay": 0.01}
SQUARES, ABSOLUTE = Goal("regression", (), metric("rmse")), Goal("regression", (), metric("mae"))
RANKED = Goal("binary", ("no", "yes"), metric("auc"))


def rows(count: int = 400, seed: int = 0, classes: bool = False) -> Rows:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, 4))
    raw = np.sin(3 * x[:, 0]) * 2 + x[:, 1] + draw.normal(scale=0.2, size=count)
    return Rows(x, (raw > 0.5).astype(float) if classes else 50 + 10 * raw)


def weights_of(fitted: Fitted) -> list[bytes]:
    return [node.weights.tobytes() for node in fitted.nodes if hasattr(node, "weights")]


def test_the_same_seed_gives_the_same_bits_also_beside_another_fit() -> None:
    given = rows()
    params = {**SMALL, "rounds": 4}
    alone = weights_of(neural.fit(given, SQUARES, params, 7))
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: weights_of(neural.fit(given, SQUARES, params, 7)), range(2)))
    assert both == [alone, alone]
    assert weights_of(neural.fit(given, SQUARES, params, 8)) != alone


def test_it_learns_a_curve_that_no_line_follows_and_knows_when_to_stop() -> None:
    train, valid, unseen = rows(), rows(200, 1), rows(400, 2)
    fitted = neural.fit(train, SQUARES, SMALL, 0, valid)
    error = metric("rmse").score(unseen.target, fitted.predict(unseen.features))
    assert error < 0.4 * unseen.target.std()
    assert 1 <= fitted.params["rounds"] <= neural.MOST_ROUNDS
    again = neural.fit(train, SQUARES, fitted.params, 0)
    assert weights_of(again) == weights_of(fitted), "a refit without validation rows comes to the round that was best"


def test_absolute_errors_are_made_small_where_these_are_the_metric() -> None:
    draw = np.random.default_rng(3)
    given = Rows(np.zeros((600, 1)) + draw.integers(0, 2, (600, 1)), draw.exponential(10.0, 600))
    params = {**SMALL, "rounds": 12, "dropout": 0.0}
    median, mean = (neural.fit(given, goal, params, 0).predict(given.features).mean() for goal in (ABSOLUTE, SQUARES))
    assert abs(median - np.median(given.target)) < 1.0
    assert abs(mean - given.target.mean()) < 1.0


def test_rows_to_stop_by_count_by_their_weights() -> None:
    train, valid = rows(classes=True), rows(200, 1, classes=True)
    goal = replace(RANKED, metric=metric("log_loss"))
    flipped = Rows(np.vstack([valid.features] * 2), np.concatenate([valid.target, 1 - valid.target]), np.repeat([1.0, 1e-9], 200))
    told: dict[str, list[float]] = {"plain": [], "weighed": []}
    for name, judged in (("plain", valid), ("weighed", flipped)):
        errors = told[name]

        def watch(progress: float, error: float, errors: list[float] = errors) -> bool:
            errors.append(error)
            return progress == 3

        neural.fit(train, goal, SMALL, 0, judged, watch)
    np.testing.assert_allclose(told["weighed"], told["plain"], rtol=1e-6)


def test_beyond_the_training_rows_it_answers_as_at_their_edge() -> None:
    given = rows()
    fitted = neural.fit(given, SQUARES, {**SMALL, "rounds": 3}, 0)
    edge = np.where(np.arange(4) < 2, given.features.max(axis=0), given.features.min(axis=0))[None]
    far = np.where(edge > 0, 1e12, -1e12)
    np.testing.assert_allclose(fitted.predict(far), fitted.predict(edge), rtol=1e-12)


@pytest.mark.parametrize("goal", [SQUARES, RANKED], ids=["regression", "binary"])
def test_columns_of_one_value_and_a_target_of_one_value_are_no_trouble(goal: Goal) -> None:
    given = rows(60, classes=bool(goal.classes))
    flat = Rows(np.where(np.arange(4) == 0, given.features, 3.0), given.target)
    fitted = neural.fit(flat, goal, {**SMALL, "rounds": 2}, 0)
    moved = flat.features + np.array([0.0, 5.0, 0.0, -5.0])
    np.testing.assert_array_equal(fitted.predict(moved), fitted.predict(flat.features))
    same = Rows(given.features, np.ones(60))
    assert np.isfinite(neural.fit(same, goal, {**SMALL, "rounds": 2}, 0).predict(given.features)).all()


def test_learning_that_runs_away_is_an_error_with_its_reason() -> None:
    given = rows()
    with pytest.raises(ValueError, match="ran away"):
        neural.fit(given, SQUARES, {**SMALL, "learning_rate": 1e30, "rounds": 2}, 0)


def test_of_few_rows_a_batch_is_small_and_of_many_large() -> None:
    assert [batch_of(count) for count in (3, 500, 8_000, 1_000_000)] == [3, 32, 128, 1_024]


def test_where_there_is_a_graphics_card_large_data_go_there() -> None:
    cards: Any = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: True), device=lambda name: name)
    none: Any = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False), device=lambda name: name)
    asked = [neural._device(cards, neural.GPU_FROM), neural._device(cards, 1_000), neural._device(none, neural.GPU_FROM)]
    assert asked == ["cuda", "cpu", "cpu"]
