"""Models that other programs fitted, read into plan nodes: linear models, forests, LightGBM, XGBoost; all else becomes ONNX."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from homeostat.errors import LearningError
from homeostat.graph.plan import Link
from homeostat.learning.converting import exact
from homeostat.learning.learner import Goal
from homeostat.learning.learners import lightgbm, xgboost

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.sections import TaskType
    from homeostat.graph.plan import Floats, Node
    from homeostat.learning.learners.boosting import Loss
    from homeostat.stats.metrics import Metric

FEATURES = "features"
_LINKS: dict[str, tuple[TaskType, Literal["identity", "sigmoid", "softmax", "exp"]]] = {
    "binary": ("binary", "sigmoid"),
    "multiclass": ("multiclass", "softmax"),
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), ("regression", "identity")),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), ("regression", "exp")),
}
"""LightGBM's objectives: what they are about and what follows the sum of the trees."""
_XGBOOST: dict[str, tuple[TaskType, Loss]] = {
    "binary:logistic": ("binary", "metric"),
    "multi:softprob": ("multiclass", "metric"),
    "reg:squarederror": ("regression", "metric"),
    "reg:absoluteerror": ("regression", "metric"),
    "reg:pseudohubererror": ("regression", "metric"),
    "count:poisson": ("regression", "poisson"),
    "reg:gamma": ("regression", "poisson"),
    "reg:tweedie": ("regression", "poisson"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Outside:
    """A fitted model of another program.

    ``nodes`` read the block ``features``; there are none where the model must be converted. ``classes`` are its own, in the order of its
    scores; empty where it has none or does not know them. ``features`` are the columns it was fitted on, where it knows. ``predict``
    is the library's own, of a pandas frame or a matrix with these columns, to scores (n, k).
    """

    task: TaskType
    predict: Callable[[Any], Floats]
    nodes: tuple[Node, ...] = ()
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    width: int | None = None
    single: bool = False
    model: Any = None


def read_outside(model: Any, metric: Metric) -> Outside:
    """Read a LightGBM or XGBoost booster, or a scikit-learn estimator.

    Raises:
        LearningError: HS376, the model answers in a way that no plan has.
    """
    kind = type(model).__module__.partition(".")[0]
    name = type(model).__name__
    if (kind, name) == ("lightgbm", "Booster"):
        return _lightgbm(model)
    if (kind, name) == ("xgboost", "Booster"):
        return _xgboost(model, metric)
    booster = {"lightgbm": "booster_", "xgboost": "get_booster"}.get(kind)
    if booster == "booster_":
        inner = _lightgbm(model.booster_)
        return _with_classes(inner, model)
    if booster == "get_booster":
        return _with_classes(_xgboost(_best(model.get_booster()), metric), model)
    return _estimator(model, metric)


def _with_classes(found: Outside, model: Any) -> Outside:
    from dataclasses import replace

    return replace(found, classes=_texts(getattr(model, "classes_", ())))


def _texts(classes: Any) -> tuple[str, ...]:
    from homeostat.core.targets import text_of

    return tuple(text_of(each.item() if hasattr(each, "item") else each) for each in classes)


def _lightgbm(booster: Any) -> Outside:
    told = booster.dump_model()
    objective = str(told["objective"]).split(" ", maxsplit=1)[0]
    if objective not in _LINKS or told.get("average_output") or "sqrt" in str(told["objective"]):
        raise LearningError("HS376", f"got a LightGBM model with the objective {told['objective']!r}; read are {', '.join(_LINKS)}")
    task, link = _LINKS[objective]
    if objective == "binary" and not str(told["objective"]).endswith("sigmoid:1"):
        raise LearningError("HS376", f"got the objective {told['objective']!r}; read is a sigmoid of 1")
    try:
        trees = lightgbm.trees_of(told, FEATURES)
    except ValueError as error:
        raise LearningError("HS376", f"{error}", next_step="export it to ONNX with onnxmltools") from error

    def predict(rows: Any) -> Floats:
        said = np.asarray(booster.predict(np.asarray(rows, dtype=np.float64)), dtype=np.float64)
        return np.column_stack([1.0 - said, said]) if task == "binary" else said.reshape(len(said), -1)

    names = [str(each) for each in told["feature_names"]]
    own = () if all(each.startswith("Column_") for each in names) else tuple(names)
    return Outside(task, predict, (trees, Link("score", trees.out, link)), features=own, width=len(names), model=booster)


def _best(booster: Any) -> Any:
    """The rounds that scikit-learn's interface predicts with: up to the best one, where fitting stopped early."""
    best = booster.attributes().get("best_iteration")
    return booster if best is None else booster[: int(best) + 1]


def _xgboost(booster: Any, metric: Metric) -> Outside:
    import xgboost as library

    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective, kind = str(learner["objective"]["name"]), str(learner["gradient_booster"]["name"])
    if objective not in _XGBOOST or kind != "gbtree" or learner["learner_model_param"].get("num_target", "1") != "1":
        allowed = f"gbtree with {', '.join(_XGBOOST)}"
        raise LearningError("HS376", f"got an XGBoost model of {kind} with {objective}; read is {allowed}")
    if any(sum(tree.get("split_type", ())) for tree in learner["gradient_booster"]["model"]["trees"]):
        raise LearningError("HS376", "its trees split by categories, which a plan has no node for", next_step="export it to ONNX")
    task, loss = _XGBOOST[objective]
    count = int(learner["learner_model_param"]["num_class"])
    classes = ("0", "1") if task == "binary" else tuple(str(each) for each in range(count))
    nodes = xgboost.nodes_of(booster, Goal(task, classes, metric, FEATURES), loss)

    def predict(rows: Any) -> Floats:
        matrix = library.DMatrix(np.asarray(rows, dtype=np.float64), feature_names=booster.feature_names)
        said = np.asarray(booster.predict(matrix), dtype=np.float64)
        return np.column_stack([1.0 - said, said]) if task == "binary" else said.reshape(len(said), -1)

    width = int(learner["learner_model_param"]["num_feature"])
    return Outside(task, predict, nodes, features=tuple(booster.feature_names or ()), width=width, single=True, model=booster)


def _estimator(model: Any, metric: Metric) -> Outside:
    if not hasattr(model, "predict"):
        raise LearningError("HS376", f"got an object of {type(model).__name__}, which does not predict")
    classes = _texts(getattr(model, "classes_", ()))
    if classes and not hasattr(model, "predict_proba"):
        raise LearningError("HS376", f"{type(model).__name__} gives no probabilities", next_step="fit it with probabilities, or calibrated")
    task: TaskType = ("binary" if len(classes) == 2 else "multiclass") if classes else "regression"

    def predict(rows: Any) -> Floats:
        said = model.predict_proba(rows) if classes else model.predict(rows)
        found: Floats = np.asarray(said, dtype=np.float64).reshape(len(rows), -1)
        return found

    names = tuple(str(each) for each in getattr(model, "feature_names_in_", ()))
    goal = Goal(task, classes, metric, FEATURES)
    nodes = _nodes_of_kind(model, goal)
    return Outside(task, predict, nodes, classes, names, getattr(model, "n_features_in_", None), model=model)


def _nodes_of_kind(model: Any, goal: Goal) -> tuple[Node, ...]:
    """Nodes of an estimator whose kind has some; none for anything else."""
    several = not goal.classes and np.ndim(getattr(model, "coef_", 0)) > 1 and len(model.coef_) > 1
    if several or getattr(model, "n_outputs_", 1) != 1:
        return ()
    read = exact(model, goal, list(range(len(goal.classes))) or [0])
    try:
        return read() if read is not None else ()
    except ValueError:  # a kind that has nodes, with something that has none: it is converted like any other
        return ()


def to_onnx(outside: Outside, frame: pl.DataFrame, columns: tuple[str, ...]) -> bytes:
    """Convert an estimator by skl2onnx: an input per column where it was fitted on named columns, else one for all.

    Raises:
        LearningError: HS384, skl2onnx is not installed; HS376, it cannot convert the estimator.
    """
    try:
        from skl2onnx import convert_sklearn  # type: ignore[import-untyped]
        from skl2onnx.common.data_types import (  # type: ignore[import-untyped]
            DoubleTensorType,
            FloatTensorType,
            StringTensorType,
        )
    except ImportError as error:
        step = "pip install 'homeostat[sklearn-onnx]'"
        raise LearningError("HS384", "skl2onnx is needed to convert this estimator", next_step=step) from error
    import polars as pl

    found: list[str] = []
    classifier = bool(outside.classes)
    options = {id(outside.model): {"zipmap": False}} if classifier else None
    for kind in (DoubleTensorType, FloatTensorType):
        if outside.features and frame.select(columns).select(pl.selectors.string()).width:
            types = [(name, StringTensorType([None, 1]) if frame.schema[name] == pl.String else kind([None, 1])) for name in columns]
        else:
            types = [("features", kind([None, len(columns)]))]
        try:
            made: bytes = convert_sklearn(outside.model, initial_types=types, options=options).SerializeToString(deterministic=True)
            _require_loads(made)
        except Exception as error:  # noqa: BLE001 - converters raise anything; what they said is told
            found.append(" ".join(f"{type(error).__name__}: {error}".split())[:200])
        else:
            return made
    raise LearningError("HS376", f"skl2onnx cannot convert {type(outside.model).__name__}: {found[-1]}")


def _require_loads(content: bytes) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
