"""Gradient-boosted trees of LightGBM, and their conversion to one ``Trees`` node.

Source: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree" (NeurIPS 2017).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.plan import Link, Trees
from homeostat.learning.learner import Fitted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeostat.graph.plan import Floats, Node
    from homeostat.learning.learner import Flavour, Goal, Params, Rows, Suggest

flavour: Flavour = "tree"
defaults: Params = MappingProxyType(
    {"num_leaves": 31, "learning_rate": 0.08, "min_data_in_leaf": 20, "feature_fraction": 0.9, "lambda_l2": 0.1}
)

MOST_ROUNDS = 600
PATIENCE = 40
"""Rounds without a better validation error after which boosting stops."""
UNTOLD_ROUNDS = 100
"""Rounds of a fit that has neither validation rows nor a round count."""

SMALL = 2_000_000
"""Values (rows times features) below which one thread is fastest."""

_FIXED: Mapping[str, Any] = MappingProxyType(
    {
        "deterministic": True,
        "force_row_wise": True,  # the other layout is chosen by a stopwatch, and sums in another order
        "feature_pre_filter": False,
        "verbose": -1,
    }
)


def space(trial: Suggest) -> Params:
    """The size of trees, the speed of learning, and three brakes."""
    return {
        "num_leaves": trial.suggest_int("num_leaves", 15, 127, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 5, 100, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.6, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 10.0, log=True),
    }


def _threads(rows: Rows) -> int:
    """One thread for small data: more of them spend their time waiting for each other, worst on a busy machine."""
    return 1 if rows.features.size < SMALL else 2


def fit(rows: Rows, goal: Goal, params: Params, seed: int, valid: Rows | None = None) -> Fitted:
    """Boost. With ``valid`` until its error stops falling, at most ``MOST_ROUNDS``; without, for ``params["rounds"]``."""
    import lightgbm

    objective = _objective(goal)
    threads = _threads(rows)
    searched = {name: value for name, value in params.items() if name != "rounds"}
    settings = {**_FIXED, **objective, **searched, "num_threads": threads, "seed": seed}
    train = _dataset(rows, goal)
    if valid is None:
        booster = lightgbm.train(settings, train, num_boost_round=int(params.get("rounds", UNTOLD_ROUNDS)))
        rounds = booster.current_iteration()
    else:
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        judged = _dataset(valid, goal, train)
        booster = lightgbm.train(settings, train, num_boost_round=MOST_ROUNDS, valid_sets=[judged], callbacks=[stop])
        rounds = booster.best_iteration or booster.current_iteration()

    def predict(features: Floats) -> Floats:
        scores = np.asarray(booster.predict(features, num_iteration=rounds, num_threads=threads), dtype=np.float64)
        if goal.task == "binary":
            return np.column_stack([1.0 - scores, scores])
        return scores.reshape(len(features), -1)

    return Fitted(_nodes(booster.dump_model(num_iteration=rounds), goal), predict, {**params, "rounds": int(rounds)})


def _objective(goal: Goal) -> dict[str, Any]:
    if goal.task == "regression":
        return {"objective": "regression_l1" if goal.metric.name == "mae" else "regression"}
    if goal.task == "binary":
        # Boosting stops by the success metric itself where the library has it: under a shift of the base rate the log loss is least
        # long before the ranking is best.
        stop_by = goal.metric.name if goal.metric.name in ("auc", "average_precision") else "binary_logloss"
        return {"objective": "binary", "metric": stop_by}
    return {"objective": "multiclass", "num_class": len(goal.classes)}


def _dataset(rows: Rows, goal: Goal, reference: Any = None) -> Any:
    import lightgbm

    if goal.classes:
        rows = rows.known()
    return lightgbm.Dataset(rows.features, label=rows.target, weight=rows.weights, reference=reference, free_raw_data=False)


_LINKS: Mapping[str, Any] = MappingProxyType({"regression": "identity", "binary": "sigmoid", "multiclass": "softmax"})


def _nodes(model: Mapping[str, Any], goal: Goal) -> tuple[Node, ...]:
    return trees_of(model, goal.source), Link("score", "raw score", _LINKS[goal.task])


def trees_of(model: Mapping[str, Any], source: str) -> Trees:
    """The forest of ``Booster.dump_model`` as a node. Its first trees hold the average it boosted from, so the bias is 0.

    Raises:
        ValueError: a split that is no comparison of numbers, or zeros that count as missing.
    """
    width = int(model["num_tree_per_iteration"])
    splits, leaves, roots = _Splits(), _Leaves(), []
    for number, tree in enumerate(model["tree_info"]):
        roots.append(_read(tree["tree_structure"], splits, leaves, number % width))
    return Trees(
        out="raw score",
        source=source,
        roots=np.array(roots, dtype=np.int64),
        feature=np.array(splits.feature, dtype=np.int64),
        threshold=np.array(splits.threshold, dtype=np.float64),
        nan_true=np.array(splits.nan_true, dtype=np.bool_),
        true_child=np.array(splits.true_child, dtype=np.int64),
        false_child=np.array(splits.false_child, dtype=np.int64),
        leaf_value=np.array(leaves.value, dtype=np.float64),
        leaf_target=np.array(leaves.target, dtype=np.int64),
        bias=np.zeros(width),
    )


class _Splits:
    """The columns of the split nodes read so far."""

    def __init__(self) -> None:
        self.feature: list[int] = []
        self.threshold: list[float] = []
        self.nan_true: list[bool] = []
        self.true_child: list[int] = []
        self.false_child: list[int] = []


class _Leaves:
    """The columns of the leaves read so far."""

    def __init__(self) -> None:
        self.value: list[float] = []
        self.target: list[int] = []


def _read(node: Mapping[str, Any], splits: _Splits, leaves: _Leaves, target: int) -> int:
    """Append a subtree and return its name as a child: a split's index, or -1 - a leaf's."""
    if "split_index" not in node:
        leaves.value.append(float(node["leaf_value"]))
        leaves.target.append(target)
        return -len(leaves.value)
    missing, threshold = node["missing_type"], float(node["threshold"])
    if node["decision_type"] != "<=" or missing not in ("NaN", "None"):
        raise ValueError(f"got a split {node['decision_type']!r} with missing_type {missing!r}, which a plan has no node for")
    at = len(splits.feature)
    splits.feature.append(int(node["split_feature"]))
    splits.threshold.append(threshold)
    # A feature without NaN in training: the library takes a later NaN for 0.
    splits.nan_true.append(bool(node["default_left"]) if missing == "NaN" else threshold >= 0.0)
    splits.true_child.append(0)
    splits.false_child.append(0)
    splits.true_child[at] = _read(node["left_child"], splits, leaves, target)
    splits.false_child[at] = _read(node["right_child"], splits, leaves, target)
    return at
