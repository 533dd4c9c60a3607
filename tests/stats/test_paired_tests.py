"""The paired tests against independent ones: SciPy's binomial test, the definition of DeLong by double loop, Diebold-Mariano by formula."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from homeostat.stats.metrics import METRICS, metric
from homeostat.stats.paired import Paired, paired_bootstrap
from homeostat.stats.paired_tests import Chosen, compare, delong, diebold_mariano, fits, mcnemar, right_test


def two_classifiers(rows: int, seed: int, ours: float = 0.8, theirs: float = 1.2, ties: bool = False) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=rows)
    y = (rng.random(rows) < 1 / (1 + np.exp(-odds))).astype(float)

    def said(noise: float) -> np.ndarray:
        p = 1 / (1 + np.exp(-(odds + noise * rng.normal(size=rows))))
        p = np.round(p, 1) if ties else p
        return np.column_stack([1 - p, p])

    return y, said(ours), said(theirs)


def two_models(rows: int, seed: int, ours: float = 0.9) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=rows)
    shared = np.repeat(rng.normal(size=rows // 8 + 1), 8)[:rows]
    return y, (y + shared + ours * rng.normal(size=rows))[:, None], (y + shared + rng.normal(size=rows))[:, None]


class TestMcNemar:
    @given(st.integers(0, 10_000), st.integers(2, 200))
    @settings(max_examples=60)
    def test_it_is_scipys_binomial_test_less_half_the_chance_of_the_very_outcome(self, seed: int, rows: int) -> None:
        y, ours, theirs = two_classifiers(rows, seed)
        right, left = (ours[:, 1] >= 0.5) == y, (theirs[:, 1] >= 0.5) == y
        won, lost = int((right & ~left).sum()), int((left & ~right).sum())
        found = mcnemar(y, ours, theirs)
        assert (found.ours, found.theirs) == (pytest.approx(right.mean()), pytest.approx(left.mean()))
        if won + lost == 0:
            assert (found.p_value, found.better) == (1.0, False)
            return
        exact = stats.binomtest(won, won + lost, alternative="greater").pvalue
        assert found.p_value == pytest.approx(exact - stats.binom.pmf(won, won + lost, 0.5) / 2, abs=1e-12)
        assert found.better == (found.p_value < 0.05)

    def test_with_many_rows_it_is_the_signed_root_of_the_classic_chi_squared(self) -> None:
        y, ours, theirs = two_classifiers(20_000, 1)
        right, left = (ours[:, 1] >= 0.5) == y, (theirs[:, 1] >= 0.5) == y
        won, lost = int((right & ~left).sum()), int((left & ~right).sum())
        classic = stats.norm.sf((won - lost) / np.sqrt(won + lost))
        assert mcnemar(y, ours, theirs).p_value == pytest.approx(classic, rel=0.05)


class TestDeLong:
    @pytest.mark.parametrize(("seed", "ties"), [(0, False), (1, True), (2, True)])
    def test_it_is_the_definition_by_double_loop(self, seed: int, ties: bool) -> None:
        y, ours, theirs = two_classifiers(60, seed, ties=ties)
        found = delong(y, ours, theirs)
        positive, other = np.flatnonzero(y == 1), np.flatnonzero(y == 0)

        def kernel(a: float, b: float) -> float:
            return 1.0 if b < a else 0.5 if a == b else 0.0

        table = np.array([[[kernel(s[i, 1], s[j, 1]) for j in other] for i in positive] for s in (ours, theirs)])
        areas = table.mean(axis=(1, 2))
        covariance = np.cov(table.mean(axis=2)) / len(positive) + np.cov(table.mean(axis=1)) / len(other)
        z = (areas[0] - areas[1]) / np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
        assert (found.ours, found.theirs) == (pytest.approx(areas[0]), pytest.approx(areas[1]))
        assert found.p_value == pytest.approx(stats.norm.sf(z), rel=1e-9)
        assert found.ours == pytest.approx(roc_auc_score(y, ours[:, 1]))

    def test_a_margin_is_the_contrast_of_the_two_areas(self) -> None:
        y, ours, theirs = two_classifiers(400, 3)
        margin = 0.1
        found = delong(y, ours, theirs, margin=margin)
        errors = []  # of ours less (1 - margin) times theirs, on bootstrapped rows
        rng = np.random.default_rng(0)
        for _ in range(2_000):
            rows = rng.integers(0, 400, 400)
            errors.append((1 - margin) * (1 - roc_auc_score(y[rows], theirs[rows, 1])) - (1 - roc_auc_score(y[rows], ours[rows, 1])))
        by_hand = (1 - margin) * (1 - found.theirs) - (1 - found.ours)
        assert found.p_value == pytest.approx(stats.norm.sf(by_hand / np.std(errors)), abs=0.02)


class TestDieboldMariano:
    @pytest.mark.parametrize(("name", "block"), [("mae", 1), ("mae", 8), ("rmse", 8)])
    def test_it_is_the_formula(self, name: str, block: int) -> None:
        y, ours, theirs = two_models(400, 1)
        power = 1 if name == "mae" else 2
        losses = [np.abs(y - s[:, 0]) ** power for s in (ours, theirs)]
        apart = losses[1] - losses[0]
        rows, mean = len(apart), apart.mean()
        gamma = [((apart[k:] - mean) * (apart[: rows - k] - mean)).sum() / rows for k in range(block)]
        variance = (gamma[0] + 2 * sum((1 - k / block) * gamma[k] for k in range(1, block))) / rows
        harvey = np.sqrt((rows + 1 - 2 * block + block * (block - 1) / rows) / rows)
        found = diebold_mariano(metric(name), y, ours, theirs, block=block)
        assert found.p_value == pytest.approx(stats.t.sf(harvey * mean / np.sqrt(variance), rows - 1), rel=1e-9)
        assert found.ours == pytest.approx(metric(name).score(y, ours))
        assert found.difference == pytest.approx(1 - found.ours / found.theirs)

    def test_with_independent_rows_it_is_the_paired_t_test(self) -> None:
        y, ours, theirs = two_models(300, 2)
        margin = 0.05
        apart = (1 - margin) * np.abs(y - theirs[:, 0]) - np.abs(y - ours[:, 0])
        found = diebold_mariano(metric("mae"), y, ours, theirs, margin=margin)
        assert found.p_value == pytest.approx(stats.ttest_1samp(apart, 0, alternative="greater").pvalue, rel=1e-9)

    def test_a_root_is_tested_on_its_squares_with_the_margin_that_means_the_same(self) -> None:
        y, ours, theirs = two_models(300, 3)
        found = diebold_mariano(metric("rmse"), y, ours, theirs, margin=0.05)
        apart = (1 - 0.05) ** 2 * (y - theirs[:, 0]) ** 2 - (y - ours[:, 0]) ** 2
        assert found.p_value == pytest.approx(stats.ttest_1samp(apart, 0, alternative="greater").pvalue, rel=1e-9)

    def test_a_metric_without_a_loss_per_row_is_no_metric_of_it(self) -> None:
        y, ours, theirs = two_models(30, 1)
        with pytest.raises(ValueError, match="r2 is not the mean"):
            diebold_mariano(metric("r2"), y, ours, theirs)


@pytest.mark.parametrize(("test", "name"), [("delong", "auc"), ("diebold_mariano", "log_loss"), ("diebold_mariano", "rmse")])
def test_the_low_end_is_the_margin_at_which_the_test_would_just_not_say_better(test: str, name: str) -> None:
    y, ours, theirs = two_models(400, 5) if name == "rmse" else two_classifiers(400, 5)

    def asked(margin: float) -> Paired:
        return compare(Chosen(test), metric(name), y, ours, theirs, margin=margin, block=4)  # type: ignore[arg-type]

    low = asked(0.0).low
    assert -1 < low < asked(0.0).difference < asked(0.0).high
    assert asked(low - 1e-6).better
    assert not asked(low + 1e-6).better
    assert asked(low).p_value == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("test", ["mcnemar", "delong", "diebold_mariano"])
class TestEdges:
    METRIC: ClassVar = {"mcnemar": "accuracy", "delong": "auc", "diebold_mariano": "brier"}

    def asked(self, test: str, y: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> Paired:
        return compare(Chosen(test), metric(self.METRIC[test]), y, ours, theirs)  # type: ignore[arg-type]

    def test_the_same_model_is_not_better(self, test: str) -> None:
        y, ours, _ = two_classifiers(100, 0)
        found = self.asked(test, y, ours, ours.copy())
        assert (found.difference, found.p_value, found.better) == (0, 1, False)

    def test_against_a_perfect_reference(self, test: str) -> None:
        y, ours, _ = two_classifiers(100, 0)
        found = self.asked(test, y, ours, np.eye(2)[y.astype(int)])
        assert (found.difference, found.better) == (-np.inf, False)

    def test_a_perfect_model_is_better(self, test: str) -> None:
        y, ours, _ = two_classifiers(100, 0)
        found = self.asked(test, y, np.eye(2)[y.astype(int)], ours)
        assert (found.difference, found.better) == (1, True)

    @pytest.mark.parametrize("rows", [0, 1])
    def test_too_few_rows_or_nulls(self, test: str, rows: int) -> None:
        y, ours, theirs = two_classifiers(100, 0)
        assert not self.asked(test, y[:rows], ours[:rows], theirs[:rows]).better
        ours[3] = np.nan
        found = self.asked(test, y, ours, theirs)
        assert (np.isnan(found.p_value), found.better) == (True, False)

    def test_row_order_matters_only_where_rows_depend(self, test: str) -> None:
        y, ours, theirs = two_classifiers(100, 0)
        mixed = np.random.default_rng(0).permutation(100)
        one, other = self.asked(test, y, ours, theirs), self.asked(test, y[mixed], ours[mixed], theirs[mixed])
        assert other.p_value == pytest.approx(one.p_value, rel=1e-9)


def test_one_class_is_not_better_by_auc() -> None:
    _, ours, theirs = two_classifiers(50, 0)
    found = compare(Chosen("delong"), metric("auc"), np.zeros(50), ours, theirs)
    assert (np.isnan(found.difference), found.better) == (True, False)


def test_the_right_test_follows_from_the_metric_and_its_rows() -> None:
    y = np.tile([0.0, 1.0], 200)

    def auto(name: str, **how: float) -> str:
        return right_test(metric(name), y, **how).test  # type: ignore[arg-type]

    assert (auto("accuracy"), auto("accuracy", margin=0.1), auto("accuracy", block=8)) == ("mcnemar", "bootstrap", "diebold_mariano")
    assert (auto("auc"), auto("auc", margin=0.1), auto("auc", block=8)) == ("delong", "delong", "bootstrap")
    assert (auto("mae"), auto("mae", block=8), auto("rmse", block=8)) == ("bootstrap", "diebold_mariano", "diebold_mariano")
    assert (auto("r2", block=8), auto("f1"), auto("macro_f1", block=8)) == ("bootstrap",) * 3
    few = np.zeros(400)
    few[:19] = 1
    assert right_test(metric("auc"), few).test == "bootstrap"


def test_a_test_that_cannot_be_used_says_so() -> None:
    y = np.tile([0.0, 1.0], 50)
    assert right_test(metric("accuracy"), y, asked="mcnemar", margin=0.1) == Chosen("bootstrap", "McNemar's test carries no margin")
    assert right_test(metric("mae"), y, asked="delong") == Chosen("bootstrap", "DeLong's test does not compare by mae")
    assert right_test(metric("mae"), y, asked="bootstrap") == Chosen("bootstrap")
    means = {"mae", "rmse", "mape", "smape", "brier", "log_loss", "accuracy", "top2_accuracy"}
    assert {name for name in METRICS if fits("diebold_mariano", METRICS[name])} == means


def test_the_bootstrap_is_the_bootstrap() -> None:
    y, ours, theirs = two_models(60, 0)
    how = {"margin": 0.02, "confidence": 0.9, "seed": 3, "block": 4}
    assert compare(Chosen("bootstrap"), metric("mae"), y, ours, theirs, **how) == paired_bootstrap(metric("mae"), y, ours, theirs, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(("test", "name"), [("delong", "auc"), ("diebold_mariano", "brier")])
def test_a_larger_margin_is_harder(test: str, name: str) -> None:
    y, ours, theirs = two_classifiers(200, 4)
    found = [compare(Chosen(test), metric(name), y, ours, theirs, margin=m) for m in (0.0, 0.05, 0.2)]  # type: ignore[arg-type]
    assert found[0].p_value < found[1].p_value < found[2].p_value
