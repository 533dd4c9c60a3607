"""Balanced classes: what is weighed and drawn, and that scores moved back are those at the true shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from homeostat.core import sections
from homeostat.errors import CharterError
from homeostat.preparation.balance import balancer, resampled, weighed

CLASSES = st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.0, -1.0]), min_size=1, max_size=60).map(np.array)
TASK = sections.Task(type="binary", target="y")


def sums(y: np.ndarray, weights: np.ndarray) -> list[float]:
    return [float(weights[y == index].sum()) for index in range(3)]


def test_weights_are_those_of_scikit_learn() -> None:
    y = np.array([0.0] * 7 + [1.0] * 2 + [2.0])
    found = weighed(y, None, 3)
    assert found.rows is None
    assert found.weights is not None
    np.testing.assert_allclose(found.weights, compute_class_weight("balanced", classes=np.arange(3.0), y=y)[y.astype(int)])


@given(CLASSES, st.integers(0, 99))
def test_weights_make_classes_weigh_alike_and_keep_the_sum(y: np.ndarray, seed: int) -> None:
    before = np.random.default_rng(seed).random(len(y)) + 0.01
    found = weighed(y, before, 3)
    assert found.weights is not None
    there = [total for total in sums(y, found.weights) if total > 0]
    np.testing.assert_allclose(there, np.mean(there) if there else 0)
    assert sum(there) == pytest.approx(sum(sums(y, before)))
    np.testing.assert_array_equal(found.weights[y < 0], before[y < 0])
    assert (found.ratio > 0).all()
    for index in range(3):
        if (y == index).any():
            np.testing.assert_allclose(found.weights[y == index] / before[y == index], found.ratio[index])


@given(CLASSES, st.booleans(), st.booleans(), st.integers(0, 99))
def test_resampling_gives_every_class_as_many_rows(y: np.ndarray, more: bool, weighted: bool, seed: int) -> None:
    before = np.random.default_rng(seed).random(len(y)) + 0.01 if weighted else None
    found = resampled(y, before, 3, more=more, seed=seed)
    assert found.rows is not None
    counts = [int((y == index).sum()) for index in range(3)]
    there = [count for count in counts if count]
    wanted = (max(there) if more else min(there)) if there else 0
    assert [int((y[found.rows] == index).sum()) for index in range(3)] == [wanted if count else 0 for count in counts]
    assert (np.diff(found.rows) >= 0).all()
    assert (y[found.rows] >= 0).all()
    if more:
        assert set(found.rows) == set(np.flatnonzero(y >= 0)), "no row is lost"
    else:
        assert len(set(found.rows)) == len(found.rows), "no row is drawn twice"
    again = resampled(y, before, 3, more=more, seed=seed)
    np.testing.assert_array_equal(found.rows, again.rows)
    if there:
        kept = found.weights if found.weights is not None else np.ones(len(found.rows))
        old = np.array(sums(y, np.ones(len(y)) if before is None else before))
        new = np.array(sums(y[found.rows], kept))
        expected = np.divide(new / new.sum(), old / old.sum(), out=np.ones(3), where=old > 0)
        np.testing.assert_allclose(found.ratio, expected)


def test_what_the_charter_asks_for_is_done() -> None:
    y = np.array([0.0, 0.0, 0.0, 1.0])

    def done(kind: str) -> object:
        section = sections.Preparation.model_validate({"imbalance": kind})
        return balancer(TASK, section, ("no", "yes"), 7)(y, None)

    assert done("none") is None
    assert done("weights").ratio.tolist() == pytest.approx([2 / 3, 2.0])  # type: ignore[attr-defined]
    assert len(done("oversample").rows) == 6  # type: ignore[attr-defined]
    assert len(done("undersample").rows) == 2  # type: ignore[attr-defined]
    with pytest.raises(CharterError, match=r"HS106.*preparation.imbalance: got weights for a regression task"):
        balancer(sections.Task(type="regression", target="y"), sections.Preparation(imbalance="weights"), (), 7)
