"""Bias and variance add up to the mean loss, are what the papers say row by row, and see what was planted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.evaluation.bias_variance import decompose


def answers(seed: int, refits: int = 7, rows: int = 40, classes: int = 3):
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(classes), (refits, rows))
    return rng.integers(0, classes, rows).astype(np.float64), scores, scores.argmax(axis=2).astype(np.float64)


@given(st.integers(0, 10_000), st.integers(2, 4))
@settings(max_examples=40)
def test_the_parts_add_up_to_the_mean_loss(seed: int, classes: int) -> None:
    y, scores, decided = answers(seed, classes=classes)
    log, wrong = decompose(y, scores, decided)
    at = np.arange(len(y))
    assert log.mean == pytest.approx(-np.log(scores[:, at, y.astype(int)]).mean())
    assert wrong.mean == pytest.approx((decided != y).mean())
    for each in (log, wrong):
        assert each.bias + each.variance == pytest.approx(each.mean)
        assert np.mean(each.single) == pytest.approx(each.mean)
    (squared,) = decompose(y, scores[:, :, :1])
    assert squared.bias + squared.variance == pytest.approx(squared.mean)
    assert min(log.variance, squared.variance) >= 0


def test_zero_one_loss_row_by_row_as_domingos() -> None:
    y, scores, decided = answers(1, refits=9)
    bias = variance = 0.0
    for row in range(len(y)):
        votes = [int((decided[:, row] == each).sum()) for each in range(3)]
        main = votes.index(max(votes))
        differs = decided[:, row] != main
        if main == y[row]:
            variance += differs.mean()
        else:
            bias += 1
            variance -= (decided[:, row] == y[row]).mean()  # c2 = -P(right | not main): leaving the wrong main answer can only help
    _, wrong = decompose(y, scores, decided)
    assert (wrong.bias, wrong.variance) == (pytest.approx(bias / len(y)), pytest.approx(variance / len(y)))


def test_log_loss_is_the_divergence_from_the_geometric_mean() -> None:
    y, scores, decided = answers(2)
    main = np.exp(np.log(scores).mean(axis=0))
    main /= main.sum(axis=1, keepdims=True)
    log, _ = decompose(y, scores, decided)
    assert log.bias == pytest.approx(-np.log(main[np.arange(len(y)), y.astype(int)]).mean())
    assert log.variance == pytest.approx((main * np.log(main / scores)).sum(axis=2).mean())


def test_a_steady_learner_has_bias_and_a_nervous_one_variance() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=500)
    (steady,) = decompose(y, np.zeros((20, 500, 1)))
    (nervous,) = decompose(y, (y + rng.normal(size=(20, 500)))[:, :, None])
    assert steady.variance == 0
    assert steady.bias == pytest.approx(np.square(y).mean())
    assert nervous.variance == pytest.approx(0.95, abs=0.05)
    assert nervous.bias == pytest.approx(1 / 20, abs=0.02)


def test_rows_of_classes_nobody_knows_are_left_out() -> None:
    y, scores, decided = answers(3)
    y[:4] = -1
    log, wrong = decompose(y, scores, decided)
    assert (log.rows, wrong.rows) == (36, 36)
