"""The paired test: error rates under the null, power, one meaning of the margin, and edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.stats.metrics import metric
from homeostat.stats.paired import paired_bootstrap

QUICK = {"confidence": 0.95, "resamples": 300}


def two_models(rows: int, seed: int, ours: float = 1.0, theirs: float = 1.0):
    """y and two predictions whose errors share a part, so that pairing matters."""
    rng = np.random.default_rng(seed)
    y, shared, a, b = rng.normal(size=(4, rows))
    return y, (y + ours * (shared + a))[:, None], (y + theirs * (shared + b))[:, None]


def two_classifiers(rows: int, seed: int, ours: float, theirs: float):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows).astype(np.float64)

    def scores(skill: float):
        p = 1 / (1 + np.exp(-(skill * (2 * y - 1) + rng.normal(size=rows))))
        return np.column_stack([1 - p, p])

    return y, scores(ours), scores(theirs)


@pytest.mark.parametrize("name", ["mae", "rmse"])
def test_equal_models_are_seldom_called_better(name: str) -> None:
    false = sum(paired_bootstrap(metric(name), *two_models(60, seed), margin=0.0, seed=seed, **QUICK).better for seed in range(300))
    assert false / 300 <= 0.08


def test_a_model_at_exactly_the_margin_is_seldom_called_better() -> None:
    false = sum(
        paired_bootstrap(metric("mae"), *two_models(80, seed, ours=0.9), margin=0.1, seed=seed, **QUICK).better for seed in range(300)
    )
    assert 0.01 <= false / 300 <= 0.08


def test_equal_classifiers_are_seldom_called_better() -> None:
    false = sum(paired_bootstrap(metric("auc"), *two_classifiers(80, seed, 0.7, 0.7), seed=seed, **QUICK).better for seed in range(200))
    assert false / 200 <= 0.08


def test_a_better_model_is_found() -> None:
    found = [paired_bootstrap(metric("mae"), *two_models(300, seed, ours=0.75), margin=0.05, seed=seed, **QUICK) for seed in range(40)]
    assert sum(one.better for one in found) >= 38
    assert np.mean([one.difference for one in found]) == pytest.approx(0.25, abs=0.03)


def test_blocks_keep_the_false_alarms_of_dependent_errors_down() -> None:
    def false(block: int) -> float:
        alarms = 0
        for seed in range(150):
            rng = np.random.default_rng(seed)
            slow = np.repeat(rng.normal(size=(2, 25)), 12, axis=1) + 0.3 * rng.normal(size=(2, 300))
            y = np.zeros(300)
            alarms += paired_bootstrap(metric("mae"), y, slow[0][:, None], slow[1][:, None], seed=seed, block=block, **QUICK).better
        return alarms / 150

    assert false(1) > 0.2  # what ignoring time order costs
    assert false(24) <= 0.12


def test_the_p_value_agrees_with_wilcoxon_and_t_in_kind() -> None:
    from scipy.stats import ttest_rel

    y, ours, theirs = two_models(400, 3, ours=0.93)
    found = paired_bootstrap(metric("mae"), y, ours, theirs, confidence=0.95, resamples=4000, seed=0)
    expected = ttest_rel(np.abs(y - ours[:, 0]), np.abs(y - theirs[:, 0]), alternative="less").pvalue
    assert found.p_value == pytest.approx(expected, abs=0.02)
    assert (found.p_value < 0.05) == found.better


def test_improvement_is_a_share_of_the_references_error() -> None:
    y = np.tile([0.0, 1.0], 200)
    coin = np.full((400, 2), 0.5)
    found = paired_bootstrap(
        metric("auc"), y, two_classifiers(400, 0, 5, 5)[1] * 0 + np.eye(2)[y.astype(int)], coin, margin=0.9, seed=0, **QUICK
    )
    assert (found.ours, found.theirs, found.difference, found.better) == (1.0, 0.5, 1.0, True)
    half = paired_bootstrap(metric("mae"), np.zeros(50), np.full((50, 1), 1.0), np.full((50, 1), 2.0), margin=0.5, seed=0, **QUICK)
    assert half.difference == half.low == half.high == 0.5
    assert not half.better  # exactly the margin is not more than the margin
    assert paired_bootstrap(metric("mae"), np.zeros(50), np.full((50, 1), 1.0), np.full((50, 1), 2.0), margin=0.499, seed=0, **QUICK).better


class TestEdges:
    def test_the_same_model_is_not_better(self) -> None:
        y, ours, _ = two_models(50, 0)
        found = paired_bootstrap(metric("mae"), y, ours, ours.copy(), margin=0.0, seed=0, **QUICK)
        assert (found.difference, found.low, found.high, found.p_value, found.better) == (0, 0, 0, 1, False)

    def test_against_a_perfect_reference(self) -> None:
        y, ours, _ = two_models(50, 0)
        found = paired_bootstrap(metric("mae"), y, ours, y[:, None], margin=0.0, seed=0, **QUICK)
        assert found.difference == -np.inf
        assert (found.p_value, found.better) == (1, False)
        both = paired_bootstrap(metric("mae"), y, y[:, None], y[:, None], margin=0.0, seed=0, **QUICK)
        assert (both.difference, both.better) == (0, False)

    @pytest.mark.parametrize("rows", [0, 1])
    def test_too_few_rows(self, rows: int) -> None:
        y, ours, theirs = two_models(5, 0)
        found = paired_bootstrap(metric("mae"), y[:rows], ours[:rows], theirs[:rows], seed=0, **QUICK)
        assert np.isnan([found.low, found.high, found.p_value]).all()
        assert not found.better

    def test_nulls_and_one_class_are_not_better(self) -> None:
        y, ours, theirs = two_models(50, 0, ours=0.1)
        ours[4] = np.nan
        assert not paired_bootstrap(metric("mae"), y, ours, theirs, seed=0, **QUICK).better
        _, a, b = two_classifiers(50, 0, 3, 0)
        found = paired_bootstrap(metric("auc"), np.zeros(50), a, b, seed=0, **QUICK)
        assert np.isnan(found.difference)
        assert not found.better

    def test_undefined_resamples_count_against_us(self) -> None:
        y = np.zeros(30)
        y[0] = 1  # missing from more than a third of the resamples
        perfect = np.eye(2)[y.astype(int)]
        found = paired_bootstrap(metric("auc"), y, perfect, perfect[:, ::-1].copy(), seed=0, **QUICK)
        assert found.difference == 1
        assert not found.better


@given(st.integers(0, 10_000), st.floats(0.01, 100))
@settings(max_examples=30, deadline=None)
def test_the_answer_does_not_depend_on_row_order_or_unit(seed: int, unit: float) -> None:
    y, ours, theirs = two_models(40, seed)
    mixed = np.random.default_rng(seed).permutation(40)
    straight = paired_bootstrap(metric("mae"), y, ours, theirs, seed=1, confidence=0.9, resamples=80)
    assert paired_bootstrap(metric("mae"), y[mixed], ours[mixed], theirs[mixed], seed=1, confidence=0.9, resamples=80) == straight
    scaled = paired_bootstrap(metric("mae"), y * unit, ours * unit, theirs * unit, seed=1, confidence=0.9, resamples=80)
    assert (scaled.difference, scaled.low, scaled.high) == pytest.approx(
        (straight.difference, straight.low, straight.high), rel=1e-6, abs=1e-9
    )


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_a_larger_margin_is_harder(seed: int) -> None:
    y, ours, theirs = two_models(40, seed, ours=0.8)
    found = [paired_bootstrap(metric("mae"), y, ours, theirs, margin=m, seed=1, confidence=0.9, resamples=80) for m in (0.0, 0.1, 0.3)]
    assert found[0].p_value <= found[1].p_value <= found[2].p_value
    assert found[0].better >= found[1].better >= found[2].better
