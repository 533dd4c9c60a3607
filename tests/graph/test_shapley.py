"""Shapley values of trees: by the definition over all sets of players, by LightGBM's own, and as laws."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.graph import shapley
from homeostat.graph.interpret import run
from homeostat.graph.plan import Plan, Trees
from homeostat.graph.shapley import covers_of, tree_values
from homeostat.learning.learners.lightgbm import trees_of

FEATURES = 4


def forest(rng: np.random.Generator, trees: int, splits: int, outputs: int = 1) -> Trees:
    """Random trees over few features, so that paths ask the same one again; thresholds are whole numbers, as the rows are."""
    feature: list[int] = []
    true_child: list[int] = []
    false_child: list[int] = []
    leaves = 0
    targets: list[int] = []

    def grow(left: int, target: int) -> int:
        nonlocal leaves
        if left == 0:
            leaves += 1
            targets.append(target)
            return -leaves
        at = len(feature)
        feature.append(int(rng.integers(FEATURES)))
        true_child.append(0)
        false_child.append(0)
        here = int(rng.integers(left))
        true_child[at] = grow(here, target)
        false_child[at] = grow(left - 1 - here, target)
        return at

    roots = [grow(splits, number % outputs) for number in range(trees)]
    ints = [np.array(each, dtype=np.int64) for each in (roots, feature, true_child, false_child, targets)]
    thresholds, nan_true = rng.integers(-2, 3, len(feature)).astype(float), rng.random(len(feature)) < 0.5
    values, bias = rng.normal(size=leaves), rng.normal(size=outputs)
    return Trees("raw", "numbers", ints[0], ints[1], thresholds, nan_true, ints[2], ints[3], values, ints[4], bias)


def rows(rng: np.random.Generator, count: int) -> np.ndarray:
    x = rng.integers(-3, 4, size=(count, FEATURES)).astype(float)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


def expected(node: Trees, covers: np.ndarray, x: np.ndarray, asked: set[int], players: np.ndarray) -> np.ndarray:
    """The score of one row when only some players are asked: at the others' splits the mean of both ways, by reference rows."""
    total = node.bias.copy()

    def cover(at: int) -> float:
        return float(covers[-at - 1]) if at < 0 else cover(node.true_child[at]) + cover(node.false_child[at])

    def walk(at: int, weight: float) -> None:
        if at < 0:
            total[node.leaf_target[-at - 1]] += weight * node.leaf_value[-at - 1]
            return
        value = x[node.feature[at]]
        true = bool(node.nan_true[at]) if np.isnan(value) else bool(value <= node.threshold[at])
        share = cover(node.true_child[at]) / cover(at) if cover(at) else 0.5
        if players[node.feature[at]] in asked:
            share = float(true)
        walk(int(node.true_child[at]), weight * share)
        walk(int(node.false_child[at]), weight * (1 - share))

    for root in node.roots:
        walk(int(root), 1.0)
    return total


def by_definition(node: Trees, covers: np.ndarray, x: np.ndarray, players: np.ndarray) -> np.ndarray:
    """Shapley's sum over all sets of the others."""
    every = sorted(set(players.tolist()))
    found = np.zeros((len(every), len(node.bias)))
    for player in every:
        others = [each for each in every if each != player]
        for size in range(len(every)):
            weight = math.factorial(size) * math.factorial(len(every) - size - 1) / math.factorial(len(every))
            for chosen in itertools.combinations(others, size):
                with_player = expected(node, covers, x, {*chosen, player}, players)
                found[player] += weight * (with_player - expected(node, covers, x, set(chosen), players))
    return found


@given(seed=st.integers(0, 10**6), splits=st.integers(0, 7), outputs=st.integers(1, 2), grouped=st.booleans())
def test_the_values_are_those_of_the_definition(seed: int, splits: int, outputs: int, grouped: bool) -> None:
    rng = np.random.default_rng(seed)
    node, x = forest(rng, 2, splits, outputs), rows(rng, 3)
    players = np.array([0, 1, 1, 0]) if grouped else np.arange(FEATURES)
    covers = covers_of(node, rows(rng, 6))  # so few that some ways have no row
    values, base = tree_values(node, x, covers, players)
    for row, found in zip(x, values, strict=True):
        np.testing.assert_allclose(found, by_definition(node, covers, row, players), atol=1e-12)
    np.testing.assert_allclose(base, expected(node, covers, x[0], set(), players), atol=1e-12)


@given(seed=st.integers(0, 10**6), splits=st.integers(0, 40))
def test_values_and_base_sum_to_the_score(seed: int, splits: int) -> None:
    rng = np.random.default_rng(seed)
    node, x = forest(rng, 3, splits, 2), rows(rng, 50)
    values, base = tree_values(node, x, covers_of(node, rows(rng, 80)))
    scores = run(Plan("regression", "y", (), (node,)), x, np.zeros((50, 0), dtype=np.int64))
    np.testing.assert_allclose(values.sum(axis=1) + base, scores, atol=1e-10)


@given(seed=st.integers(0, 10**6))
def test_a_player_on_no_split_adds_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    node = forest(rng, 2, 5)
    values, _ = tree_values(node, rows(rng, 5), covers_of(node, rows(rng, 30)))
    assert not values[:, [each for each in range(FEATURES) if each not in node.feature]].any()


def boosted(kind: str, leaves: int, rounds: int = 12) -> tuple[Any, Trees, np.ndarray]:
    """A model of LightGBM, the node it becomes, and its training rows."""
    rng = np.random.default_rng(leaves)
    x = rng.normal(size=(3_000, 24)).round(1)
    x[rng.random(x.shape) < 0.05] = np.nan
    signal = np.nan_to_num(x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2]) + x[:, 3:24].sum(axis=1) * 0.2)
    y = {"regression": signal, "binary": signal > 0, "multiclass": np.digitize(signal, [-1, 1])}[kind]
    settings: dict[str, Any] = {"objective": kind, "num_leaves": leaves, "min_data_in_leaf": 3, "verbose": -1, "num_threads": 1}
    settings |= {"num_class": 3} if kind == "multiclass" else {}
    booster = lightgbm.train(settings, lightgbm.Dataset(x, y.astype(float)), rounds)
    return booster, trees_of(booster.dump_model(), "numbers"), x


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
@pytest.mark.parametrize("leaves", [8, 31])
def test_lightgbm_says_the_same(kind: str, leaves: int) -> None:
    booster, node, x = boosted(kind, leaves)
    theirs = np.asarray(booster.predict(x[:200], pred_contrib=True)).reshape(200, -1, 25)
    values, base = tree_values(node, x[:200], covers_of(node, x))
    assert np.abs(values.transpose(0, 2, 1) - theirs[:, :, :-1]).max() < 1e-9
    assert np.abs(base - theirs[0, :, -1]).max() < 1e-9


def in_fractions(node: Trees, covers: np.ndarray, x: np.ndarray) -> list[float]:
    """The values of one row and one output, leaf by leaf, without rounding: for each number of others the sum over all sets of so many."""
    found = [Fraction(0)] * len(x)

    def cover(at: int) -> int:
        return int(covers[-at - 1]) if at < 0 else cover(int(node.true_child[at])) + cover(int(node.false_child[at]))

    def leaf(value: float, path: dict[int, tuple[Fraction, bool]]) -> None:
        for player, (share, agrees) in path.items():
            sums = [Fraction(1)]
            for other, (z, o) in path.items():
                if other != player:
                    sums = [
                        (sums[k] * z if k < len(sums) else Fraction(0)) + (sums[k - 1] * o if k else Fraction(0))
                        for k in range(len(sums) + 1)
                    ]
            rest = len(path) - 1
            orders = [Fraction(math.factorial(k) * math.factorial(rest - k), math.factorial(rest + 1)) for k in range(rest + 1)]
            weight = sum(each * order for each, order in zip(sums, orders, strict=True))
            found[player] += Fraction(value) * (int(agrees) - share) * weight

    def walk(at: int, path: dict[int, tuple[Fraction, bool]]) -> None:
        if at < 0:
            leaf(float(node.leaf_value[-at - 1]), path)
            return
        feature, children = int(node.feature[at]), (int(node.true_child[at]), int(node.false_child[at]))
        true = bool(node.nan_true[at]) if np.isnan(x[feature]) else bool(x[feature] <= node.threshold[at])
        z, o = path.get(feature, (Fraction(1), True))
        for child, here in zip(children, (true, not true), strict=True):
            walk(child, path | {feature: (z * Fraction(cover(child), cover(at)), o and here)})

    for root in node.roots:
        walk(int(root), {})
    return [float(each) for each in found]


def test_paths_of_many_players_lose_no_digits() -> None:
    _, node, x = boosted("binary", 63, rounds=1)
    row, covers = x[44:45], covers_of(node, x)
    exact = in_fractions(node, covers, row[0])
    values, _ = tree_values(node, row, covers)
    np.testing.assert_allclose(values[0, :, 0], exact, atol=1e-14)


def test_a_table_of_patterns_and_rows_one_by_one_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    node, x = forest(rng, 5, 30, 2), rows(rng, 400)
    covers = covers_of(node, rows(rng, 1_000))
    tabled, _ = tree_values(node, x, covers)
    monkeypatch.setattr(shapley, "MOST_BITS", 0)
    single, _ = tree_values(node, x, covers)
    np.testing.assert_allclose(tabled, single, atol=1e-13)


def test_neither_threads_nor_other_rows_change_a_row() -> None:
    rng = np.random.default_rng(1)
    node, x = forest(rng, 4, 20), rows(rng, 300)
    covers = covers_of(node, rows(rng, 500))
    whole, _ = tree_values(node, x, covers)
    parted, _ = tree_values(node, x, covers, threads=3)
    alone, _ = tree_values(node, x[7:8], covers)
    np.testing.assert_allclose(parted, whole, atol=1e-13)
    np.testing.assert_allclose(alone[0], whole[7], atol=1e-13)


def test_no_rows_have_no_values() -> None:
    node = forest(np.random.default_rng(2), 2, 3)
    values, _ = tree_values(node, np.zeros((0, FEATURES)), np.ones(len(node.leaf_value), dtype=np.int64))
    assert values.shape == (0, FEATURES, 1)
