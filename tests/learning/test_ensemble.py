"""Ensemble selection: never worse on its rows than the best member, chosen only where it holds on rows it was not chosen on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.learning.ensemble import Room, ensemble, select
from homeostat.stats.metrics import metric

MAE, AUC, LOSS = metric("mae"), metric("auc"), metric("log_loss")


def noisy(seed: int, members: int, rows: int = 1_500, own: float = 1.0, shared: float = 0.3) -> tuple[list[np.ndarray], np.ndarray]:
    """Members that err by what all of them miss and by something of their own."""
    draw = np.random.default_rng(seed)
    y = draw.normal(size=rows)
    common = y + shared * draw.normal(size=rows)
    return [(common + own * draw.normal(size=rows))[:, None] for _ in range(members)], y


@given(seed=st.integers(0, 10_000), members=st.integers(1, 6), rows=st.integers(5, 60))
def test_weights_sum_to_one_and_the_mean_is_never_worse_than_a_member(seed: int, members: int, rows: int) -> None:
    scores, y = noisy(seed, members, rows)
    weights = select(scores, y, MAE)
    assert weights.shape == (members,)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1.0)
    mean = np.tensordot(weights, np.stack(scores), axes=1)
    assert MAE.score(y, mean) <= min(MAE.score(y, each) for each in scores) + 1e-12


def test_errors_of_their_own_cancel() -> None:
    scores, y = noisy(1, 5)
    weights = ensemble(scores, y, MAE, seed=0)
    assert weights is not None
    assert np.count_nonzero(weights) == 5
    mean = np.tensordot(weights, np.stack(scores), axes=1)
    assert MAE.score(y, mean) < 0.7 * min(MAE.score(y, each) for each in scores)


@pytest.mark.parametrize("in_order", [False, True])
def test_members_that_err_alike_are_no_ensemble(in_order: bool) -> None:
    draw = np.random.default_rng(3)
    y = draw.normal(size=1_000)
    good = (y + 0.1 * draw.normal(size=1_000))[:, None]
    assert ensemble([good, good + 1e-9, good - 1e-9], y, MAE, seed=0, in_order=in_order) is None
    assert ensemble([good, draw.normal(size=(1_000, 1))], y, MAE, seed=0, in_order=in_order) is None
    assert ensemble([good], y, MAE, seed=0, in_order=in_order) is None


def test_what_only_fits_its_own_rows_is_not_taken() -> None:
    """Many members of pure noise beside a weak one: on the rows they are chosen on, a mean of some always looks better."""
    taken = 0
    for seed in range(20):
        draw = np.random.default_rng(seed)
        y = draw.integers(0, 2, 300).astype(float)
        p = np.clip(0.5 + 0.1 * (y - 0.5) + 0.2 * draw.normal(size=300), 0.01, 0.99)
        weak = np.column_stack([1 - p, p])
        noise = [np.column_stack([1 - q, q]) for q in draw.uniform(0.01, 0.99, (8, 300))]
        weights = select([weak, *noise], y, AUC)
        assert np.count_nonzero(weights) > 1  # it does look better
        taken += ensemble([weak, *noise], y, AUC, seed=seed) is not None
    assert taken <= 6


def test_classes_are_averaged_and_rows_of_an_unknown_class_are_passed_over() -> None:
    draw = np.random.default_rng(5)
    y = draw.integers(0, 3, 900).astype(float)

    def member() -> np.ndarray:
        raw = np.eye(3)[y.astype(int)] * 1.5 + 1.2 * draw.normal(size=(900, 3))
        powers = np.exp(raw)
        return powers / powers.sum(axis=1, keepdims=True)

    scores = [member() for _ in range(3)]
    told = y.copy()
    told[::50] = -1
    weights = ensemble(scores, told, LOSS, seed=0)
    assert weights is not None
    assert weights.tolist() == ensemble(scores, told, LOSS, seed=0).tolist()  # type: ignore[union-attr]


def test_a_mean_has_no_more_members_than_there_is_room_for() -> None:
    draw = np.random.default_rng(3)
    y = draw.normal(size=500)
    scores = [y[:, None] + draw.normal(size=(500, 1)) for _ in range(4)]
    wide = select(scores, y, MAE)
    assert np.count_nonzero(wide) == 4
    weights = select(scores, y, MAE, room=Room((3.0, 3.0, 3.0, 50.0), 7.0))
    assert np.count_nonzero(weights[:3]) == 2
    assert weights[3] == 0.0
    assert ensemble(scores, y, MAE, seed=0, room=Room((3.0, 50.0, 50.0, 50.0), 7.0)) is None
    with pytest.raises(ValueError, match="3 MB"):
        select(scores, y, MAE, room=Room((3.0, 3.0, 3.0, 50.0), 1.0))
