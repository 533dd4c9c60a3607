"""From a fitted estimator of any library to nodes of a plan: the kinds that have nodes of their own, and ONNX graphs for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.enclosed import enclosed
from homeostat.graph.onnx_writer import OPSET
from homeostat.graph.plan import Enclosed, Linear, Link, Single
from homeostat.learning.learners import forest, lightgbm, linear, xgboost
from homeostat.learning.learners.trees import forest_of, tree_of

if TYPE_CHECKING:
    from homeostat.graph.plan import Node, Trees
    from homeostat.learning.learner import Goal
    from homeostat.learning.learners.boosting import Loss
    from homeostat.learning.learners.trees import Tree

Nodes = tuple["Node", ...]
Way = tuple[str, Callable[[], Nodes]]
_EXP = ("poisson", "gamma", "tweedie", "count:poisson", "reg:gamma", "reg:tweedie")
_CONVERTER_ML_OPSET = 3


def ways(estimator: Any, goal: Goal, present: list[int], columns: int) -> Iterator[Way]:
    """Ways to convert an estimator, by name, the most exact first; each gives nodes, or raises what keeps it from doing so.

    Args:
        estimator: fitted.
        goal: what was learned.
        present: the classes it has learned, by index.
        columns: how many features it reads.
    """
    read = exact(estimator, goal, present)
    if read is not None:
        yield "nodes of its kind", read
    own = getattr(estimator, "to_onnx", None)
    if callable(own):
        yield "its own to_onnx", lambda: _placed(_content(own()), goal, present)
    else:
        yield "skl2onnx", lambda: _placed(_by_skl2onnx(estimator, goal, columns), goal, present)


def exact(estimator: Any, goal: Goal, present: list[int]) -> Callable[[], Nodes] | None:
    """What reads an estimator whose kind has nodes of its own; it raises what keeps it from doing so. None for other kinds."""
    packages = {each.__module__.partition(".")[0] for each in type(estimator).__mro__}
    if "lightgbm" in packages:
        return partial(_of_lightgbm, estimator, goal, present)
    if "xgboost" in packages:
        return partial(_of_xgboost, estimator, goal, present)
    return _of_sklearn(estimator, goal, present) if "sklearn" in packages else None


def _of_sklearn(estimator: Any, goal: Goal, present: list[int]) -> Callable[[], Nodes] | None:
    from sklearn import ensemble, linear_model, tree
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble._forest import ForestClassifier, ForestRegressor
    from sklearn.linear_model._base import LinearModel
    from sklearn.svm import LinearSVR

    readers: tuple[tuple[tuple[type, ...], Callable[[], Nodes]], ...] = (
        (
            (ForestClassifier, ForestRegressor),
            lambda: forest.nodes_of([each.tree_ for each in estimator.estimators_], present, goal),
        ),
        ((tree.DecisionTreeClassifier, tree.DecisionTreeRegressor), lambda: forest.nodes_of([estimator.tree_], present, goal)),
        (
            (ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor),
            lambda: _of_histograms(estimator, goal, present),
        ),
        ((ensemble.GradientBoostingClassifier, ensemble.GradientBoostingRegressor), lambda: _of_boosting(estimator, goal, present)),
        ((linear_model.LogisticRegression, LinearDiscriminantAnalysis), lambda: linear.nodes_of_classes(estimator, present, goal)),
        ((linear_model.PoissonRegressor, linear_model.GammaRegressor), lambda: _line(estimator, goal, "exp")),
        ((LinearModel, linear_model.SGDRegressor, LinearSVR), lambda: _line(estimator, goal, "identity")),
    )
    return next((read for kinds, read in readers if isinstance(estimator, kinds)), None)


def _line(estimator: Any, goal: Goal, kind: Any) -> Nodes:
    weights = np.asarray(estimator.coef_, dtype=np.float64).reshape(-1, 1)
    bias = np.asarray(estimator.intercept_, dtype=np.float64).reshape(-1)
    return Linear("raw score", goal.source, weights, bias), Link("score", "raw score", kind)


def _places(goal: Goal, present: list[int]) -> tuple[list[int], np.ndarray[Any, np.dtype[np.float64]]]:
    """To which column of the raw scores each output of an additive model goes, and what the columns begin with."""
    if not goal.classes or len(goal.classes) == 2:
        return [0], np.zeros(1)
    start = np.full(len(goal.classes), linear.ABSENT)
    start[present] = 0.0
    return ([present[1]] if len(present) == 2 else present), start  # of two classes the second's log odds against the first


def _linked(trees: Trees, goal: Goal, regression: str) -> tuple[Trees, Link]:
    kind: Any = regression if not goal.classes else "sigmoid" if len(goal.classes) == 2 else "softmax"
    return trees, Link("score", trees.out, kind)


def _summed(outputs: Sequence[Sequence[Tree]], base: Any, source: str, goal: Goal, present: list[int]) -> Trees:
    """Trees of each output of an additive model, and what it starts from, as one node."""
    columns, bias = _places(goal, present)
    bias[columns] += np.asarray(base, dtype=np.float64).reshape(-1)
    trees = [replace(each, output=column) for column, own in zip(columns, outputs, strict=True) for each in own]
    return forest_of(trees, "raw score", source, bias)


def _of_histograms(estimator: Any, goal: Goal, present: list[int]) -> Nodes:
    """HistGradientBoosting: float64 comparisons, the leaves already times the learning rate."""
    rounds = estimator._predictors  # noqa: SLF001 - the library has no other name for its trees
    outputs = [[_histogram_tree(own[at].nodes) for own in rounds] for at in range(len(rounds[0]))]
    trees = _summed(outputs, estimator._baseline_prediction, goal.source, goal, present)  # noqa: SLF001 - nor for what it starts from
    return _linked(trees, goal, "exp" if getattr(estimator, "loss", "") in _EXP else "identity")


def _histogram_tree(nodes: Any) -> Tree:
    if nodes["is_categorical"].any():
        raise ValueError("got a split of categories, which a plan has no node for")
    left = np.where(nodes["is_leaf"] == 1, -1, nodes["left"].astype(np.int64))
    return tree_of((left, nodes["right"]), nodes["feature_idx"], nodes["num_threshold"], nodes["missing_go_to_left"], nodes["value"])


def _of_boosting(estimator: Any, goal: Goal, present: list[int]) -> Nodes:
    """GradientBoosting: trees over float32 features, times the learning rate, from a constant."""
    if estimator.loss == "exponential" or not (estimator.init_ == "zero" or type(estimator.init_).__module__ == "sklearn.dummy"):
        raise ValueError("got a loss or a first model that a plan has no node for")
    base = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_)))  # noqa: SLF001 - what it starts from has no other name
    rate, narrow = estimator.learning_rate, Single("features of float32", goal.source)
    outputs = [[_tree(each.tree_, rate) for each in own] for own in estimator.estimators_.T]
    return narrow, *_linked(_summed(outputs, base, narrow.out, goal, present), goal, "identity")


def _tree(tree: Any, rate: float) -> Tree:
    values = tree.value[:, 0, 0] * rate
    return tree_of((tree.children_left, tree.children_right), tree.feature, tree.threshold, tree.missing_go_to_left, values)


def _of_lightgbm(estimator: Any, goal: Goal, present: list[int]) -> Nodes:
    model = estimator.booster_.dump_model(num_iteration=estimator.best_iteration_ or None)
    trees = lightgbm.trees_of(model, goal.source)
    columns, bias = _places(goal, present)
    return _linked(
        replace(trees, leaf_target=np.asarray(columns)[trees.leaf_target], bias=bias),
        goal,
        "exp" if estimator.objective_ in _EXP else "identity",
    )


def _of_xgboost(estimator: Any, goal: Goal, present: list[int]) -> Nodes:
    if goal.classes and len(present) != len(goal.classes):
        raise ValueError("a class of the target is not in its training rows")
    loss: Loss = "poisson" if estimator.objective in _EXP else "metric"
    best = getattr(estimator, "best_iteration", None) if estimator.early_stopping_rounds else None
    booster = estimator.get_booster()
    return xgboost.nodes_of(booster if best is None else booster[: best + 1], goal, loss)


def _by_skl2onnx(estimator: Any, goal: Goal, columns: int) -> bytes:
    try:
        from skl2onnx import to_onnx  # type: ignore[import-untyped]
        from skl2onnx.common.data_types import DoubleTensorType  # type: ignore[import-untyped]
    except ImportError as missing:
        raise ValueError("not installed; pip install 'homeostat[sklearn-onnx]', or give the estimator a method to_onnx") from missing
    model = to_onnx(
        estimator,
        initial_types=[("rows", DoubleTensorType([None, columns]))],
        options={id(estimator): {"zipmap": False}} if goal.classes else None,
        target_opset={"": OPSET, "ai.onnx.ml": _CONVERTER_ML_OPSET},
    )
    return bytes(model.SerializeToString())


def _content(model: Any) -> bytes:
    return model if isinstance(model, bytes) else bytes(model.SerializeToString())


def _placed(content: bytes, goal: Goal, present: list[int]) -> Nodes:
    """The graph as a node; the columns of the classes it has learned among those of all."""
    if not goal.classes or len(present) == len(goal.classes):
        return (Enclosed("score", goal.source, enclosed(content, len(present)), len(present)),)
    place = np.zeros((len(present), len(goal.classes)))
    place[range(len(present)), present] = 1.0
    graph = Enclosed("score of known classes", goal.source, enclosed(content, len(present)), len(present))
    return graph, Linear("score", graph.out, place, np.zeros(len(goal.classes)))
