"""Random forests and extremely randomised trees of scikit-learn, and their conversion to one ``Trees`` node.

Source: Breiman, "Random Forests" (Machine Learning 2001); Geurts, Ernst and Wehenkel, "Extremely randomized trees" (Machine Learning 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from homeostat.graph.plan import Linear, Single, Trees
from homeostat.learning.learner import Fitted

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats, Node
    from homeostat.learning.learner import Flavour, Goal, Params, Rows, Suggest

TREES = 100
MOST_LEAVES = 4_096
"""Leaves of a tree at most: a forest grown to the last row would make a graph larger than its data."""


@dataclass(frozen=True, slots=True)
class Forest:
    """A learner whose trees do not learn from each other; the kinds differ in how a split is chosen."""

    kind: Literal["random_forest", "extra_trees"]

    @property
    def flavour(self) -> Flavour:
        """Trees take nulls as they are."""
        return "tree"

    @property
    def defaults(self) -> Params:
        """Good on most data."""
        return MappingProxyType({"max_leaves": 1_024, "min_samples_leaf": 2, "max_features": 0.5})

    def space(self, trial: Suggest) -> Params:
        """The size of trees, and what share of the features each split looks at."""
        return {
            "max_leaves": trial.suggest_int("max_leaves", 64, MOST_LEAVES, log=True),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 32, log=True),
            "max_features": trial.suggest_float("max_features", 0.2, 1.0),
        }

    def fit(self, rows: Rows, goal: Goal, params: Params, seed: int, valid: Rows | None = None) -> Fitted:
        """Grow all trees; nothing is stopped early.

        Raises:
            ValueError: a feature beyond the range of float32, which the library compares by.
        """
        rows = rows.known() if goal.classes else rows
        model = self._model(goal)(
            n_estimators=TREES,
            max_leaf_nodes=int(params["max_leaves"]),
            min_samples_leaf=int(params["min_samples_leaf"]),
            max_features=float(params["max_features"]),
            random_state=seed,
            n_jobs=1,
        )
        model.fit(rows.features, rows.target.astype(np.int64) if goal.classes else rows.target, sample_weight=rows.weights)
        present = [int(index) for index in model.classes_] if goal.classes else [0]

        def predict(features: Floats) -> Floats:
            if not goal.classes:
                return np.asarray(model.predict(features), dtype=np.float64)[:, None]
            scores = np.zeros((len(features), len(goal.classes)))
            scores[:, present] = model.predict_proba(features)
            return scores

        return Fitted(_nodes([each.tree_ for each in model.estimators_], present, goal), predict, dict(params))

    def _model(self, goal: Goal) -> Any:
        from sklearn import ensemble

        kinds: dict[tuple[str, bool], Any] = {
            ("random_forest", True): ensemble.RandomForestClassifier,
            ("random_forest", False): ensemble.RandomForestRegressor,
            ("extra_trees", True): ensemble.ExtraTreesClassifier,
            ("extra_trees", False): ensemble.ExtraTreesRegressor,
        }
        return kinds[self.kind, bool(goal.classes)]


def _nodes(trees: Sequence[Any], present: Sequence[int], goal: Goal) -> tuple[Node, ...]:
    """The features as the library sees them, the trees, and for two classes the probability of the other one."""
    narrow = Single("features of float32", goal.source)
    if len(goal.classes) == 2 and len(present) == 2:  # the second class is enough: the first is what is left
        forest = trees_of(trees, "probability", narrow.out, {1: 0}, 1)
        return narrow, forest, Linear("score", forest.out, np.array([[-1.0, 1.0]]), np.array([1.0, 0.0]))
    columns = dict(enumerate(present))
    return narrow, trees_of(trees, "score", narrow.out, columns, len(goal.classes) or 1)


def trees_of(trees: Sequence[Any], out: str, source: str, columns: dict[int, int], width: int) -> Trees:
    """Trees of scikit-learn as a node that gives the mean of their leaves.

    Args:
        trees: ``tree_`` of each estimator.
        out: the block written.
        source: the block read; float32 numbers, since the library compares by these.
        columns: which of a leaf's values becomes which output. A leaf adds to one output, so each value is a forest of its own.
        width: how many outputs there are.
    """
    made = [_tree(tree, value, column) for value, column in columns.items() for tree in trees]
    splits = np.cumsum([0, *(len(each.feature) for each in made)])
    leaves = np.cumsum([0, *(len(each.values) for each in made)])
    placed = list(zip(made, splits, leaves, strict=False))
    return Trees(
        out=out,
        source=source,
        roots=np.array([0 + at if len(each.feature) else -1 - leaf for each, at, leaf in placed], dtype=np.int64),
        feature=np.concatenate([each.feature for each in made]),
        threshold=np.concatenate([each.threshold for each in made]),
        nan_true=np.concatenate([each.nan_left for each in made]),
        true_child=np.concatenate([_moved(each.left, at, leaf) for each, at, leaf in placed]),
        false_child=np.concatenate([_moved(each.right, at, leaf) for each, at, leaf in placed]),
        leaf_value=np.concatenate([each.values for each in made]) / len(trees),
        leaf_target=np.concatenate([np.full(len(each.values), each.column, dtype=np.int64) for each in made]),
        bias=np.zeros(width),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Tree:
    """One tree: its splits in order, children as a split's index or -1 - a leaf's, and the leaves' values for one output."""

    feature: Any
    threshold: Floats
    nan_left: Any
    left: Any
    right: Any
    values: Floats
    column: int


def _tree(tree: Any, value: int, column: int) -> _Tree:
    split = tree.children_left >= 0
    place = np.where(split, np.cumsum(split) - 1, -np.cumsum(~split))
    return _Tree(
        feature=tree.feature[split].astype(np.int64),
        threshold=tree.threshold[split].astype(np.float64),
        nan_left=tree.missing_go_to_left[split].astype(np.bool_),
        left=place[tree.children_left[split]],
        right=place[tree.children_right[split]],
        values=tree.value[~split, 0, value].astype(np.float64),
        column=column,
    )


def _moved(children: Any, split: int, leaf: int) -> Any:
    """The children of one tree among those of all trees."""
    return np.where(children >= 0, children + split, children - leaf)
