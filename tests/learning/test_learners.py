"""Each learner's nodes against its library's own predict, and the conversion of LightGBM's trees in every corner."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge

from homeostat.graph.interpret import run
from homeostat.graph.onnx import compile_plan
from homeostat.graph.plan import Input, Numbers, Plan, Trees
from homeostat.learning.learner import Fitted, Goal, Rows
from homeostat.learning.learners import LEARNERS
from homeostat.learning.learners.lightgbm import trees_of
from homeostat.learning.learners.naive import fit_constant
from homeostat.learning.trials import at_true_shares
from homeostat.stats.metrics import metric

WIDTH = 5
GOALS = {
    "regression": Goal("regression", (), metric("mae")),
    "regression by squares": Goal("regression", (), metric("rmse")),
    "binary": Goal("binary", ("no", "yes"), metric("auc")),
    "multiclass": Goal("multiclass", ("a", "b", "c"), metric("log_loss")),
}
QUICK: dict[str, dict[str, Any]] = {
    "naive": {},
    "linear": {"penalty": 0.5},
    "lightgbm": {"rounds": 30, "num_leaves": 9},
    "xgboost": {"rounds": 30, "max_leaves": 9, "lambda": 0.1},
    "random_forest": {"max_leaves": 40, "min_samples_leaf": 2, "max_features": 0.6},
    "extra_trees": {"max_leaves": 40, "min_samples_leaf": 2, "max_features": 0.6},
    "neural": {"rounds": 8, "width": 24, "depth": 2, "steps": 8, "learning_rate": 0.01, "dropout": 0.1, "weight_decay": 0.01},
}
NEURAL = pytest.param("neural", marks=pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed"))
NAMES = [*(name for name in LEARNERS if name != "neural"), NEURAL]


def rows_for(goal: Goal, count: int = 500, seed: int = 0, nulls: bool = False) -> Rows:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, WIDTH))
    x[:, 3] = draw.integers(0, 3, count)
    raw = 2 * x[:, 0] - np.abs(x[:, 1]) + x[:, 3] + draw.normal(scale=0.3, size=count)
    y = np.digitize(raw, np.quantile(raw, np.linspace(0, 1, len(goal.classes) + 1)[1:-1])).astype(float) if goal.classes else raw * 100
    if nulls:
        x[draw.random(x.shape) < 0.1] = np.nan
    return Rows(x, y, draw.uniform(0.5, 2.0, count))


def plan_of(fitted: Fitted, goal: Goal) -> Plan:
    inputs = tuple(Input(f"x{i}", "number") for i in range(WIDTH))
    return Plan(goal.task, "y", inputs, (Numbers("features", tuple(range(WIDTH))), *fitted.nodes), goal.classes)


def check_parity(fitted: Fitted, goal: Goal, x: np.ndarray) -> None:
    """Interpreter, ONNX Runtime and the library itself agree."""
    plan = plan_of(fitted, goal)
    codes = np.zeros((len(x), 0), dtype=np.int64)
    expected = fitted.predict(x)
    assert expected.shape == (len(x), len(goal.classes) or 1)
    scale = max(1.0, float(np.abs(expected).max()))
    close = (1e-6 if fitted.single else 1e-9) * scale
    np.testing.assert_allclose(run(plan, x, codes), expected, rtol=0, atol=close)
    session = onnxruntime.InferenceSession(compile_plan(plan), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(["score"], {"numbers": x})[0], expected, rtol=0, atol=close)
    if goal.classes:
        np.testing.assert_allclose(expected.sum(axis=1), 1.0, atol=1e-6 if fitted.single else 1e-12)


@pytest.mark.parametrize("goal", GOALS.values(), ids=GOALS.keys())
@pytest.mark.parametrize("name", NAMES)
def test_nodes_mean_what_the_library_predicts(name: str, goal: Goal) -> None:
    rows = rows_for(goal)
    fitted = LEARNERS[name].fit(rows, goal, QUICK[name], seed=1)
    check_parity(fitted, goal, rows_for(goal, seed=2).features * 3)


@pytest.mark.parametrize("goal", GOALS.values(), ids=GOALS.keys())
@pytest.mark.parametrize("seen", [True, False], ids=["nulls seen", "nulls never seen"])
def test_lightgbm_routes_nulls_as_the_library(goal: Goal, seen: bool) -> None:
    fitted = LEARNERS["lightgbm"].fit(rows_for(goal, nulls=seen), goal, QUICK["lightgbm"], seed=1)
    x = rows_for(goal, seed=3, nulls=True).features
    x[:5] = np.nan
    x[5:10] = 0.0
    x[10:15] = 1e-36  # LightGBM takes what is this small for 0
    x[15:20] = -1e300
    check_parity(fitted, goal, x)


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_little_weight_change_little(name: str) -> None:
    goal = GOALS["regression by squares"]
    good, bad = rows_for(goal, 400), rows_for(goal, 400, seed=6)
    both = Rows(np.vstack([good.features, bad.features]), np.concatenate([good.target, -5 * bad.target]))
    fit = LEARNERS[name].fit
    alone = fit(Rows(good.features, good.target), goal, QUICK[name], seed=0).predict(good.features)
    light = fit(replace(both, weights=np.repeat([1.0, 1e-6], 400)), goal, QUICK[name], seed=0).predict(good.features)
    equal = fit(both, goal, QUICK[name], seed=0).predict(good.features)
    assert np.abs(light - alone).mean() < 0.1 * np.abs(equal - alone).mean()


def test_linear_is_what_scikit_learn_fits() -> None:
    rows = rows_for(GOALS["regression"])
    ours = LEARNERS["linear"].fit(rows, GOALS["regression"], {"penalty": 3.0}, seed=0)
    theirs = Ridge(alpha=3.0).fit(rows.features, rows.target, rows.weights)
    np.testing.assert_allclose(ours.predict(rows.features)[:, 0], theirs.predict(rows.features))
    rows = rows_for(GOALS["multiclass"])
    classes = LEARNERS["linear"].fit(rows, GOALS["multiclass"], {"penalty": 0.1}, seed=0)
    model = LogisticRegression(C=10.0, max_iter=1_000, tol=1e-8).fit(rows.features, rows.target, rows.weights)
    np.testing.assert_allclose(classes.predict(rows.features), model.predict_proba(rows.features), atol=1e-3)


@pytest.mark.parametrize("name", ["linear", "lightgbm", NEURAL])
def test_a_class_without_rows_and_rows_of_unknown_classes(name: str) -> None:
    goal = GOALS["multiclass"]
    rows = rows_for(goal)
    target = np.where(rows.target == 1, -1.0, rows.target)  # nobody is of class 1; a third of the rows is of no known class
    fitted = LEARNERS[name].fit(Rows(rows.features, target, rows.weights), goal, QUICK[name], seed=0)
    check_parity(fitted, goal, rows.features)
    assert fitted.predict(rows.features)[:, 1].max() < 1e-6


@pytest.mark.parametrize("loss", ["metric", "squared", "poisson", "log"])
@pytest.mark.parametrize("name", ["lightgbm", "xgboost", NEURAL])
def test_amounts_learned_by_another_loss_answer_in_their_own_units(name: str, loss: str) -> None:
    goal = replace(GOALS["regression"], amounts=True)
    plain = rows_for(goal)
    rows = Rows(plain.features, np.floor(np.exp(plain.target / 200)), plain.weights)
    fitted = LEARNERS[name].fit(rows, goal, {**QUICK[name], "loss": loss}, seed=1)
    check_parity(fitted, goal, rows.features)
    assert np.corrcoef(fitted.predict(rows.features)[:, 0], rows.target)[0, 1] > 0.8
    kinds = {params.get("loss") for params in LEARNERS[name].portfolio(goal)}
    assert kinds == {"metric", "poisson", "log"}
    assert not any("loss" in params for params in LEARNERS[name].portfolio(GOALS["regression"]))


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "random_forest", "extra_trees", NEURAL])
def test_a_watch_ends_a_fit_and_the_model_so_far_counts(name: str) -> None:
    goal = GOALS["binary"]
    rows, valid = rows_for(goal, 300), rows_for(goal, 200, seed=5)
    seen: list[tuple[float, float]] = []

    def watch(progress: float, error: float) -> bool:
        seen.append((progress, error))
        return len(seen) == 4

    params = {"learning_rate": 0.25, **LEARNERS[name].defaults}
    fitted = LEARNERS[name].fit(rows, goal, params, 0, valid, watch)
    assert len(seen) == 4
    assert [progress for progress, _ in seen] == sorted(progress for progress, _ in seen)
    rounds = fitted.params["trees" if "forest" in name or "extra" in name else "rounds"]
    assert rounds == 40 if "trees" in fitted.params else rounds <= 4
    check_parity(fitted, goal, valid.features)
    again = LEARNERS[name].fit(rows, goal, fitted.params, 0)
    np.testing.assert_array_equal(again.predict(valid.features), fitted.predict(valid.features))


def test_a_forest_grown_in_steps_is_the_forest_grown_at_once() -> None:
    goal = GOALS["binary"]
    rows = rows_for(goal)
    ours = LEARNERS["random_forest"].fit(rows, goal, QUICK["random_forest"], seed=3)
    theirs = RandomForestClassifier(100, max_leaf_nodes=40, min_samples_leaf=2, max_features=0.6, random_state=3)
    theirs.fit(rows.features, rows.target, rows.weights)
    np.testing.assert_allclose(ours.predict(rows.features), theirs.predict_proba(rows.features), rtol=0, atol=1e-12)


def test_one_class_only_is_an_error_of_the_linear_learner() -> None:
    rows = rows_for(GOALS["binary"])
    with pytest.raises(ValueError, match="class"):
        LEARNERS["linear"].fit(Rows(rows.features, np.ones(len(rows.target))), GOALS["binary"], {"penalty": 1.0}, seed=0)


def test_lightgbm_stops_where_validation_stops_and_the_refit_repeats_it() -> None:
    goal = GOALS["regression"]
    rows, valid = rows_for(goal, 300), rows_for(goal, 200, seed=5)
    params = {"learning_rate": 0.3, "num_leaves": 31}
    first = LEARNERS["lightgbm"].fit(rows, goal, params, seed=0, valid=valid)
    assert 1 <= first.params["rounds"] < 600
    check_parity(first, goal, valid.features)
    again = LEARNERS["lightgbm"].fit(rows, goal, first.params, seed=0)
    np.testing.assert_array_equal(again.predict(valid.features), first.predict(valid.features))
    assert len(again.nodes[0].roots) == first.params["rounds"]  # type: ignore[union-attr]


def test_lightgbm_that_finds_no_split_is_its_average() -> None:
    goal = GOALS["regression by squares"]
    rows = rows_for(goal, 8)
    fitted = LEARNERS["lightgbm"].fit(Rows(rows.features, rows.target), goal, {"rounds": 5}, seed=0)
    check_parity(fitted, goal, rows.features)
    np.testing.assert_allclose(fitted.predict(rows.features), np.mean(rows.target), rtol=1e-6)


def test_a_split_that_a_plan_cannot_hold_is_refused() -> None:
    leaf = {"leaf_value": 1.0}
    split = {"split_index": 0, "split_feature": 0, "threshold": "0||1", "decision_type": "==", "missing_type": "None"}
    tree = {"tree_structure": {**split, "threshold": 1, "default_left": True, "left_child": leaf, "right_child": leaf}}
    with pytest.raises(ValueError, match="'=='"):
        trees_of({"num_tree_per_iteration": 1, "tree_info": [tree]}, "features")


@given(
    y=st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=30),
    weights=st.lists(st.integers(1, 4), min_size=30, max_size=30),
)
def test_naive_is_the_weighted_median_or_mean(y: list[float], weights: list[int]) -> None:
    values, times = np.array(y), np.array(weights[: len(y)])
    repeated = np.repeat(values, times)
    assert fit_constant(values, (), metric("mae"), times.astype(float)) == pytest.approx(np.median(repeated))
    assert fit_constant(values, (), metric("rmse"), times.astype(float)) == pytest.approx(np.mean(repeated))


def test_naive_shares_count_known_classes_only() -> None:
    assert fit_constant(np.array([0.0, 2.0, 2.0, -1.0, 0.0]), ("a", "b", "c"), metric("log_loss")).tolist() == [0.5, 0.0, 0.5]


@pytest.mark.parametrize("goal", GOALS.values(), ids=GOALS.keys())
@pytest.mark.parametrize("seen", [True, False], ids=["nulls seen", "nulls never seen"])
@pytest.mark.parametrize("name", ["random_forest", "extra_trees", "xgboost"])
def test_trees_of_float32_route_nulls_and_compare_as_the_library(name: str, goal: Goal, seen: bool) -> None:
    rows = rows_for(goal, nulls=seen)
    large = Rows(rows.features * [1, 1, 1, 1, 1e-3] + [0, 1.7e9, 0, 0, 1.0], rows.target, rows.weights)  # steps that float32 cannot tell
    fitted = LEARNERS[name].fit(large, goal, QUICK[name], seed=1)
    x = rows_for(goal, seed=3, nulls=True).features * [1, 1, 1, 1, 1e-3] + [0, 1.7e9, 0, 0, 1.0]
    x[:5] = np.nan
    splits = next(node for node in fitted.nodes if isinstance(node, Trees))
    finite = np.flatnonzero(np.isfinite(splits.threshold))[:400]  # an infinite one tells nulls from numbers
    for at, (feature, threshold) in enumerate(zip(splits.feature[finite], splits.threshold[finite], strict=True)):
        x[20 + at % 400, feature] = np.nextafter(threshold, [-np.inf, np.inf][at % 2])  # beside a threshold, where rounding decides
    check_parity(fitted, goal, x)


@pytest.mark.parametrize("name", ["random_forest", "extra_trees"])
def test_a_forest_of_lone_leaves_and_of_one_class_is_a_constant(name: str) -> None:
    few = Rows(np.zeros((6, WIDTH)), np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    check_parity(LEARNERS[name].fit(few, GOALS["regression"], QUICK[name], seed=0), GOALS["regression"], rows_for(GOALS["binary"]).features)
    one = Rows(rows_for(GOALS["binary"]).features, np.ones(500))
    check_parity(LEARNERS[name].fit(one, GOALS["binary"], QUICK[name], seed=0), GOALS["binary"], rows_for(GOALS["binary"]).features)


@pytest.mark.parametrize(("name", "single"), [("xgboost", True), ("extra_trees", False)])
def test_a_model_at_true_shares_is_still_one_of_its_library(name: str, single: bool) -> None:
    goal = Goal("binary", ("a", "b"), metric("log_loss"))
    fitted = LEARNERS[name].fit(rows_for(goal), goal, LEARNERS[name].defaults, 0)
    assert (fitted.single, at_true_shares(fitted, np.array([1.0, 3.0])).single) == (single, single)
