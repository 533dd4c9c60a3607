"""Model tests pass what learns and answers row by row, and find what does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from homeostat.learning.learner import Fitted, Goal, Rows
from homeostat.learning.learners import LEARNERS
from homeostat.learning.learners.extras import EXTRAS
from homeostat.learning.model_tests import answer_tests, failed, learning_tests
from homeostat.stats.metrics import metric

if TYPE_CHECKING:
    from homeostat.learning.learner import Params


def rows(task: str, weights: bool = False) -> Rows:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 4))
    signal = 2 * x[:, 0] + np.sin(3 * x[:, 1]) + rng.normal(size=600) * 0.3
    y = {"regression": signal, "binary": (signal > 1).astype(float), "multiclass": np.digitize(signal, [-1, 1]).astype(float)}[task]
    return Rows(x, y, rng.uniform(0.1, 3.0, 600) if weights else None)


def goal(task: Any, name: str) -> Goal:
    return Goal(task, {"regression": (), "binary": ("no", "yes"), "multiclass": ("a", "b", "c")}[task], metric(name))


@pytest.mark.parametrize(("task", "name"), [("regression", "mae"), ("regression", "rmse"), ("binary", "auc"), ("multiclass", "log_loss")])
@pytest.mark.parametrize("learner", ["linear", "lightgbm", "xgboost", "random_forest", "extra_trees", "neural"])
def test_every_learner_of_ours_learns(learner: str, task: str, name: str) -> None:
    if learner in EXTRAS:
        pytest.importorskip(EXTRAS[learner][1])
    found = learning_tests(learner, LEARNERS[learner].defaults, rows(task, weights=name == "auc"), goal(task, name), 0)
    assert failed(found) == [], found
    assert len(found) == (2 if learner in ("lightgbm", "xgboost", "extra_trees", "neural") else 1)


@pytest.mark.parametrize("loss", ["metric", "squared", "poisson", "log"])
@pytest.mark.parametrize("learner", ["lightgbm", "xgboost", "neural"])
def test_amounts_are_learned_by_any_loss(learner: str, loss: str) -> None:
    if learner in EXTRAS:
        pytest.importorskip(EXTRAS[learner][1])
    given = rows("regression")
    amounts = Rows(given.features, np.maximum(given.target, 0.0))
    found = learning_tests(learner, {**LEARNERS[learner].defaults, "loss": loss}, amounts, goal("regression", "mae"), 0)
    assert failed(found) == [], found


def test_the_naive_learner_has_no_tests_of_learning() -> None:
    assert learning_tests("naive", {}, rows("binary"), goal("binary", "auc"), 0) == ()


def test_a_learner_that_does_not_learn_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = LEARNERS["lightgbm"]

    def lazy(given: Rows, wanted: Goal, params: Params, seed: int, valid: Rows | None = None) -> Fitted:
        fitted = real.fit(given, wanted, params, seed, valid)
        turned = given.features[::-1] if len(given.features) else given.features
        return Fitted(fitted.nodes, lambda features: fitted.predict(turned[: len(features)]), fitted.params)  # answers other rows

    monkeypatch.setitem(LEARNERS, "lightgbm", SimpleNamespace(flavour="tree", defaults=real.defaults, space=real.space, fit=lazy))
    found = learning_tests("lightgbm", real.defaults, rows("regression"), goal("regression", "rmse"), 0)
    assert failed(found) == ["loss falls (lightgbm)", "fits a tiny batch (lightgbm)"]


def test_rows_that_cannot_be_told_apart_are_no_failure() -> None:
    same = Rows(np.ones((50, 2)), np.random.default_rng(0).normal(size=50))
    tiny = learning_tests("extra_trees", LEARNERS["extra_trees"].defaults, same, goal("regression", "rmse"), 0)[1]
    assert tiny.passed
    assert tiny.value is None


FRAME = pl.DataFrame({"a": np.random.default_rng(0).normal(size=40), "b": np.arange(40.0)})


@pytest.mark.parametrize(
    ("score", "fails"),
    [
        (lambda f: f["a"].to_numpy()[:, None] * 2, []),
        (lambda f: 1 / (f["b"].to_numpy()[:, None] > 100), ["numbers"]),
        (lambda f: f["a"].to_numpy()[:, None] - f["a"].mean(), ["row alone"]),
        (lambda f: f["a"].to_numpy()[:, None] + np.arange(f.height)[:, None], ["row order", "row alone"]),
        (lambda f: f[f.columns[0]].to_numpy()[:, None], ["column order"]),
    ],
)
def test_answers_that_depend_on_what_they_must_not_are_found_out(score: Any, fails: list[str]) -> None:
    def quiet(frame: pl.DataFrame) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(score(frame))

    assert failed(answer_tests(quiet, FRAME, FRAME.head(3), seed=1)) == fails
