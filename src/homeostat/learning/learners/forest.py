"""Random forests and extremely randomised trees of scikit-learn, and their conversion to one ``Trees`` node.

Source: Breiman, "Random Forests" (Machine Learning 2001); Geurts, Ernst and Wehenkel, "Extremely randomized trees" (Machine Learning 2006).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from homeostat.graph.plan import Linear, Single
from homeostat.learning.learner import Fitted, unwatched
from homeostat.learning.learners.trees import forest_of, tree_of
from homeostat.stats.metrics import error_of

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats, Node, Trees
    from homeostat.learning.learner import Flavour, Goal, Params, Rows, Suggest, Watch

TREES, AT_ONCE = 100, 10
"""Trees of a forest, and how many are grown between two looks at whether to go on."""
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

    def portfolio(self, goal: Goal) -> tuple[Params, ...]:
        """For much signal, and for noise."""
        return (
            {"max_leaves": MOST_LEAVES, "min_samples_leaf": 1, "max_features": 0.7},
            {"max_leaves": 256, "min_samples_leaf": 10, "max_features": 0.3},
        )

    def space(self, trial: Suggest, goal: Goal) -> Params:
        """The size of trees, and what share of the features each split looks at."""
        return {
            "max_leaves": trial.suggest_int("max_leaves", 64, MOST_LEAVES, log=True),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 32, log=True),
            "max_features": trial.suggest_float("max_features", 0.2, 1.0),
        }

    def fit(self, rows: Rows, goal: Goal, params: Params, seed: int, valid: Rows | None = None, watch: Watch = unwatched) -> Fitted:
        """Grow all trees, or as many as there is time for.

        Raises:
            ValueError: a feature beyond the range of float32, which the library compares by.
        """
        rows = rows.known() if goal.classes else rows
        most = int(params.get("trees", TREES))
        model = self._model(goal)(
            n_estimators=min(AT_ONCE, most),
            warm_start=True,  # gives the trees that growing all at once gives
            max_leaf_nodes=int(params["max_leaves"]),
            min_samples_leaf=int(params["min_samples_leaf"]),
            max_features=float(params["max_features"]),
            random_state=seed,
            n_jobs=1,
        )
        target = rows.target.astype(np.int64) if goal.classes else rows.target
        model.fit(rows.features, target, sample_weight=rows.weights)
        present = [int(index) for index in model.classes_] if goal.classes else [0]

        def predict(features: Floats) -> Floats:
            if not goal.classes:
                return np.asarray(model.predict(features), dtype=np.float64)[:, None]
            scores = np.zeros((len(features), len(goal.classes)))
            scores[:, present] = model.predict_proba(features)
            return scores

        while model.n_estimators < most:
            if valid is not None and watch(model.n_estimators / AT_ONCE, _error(goal, valid, predict)):
                break
            model.set_params(n_estimators=min(model.n_estimators + AT_ONCE, most))
            model.fit(rows.features, target, sample_weight=rows.weights)
        trees = [each.tree_ for each in model.estimators_]
        found = {**params, "trees": len(trees)} if len(trees) < TREES else dict(params)
        return Fitted(nodes_of(trees, present, goal), predict, found)

    def _model(self, goal: Goal) -> Any:
        from sklearn import ensemble

        kinds: dict[tuple[str, bool], Any] = {
            ("random_forest", True): ensemble.RandomForestClassifier,
            ("random_forest", False): ensemble.RandomForestRegressor,
            ("extra_trees", True): ensemble.ExtraTreesClassifier,
            ("extra_trees", False): ensemble.ExtraTreesRegressor,
        }
        return kinds[self.kind, bool(goal.classes)]


def _error(goal: Goal, valid: Rows, predict: Callable[[Floats], Floats]) -> float:
    return error_of(goal.metric, goal.metric.score(valid.target, predict(valid.features)))


def nodes_of(trees: Sequence[Any], present: Sequence[int], goal: Goal) -> tuple[Node, ...]:
    """The features as the library sees them, the trees, and for two classes the probability of the other one."""
    narrow = Single("features of float32", goal.source)
    if len(goal.classes) == 2 and len(present) == 2:  # the second class is enough: the first is what is left
        forest = _mean(trees, "probability", narrow.out, {1: 0}, 1)
        return narrow, forest, Linear("score", forest.out, np.array([[-1.0, 1.0]]), np.array([1.0, 0.0]))
    return narrow, _mean(trees, "score", narrow.out, dict(enumerate(present)), len(goal.classes) or 1)


def _mean(trees: Sequence[Any], out: str, source: str, outputs: Mapping[int, int], width: int) -> Trees:
    """The mean of what the trees' leaves say. ``outputs`` tells which of a leaf's values goes where: a forest for each."""
    made = [
        tree_of(
            (t.children_left, t.children_right), t.feature, t.threshold, t.missing_go_to_left, t.value[:, 0, value] / len(trees), output
        )
        for value, output in outputs.items()
        for t in trees
    ]
    return forest_of(made, out, source, np.zeros(width))
