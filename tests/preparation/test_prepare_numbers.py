"""Limits, skewness and powers against SciPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.preprocessing import PowerTransformer

from homeostat.preparation.components import components
from homeostat.preparation.numbers import best_power, far_out, filling, limits, skewness, straightened, straightening


def drawn(kind: str, count: int = 3_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return {
        "normal": rng.normal(3, 2, count),
        "lognormal": np.exp(1.5 * rng.normal(size=count)),
        "gamma": rng.gamma(0.3, size=count),
        "both sides": np.sinh(2.5 * rng.normal(size=count)) + 0.5 * np.exp(2.2 * rng.normal(size=count)),
        "steps": rng.integers(0, 4, count).astype(float),
        "rare": (rng.random(count) < 0.003).astype(float),
    }[kind]


@pytest.mark.parametrize("kind", ["normal", "lognormal", "gamma", "both sides", "rare"])
def test_skewness_is_that_of_scipy(kind: str) -> None:
    assert skewness(drawn(kind)) == pytest.approx(stats.skew(drawn(kind)), rel=1e-9)


def test_what_varies_by_rounding_only_is_not_skewed() -> None:
    assert skewness(np.array([0.1 + 0.2, 0.3, 0.3])) == 0.0
    assert skewness(np.full(5, 7.0)) == 0.0


@pytest.mark.parametrize("kind", ["normal", "lognormal", "gamma", "both sides"])
def test_the_best_power_is_that_of_scikit_learn(kind: str) -> None:
    x = drawn(kind)
    theirs = PowerTransformer("yeo-johnson", standardize=False).fit(x[:, None])
    ours = best_power(x)
    assert ours == pytest.approx(theirs.lambdas_[0], abs=2e-3)
    np.testing.assert_allclose(straightened(x, "yeo_johnson", ours), theirs.transform(x[:, None])[:, 0], rtol=0.02, atol=0.02)
    assert stats.yeojohnson_llf(ours, x) == pytest.approx(stats.yeojohnson_llf(theirs.lambdas_[0], x), abs=1e-3)


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0], [-1e200, 1e200], [0.0, 1e300]])
def test_odd_values_have_a_finite_power(values: list[float]) -> None:
    assert -5 <= best_power(np.array(values)) <= 5


def test_only_what_is_badly_skewed_is_straightened() -> None:
    assert straightening(drawn("normal"))[0] == "none"
    assert straightening(drawn("gamma"))[0] == "none", "skewness below 5"
    transform, skew = straightening(drawn("lognormal"))
    assert transform == "log"
    assert skew > 5
    assert abs(skewness(straightened(np.clip(drawn("lognormal"), *limits(drawn("lognormal"))), "log"))) < 1.5
    assert straightening(-drawn("lognormal"))[0] == "yeo_johnson", "no logarithm below 0"


def test_limits_hold_all_but_a_thousandth_and_every_step() -> None:
    x = drawn("normal", 100_000)
    low, high = limits(x)
    assert np.mean(x < low) == pytest.approx(0.001, abs=1e-4)
    assert np.mean(x > high) == pytest.approx(0.001, abs=1e-4)
    assert limits(drawn("rare", 100_000)) == (0.0, 1.0), "a rare switch is not clipped away"
    assert limits(np.zeros(0)) == (-np.inf, np.inf)


def test_far_out_is_tukeys_outer_fence() -> None:
    assert far_out(np.append(np.arange(100.0), [1e3, -1e3])) == pytest.approx(2 / 102)
    assert far_out(drawn("normal")) == 0


def test_a_null_is_filled_as_decided() -> None:
    known = np.array([1.0, 2.0, 9.0])
    assert [filling(known, impute) for impute in ("median", "mean", "zero")] == [2.0, 4.0, 0.0]
    assert [filling(np.zeros(0), impute) for impute in ("median", "mean", "zero")] == [0.0, 0.0, 0.0]


def test_components_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=6)
    mean, axes = components(x, 3)
    theirs = PCA(3, svd_solver="full").fit(x)
    signs = np.sign((axes * theirs.components_.T).sum(axis=0))
    np.testing.assert_allclose((x - mean) @ axes * signs, theirs.transform(x), atol=1e-9)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    assert (axes[np.abs(axes).argmax(axis=0), range(3)] > 0).all()
    assert components(x[:2], 5)[1].shape == (6, 2), "no more components than rows"
