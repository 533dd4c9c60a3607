"""Metrics: equal to scikit-learn's, and the laws each must keep."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.errors import CharterError
from homeostat.stats.decisions import DecisionRule
from homeostat.stats.kernels import decide
from homeostat.stats.metrics import METRICS, better, error_of, metric, metrics_for


def two_columns(p):
    p = np.asarray(p, dtype=np.float64)
    return np.column_stack([1 - p, p])


def case(task: str, seed: int, rows: int = 400, ties: bool = False):
    rng = np.random.default_rng(seed)
    if task == "regression":
        y = rng.normal(50, 20, rows)
        return y, (y + rng.standard_t(3, rows) * 5)[:, None]
    k = 2 if task == "binary" else 5
    raw = rng.random((rows, k)) + 0.05
    if ties:
        raw = np.ceil(raw * 3)
    scores = raw / raw.sum(axis=1, keepdims=True)
    return rng.integers(0, k, rows).astype(np.float64), scores


def sklearn_value(name: str, y, scores, weights=None) -> float:
    from sklearn import metrics as sk

    labels = np.arange(scores.shape[1])
    p, decided, came = scores[:, -1], decide(scores), y == 1
    return {
        "mae": lambda: sk.mean_absolute_error(y, p, sample_weight=weights),
        "rmse": lambda: sk.root_mean_squared_error(y, p, sample_weight=weights),
        "r2": lambda: sk.r2_score(y, p, sample_weight=weights),
        "auc": lambda: sk.roc_auc_score(came, p, sample_weight=weights),
        "average_precision": lambda: sk.average_precision_score(came, p, sample_weight=weights),
        "brier": lambda: (
            sk.brier_score_loss(came, p, sample_weight=weights)
            if len(labels) == 2
            else sk.brier_score_loss(y, scores, labels=labels, sample_weight=weights)
        ),
        "f1": lambda: sk.f1_score(came, decided == 1, zero_division=0.0, sample_weight=weights),
        "log_loss": lambda: sk.log_loss(y, scores, labels=labels, sample_weight=weights),
        "accuracy": lambda: sk.accuracy_score(y, decided, sample_weight=weights),
        "macro_f1": lambda: sk.f1_score(y, decided, average="macro", zero_division=0.0, sample_weight=weights),
        "weighted_f1": lambda: sk.f1_score(y, decided, average="weighted", zero_division=0.0, sample_weight=weights),
        "balanced_accuracy": lambda: sk.recall_score(y, decided, labels=np.unique(y), average="macro", sample_weight=weights),
        "precision": lambda: sk.precision_score(came, decided == 1, zero_division=np.nan, sample_weight=weights),
        "recall": lambda: sk.recall_score(came, decided == 1, zero_division=np.nan, sample_weight=weights),
        "specificity": lambda: sk.recall_score(~came, decided != 1, zero_division=np.nan, sample_weight=weights),
        "mcc": lambda: sk.matthews_corrcoef(came, decided == 1, sample_weight=weights),
        "macro_auc": lambda: (
            sk.roc_auc_score(y, scores, multi_class="ovr", average="macro", sample_weight=weights)
            if len(np.unique(y)) == len(labels)
            else np.nan
        ),
        "top2_accuracy": lambda: _top2(y, scores, weights),
        "expected_calibration_error": lambda: _binned(came, p, weights),
        "median_absolute_error": lambda: sk.median_absolute_error(y, p, sample_weight=weights),
        "mape": lambda: sk.mean_absolute_percentage_error(y, p, sample_weight=weights),
        "smape": lambda: np.average(2 * np.abs(y - p) / (np.abs(y) + np.abs(p)), weights=weights),
        "bias": lambda: np.average(p - y, weights=weights),
        "explained_variance": lambda: sk.explained_variance_score(y, p, sample_weight=weights),
    }[name]()


def _top2(y, scores, weights) -> float:
    """By brute force, the first of equal scores ahead; where no two are equal it is scikit-learn's."""
    from sklearn.metrics import top_k_accuracy_score

    two = [sorted(range(len(row)), key=lambda at: (-row[at], at))[:2] for row in scores]
    value = np.average([came in best for came, best in zip(y, two, strict=True)], weights=weights)
    if all(len(set(row)) == len(row) for row in scores):
        assert value == pytest.approx(top_k_accuracy_score(y, scores, k=2, labels=np.arange(scores.shape[1]), sample_weight=weights))
    return float(value)


def _binned(came, p, weights) -> float:
    """The expected calibration error row by row: the bin is 15 x the share of rows with a smaller probability."""
    weights = np.ones(len(p)) if weights is None else weights
    bins = [(p < each).sum() * 15 // len(p) for each in p]
    gaps = [abs(sum(w * (c - q) for w, c, q, b in zip(weights, came, p, bins, strict=True) if b == at)) for at in set(bins)]
    return float(sum(gaps) / weights.sum())


class TestServedDecision:
    """A metric of decisions is that of the decision that is served."""

    @pytest.mark.parametrize("name", [m.name for m in metrics_for("binary") if m.decides])
    @given(seed=st.integers(0, 10_000), threshold=st.floats(0, 1))
    @settings(max_examples=15)
    def test_a_threshold_is_scores_moved_to_a_half(self, name: str, seed: int, threshold: float) -> None:
        y, scores = case("binary", seed, 40, ties=True)
        moved = two_columns(np.where(scores[:, 1] >= threshold, 0.9, 0.1))
        assert metric(name).by(DecisionRule(threshold)).score(y, scores) == pytest.approx(metric(name).score(y, moved), nan_ok=True)

    def test_costs_decide_between_several_classes(self) -> None:
        y, scores = np.array([0.0, 1.0]), np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1]])
        dear = DecisionRule(costs=((0, 1, 9), (9, 0, 9), (9, 9, 0)))
        assert metric("accuracy").score(y, scores) == 0.5
        assert dear.classes(scores).tolist() == [1.0, 1.0]
        assert metric("accuracy").by(dear).score(y, scores) == 0.5
        assert metric("macro_f1").by(dear).score(y, scores) == pytest.approx((0 + 2 / 3) / 2)

    def test_metrics_of_scores_do_not_change(self) -> None:
        assert metric("auc").by(DecisionRule(0.9)) is metric("auc")


EVERY = [(task, m.name) for task in ("regression", "binary", "multiclass") for m in metrics_for(task)]


@pytest.mark.parametrize(("task", "name"), EVERY)
@pytest.mark.parametrize("ties", [False, True])
def test_equals_scikit_learn(task: str, name: str, ties: bool) -> None:
    for seed, rows in enumerate([400, 37, 6, 3000]):
        y, scores = case(task, seed, rows, ties)
        assert metric(name).score(y, scores) == pytest.approx(sklearn_value(name, y, scores), rel=1e-12, abs=1e-12, nan_ok=True)


def test_names_and_tasks_are_what_the_charter_may_say() -> None:
    both = ["brier", "log_loss", "accuracy", "balanced_accuracy"]
    by_task = {t: {m.name for m in metrics_for(t)} for t in ("regression", "binary", "multiclass")}
    assert by_task == {
        "regression": {"mae", "rmse", "r2", "median_absolute_error", "mape", "smape", "bias", "explained_variance"},
        "binary": {*both, "auc", "average_precision", "f1", "precision", "recall", "specificity", "mcc", "expected_calibration_error"},
        "multiclass": {*both, "macro_f1", "weighted_f1", "macro_auc", "top2_accuracy"},
    }
    less = {"mae", "rmse", "median_absolute_error", "mape", "smape", "bias", "brier", "log_loss", "expected_calibration_error"}
    assert {m.name for m in METRICS.values() if not m.greater_is_better} == less
    assert {m.name for m in METRICS.values() if m.role != "success"} == {
        "bias", "explained_variance", "precision", "recall", "specificity", "expected_calibration_error",
    }  # fmt: skip
    assert all(name == m.name and m.description for name, m in METRICS.items())


def test_an_unknown_name_is_refused_with_the_list() -> None:
    with pytest.raises(CharterError, match=r"mae, rmse, r2, .*auc") as caught:
        metric("gini")
    assert caught.value.code == "HS112"


@pytest.mark.parametrize("name", [m.name for m in METRICS.values() if m.row_loss])
def test_row_loss_is_what_the_metric_averages(name: str) -> None:
    one = metric(name)
    y, scores = case(sorted(one.tasks)[0], 3)
    rows = one.row_loss(y, scores)
    assert rows.shape == y.shape
    value = {"rmse": np.sqrt, "accuracy": lambda mean: 1 - mean, "top2_accuracy": lambda mean: 1 - mean}.get(name, float)(rows.mean())
    assert one.score(y, scores) == pytest.approx(value, rel=1e-14)


class TestEdges:
    def test_one_class(self) -> None:
        scores = two_columns([0.2, 0.7, 0.7])
        assert np.isnan(metric("auc").score(np.zeros(3), scores))
        assert np.isnan(metric("auc").score(np.ones(3), scores))
        assert np.isnan(metric("average_precision").score(np.zeros(3), scores))
        assert metric("average_precision").score(np.ones(3), scores) == 1.0
        assert metric("f1").score(np.zeros(3), two_columns([0.1, 0.2, 0.3])) == 0.0

    @pytest.mark.parametrize(("task", "name"), EVERY)
    def test_no_rows_and_nulls_are_nan(self, task: str, name: str) -> None:
        y, scores = case(task, 0, 20)
        assert np.isnan(metric(name).score(y[:0], scores[:0]))
        broken = y.copy()
        broken[3] = np.nan
        assert np.isnan(metric(name).score(broken, scores))
        broken = scores.copy()
        broken[3, 0] = np.inf
        assert np.isnan(metric(name).score(y, broken))

    def test_r2_of_a_constant_follows_scikit_learn(self) -> None:
        y = np.full(4, 0.1)
        assert metric("r2").score(y, y[:, None]) == 1.0
        assert metric("r2").score(y, (y + 1)[:, None]) == 0.0
        assert np.isnan(metric("r2").score(y[:1], y[:1, None]))

    def test_r2_keeps_its_digits_far_from_zero(self) -> None:
        from sklearn.metrics import r2_score

        rng = np.random.default_rng(0)
        y = 1e9 + rng.normal(size=500)
        p = y + rng.normal(size=500) * 0.1
        assert metric("r2").score(y, p[:, None]) == pytest.approx(r2_score(y, p), abs=1e-12)

    def test_a_class_the_model_does_not_know_is_a_miss(self) -> None:
        y, scores = np.array([-1.0, 1.0]), two_columns([0.9, 0.9])
        assert metric("accuracy").score(y, scores) == 0.5
        assert metric("log_loss").score(y, scores) == pytest.approx((-np.log(np.finfo(float).eps) - np.log(0.9)) / 2)

    def test_a_certain_and_wrong_probability_costs_no_infinity(self) -> None:
        assert metric("log_loss").score(np.array([1.0]), two_columns([0.0])) == pytest.approx(36.04365338911715)

    @pytest.mark.parametrize(
        ("name", "y", "scores"),
        [
            ("mae", np.zeros(3), np.zeros((2, 1))),
            ("mae", np.zeros(3), np.zeros(3)),
            ("mae", np.zeros(3), np.zeros((3, 2))),
            ("auc", np.zeros(3), np.zeros((3, 3))),
            ("log_loss", np.zeros(3), np.zeros((3, 1))),
            ("accuracy", np.full(3, 2.0), np.zeros((3, 2))),
            ("accuracy", np.full(3, -2.0), np.zeros((3, 2))),
        ],
    )
    def test_shapes_that_do_not_fit_are_refused(self, name: str, y, scores) -> None:
        with pytest.raises(ValueError, match=name):
            metric(name).score(y, scores)

    def test_decision_at_the_threshold_is_positive(self) -> None:
        assert decide(two_columns([0.5, 0.3, 0.29]), 0.3).tolist() == [1.0, 1.0, 0.0]
        assert decide(np.array([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])).tolist() == [0.0, 2.0]


class TestWeights:
    """A count of 2 means the row twice: what every bootstrap rests on."""

    @pytest.mark.parametrize(("task", "name"), [each for each in EVERY if each[1] != "expected_calibration_error"])  # bins stay
    def test_counts_equal_repeated_rows(self, task: str, name: str) -> None:
        rng = np.random.default_rng(5)
        y, scores = case(task, 8, 60, ties=True)
        counts = rng.integers(0, 4, (6, 60)).astype(np.float64)
        got = metric(name).prepare(y, scores)(counts)
        for value, count in zip(got, counts.astype(int), strict=True):
            assert value == pytest.approx(metric(name).score(np.repeat(y, count), np.repeat(scores, count, axis=0)), rel=1e-12, abs=1e-12)

    @pytest.mark.parametrize(("task", "name"), EVERY)
    def test_any_weights_equal_scikit_learns_sample_weight(self, task: str, name: str) -> None:
        y, scores = case(task, 9, 200, ties=True)
        weights = np.random.default_rng(1).random(200) ** 4
        got = metric(name).prepare(y, scores)(np.stack([weights, weights / weights.sum(), weights * 1e6]))
        assert got == pytest.approx(sklearn_value(name, y, scores, weights), rel=1e-10)

    @pytest.mark.parametrize(
        "name", ["auc", "average_precision", "f1", "macro_f1", "r2", "mae", "mcc", "median_absolute_error", "expected_calibration_error"]
    )
    def test_no_weight_at_all_is_undefined_without_a_warning(self, name: str) -> None:
        task = next(iter(metric(name).tasks))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.isnan(metric(name).prepare(*case(task, 1, 30))(np.zeros((2, 30)))).all()


class TestLaws:
    @given(st.integers(0, 10_000), st.floats(0.2, 5))
    @settings(max_examples=40)
    def test_ranking_metrics_see_only_the_order(self, seed: int, power: float) -> None:
        y, scores = case("binary", seed, 50, ties=True)
        bent = two_columns(scores[:, 1] ** power)
        for name in ("auc", "average_precision"):
            assert metric(name).score(y, bent) == pytest.approx(metric(name).score(y, scores), abs=1e-12, nan_ok=True)

    @given(st.integers(0, 10_000))
    @settings(max_examples=40)
    def test_auc_of_reversed_scores_is_the_rest_to_one(self, seed: int) -> None:
        y, scores = case("binary", seed, 40, ties=True)
        forward = metric("auc").score(y, scores)
        assert metric("auc").score(y, scores[:, ::-1].copy()) == pytest.approx(1 - forward, abs=1e-12, nan_ok=True)

    @given(st.integers(0, 10_000), st.sampled_from(EVERY))
    @settings(max_examples=60)
    def test_the_order_of_the_rows_does_not_matter(self, seed: int, which) -> None:
        y, scores = case(which[0], seed, 30, ties=True)
        mixed = np.random.default_rng(seed).permutation(30)
        assert metric(which[1]).score(y[mixed], scores[mixed]) == pytest.approx(metric(which[1]).score(y, scores), rel=1e-12, nan_ok=True)

    @given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.floats(-100, 100))
    @settings(max_examples=60)
    def test_errors_are_never_negative_and_zero_when_right(self, values, shift: float) -> None:
        y = np.array(values)
        for name in ("mae", "rmse"):
            assert metric(name).score(y, y[:, None]) == 0
            assert metric(name).score(y, (y + shift)[:, None]) == pytest.approx(abs(shift), rel=1e-6, abs=1e-7)
        assert (
            metric("rmse").score(y, y[::-1, None].copy()) >= metric("mae").score(y, y[::-1, None].copy()) * (1 - 1e-12) - 1e-150
        )  # squares of tiny numbers are 0

    @given(st.lists(st.integers(0, 2), min_size=1, max_size=30))
    @settings(max_examples=40)
    def test_perfect_class_scores(self, classes) -> None:
        y, scores = np.array(classes, dtype=np.float64), np.eye(3)[classes]
        assert metric("log_loss").score(y, scores) == pytest.approx(0, abs=1e-15)
        assert metric("accuracy").score(y, scores) == metric("macro_f1").score(y, scores) == 1


def test_better_and_error_follow_the_direction() -> None:
    assert better(METRICS["mae"], 1, 2)
    assert not better(METRICS["mae"], 2, 2)
    assert better(METRICS["auc"], 0.7, 0.6)
    assert better(METRICS["auc"], 0.1, float("nan"))
    assert not better(METRICS["mae"], float("nan"), 5)
    assert error_of(METRICS["auc"], 0.525) == pytest.approx(0.475)
    assert error_of(METRICS["r2"], -1.0) == 2.0
    assert error_of(METRICS["log_loss"], 0.3) == 0.3


def test_importing_metrics_loads_nothing_heavy() -> None:
    heavy = {"sklearn", "scipy", "polars", "pandas", "lightgbm", "pydantic"}
    code = f"import sys, homeostat.stats.metrics, homeostat.stats.paired; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
