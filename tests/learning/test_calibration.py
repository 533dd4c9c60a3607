"""Calibration: what the libraries fit, in nodes that mean the same, taken only where it holds on rows it was not fitted on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit, softmax
from sklearn.isotonic import IsotonicRegression

from homeostat.graph.interpret import interpolated, run
from homeostat.graph.onnx import compile_plan
from homeostat.graph.plan import Input, Numbers, Plan
from homeostat.learning.calibration import Asked, Method, best_calibrator, calibrate
from homeostat.stats.metrics import metric

AUC, LOSS = metric("auc"), metric("log_loss")


def two(rows: int, distort: Callable[[np.ndarray], np.ndarray], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores distorted from the true probabilities, and what came."""
    draw = np.random.default_rng(seed)
    p = draw.beta(1.2, 2.0, rows)
    y = (draw.random(rows) < p).astype(float)
    told = np.clip(distort(p), 1e-6, 1 - 1e-6)
    return np.column_stack([1 - told, told]), y


def overconfident(p: np.ndarray) -> np.ndarray:
    return expit(2.5 * logit(np.clip(p, 1e-9, 1 - 1e-9)) + 0.7)


def three(rows: int, power: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    raw = draw.normal(size=(rows, 3))
    true = softmax(raw, axis=1)
    y = (draw.random(rows)[:, None] > np.cumsum(true, axis=1)).sum(axis=1).astype(float)
    return softmax(power * raw, axis=1), y


def behind(method: Method, scores: np.ndarray, y: np.ndarray) -> tuple[Any, Plan]:
    fitted = calibrate(scores, y, method)
    width = scores.shape[1]
    inputs = tuple(Input(f"p{n}", "number") for n in range(width))
    classes = ("no", "yes") if width == 2 else ("a", "b", "c")
    nodes = (Numbers("score", tuple(range(width))), *fitted.nodes("score"))
    return fitted, Plan("binary" if width == 2 else "multiclass", "y", inputs, nodes, classes)


@pytest.mark.parametrize("method", ["platt", "isotonic", "temperature"])
def test_nodes_mean_what_the_library_says(method: Method) -> None:
    scores, y = two(3_000, overconfident)
    fitted, plan = behind(method, scores, y)
    other = np.vstack([two(500, overconfident, seed=4)[0], [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]])
    expected = fitted.apply(other)
    np.testing.assert_allclose(expected.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(run(plan, other, np.zeros((len(other), 0), dtype=np.int64)), expected, rtol=0, atol=1e-9)
    session = onnxruntime.InferenceSession(compile_plan(plan), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(["score"], {"numbers": other})[0], expected, rtol=0, atol=1e-9)


def test_temperature_of_several_classes() -> None:
    scores, y = three(4_000, 2.0)
    fitted, plan = behind("temperature", scores, y)
    np.testing.assert_allclose(run(plan, scores, np.zeros((len(scores), 0), dtype=np.int64)), fitted.apply(scores), atol=1e-12)
    logs = np.log(fitted.apply(scores)) - np.log(scores)
    assert LOSS.score(y, fitted.apply(scores)) < LOSS.score(y, scores)
    np.testing.assert_allclose(fitted.apply(scores), softmax(0.5 * np.log(scores), axis=1), atol=0.03)  # the power is undone
    assert np.isfinite(logs).all()


def test_overconfident_scores_are_set_right() -> None:
    scores, y = two(20_000, overconfident)
    other, came = two(20_000, overconfident, seed=9)
    for method in ("platt", "isotonic"):
        p = calibrate(scores, y, cast("Method", method)).apply(other)[:, 1]
        for low in (0.1, 0.3, 0.5, 0.7):
            inside = (p >= low) & (p < low + 0.2)
            assert came[inside].mean() == pytest.approx(p[inside].mean(), abs=0.02)


@pytest.mark.parametrize("rows", [400, 5_000])
def test_what_is_right_already_is_left_alone(rows: int) -> None:
    for seed in range(8):
        scores, y = two(rows, lambda p: p, seed=seed)
        assert best_calibrator(scores, y, "auto", LOSS, seed) is None


@pytest.mark.parametrize(("asked", "method"), [("auto", {"platt", "isotonic"}), ("platt", {"platt"}), ("isotonic", {"isotonic"})])
def test_what_pays_is_taken(asked: Asked, method: set[str]) -> None:
    scores, y = two(5_000, overconfident)
    found = best_calibrator(scores, y, asked, AUC, 0)
    assert found is not None
    assert found.method in method
    assert AUC.score(y, found.apply(scores)) == pytest.approx(AUC.score(y, scores), abs=0.005)
    assert best_calibrator(scores, y, "none", AUC, 0) is None


def test_rows_without_a_known_class_and_too_few_rows_teach_nothing() -> None:
    scores, y = two(2_000, overconfident)
    odd = y.copy()
    odd[:100], odd[100:200] = -1, np.nan
    one = best_calibrator(scores, odd, "platt", LOSS, 0)
    two_ = best_calibrator(scores[200:], y[200:], "platt", LOSS, 0)
    assert one is not None
    assert two_ is not None
    np.testing.assert_array_equal(one.apply(scores), two_.apply(scores))
    assert best_calibrator(scores[:10], y[:10], "platt", LOSS, 0) is None
    assert best_calibrator(scores, np.ones(len(y)), "platt", LOSS, 0) is None


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), points=st.integers(1, 12))
def test_interpolation_is_numpys_and_isotonic_regressions(seed: int, points: int) -> None:
    draw = np.random.default_rng(seed)
    x = np.unique(draw.normal(size=points))
    y = np.sort(draw.random(len(x)))
    asked = np.concatenate([draw.normal(size=50) * 2, x, [np.nan, np.inf, -np.inf]])
    expected = np.where(np.isnan(asked), np.nan, np.interp(asked, x, y))  # of a single point NumPy gives its value for NaN
    np.testing.assert_allclose(interpolated(asked, x, y), expected, atol=1e-12)
    if len(x) > 1:
        model = IsotonicRegression(out_of_bounds="clip").fit(x, y)
        np.testing.assert_allclose(interpolated(asked[:50], x, y), model.predict(asked[:50]), atol=1e-9)
