"""Gradient-boosted trees of XGBoost (extra ``xgboost``), and their conversion to one ``Trees`` node.

The library compares and adds in float32. The plan compares the same float32 numbers and adds in float64, so the two differ by what
float32 rounds away.

Source: Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System" (KDD 2016).
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.errors import LearningError
from homeostat.graph.plan import Single
from homeostat.learning.learner import Fitted, unwatched
from homeostat.learning.learners import boosting
from homeostat.learning.learners.trees import forest_of, tree_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeostat.graph.plan import Floats, Node
    from homeostat.learning.learner import Flavour, Goal, Params, Rows, Suggest, Watch
    from homeostat.learning.learners.trees import Tree

flavour: Flavour = "tree"
defaults: Params = MappingProxyType(
    {"max_leaves": 31, "learning_rate": 0.08, "min_child_weight": 5.0, "colsample_bynode": 0.9, "lambda": 1.0, "max_bin": 255}
)
_OTHERS: tuple[Params, ...] = (  # large trees and fine thresholds for much signal, small ones with brakes for noise
    {**defaults, "max_leaves": 511, "learning_rate": 0.12, "min_child_weight": 1.0, "max_bin": 1_023},
    {**defaults, "max_leaves": 8, "learning_rate": 0.06, "min_child_weight": 20.0, "colsample_bynode": 0.5, "lambda": 5.0},
)

_METRICS: Mapping[str, str] = MappingProxyType(
    {"mae": "mae", "rmse": "rmse", "auc": "auc", "average_precision": "aucpr", "log_loss": "logloss"}
)
_OBJECTIVES: Mapping[str, str] = MappingProxyType({"squared": "reg:squarederror", "poisson": "count:poisson", "log": "reg:squarederror"})
_RISING = ("auc", "aucpr")


def portfolio(goal: Goal) -> tuple[Params, ...]:
    """For much signal and for noise; of amounts each also as counts that are multiplied and not added."""
    return boosting.with_losses(defaults, _OTHERS, goal)


def space(trial: Suggest, goal: Goal) -> Params:
    """The size of trees, the speed of learning, and three brakes; of amounts the loss."""
    return boosting.ask_loss(trial, goal) | {
        "max_leaves": trial.suggest_int("max_leaves", 6, 1_024, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 0.5, 50.0, log=True),
        "colsample_bynode": trial.suggest_float("colsample_bynode", 0.4, 1.0),
        "lambda": trial.suggest_float("lambda", 1e-3, 30.0, log=True),
        "max_bin": trial.suggest_int("max_bin", 127, 1_023, log=True),
    }


def fit(rows: Rows, goal: Goal, params: Params, seed: int, valid: Rows | None = None, watch: Watch = unwatched) -> Fitted:
    """Boost. With ``valid`` until its error stops falling, at most ``MOST_ROUNDS``; without, for ``params["rounds"]``.

    Raises:
        LearningError: HS310, XGBoost is not installed.
    """
    xgboost = _library()
    loss = boosting.loss_of(params)
    settings = {
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_depth": 0,
        "nthread": 1,
        "seed": seed,
        **_objective(goal, loss),
        **boosting.settings_of(params),
    }
    train = _matrix(xgboost, rows, goal, loss)
    if valid is None:
        rounds = int(params.get("rounds", boosting.UNTOLD_ROUNDS))
        booster = xgboost.train(settings, train, num_boost_round=rounds)
    else:
        judged = [(_matrix(xgboost, valid, goal, loss), "valid")]
        rate = float(params.get("learning_rate", 0.3))
        errors: list[float] = []
        how = {"early_stopping_rounds": boosting.patience(rate), "callbacks": [_watched(xgboost, watch, rate, errors)]}
        booster = xgboost.train(settings, train, boosting.MOST_ROUNDS, evals=judged, verbose_eval=False, **how)
        rounds = boosting.rounds_of(errors)

    def predict(features: Floats) -> Floats:
        scores = np.asarray(booster.predict(xgboost.DMatrix(features), iteration_range=(0, rounds)), dtype=np.float64)
        if goal.task == "binary":
            return np.column_stack([1.0 - scores, scores])
        return boosting.answered(scores, loss).reshape(len(features), -1)

    return Fitted(nodes_of(booster[:rounds], goal, loss), predict, {**params, "rounds": int(rounds)}, single=True)


def _library() -> Any:
    try:
        import xgboost
    except ImportError as missing:
        raise LearningError(
            "HS310", "XGBoost is not installed", place="learning.learners", next_step="pip install 'homeostat[xgboost]', or take it out"
        ) from missing
    return xgboost


def _watched(xgboost: Any, watch: Watch, rate: float, errors: list[float]) -> Any:
    """The library's callback that writes down the error of each round and tells a watch."""

    class Watched(xgboost.callback.TrainingCallback):  # type: ignore[misc]  # the library is loaded late and untyped
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            name, values = next(iter(evals_log["valid"].items()))
            errors.append(1.0 - values[-1] if name in _RISING else values[-1])
            return watch((epoch + 1) * rate, min(errors))

    return Watched()


def _objective(goal: Goal, loss: boosting.Loss) -> dict[str, Any]:
    if goal.task == "regression":
        by_metric = "reg:absoluteerror" if goal.metric.name == "mae" else "reg:squarederror"
        return {"objective": _OBJECTIVES.get(loss, by_metric), "eval_metric": _METRICS.get(goal.metric.name, "rmse")}
    if goal.task == "binary":
        return {"objective": "binary:logistic", "eval_metric": _METRICS.get(goal.metric.name, "logloss")}
    return {"objective": "multi:softprob", "num_class": len(goal.classes), "eval_metric": "mlogloss"}


def _matrix(xgboost: Any, rows: Rows, goal: Goal, loss: boosting.Loss) -> Any:
    rows = rows.known() if goal.classes else rows
    return xgboost.DMatrix(rows.features, label=boosting.learned(rows.target, loss), weight=rows.weights)


def nodes_of(booster: Any, goal: Goal, loss: boosting.Loss) -> tuple[Node, ...]:
    """The model file's trees boosting.behind features of float32, and the link.

    A row goes left where its float32 value is less than the split's: at most the float32 number before that.
    """
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    width = len(goal.classes) if goal.task == "multiclass" else 1
    narrow = Single("features of float32", goal.source)
    model = learner["gradient_booster"]["model"]
    trees = [_tree(tree, output) for tree, output in zip(model["trees"], model["tree_info"], strict=True)]
    links = boosting.behind("raw score", goal, loss)
    base = _base(learner["learner_model_param"]["base_score"], "exp" if loss == "poisson" else goal.task, width)
    return narrow, forest_of(trees, "raw score", narrow.out, base), *links


def _tree(tree: Mapping[str, Any], output: int) -> Tree:
    if any(tree["split_type"]):
        raise ValueError("got a split of categories, which a plan has no node for")
    conditions = np.asarray(tree["split_conditions"], dtype=np.float32)  # of a leaf: what it adds
    before = np.nextafter(conditions, np.float32(-np.inf))
    return tree_of((tree["left_children"], tree["right_children"]), tree["split_indices"], before, tree["default_left"], conditions, output)


def _base(said: str, scale: str, width: int) -> Floats:
    """What the trees are added to: the model file has it on the scale of answers, for two classes as a probability."""
    told = np.asarray(json.loads(said), dtype=np.float32).astype(np.float64).reshape(-1)
    values = np.full(width, told[0]) if len(told) == 1 else told
    if scale == "binary":
        return np.log(values / (1.0 - values))
    return np.log(values) if scale == "exp" else values
