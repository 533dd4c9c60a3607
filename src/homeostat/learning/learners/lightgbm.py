"""Gradient-boosted trees of LightGBM, and their conversion to one ``Trees`` node.

Source: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree" (NeurIPS 2017).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.plan import Trees
from homeostat.learning.learner import Fitted, unwatched
from homeostat.learning.learners import boosting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeostat.graph.plan import Floats, Node
    from homeostat.learning.learner import Flavour, Goal, Params, Rows, Suggest, Watch

flavour: Flavour = "tree"
defaults: Params = MappingProxyType(
    {
        "num_leaves": 31,
        "learning_rate": 0.08,
        "min_data_in_leaf": 20,
        "feature_fraction": 0.9,
        "lambda_l2": 0.1,
        "extra_trees": 0,
        "max_bin": 255,
    }
)
_OTHERS: tuple[Params, ...] = (  # large trees and fine thresholds for much signal, random ones for variety, small trees for noise
    {**defaults, "num_leaves": 511, "learning_rate": 0.12, "min_data_in_leaf": 3, "lambda_l2": 1.0, "max_bin": 1_023},
    {**defaults, "num_leaves": 63, "min_data_in_leaf": 10, "feature_fraction": 0.8, "lambda_l2": 1.0, "extra_trees": 1},
    {**defaults, "num_leaves": 8, "learning_rate": 0.06, "min_data_in_leaf": 80, "feature_fraction": 0.6, "lambda_l2": 5.0},
)
_OBJECTIVES: Mapping[str, str] = MappingProxyType({"squared": "regression", "poisson": "poisson", "log": "regression"})
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


def portfolio(goal: Goal) -> tuple[Params, ...]:
    """For much signal, for variety, and for noise; of amounts each also as counts that are multiplied and not added."""
    return boosting.with_losses(defaults, _OTHERS, goal)


def space(trial: Suggest, goal: Goal) -> Params:
    """The size of trees, the speed of learning, three brakes, how thresholds are found; of amounts the loss."""
    return boosting.ask_loss(trial, goal) | {
        "num_leaves": trial.suggest_int("num_leaves", 6, 1_024, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 3, 120, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.4, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 10.0, log=True),
        "extra_trees": trial.suggest_int("extra_trees", 0, 1),
        "max_bin": trial.suggest_int("max_bin", 127, 1_023, log=True),
    }


def _threads(rows: Rows, *, alone: bool) -> int:
    """One thread for small data, and where other trials run at the same time: more of them spend their time waiting for each other."""
    return 2 if alone and rows.features.size >= SMALL else 1


def fit(rows: Rows, goal: Goal, params: Params, seed: int, valid: Rows | None = None, watch: Watch = unwatched) -> Fitted:
    """Boost. With ``valid`` until its error stops falling, at most ``MOST_ROUNDS``; without, for ``params["rounds"]``."""
    import lightgbm

    loss, threads = boosting.loss_of(params), _threads(rows, alone=valid is None)
    searched = boosting.settings_of(params) | {"extra_trees": bool(params.get("extra_trees"))}
    settings = {**_FIXED, **_objective(goal, loss), **searched, "num_threads": threads, "seed": seed}
    train = _dataset(rows, goal, loss)
    if valid is None:
        booster = lightgbm.train(settings, train, num_boost_round=int(params.get("rounds", boosting.UNTOLD_ROUNDS)))
        rounds = booster.current_iteration()
    else:
        rate = float(params.get("learning_rate", 0.1))
        stop = lightgbm.early_stopping(boosting.patience(rate), verbose=False)
        judged = _dataset(valid, goal, loss, train)
        watched = _Watched(watch, rate)
        booster = lightgbm.train(settings, train, num_boost_round=boosting.MOST_ROUNDS, valid_sets=[judged], callbacks=[watched, stop])
        rounds = boosting.rounds_of(watched.errors) or booster.current_iteration()

    def predict(features: Floats) -> Floats:
        scores = np.asarray(booster.predict(features, num_iteration=rounds, num_threads=threads), dtype=np.float64)
        if goal.task == "binary":
            return np.column_stack([1.0 - scores, scores])
        return boosting.answered(scores, loss).reshape(len(features), -1)

    return Fitted(_nodes(booster.dump_model(num_iteration=rounds), goal, loss), predict, {**params, "rounds": int(rounds)})


class _Watched:
    """The library's callback that writes down the error of each round, tells a watch, and ends the fit when asked to stop."""

    order = 20  # before the library's own early stopping

    def __init__(self, watch: Watch, rate: float) -> None:
        self._watch, self._rate = watch, rate
        self._best: tuple[float, int, Any] | None = None
        self.errors: list[float] = []

    def __call__(self, env: Any) -> None:
        from lightgbm.callback import EarlyStopException

        found = env.evaluation_result_list[0]
        self.errors.append(1.0 - found.metric_value if found.maximize else found.metric_value)
        if self._best is None or self.errors[-1] < self._best[0]:
            self._best = (self.errors[-1], env.iteration, env.evaluation_result_list)
        if self._watch((env.iteration + 1) * self._rate, self._best[0]):
            raise EarlyStopException(self._best[1], self._best[2])


def _objective(goal: Goal, loss: boosting.Loss) -> dict[str, Any]:
    if goal.task == "regression":
        by_metric = "regression_l1" if goal.metric.name == "mae" else "regression"
        return {"objective": _OBJECTIVES.get(loss, by_metric), "metric": goal.metric.name if goal.metric.name == "mae" else "rmse"}
    if goal.task == "binary":
        # Boosting stops by the success metric itself where the library has it: under a shift of the base rate the log loss is least
        # long before the ranking is best.
        stop_by = goal.metric.name if goal.metric.name in ("auc", "average_precision") else "binary_logloss"
        return {"objective": "binary", "metric": stop_by}
    return {"objective": "multiclass", "num_class": len(goal.classes)}


def _dataset(rows: Rows, goal: Goal, loss: boosting.Loss, reference: Any = None) -> Any:
    import lightgbm

    if goal.classes:
        rows = rows.known()
    target = boosting.learned(rows.target, loss)
    return lightgbm.Dataset(rows.features, target, reference=reference, weight=rows.weights, free_raw_data=False)


def _nodes(model: Mapping[str, Any], goal: Goal, loss: boosting.Loss) -> tuple[Node, ...]:
    trees = trees_of(model, goal.source)
    return trees, *boosting.behind(trees.out, goal, loss)


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
