"""Evaluation: which scores come out, that they are right, and that every number can be stored."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest

from homeostat.core.ids import canonical
from homeostat.core.sections import Outcome, Payoff, Success, Value
from homeostat.errors import CharterError, LearningError
from homeostat.evaluation.evaluate import VALUE_PER_MONTH, VALUE_PER_ROW, Decided, evaluate, value_per_row
from homeostat.stats.intervals import bootstrap
from homeostat.stats.metrics import metric, metrics_for


def binary(rows: int = 400, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < 0.3).astype(np.float64)
    p = np.clip(0.3 + 0.25 * y + 0.2 * rng.normal(size=rows), 0.01, 0.99)
    return y, np.column_stack([1 - p, p])


def regression(rows: int = 400, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = rng.normal(100, 30, rows)
    return y, (y + 10 * rng.normal(size=rows))[:, None]


def test_the_success_metric_comes_first_and_every_metric_of_the_task_follows() -> None:
    y, scores = regression()
    found = evaluate(y, scores, task_type="regression", success=Success(metric="rmse"), seed=3)
    names = [s.metric for s in found]
    assert names[:3] == ["rmse", "mae", "r2"]
    assert set(names) == {m.name for m in metrics_for("regression")}
    for score in found:
        assert score.value == metric(score.metric).score(y, scores)
        alone = bootstrap(metric(score.metric), y, scores, confidence=0.95, resamples=1000, seed=3)
        assert (score.low, score.high) == pytest.approx(alone, rel=1e-12, abs=1e-12)
        assert score.low < score.value < score.high
        assert (score.rows, score.segment) == (400, "")
    y, scores = binary()
    names = [s.metric for s in evaluate(y, scores, task_type="binary", success=Success(metric="auc"), classes=("no", "yes"))]
    assert names[0] == "auc"
    assert set(names) == {m.name for m in metrics_for("binary")}
    y, scores = np.arange(60.0) % 3, np.tile(np.eye(3), (20, 1)) * 0.7 + 0.1
    names = [s.metric for s in evaluate(y, scores, task_type="multiclass", success=Success(metric="macro_f1"), classes=("a", "b", "c"))]
    assert names[0] == "macro_f1"
    assert set(names) == {m.name for m in metrics_for("multiclass")}


def test_metrics_of_decisions_are_measured_at_the_served_threshold() -> None:
    y, scores = binary()
    value = Value(payoff=Payoff(true_positive=10, false_positive=-1))
    by_threshold = {
        threshold: {
            s.metric: s
            for s in evaluate(y, scores, task_type="binary", success=Success(metric="f1"), value=value, decided=Decided(threshold))
        }
        for threshold in (0.5, 0.2)
    }
    acted = scores[:, 1] >= 0.2
    told = by_threshold[0.2]
    assert told["recall"].value == pytest.approx((acted & (y == 1)).sum() / (y == 1).sum())
    assert told["precision"].value == pytest.approx(y[acted].mean())
    assert told["accuracy"].value == pytest.approx((acted == (y == 1)).mean())
    assert told["recall"].low < told["recall"].value < told["recall"].high
    assert told["f1"].value != by_threshold[0.5]["f1"].value
    assert told["auc"].value == by_threshold[0.5]["auc"].value


def test_a_share_of_a_truth_of_zero_is_told() -> None:
    y, scores = regression()
    y[:3] = 0.0
    with pytest.raises(LearningError, match="3 of them are 0, of which no share can be taken"):
        evaluate(y, scores, task_type="regression", success=Success(metric="mape"))
    assert "mape" not in {s.metric for s in evaluate(y, scores, task_type="regression", success=Success(metric="mae"))}


def test_the_success_metric_is_given_by_segment() -> None:
    y, scores = regression(130)
    place = ["north"] * 60 + ["south"] * 40 + ["east"] * 20 + ["west"] * 10
    found = {
        s.segment: s
        for s in evaluate(y, scores, task_type="regression", success=Success(metric="mae"), segments={"place": place})
        if s.segment
    }
    assert list(found) == ["place=north", "place=south", "place=(rare values)"]
    assert [s.rows for s in found.values()] == [60, 40, 30]
    assert {s.metric for s in found.values()} == {"mae"}
    assert found["place=south"].value == pytest.approx(np.abs(y - scores[:, 0])[60:100].mean())


def test_money_is_the_mean_of_the_payoffs_at_the_threshold() -> None:
    y, scores = binary()
    value = Value(payoff=Payoff(true_positive=10, false_positive=-1))
    for threshold in (0.5, 0.2):
        found = evaluate(y, scores, task_type="binary", success=Success(metric="auc"), value=value, decided=Decided(threshold))
        money = next(s for s in found if s.metric == VALUE_PER_ROW)
        acted = scores[:, 1] >= threshold
        assert money.value == pytest.approx((10 * (acted & (y == 1)).sum() - (acted & (y == 0)).sum()) / len(y))
        assert money.low < money.value < money.high


def test_costs_of_a_regression_are_negative_money() -> None:
    y, scores = regression()
    found = evaluate(y, scores, task_type="regression", success=Success(metric="mae"), value=Value(over=1.0, under=1.0))
    by_name = {s.metric: s.value for s in found}
    assert by_name[VALUE_PER_ROW] == pytest.approx(-by_name["mae"])


def test_value_that_does_not_fit_the_task_says_nothing() -> None:
    y, scores = regression(10)
    assert value_per_row(y, scores, (), Value(payoff=Payoff(true_positive=1))) is None
    assert value_per_row(y, scores, (), Value()) is None
    assert value_per_row(y, scores, (), None) is None
    assert value_per_row(*binary(10), ("no", "yes"), Value(over=1.0)) is None


def test_amounts_are_multiplied_row_by_row_and_rows_without_one_are_not_counted() -> None:
    y, scores = binary()
    amount = np.random.default_rng(1).uniform(10, 500, len(y))
    amount[:7] = np.nan
    payoff = Payoff(true_positive=Outcome(fixed=-2, per_amount=0.1), false_positive=-5)
    found = evaluate(
        y, scores, task_type="binary", success=Success(metric="auc"), value=Value(payoff=payoff, amount="a"), decided=Decided(0.3, amount)
    )
    money = next(s for s in found if s.metric == VALUE_PER_ROW)
    acted = scores[:, 1] >= 0.3
    each = np.where(acted & (y == 1), 0.1 * amount - 2, np.where(acted, -5.0, 0.0)) + 0 * amount
    assert money.rows == len(y) - 7
    assert money.value == pytest.approx(np.nanmean(each))


def test_the_class_of_least_cost_is_what_costs() -> None:
    rng = np.random.default_rng(3)
    scores = rng.dirichlet((1, 1, 1), 300)
    y = np.array([rng.choice(3, p=row) for row in scores], dtype=np.float64)
    costs = {"a": {"a": 0, "b": 1, "c": 9}, "b": {"a": 2, "b": -1, "c": 3}, "c": {"a": 20, "b": 5, "c": 0}}
    value = Value(costs={key: {k: float(v) for k, v in row.items()} for key, row in costs.items()})
    found = evaluate(y, scores, task_type="multiclass", success=Success(metric="log_loss"), classes=("a", "b", "c"), value=value)
    matrix = np.array([[0, 1, 9], [2, -1, 3], [20, 5, 0]], dtype=float)
    paid = [matrix[int(actual), min(range(3), key=lambda d: p @ matrix[:, d])] for actual, p in zip(y, scores, strict=True)]
    money = next(s for s in found if s.metric == VALUE_PER_ROW)
    assert money.value == pytest.approx(-np.mean(paid))
    plain = np.mean(matrix[y.astype(int), scores.argmax(axis=1)])
    assert np.mean(paid) < plain  # deciding by cost pays
    with pytest.raises(CharterError, match=r"HS113.*the data also has c"):
        evaluate(
            y,
            scores,
            task_type="multiclass",
            success=Success(metric="log_loss"),
            classes=("a", "b", "c"),
            value=Value(costs={"a": {"a": 0, "b": 1}, "b": {"a": 1, "b": 0}}),
        )


def test_what_predictions_cost_is_taken_off_and_the_month_is_told() -> None:
    y, scores = regression()
    free, paid = (
        {s.metric: s for s in evaluate(y, scores, task_type="regression", success=Success(metric="mae"), value=value)}
        for value in (Value(over=1, under=1), Value(over=1, under=1, per_prediction=0.5, per_month=100, rows_per_month=1000))
    )
    assert VALUE_PER_MONTH not in free
    assert paid[VALUE_PER_ROW].value == pytest.approx(free[VALUE_PER_ROW].value - 0.5 - 0.1)
    assert paid[VALUE_PER_MONTH].value == pytest.approx(1000 * paid[VALUE_PER_ROW].value)
    assert paid[VALUE_PER_MONTH].low == pytest.approx(1000 * paid[VALUE_PER_ROW].low)


def test_every_number_can_be_stored() -> None:
    y, scores = binary(200)
    groups = ["one class"] * 40 + ["mixed"] * 160
    y[:40] = 0
    found = evaluate(y, scores, task_type="binary", success=Success(metric="auc"), segments={"g": groups})
    assert [s.segment for s in found if s.segment] == ["g=mixed"]  # auc of one class is undefined
    canonical([asdict(s) for s in found])
    assert all(math.isfinite(n) for s in found for n in (s.value, s.low, s.high))


def test_the_same_seed_gives_the_same_scores() -> None:
    y, scores = binary()
    first, again, other = (evaluate(y, scores, task_type="binary", success=Success(metric="brier"), seed=s) for s in (1, 1, 2))
    assert first == again != other


def test_confidence_and_blocks_reach_the_intervals() -> None:
    y, scores = regression()
    narrow, wide = (evaluate(y, scores, task_type="regression", success=Success(metric="mae", confidence=c))[0] for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high
    runs = evaluate(y, scores, task_type="regression", success=Success(metric="mae"), block=10)[0]
    assert (runs.low, runs.high) == bootstrap(metric("mae"), y, scores, confidence=0.95, resamples=1000, seed=0, block=10)


class TestBadInput:
    def test_one_class_held_out(self) -> None:
        _, scores = binary(50)
        with pytest.raises(LearningError, match="the rarest class came 0 times") as caught:
            evaluate(np.zeros(50), scores, task_type="binary", success=Success(metric="auc"))
        assert caught.value.code == "HS302"

    @pytest.mark.parametrize("rows", [0, 1])
    def test_too_few_rows(self, rows: int) -> None:
        y, scores = regression(rows)
        with pytest.raises(LearningError, match=f"on the {rows} rows held out"):
            evaluate(y, scores, task_type="regression", success=Success(metric="mae"))

    def test_null_labels_and_scores_are_counted(self) -> None:
        y, scores = regression(50)
        y[:3] = np.nan
        with pytest.raises(LearningError, match="3 of them have no target value"):
            evaluate(y, scores, task_type="regression", success=Success(metric="mae"))
        y, scores = regression(50)
        scores[:4] = np.inf
        with pytest.raises(LearningError, match="4 of them got no finite score"):
            evaluate(y, scores, task_type="regression", success=Success(metric="mae"))

    def test_a_metric_of_another_task(self) -> None:
        with pytest.raises(ValueError, match="auc"):
            evaluate(*regression(50), task_type="regression", success=Success(metric="auc"))
        with pytest.raises(CharterError, match="lift"):
            evaluate(*regression(50), task_type="regression", success=Success(metric="lift"))

    def test_labels_and_classes_that_do_not_fit(self) -> None:
        y, scores = binary(50)
        with pytest.raises(ValueError, match="49 labels for 50 rows"):
            evaluate(y, scores, task_type="binary", success=Success(metric="auc"), segments={"g": ["a"] * 49})
        with pytest.raises(ValueError, match="for 3 classes"):
            evaluate(y, scores, task_type="multiclass", success=Success(metric="accuracy"), classes=("a", "b", "c"))
