"""The examination: every task has what fits it, its numbers agree with the scores, and all can be stored."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from homeostat.core.ids import canonical
from homeostat.core.sections import Payoff, Success, Value
from homeostat.evaluation.evaluate import VALUE_PER_ROW, Decided, evaluate
from homeostat.evaluation.examine import Rows, examine
from homeostat.evaluation.slices import Coded
from homeostat.stats.metrics import metric, metrics_for
from homeostat.stats.resample import Resampling

HOW = Resampling(resamples=100)


def binary(rows: int = 600):
    rng = np.random.default_rng(0)
    p = rng.beta(1, 2, rows)
    return (rng.random(rows) < p).astype(np.float64), np.column_stack([1 - p, p])


def test_a_binary_task() -> None:
    y, scores = binary()
    value = Value(payoff=Payoff(true_positive=10, false_positive=-4), per_prediction=0.1, per_month=50, rows_per_month=1_000)
    decided, segment = Decided(4 / 14), ["a", "b", "c"] * 200
    rows = Rows(
        y,
        scores,
        baseline=np.tile([1 - y.mean(), y.mean()], (600, 1)),
        columns=[Coded("place", np.arange(600) % 3, ["a", "b", "c"])],
        segments={"place": segment},
        time=("day", ("2026-01-01", "2026-01-02"), np.arange(600) // 300),
    )
    found = examine(
        rows,
        metric("auc"),
        task_type="binary",
        classes=("no", "yes"),
        value=value,
        decided=decided,
        beside={"development": (y[:300], scores[:300]), "out_of_fold": (y[300:], scores[300:])},
        how=HOW,
    )
    canonical(asdict(found))
    told = evaluate(y, scores, task_type="binary", success=Success(metric="auc"), classes=("no", "yes"), value=value, decided=decided)
    by_name = {each.metric: each.value for each in told}
    assert found.thresholds is not None
    assert found.thresholds.chosen.value == pytest.approx(by_name[VALUE_PER_ROW])
    assert found.thresholds.chosen.recall == pytest.approx(by_name["recall"])
    assert found.thresholds.chosen.f1 == pytest.approx(by_name["f1"])
    assert found.brier is not None
    assert found.brier.brier == pytest.approx(by_name["brier"])
    (no_no, no_yes), (yes_no, yes_yes) = found.confusion
    assert (no_no + yes_yes) / 600 == pytest.approx(by_name["accuracy"])
    assert no_yes / (no_no + no_yes) == pytest.approx(1 - by_name["specificity"])
    assert yes_yes / (yes_no + yes_yes) == pytest.approx(by_name["recall"])
    assert [each.metric for each in found.beside] == [each.name for each in metrics_for("binary")]
    for each in found.beside:
        assert each.holdout == pytest.approx(by_name[each.metric])
    auc = found.beside[0]
    assert auc.development == pytest.approx(metric("auc").score(y[:300], scores[:300]))
    assert auc.out_of_fold == pytest.approx(metric("auc").score(y[300:], scores[300:]))
    assert found.loss == "log_loss"  # auc has no loss per row
    assert np.mean([each.ours for each in found.periods]) == pytest.approx(by_name["log_loss"])
    assert [each.baseline for each in found.periods] == pytest.approx(
        [metric("log_loss").score(y[at], rows.baseline[at]) for at in (slice(0, 300), slice(300, 600))]
    )
    assert found.slices is not None
    assert found.slices.tried == 3
    assert [each.column for each in found.fairness] == ["place"]
    assert found.decision == "positive from a score of 0.285714"
    assert found.residuals == ()
    assert found.shift is None


def test_a_regression() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(50, 10, 300)
    scores = (y + rng.normal(0, 3, 300))[:, None]
    found = examine(Rows(y, scores), metric("rmse"), task_type="regression", value=Value(over=1, under=2), decided=Decided(), how=HOW)
    canonical(asdict(found))
    told = evaluate(y, scores, task_type="regression", success=Success(metric="rmse"), value=Value(over=1, under=2))
    assert found.shift is not None
    assert found.shift.served == pytest.approx(next(each.value for each in told if each.metric == VALUE_PER_ROW))
    assert len(found.residuals) == 10
    assert (found.decision, found.loss, found.confusion, found.thresholds, found.fairness) == ("", "rmse", (), None, ())
    free = examine(Rows(y, scores), metric("r2"), task_type="regression", decided=Decided(), how=HOW)
    assert (free.shift, free.loss) == (None, "mae")


def test_several_classes_with_costs() -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet((1, 1, 1), 400)
    y = np.array([rng.choice(3, p=row) for row in scores], dtype=np.float64)
    y[:5] = -1  # a class nobody knows
    costs = {"a": {"a": 0.0, "b": 1.0, "c": 9.0}, "b": {"a": 2.0, "b": 0.0, "c": 3.0}, "c": {"a": 20.0, "b": 5.0, "c": 0.0}}
    found = examine(
        Rows(y, scores, columns=[Coded("x", np.arange(400) % 2, ["even", "odd"])]),
        metric("accuracy"),
        task_type="multiclass",
        classes=("a", "b", "c"),
        value=Value(costs=costs),
        decided=Decided(),
        how=HOW,
    )
    canonical(asdict(found))
    assert found.decision == "the class of least expected cost"
    assert sum(map(sum, found.confusion)) == 395
    right = sum(found.confusion[at][at] for at in range(3)) / 400
    assert next(each.holdout for each in found.beside if each.metric == "accuracy") == pytest.approx(right)
    assert found.loss == "accuracy"
    likeliest = scores.argmax(axis=1)
    assert sum(each.rows * each.came for each in found.reliability) == pytest.approx((likeliest == y).sum())
    assert (found.brier, found.thresholds, found.fairness) == (None, None, ())
