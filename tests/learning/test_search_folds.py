"""A search over folds, and with balanced classes: what is trained on, what is judged, and that probabilities mean what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import polars as pl
import pytest
from scipy.optimize import minimize

from homeostat.core import sections
from homeostat.core.records import Split
from homeostat.core.targets import classes_of, encode_target
from homeostat.graph.decode import decode_frame
from homeostat.graph.interpret import run
from homeostat.graph.onnx import compile_plan
from homeostat.graph.plan import Preparation, Prior
from homeostat.learning.search import search
from homeostat.learning.trials import Stages, agreed
from homeostat.preparation.balance import balancer
from homeostat.preparation.fit import fit
from homeostat.preparation.split import split
from homeostat.preparation.window import select
from homeostat.stats.metrics import metric

if TYPE_CHECKING:
    from homeostat.learning.candidate import Candidate
    from homeostat.learning.learner import Flavour

ONE_TRY = sections.Budget(seconds=None)


def section(**given: Any) -> sections.Preparation:
    return sections.Preparation.model_validate(given)


class Watched:
    """Stages that remember the rows of each fit."""

    def __init__(self, task: sections.Task, prepare: sections.Preparation, classes: tuple[str, ...]) -> None:
        self.seen: list[pl.DataFrame] = []
        self._given = (task, prepare, classes)

    def stages(self) -> Stages:
        task, prepare, classes = self._given

        def fitted(frame: pl.DataFrame, flavour: Flavour, categories: str) -> tuple[Preparation, np.ndarray]:
            self.seen.append(frame)
            return fit(frame, task, prepare, flavour, classes)

        return Stages(fitted, lambda frame, window: select(frame, task, window), balancer(task, prepare, classes, 0))


def searched(
    frame: pl.DataFrame, task: sections.Task, prepare: sections.Preparation, name: str, **given: Any
) -> tuple[Candidate, Split, Watched]:
    parts = split(frame, task, prepare)
    watched = Watched(task, prepare, classes_of(parts.train[task.target], task))
    options = {key: given.pop(key) for key in ("refit",) if key in given}
    learning = sections.Learning(budget=ONE_TRY, **given)
    found = search(parts, task, learning, metric(name), watched.stages(), clock=lambda: 0.0, **options)
    return found, parts, watched


def numbered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(_row=pl.int_range(pl.len()))


def check_parity(found: Candidate, frame: pl.DataFrame) -> None:
    decoded, expected = decode_frame(found.plan.inputs, frame), found.oracle(frame)
    np.testing.assert_allclose(run(found.plan, *decoded), expected, rtol=0, atol=1e-9)
    session = onnxruntime.InferenceSession(compile_plan(found.plan), providers=["CPUExecutionProvider"])
    given = decoded._asdict()
    scores = session.run(["score"], {each.name: given[each.name] for each in session.get_inputs()})[0]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", ["time", "stratified"])
def test_a_trial_is_the_mean_over_folds_each_fitted_on_its_own_training_rows(
    kind: str, bank: pl.DataFrame, bank_task: sections.Task
) -> None:
    frame = numbered(bank.head(4_000)).with_columns(at=pl.int_range(pl.len()) * 3_600)
    task = bank_task.model_copy(update={"time": "at"} if kind == "time" else {"leave_out": (*bank_task.leave_out, "at")})
    prepare = section(split={"kind": kind, "folds": 3})
    found, parts, watched = searched(frame, task, prepare, "log_loss", learners=("linear",))
    assert parts.rounds == 3
    assert len(watched.seen) == 5, "a fit a fold, the winner's on train to choose a decision by, and on all"
    values = []
    for fold, seen in enumerate(watched.seen[:3]):
        train, judged = parts.round(fold)
        assert seen.equals(train)
        assert not set(train["_row"]) & set(judged["_row"])
        again, _, _ = searched_on(train, judged, task, prepare)
        values.append(metric("log_loss").score(encode_target(judged["y"], ("no", "yes")), again.oracle(judged)))
    assert found.value == pytest.approx(np.mean(values), rel=1e-12)
    assert len(set(values)) == 3
    assert watched.seen[3].equals(parts.train)
    assert watched.seen[4].equals(parts.development)
    assert not any(set(seen["_row"]) & set(parts.holdout["_row"]) for seen in watched.seen)
    check_parity(found, parts.holdout)


def searched_on(
    train: pl.DataFrame, judged: pl.DataFrame, task: sections.Task, prepare: sections.Preparation
) -> tuple[Candidate, Split, Watched]:
    watched = Watched(task, prepare, ("no", "yes"))
    parts = Split(train, judged, judged.head(0))
    learning = sections.Learning(learners=("linear",), budget=ONE_TRY)
    found = search(parts, task, learning, metric("log_loss"), watched.stages(), clock=lambda: 0.0, refit=False)
    return found, parts, watched


def test_rounds_found_on_folds_agree_by_their_median_and_the_refit_uses_them(bank: pl.DataFrame, bank_task: sections.Task) -> None:
    prepare = section(split={"kind": "random", "folds": 3})
    found, parts, watched = searched(bank.head(3_000), bank_task, prepare, "auc", learners=("lightgbm",))
    assert isinstance(found.params["rounds"], int)
    assert 1 <= found.params["rounds"] < 600
    assert found.trials[0].value is not None
    assert 0.6 < found.trials[0].value < 0.9
    honest, _, watched = searched(bank.head(3_000), bank_task, prepare, "auc", learners=("lightgbm",), refit=False)
    assert watched.seen[-1].equals(parts.train), "without a refit the winner is fitted on train alone"
    assert honest.params == found.params
    with pytest.raises(KeyError):
        agreed([{"rounds": 1}, {}])


def test_without_folds_the_first_try_is_the_model(bank: pl.DataFrame, bank_task: sections.Task) -> None:
    _, _, watched = searched(bank.head(2_000), bank_task, section(), "auc", learners=("linear",), refit=False)
    assert len(watched.seen) == 1


@pytest.mark.parametrize("learner", ["naive", "linear", "lightgbm"])
@pytest.mark.parametrize("imbalance", ["weights", "oversample", "undersample"])
def test_balanced_classes_leave_probabilities_that_hold_at_the_true_shares(
    imbalance: str, learner: str, bank: pl.DataFrame, bank_task: sections.Task
) -> None:
    prepare = section(imbalance=imbalance, split={"kind": "stratified"})
    found, parts, watched = searched(bank, bank_task, prepare, "log_loss", learners=(learner,))
    assert isinstance(found.plan.nodes[-1], Prior)
    y = encode_target(parts.holdout["y"], ("no", "yes"))
    p = found.oracle(parts.holdout)
    assert p[:, 1].mean() == pytest.approx(y.mean(), abs=0.02), "11 % say yes, and not a half"
    plain, _, _ = searched(bank, bank_task, section(split={"kind": "stratified"}), "log_loss", learners=(learner,))
    losses = [metric("log_loss").score(y, each.oracle(parts.holdout)) for each in (found, plain)]
    assert losses[0] < 1.06 * losses[1]
    assert [seen.height for seen in watched.seen] == [parts.train.height, parts.development.height], "prepared as they are"
    check_parity(found, parts.holdout)
    if learner == "linear":
        decided = [(each.oracle(parts.holdout)[:, 1] >= 0.1) for each in (found, plain)]
        assert (decided[0] == decided[1]).mean() > 0.9, "a threshold that follows from money decides alike"


def test_a_weighed_logistic_model_moved_back_ranks_and_decides_by_bayes() -> None:
    """Two normal classes with equal spread: the posterior is known in closed form, whatever the shares are."""
    rng = np.random.default_rng(0)
    y = (rng.random(20_000) < 0.05).astype(int)
    frame = pl.DataFrame({"x": rng.normal(size=20_000) + 1.5 * y, "y": np.where(y == 1, "yes", "no")})
    task = sections.Task(type="binary", target="y", positive="yes")
    asked = pl.DataFrame({"x": [-1.0, 0.0, 1.0, 2.0, 3.0]})
    x = asked["x"].to_numpy()
    log_odds = 1.5 * x - 1.5**2 / 2 + np.log(0.05 / 0.95)
    for imbalance in ("none", "weights", "oversample", "undersample"):
        found, _, _ = searched(frame, task, section(imbalance=imbalance), "log_loss", learners=("linear",))
        p = found.oracle(asked)[:, 1]
        np.testing.assert_allclose(np.log(p / (1 - p)), log_odds, atol=0.35)


def test_several_classes_are_balanced_and_moved_back(bank: pl.DataFrame) -> None:
    task = sections.Task(type="multiclass", target="marital", leave_out=("duration", "contact_month"))
    frame = bank.drop_nulls("marital").head(6_000)
    found, parts, _ = searched(frame, task, section(imbalance="weights", split={"kind": "stratified"}), "log_loss", learners=("linear",))
    y = encode_target(parts.holdout["marital"], found.plan.classes)
    shares = [float((y == index).mean()) for index in range(3)]
    np.testing.assert_allclose(found.oracle(parts.holdout).mean(axis=0), shares, atol=0.03)
    check_parity(found, parts.holdout)


def test_the_moved_prior_is_the_best_one() -> None:
    """Of all factors, those of the true shares minimise the log loss of balanced scores (Saerens et al.)."""
    rng = np.random.default_rng(1)
    y = rng.choice(3, 30_000, p=[0.8, 0.15, 0.05])
    x = rng.normal(size=30_000) + y
    density = np.exp(-((x[:, None] - np.arange(3)) ** 2) / 2)
    balanced = density / density.sum(axis=1, keepdims=True)

    def loss(logs: np.ndarray) -> float:
        moved = balanced * np.exp([0.0, *logs])
        return float(-np.log(moved[np.arange(len(y)), y] / moved.sum(axis=1)).mean())

    best = minimize(loss, np.zeros(2), method="Nelder-Mead").x
    np.testing.assert_allclose(np.exp(best), [0.15 / 0.8, 0.05 / 0.8], rtol=0.1)
