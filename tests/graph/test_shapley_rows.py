"""Values of a few rows are those of many, and with one row as reference those of the game against that row."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.test_shapley import FEATURES, forest, rows

from homeostat.graph import shapley_rows
from homeostat.graph.shapley import covers_of, shares_of, tree_values
from homeostat.graph.shapley_rows import LaidOut, ways_of

if TYPE_CHECKING:
    from homeostat.graph.plan import Trees


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(0, 12), st.integers(1, 3))
def test_the_same_values_as_for_many_rows(seed: int, trees: int, splits: int, outputs: int) -> None:
    rng = np.random.default_rng(seed)
    node, x = forest(rng, trees, splits, outputs), rows(rng, 7)
    covers = covers_of(node, rows(rng, 50))
    players = rng.integers(0, 3, FEATURES)
    laid = LaidOut(node, shares_of(node, covers), players)
    values, base = tree_values(node, x, covers, players)
    assert laid.values(x) == pytest.approx(values, abs=1e-12)
    assert laid.base == pytest.approx(base, abs=1e-12)
    assert laid.values(x[3:4])[0] == pytest.approx(values[3], abs=1e-12)


def scores(node: Trees, x: np.ndarray) -> np.ndarray:
    total = np.tile(node.bias, (len(x), 1))
    for row, root in itertools.product(range(len(x)), node.roots):
        at = int(root)
        while at >= 0:
            value = x[row, node.feature[at]]
            yes = node.nan_true[at] if np.isnan(value) else value <= node.threshold[at]
            at = int(node.true_child[at] if yes else node.false_child[at])
        total[row, node.leaf_target[-at - 1]] += node.leaf_value[-at - 1]
    return total


def test_with_one_row_as_reference_each_set_of_players_is_that_row_with_theirs_changed() -> None:
    rng = np.random.default_rng(4)
    node, (row, other) = forest(rng, 3, 9), rows(rng, 2)
    laid = LaidOut(node, ways_of(node, other), np.arange(FEATURES))
    meant = np.zeros(FEATURES)
    for order in itertools.permutations(range(FEATURES)):
        mixed = other.copy()
        for player in order:
            before = scores(node, mixed[None])[0, 0]
            mixed[player] = row[player]
            meant[player] += (scores(node, mixed[None])[0, 0] - before) / math.factorial(FEATURES)
    assert laid.values(row[None])[0, :, 0] == pytest.approx(meant, abs=1e-12)
    assert laid.base == pytest.approx(scores(node, other[None])[0], abs=1e-12)


def test_leaves_may_be_taken_in_any_number(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    node, x = forest(rng, 5, 12, 2), rows(rng, 9)
    laid = LaidOut(node, shares_of(node, covers_of(node, x)), np.arange(FEATURES))
    whole = laid.values(x)
    monkeypatch.setattr(shapley_rows, "CELLS_AT_ONCE", 1)
    assert laid.values(x) == pytest.approx(whole, abs=1e-12)
