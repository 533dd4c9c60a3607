"""Estimators of many libraries as nodes: what the plan says is what each one's own predict says; what cannot be is told in words."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import lightgbm
import numpy as np
import onnxruntime
import pytest
import xgboost
from sklearn import ensemble, linear_model, tree
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from homeostat.core.sections import Estimator
from homeostat.graph.onnx import compile_plan
from homeostat.graph.plan import Enclosed, Input, Numbers, Plan
from homeostat.learning.learner import Goal, Rows
from homeostat.learning.own.learner import Learned, Task
from homeostat.learning.own.work import Unfit, learn
from homeostat.stats.metrics import metric

GOALS = {
    "regression": Goal("regression", (), metric("rmse")),
    "binary": Goal("binary", ("no", "yes"), metric("auc")),
    "multiclass": Goal("multiclass", ("a", "b", "c"), metric("log_loss")),
    "a class is missing": Goal("multiclass", ("a", "b", "c", "d"), metric("log_loss")),
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
RAW = 2 * X[:, 0] - np.abs(X[:, 1]) + RNG.normal(scale=0.3, size=200)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def task(goal: Goal, flavour: str = "linear", nulls: bool = False, **given: Any) -> Task:
    x = np.where(RNG.random(X.shape) < 0.1, np.nan, X) if nulls else X
    known = 3 if len(goal.classes) > 3 else len(goal.classes)
    y = np.digitize(RAW, np.quantile(RAW, np.arange(1, known) / known)).astype(float) if goal.classes else np.exp(RAW / 4)
    rows = Rows(x[:150], y[:150], given.pop("weights", None))
    return Task("mine", Estimator(path="m:c", flavour=flavour), given, rows, goal, 3, x[150:])  # type: ignore[arg-type]


def compiled(learned: Learned, goal: Goal, x: np.ndarray) -> np.ndarray:
    inputs = tuple(Input(f"x{at}", "number") for at in range(x.shape[1]))
    plan = Plan(goal.task, "y", inputs, (Numbers("features", tuple(range(x.shape[1]))), *learned.nodes), goal.classes)
    session = onnxruntime.InferenceSession(compile_plan(plan), providers=["CPUExecutionProvider"])
    scores: np.ndarray = session.run(["score"], {"numbers": x})[0]
    return scores


CLASSES = ("binary", "multiclass", "a class is missing")
KINDS: list[tuple[Callable[..., Any], tuple[str, ...], str]] = [
    (linear_model.Ridge, ("regression",), "linear"),
    (linear_model.Lasso, ("regression",), "linear"),
    (linear_model.PoissonRegressor, ("regression",), "linear"),
    (linear_model.LogisticRegression, CLASSES, "linear"),
    (LinearDiscriminantAnalysis, CLASSES, "linear"),
    (lambda: tree.DecisionTreeRegressor(max_depth=4), ("regression",), "tree"),
    (lambda: ensemble.RandomForestClassifier(5), CLASSES, "tree"),
    (lambda: ensemble.ExtraTreesRegressor(5), ("regression",), "tree"),
    (lambda: ensemble.GradientBoostingRegressor(n_estimators=8), ("regression",), "linear"),
    (lambda: ensemble.GradientBoostingClassifier(n_estimators=8), CLASSES, "linear"),
    (lambda: ensemble.HistGradientBoostingRegressor(max_iter=8), ("regression",), "tree"),
    (lambda: ensemble.HistGradientBoostingRegressor(max_iter=8, loss="poisson"), ("regression",), "tree"),
    (lambda: ensemble.HistGradientBoostingClassifier(max_iter=8), CLASSES, "tree"),
    (lambda: lightgbm.LGBMRegressor(n_estimators=8, objective="poisson", verbose=-1, n_jobs=1), ("regression",), "tree"),
    (lambda: lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1), CLASSES, "tree"),
    (lambda: xgboost.XGBRegressor(n_estimators=8, n_jobs=1), ("regression",), "tree"),
    (lambda: xgboost.XGBClassifier(n_estimators=8, n_jobs=1), ("binary", "multiclass"), "tree"),
]


@pytest.mark.parametrize(("make", "goals", "flavour"), KINDS)
def test_kinds_with_nodes_of_their_own(make: Callable[..., Any], goals: tuple[str, ...], flavour: str) -> None:
    for name in goals:
        asked = task(GOALS[name], flavour, nulls=flavour == "tree", weights=None if make is LinearDiscriminantAnalysis else np.ones(150))
        learned = learn(make, asked)
        assert not any(isinstance(node, Enclosed) for node in learned.nodes)
        single = learned.single
        assert single == ("xgboost" in type(make()).__module__)
        np.testing.assert_allclose(compiled(learned, GOALS[name], asked.judged), learned.scores, rtol=1e-6 if single else 1e-9, atol=1e-7)


@pytest.mark.parametrize(
    ("make", "goals"),
    [
        (lambda: MLPRegressor(hidden_layer_sizes=(5,), max_iter=30), ("regression",)),
        (lambda: MLPClassifier(hidden_layer_sizes=(5,), max_iter=30), CLASSES),
        (GaussianNB, ("a class is missing",)),
        (lambda: make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(3,), max_iter=20)), ("regression",)),
    ],
)
def test_others_by_their_converter(make: Callable[..., Any], goals: tuple[str, ...]) -> None:
    pytest.importorskip("skl2onnx")
    for name in goals:
        asked = task(GOALS[name])
        learned, again = learn(make, asked), learn(make, asked)
        assert any(isinstance(node, Enclosed) for node in learned.nodes)
        np.testing.assert_allclose(compiled(learned, GOALS[name], asked.judged), learned.scores, atol=1e-7)
        seeded = "random_state" in make().get_params() and make().get_params()["random_state"] is None
        assert not seeded or np.array_equal(learned.scores, again.scores), "the seed is given to what asks for one"


class Odd(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Answers what it is told to."""

    def __init__(self, says: str = "") -> None:
        self.says = says

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        if self.says == "locks":
            self.inner = lambda: 0
        self.coef_ = np.zeros(x.shape[1])

    def predict(self, x: np.ndarray) -> Any:
        if self.says == "nulls" and np.isnan(x).any():
            raise ValueError("got NaN")
        values = {"nan": np.full(len(x), np.nan), "shape": np.zeros((len(x), 2)), "words": np.array(["a"] * len(x))}
        return values.get(self.says, np.sin(x[:, 0]))


FAILS = {
    "nan": "NaN or infinite for 50 of 50 rows",
    "shape": r"predict gave an array of shape \(50, 2\) for 50 rows; expected \(50,\)",
    "words": "no numbers",
    "": "cannot be converted to a graph",
}


@pytest.mark.parametrize("says", FAILS)
def test_what_is_no_answer_or_cannot_be_converted_is_told(says: str) -> None:
    with pytest.raises(Unfit, match=FAILS[says]):
        learn(Odd, task(GOALS["regression"], says=says))


def test_what_is_no_estimator_is_told() -> None:
    goal = GOALS["regression"]
    with pytest.raises(Unfit, match="None, has no method fit"):
        learn(lambda: None, task(goal))
    with pytest.raises(Unfit, match="fit takes no sample_weight"):
        learn(Odd, task(goal, weights=np.ones(150)))
    with pytest.raises(Unfit, match="LinearRegression has no predict_proba, which a binary task needs"):
        learn(linear_model.LinearRegression, task(GOALS["binary"]))
    with pytest.raises(Unfit, match=r"no answer for a row with nulls.*got NaN"):
        learn(Odd, task(goal, "tree", says="nulls"))

    class Local(linear_model.Ridge):  # type: ignore[misc]
        """A class of a function cannot be pickled."""

    with pytest.raises(Unfit, match="cannot be pickled"):
        learn(Local, task(goal))

    class Other(linear_model.Ridge):  # type: ignore[misc]
        """One that answers otherwise than its base."""

        def predict(self, x: np.ndarray) -> Any:
            return super().predict(x) + np.sin(x[:, 0])

    with pytest.raises(Unfit, match="nodes of its kind: scores differ by"):
        learn(Other, task(goal))


def test_more_rows_than_are_looked_at_for_what_is_usual() -> None:
    draw = np.random.default_rng(1)
    x = draw.normal(size=(2_500, 3))
    asked = Task("mine", Estimator(path="m:c", flavour="linear"), {}, Rows(x, x[:, 0] - x[:, 2]), GOALS["regression"], 3, x[:40])
    np.testing.assert_allclose(learn(linear_model.Ridge, asked).scores[:, 0], x[:40, 0] - x[:40, 2], atol=0.01)
