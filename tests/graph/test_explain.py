"""What raw columns add to a score: for each learner, for means of several models, and for what no node makes exact."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from homeostat.graph.explain import Reference, exactly, explain, explained_block, reference_of
from homeostat.graph.interpret import blocks_of, run, transform
from homeostat.graph.merge import averaged
from homeostat.graph.ownership import Ownership
from homeostat.graph.plan import (
    Concat,
    Cycle,
    DatePart,
    Decoded,
    Impute,
    Indicator,
    Input,
    Linear,
    Link,
    Log,
    Lookup,
    Numbers,
    Pick,
    Plan,
    Preparation,
    Tfidf,
)
from homeostat.learning.learner import Goal, Rows
from homeostat.learning.learners import LEARNERS
from homeostat.stats.metrics import metric

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 400
INPUTS = (
    Input("size", "number"),
    Input("at", "timestamp"),
    Input("kind", "category", ("a", "b", "c")),
    Input("said", "text", ("good", "bad")),
)
ONE_HOT = np.vstack([np.zeros(3), np.eye(3), np.zeros(3)])
PREPARATION = Preparation(
    INPUTS,
    (
        Numbers("size", (0,)),
        Indicator("size null", "size"),
        Impute("size known", "size", np.array([0.5])),
        Numbers("at", (1,)),
        DatePart("hour", "at", "hour"),
        Cycle("day", "hour", 24.0),
        Lookup("kind", 0, ONE_HOT),
        Tfidf("said", "terms", np.array([1.0, 1.5])),
        Concat("features", ("size known", "size null", "day", "kind", "said")),
    ),
    ("size", "size null", "sin", "cos", "a", "b", "c", "good", "bad"),
)


def drawn(seed: int, rows: int = ROWS) -> Decoded:
    rng = np.random.default_rng(seed)
    size = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows))
    numbers = np.column_stack([size, rng.integers(0, 10**6, rows).astype(float)])
    return Decoded(numbers, rng.integers(0, 5, (rows, 1)), rng.integers(0, 3, (rows, 2)).astype(float))


def made(learner: str, task: Any, seed: int = 0) -> tuple[Plan, Decoded]:
    """A plan of this learner and the rows it learned from."""
    if learner == "xgboost":
        pytest.importorskip("xgboost")
    rows = drawn(seed)
    x = transform(PREPARATION, *rows)
    signal = x[:, 0] * (1 + x[:, 4]) + x[:, 2] + x[:, 7] + np.random.default_rng(seed).normal(size=ROWS) * 0.2
    task, _, loss = task.replace("amounts", "regression").partition(" by ")
    signal = np.exp(signal / 3) if loss else signal
    y = {"regression": signal, "binary": (signal > 0).astype(float), "multiclass": np.digitize(signal, [-0.5, 1]).astype(float)}[task]
    classes = {"regression": (), "binary": ("no", "yes"), "multiclass": ("low", "mid", "high")}[task]
    goal = Goal(task, classes, metric("rmse" if task == "regression" else "log_loss"))
    params: dict[str, Any] = (
        {"max_leaves": 16, "min_samples_leaf": 2, "max_features": 0.7} if "tree" in learner or "forest" in learner else {}
    )
    params |= {"loss": loss} if loss else {}
    fitted = LEARNERS[learner].fit(Rows(x, y), goal, {**LEARNERS[learner].defaults, **params, "rounds": 12}, seed)
    return Plan(task, "y", INPUTS, (*PREPARATION.nodes, *fitted.nodes), classes), rows


def served(plan: Plan) -> Callable[[Decoded], np.ndarray]:
    return lambda rows: run(plan, *rows)


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
@pytest.mark.parametrize("learner", ["naive", "linear", "lightgbm", "random_forest", "extra_trees", "xgboost"])
def test_values_sum_to_the_raw_score_of_every_learner(learner: str, task: str) -> None:
    plan, rows = made(learner, task)
    fresh = drawn(7, 50)
    found = explain(plan, fresh, reference_of(plan, rows, 0), served(plan))
    block = explained_block(Ownership(plan))
    assert block is not None
    assert (found.method, found.columns) == ("exact", ("size", "at", "kind", "said"))
    told = blocks_of(plan, *fresh)[block][:, -len(found.outputs) :]
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), told, atol=1e-9)
    assert np.abs(found.values.mean(axis=0)).max() < 1.0  # around what is expected


@pytest.mark.parametrize(
    ("learner", "task", "scale", "outputs"),
    [
        ("lightgbm", "binary", "log odds", ("yes",)),
        ("linear", "binary", "log odds", ("yes",)),
        ("random_forest", "binary", "probability", ("yes",)),
        ("lightgbm", "multiclass", "log odds between classes", ("low", "mid", "high")),
        ("lightgbm", "regression", "value", ("y",)),
        ("lightgbm", "amounts by poisson", "log of the value", ("y",)),
        ("xgboost", "amounts by log", "log of one more than the value", ("y",)),
    ],
)
def test_what_the_values_are_is_said(learner: str, task: str, scale: str, outputs: tuple[str, ...]) -> None:
    plan, rows = made(learner, task)
    found = explain(plan, drawn(7, 3), reference_of(plan, rows, 0), served(plan))
    assert (found.scale, found.outputs) == (scale, outputs)


def by_definition(score: Callable[[Decoded], np.ndarray], row: Decoded, background: Decoded) -> np.ndarray:
    """Shapley's sum over all sets of columns, absent ones taken from each background row in turn: (n_inputs, k)."""

    def expected(asked: set[int]) -> np.ndarray:
        numbers, codes, terms = background.numbers.copy(), background.codes.copy(), background.terms.copy()
        for player, block, columns in ((0, numbers, [0]), (1, numbers, [1]), (2, codes, [0]), (3, terms, [0, 1])):
            if player in asked:
                block[:, columns] = row[{0: 0, 1: 0, 2: 1, 3: 2}[player]][:, columns]
        return score(Decoded(numbers, codes, terms)).mean(axis=0)

    found = []
    for player in range(4):
        others = [each for each in range(4) if each != player]
        sets = [set(chosen) for size in range(4) for chosen in itertools.combinations(others, size)]
        weights = [math.factorial(len(each)) * math.factorial(3 - len(each)) / math.factorial(4) for each in sets]
        found.append(sum(w * (expected(each | {player}) - expected(each)) for w, each in zip(weights, sets, strict=True)))
    return np.array(found)


def test_a_linear_model_is_what_the_definition_says() -> None:
    plan, rows = made("linear", "regression")
    row = drawn(3, 1)
    found = explain(plan, row, reference_of(plan, rows, 0), served(plan))
    np.testing.assert_allclose(found.values[0], by_definition(served(plan), row, rows), atol=1e-9)


def test_principal_components_before_a_linear_model_stay_exact() -> None:
    plan, rows = made("linear", "regression")
    rng = np.random.default_rng(0)
    nodes = (*PREPARATION.nodes, Linear("components", "features", rng.normal(size=(9, 3)), np.zeros(3)))
    mixed = replace(plan, nodes=(*nodes, Linear("score", "components", rng.normal(size=(3, 1)), np.ones(1))))
    row = drawn(3, 1)
    found = explain(mixed, row, reference_of(mixed, rows, 0), served(mixed))
    assert found.method == "exact"
    np.testing.assert_allclose(found.values[0], by_definition(served(mixed), row, rows), atol=1e-9)


def test_a_mean_of_probabilities_is_sampled_and_sums_to_what_is_served() -> None:
    one, rows = made("lightgbm", "binary")
    two, _ = made("linear", "binary", seed=1)
    plan = averaged({"1 lightgbm": one, "2 linear": two}, {"1 lightgbm": 0.7, "2 linear": 0.3})
    reference, fresh = reference_of(plan, rows, 0), drawn(9, 6)
    found = explain(plan, fresh, reference, served(plan))
    assert (found.method, found.scale, found.outputs) == ("sampled", "probability", ("yes",))
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), run(plan, *fresh)[:, 1:], atol=1e-12)
    assert found.errors is not None
    for at in range(6):
        exact = by_definition(served(plan), fresh.take(np.array([at])), reference.background)[:, 1:]
        assert (np.abs(found.values[at] - exact) <= 4 * found.errors[at] + 1e-9).all()


def test_a_mean_of_regressions_is_the_mean_of_their_values() -> None:
    one, rows = made("lightgbm", "regression")
    two, _ = made("random_forest", "regression", seed=1)
    plan = averaged({"a": one, "b": two}, {"a": 0.25, "b": 0.75})
    fresh = drawn(9, 20)
    found = explain(plan, fresh, reference_of(plan, rows, 0), served(plan))
    single = [explain(each, fresh, reference_of(each, rows, 0), served(each)) for each in (one, two)]
    assert found.method == "exact"
    np.testing.assert_allclose(found.values, 0.25 * single[0].values + 0.75 * single[1].values, atol=1e-9)


def test_trees_behind_mixed_features_are_sampled() -> None:
    from homeostat.graph.plan import Trees

    plan, rows = made("lightgbm", "regression")
    trees = next(node for node in plan.nodes if isinstance(node, Trees))
    mixed = Linear("mixed", "features", np.random.default_rng(0).normal(size=(9, 9)), np.zeros(9))
    behind = replace(plan, nodes=(*PREPARATION.nodes, mixed, replace(trees, source="mixed"), Link("score", "raw score", "identity")))
    assert not exactly(behind)
    fresh = drawn(9, 4)
    found = explain(behind, fresh, reference_of(behind, rows, 0), served(behind))
    assert found.method == "sampled"
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), run(behind, *fresh), atol=1e-9)


def test_a_calibrated_model_is_explained_before_its_link() -> None:
    plan, rows = made("lightgbm", "binary")
    platt = (Log("logs", plan.out, 1e-12), Linear("odds", "logs", np.array([[-0.8], [0.8]]), np.array([0.1])), Link("p", "odds", "sigmoid"))
    calibrated = replace(plan, nodes=(*plan.nodes, *platt))
    fresh = drawn(9, 5)
    one, other = (explain(each, fresh, reference_of(each, rows, 0), served(each)) for each in (plan, calibrated))
    assert other.scale == "log odds"
    np.testing.assert_array_equal(one.values, other.values)


def test_a_picked_column_of_an_additive_block_is_exact() -> None:
    plan, rows = made("random_forest", "binary")
    picked = Plan("regression", "p", INPUTS, (*plan.nodes, Pick("positive", plan.out, (1,))))
    fresh = drawn(9, 5)
    found = explain(picked, fresh, reference_of(picked, rows, 0), served(picked))
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), run(plan, *fresh)[:, 1:], atol=1e-9)


@pytest.mark.parametrize("learner", ["linear", "lightgbm"])
def test_a_reference_comes_back_from_its_arrays(learner: str) -> None:
    plan, rows = made(learner, "binary")
    reference, fresh = reference_of(plan, rows, 0), drawn(9, 5)
    again = Reference.of_arrays(reference.arrays() | {"something else": np.zeros(3)})
    one, other = (explain(plan, fresh, each, served(plan)) for each in (reference, again))
    np.testing.assert_array_equal(one.values, other.values)
