"""Noise ceilings: never better than the best possible model, equal to it where the bound is tight, against brute force over pairs."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.stats.noise import FEWEST_GROUPS, near_twins, noise_ceiling

if TYPE_CHECKING:
    from homeostat.stats.kernels import Floats

RNG = np.random.default_rng(0)
GROUPS = RNG.integers(0, 800, 6000)
SHARE = RNG.random(800)[GROUPS]
LABELS = (RNG.random(6000) < SHARE).astype(float)
VALUES = 10 * SHARE + RNG.normal(size=6000)


def pairs(y: Floats, groups: np.ndarray[tuple[int, ...], np.dtype[np.int64]], what: str) -> float:
    """The figure over all pairs of each group, groups weighted by their rows."""
    total, rows = 0.0, 0
    for group in np.unique(groups):
        inside = y[groups == group]
        if len(inside) > 1:
            both = np.array(list(combinations(inside, 2)))
            gap = both[:, 0] - both[:, 1]
            total += len(inside) * {"differ": (gap != 0).mean(), "half": np.abs(gap).mean() / 2, "var": (gap**2).mean() / 2}[what]
            rows += len(inside)
    return total / rows


@pytest.mark.parametrize(("metric", "what", "y"), [("brier", "differ", LABELS), ("mae", "half", VALUES), ("rmse", "var", VALUES)])
def test_the_figure_is_that_of_all_pairs(metric: str, what: str, y: Floats) -> None:
    few = GROUPS < 200  # groups of about 7; larger ones would be cut
    small = np.array([(GROUPS[few] == group).sum() <= 8 for group in GROUPS[few]])
    chosen = np.flatnonzero(few)[small]
    found = noise_ceiling(metric, y[chosen], GROUPS[chosen], classes=0 if what != "differ" else 2)
    assert found is not None
    brute = pairs(y[chosen], GROUPS[chosen], what)
    assert found.value == pytest.approx({"differ": brute / 2, "half": brute, "var": np.sqrt(brute)}[what])


@pytest.mark.parametrize(
    ("metric", "best"),
    [
        ("accuracy", float(np.maximum(SHARE, 1 - SHARE).mean())),
        ("log_loss", float((-SHARE * np.log(SHARE) - (1 - SHARE) * np.log(1 - SHARE)).mean())),
        ("brier", float((SHARE * (1 - SHARE)).mean())),
        ("mae", float(np.sqrt(2 / np.pi))),
        ("rmse", 1.0),
        ("r2", 1 - 1 / float(VALUES.var())),
    ],
)
def test_no_model_of_these_inputs_is_better_than_its_ceiling(metric: str, best: float) -> None:
    classes = 2 if metric in ("accuracy", "log_loss", "brier") else 0
    found = noise_ceiling(metric, LABELS if classes else VALUES, GROUPS, classes=classes)
    assert found is not None
    optimistic = found.high if found.greater_is_better else found.low
    assert optimistic >= best if found.greater_is_better else optimistic <= best
    if metric in ("brier", "rmse", "r2"):  # here the bound is the best possible itself
        assert found.low <= best <= found.high
    assert found.low <= found.value <= found.high
    assert found.exact


def test_a_metric_without_a_bound_gets_that_of_accuracy() -> None:
    auc, accuracy = (noise_ceiling(name, LABELS, GROUPS, classes=2) for name in ("auc", "accuracy"))
    assert auc == accuracy
    assert auc is not None
    assert auc.metric == "accuracy"


@given(st.integers(2, 6), st.floats(0.3, 0.9))
def test_equal_noise_in_every_group(classes: int, agreed: float) -> None:
    """A row shows its group's class with one chance, else any: then the bound of Cover and Hart is the best possible itself."""
    rng = np.random.default_rng(classes)
    groups = np.repeat(np.arange(1500), 4)
    own = rng.integers(0, classes, 1500)[groups]
    shown = np.where(rng.random(6000) < agreed, own, rng.integers(0, classes, 6000)).astype(float)
    found = noise_ceiling("accuracy", shown, groups, classes=classes)
    assert found is not None
    assert found.value == pytest.approx(agreed + (1 - agreed) / classes, abs=0.04)


def test_too_few_twins_and_large_groups() -> None:
    lonely = np.arange(100)
    assert noise_ceiling("mae", VALUES[:100], lonely) is None
    assert noise_ceiling("mae", VALUES[: 2 * FEWEST_GROUPS - 2], np.arange(2 * FEWEST_GROUPS - 2) // 2) is None
    assert noise_ceiling("mae", VALUES[: 2 * FEWEST_GROUPS], np.arange(2 * FEWEST_GROUPS) // 2) is not None
    one = noise_ceiling("rmse", VALUES[:1000] - 10 * SHARE[:1000], np.zeros(1000, dtype=np.int64))  # one group is cut into many
    assert one is not None
    assert one.value == pytest.approx(1.0, abs=0.05)
    assert (one.rows, one.groups) == (1000, 125)


def test_near_twins_are_each_others_nearest_and_estimate_the_noise() -> None:
    rng = np.random.default_rng(1)
    features = np.column_stack([rng.random((2000, 2)), np.full(2000, 7.0)])
    features[:5, 0] = np.nan
    groups = near_twins(features)
    names, counts = np.unique(groups, return_counts=True)
    assert set(counts) == {1, 2}
    for name in names[counts == 2][:20]:
        a, b = np.flatnonzero(groups == name)
        gaps = np.square((np.nan_to_num(features, nan=0.5) - np.nan_to_num(features[a], nan=0.5))[:, :2]).sum(axis=1)
        gaps[a] = np.inf
        assert gaps[b] <= gaps.min() * 1.2 + 1e-4  # scaling moves distances a little
    y = 3 * features[:, 1] + rng.normal(size=2000)
    found = noise_ceiling("rmse", y, groups, exact=False)
    assert found is not None
    assert found.low <= 1.0 <= found.high
    assert not found.exact
