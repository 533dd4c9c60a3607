"""Bootstrap intervals: coverage, agreement with scipy, block resampling, and the laws they keep."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.stats.intervals import bootstrap, bootstrap_many, bootstrap_mean
from homeostat.stats.metrics import metric, metrics_for
from homeostat.stats.resample import Resampling, default_block, resampled_counts, usable_block


def regression(rows: int, seed: int, noise: float = 1.0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=rows)
    return y, (y + noise * rng.normal(size=rows))[:, None]


def binary(rows: int, seed: int):
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < 0.3).astype(np.float64)
    p = np.clip(0.3 + 0.2 * y + 0.2 * rng.normal(size=rows), 0, 1)
    return y, np.column_stack([1 - p, p])


class TestCounts:
    @given(st.integers(2, 60), st.integers(1, 80), st.integers(0, 999))
    @settings(max_examples=60, deadline=None)
    def test_every_resample_has_as_many_rows(self, rows: int, block: int, seed: int) -> None:
        chunks = list(resampled_counts(rows, Resampling(resamples=7, seed=seed, block=block)))
        counts = np.concatenate(chunks)
        assert counts.shape == (7, rows)
        assert (counts >= 0).all()
        assert (counts.sum(axis=1) == rows).all()

    def test_blocks_are_runs_on_the_circle(self) -> None:
        rows, block = 100, 7
        starts_at = []
        for counts in next(iter(resampled_counts(rows, Resampling(resamples=200, seed=3, block=block)))):
            ups = np.maximum(np.diff(np.append(counts[-1], counts)), 0)
            starts_at.append(ups)
            assert ups.sum() <= -(-rows // block)  # at most one rise per run
        assert (np.sum(starts_at, axis=0) > 0).all()  # runs start everywhere, also where they wrap

    def test_single_rows_are_drawn_as_a_multinomial(self) -> None:
        counts = np.concatenate(list(resampled_counts(50, Resampling(resamples=4000, seed=1))))
        assert counts.mean() == 1
        assert counts.var() == pytest.approx(1 - 1 / 50, rel=0.02)

    def test_the_chunks_do_not_change_the_draws(self, monkeypatch: pytest.MonkeyPatch) -> None:
        how = Resampling(resamples=50, seed=9)
        whole = np.concatenate(list(resampled_counts(40, how)))
        monkeypatch.setattr("homeostat.stats.resample._CELLS", 120)
        assert np.array_equal(np.concatenate(list(resampled_counts(40, how))), whole)

    def test_block_lengths(self) -> None:
        assert [default_block(n) for n in (0, 1, 2, 8, 27, 28, 1000, 10_000)] == [1, 1, 2, 2, 3, 4, 10, 22]
        assert [usable_block(n, 24) for n in (1, 9, 30, 240, 10_000)] == [1, 1, 3, 24, 24]


class TestInterval:
    def test_agrees_with_scipy(self) -> None:
        from scipy.stats import bootstrap as scipy_bootstrap

        y, scores = regression(300, 0)
        losses = np.abs(y - scores[:, 0])
        theirs = scipy_bootstrap(
            (losses,), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(1)
        ).confidence_interval
        assert bootstrap(metric("mae"), y, scores, confidence=0.95, resamples=4000, seed=2) == pytest.approx(tuple(theirs), abs=0.012)

    def test_auc_interval_is_near_the_delong_width(self) -> None:
        y, scores = binary(2000, 4)
        positive, negative = scores[y == 1, 1], scores[y == 0, 1]
        wins = (positive[:, None] > negative).astype(float) + 0.5 * (positive[:, None] == negative)
        spread = np.sqrt(wins.mean(axis=1).var(ddof=1) / len(positive) + wins.mean(axis=0).var(ddof=1) / len(negative))
        low, high = bootstrap(metric("auc"), y, scores, confidence=0.95, resamples=1000, seed=0)
        assert (high - low) / (2 * 1.959964 * spread) == pytest.approx(1, abs=0.1)  # Source: DeLong et al. 1988

    def test_coverage(self) -> None:
        truth = np.sqrt(2 / np.pi)  # mean absolute value of a standard normal
        hits = 0
        for seed in range(600):
            low, high = bootstrap(metric("mae"), *regression(100, seed), confidence=0.95, resamples=400, seed=seed)
            hits += low <= truth <= high
        assert hits / 600 == pytest.approx(0.95, abs=0.03)

    def test_blocks_restore_coverage_of_dependent_rows(self) -> None:
        def covered(block: int) -> float:
            hits = 0
            for seed in range(200):
                noise = np.random.default_rng(seed).normal(size=460)
                series = np.empty(460)
                series[0] = noise[0]
                for i in range(1, 460):
                    series[i] = 0.8 * series[i - 1] + noise[i]
                low, high = bootstrap_mean(series[60:], Resampling(0.9, 300, seed, block))
                hits += low <= 0 <= high
            return hits / 200

        alone, together = covered(1), covered(25)
        assert alone < 0.55
        assert together > 0.78

    def test_a_thousand_resamples_of_ten_thousand_rows_are_quick(self) -> None:
        y, scores = binary(10_000, 0)
        began = time.perf_counter()
        ends = bootstrap_many(metrics_for("binary"), y, scores, Resampling())
        assert time.perf_counter() - began < 12  # 0.8 s on a free core: all six metrics
        assert all(low < m.score(y, scores) < high for m, (low, high) in zip(metrics_for("binary"), ends, strict=True))

    def test_together_or_alone_is_the_same(self) -> None:
        y, scores = binary(80, 2)
        together = bootstrap_many(metrics_for("binary"), y, scores, Resampling(0.9, 200, 7, 3))
        assert together == [bootstrap(m, y, scores, confidence=0.9, resamples=200, seed=7, block=3) for m in metrics_for("binary")]

    def test_what_cannot_be_measured_has_no_interval(self) -> None:
        y, scores = binary(50, 0)
        for rows in (0, 1):
            assert np.isnan(bootstrap(metric("brier"), y[:rows], scores[:rows], confidence=0.9, resamples=50, seed=0)).all()
        assert np.isnan(bootstrap(metric("auc"), np.zeros(50), scores, confidence=0.9, resamples=50, seed=0)).all()
        lonely = np.zeros(50)
        lonely[7] = 1  # in a third of the resamples the only positive row is missing
        assert np.isnan(bootstrap(metric("auc"), lonely, scores, confidence=0.9, resamples=200, seed=0)).all()
        y[3] = np.nan
        assert np.isnan(bootstrap(metric("brier"), y, scores, confidence=0.9, resamples=50, seed=0)).all()
        assert np.isnan(bootstrap_mean(np.array([1.0, np.nan]), Resampling())).all()


class TestLaws:
    @given(st.integers(0, 10_000), st.sampled_from(["mae", "rmse", "r2"]))
    @settings(max_examples=25, deadline=None)
    def test_row_order_is_nothing_without_blocks(self, seed: int, name: str) -> None:
        y, scores = regression(40, seed)
        mixed = np.random.default_rng(seed + 1).permutation(40)
        straight = bootstrap(metric(name), y, scores, confidence=0.9, resamples=60, seed=1)
        assert bootstrap(metric(name), y[mixed], scores[mixed], confidence=0.9, resamples=60, seed=1) == straight

    @given(st.integers(0, 10_000), st.sampled_from([1, 4]))
    @settings(max_examples=25, deadline=None)
    def test_contains_the_estimate_and_widens_with_confidence(self, seed: int, block: int) -> None:
        y, scores = regression(60, seed)
        ends = [bootstrap(metric("mae"), y, scores, confidence=c, resamples=300, seed=seed, block=block) for c in (0.8, 0.95, 0.99)]
        assert all(low <= metric("mae").score(y, scores) <= high for low, high in ends)
        assert ends[2][0] <= ends[1][0] <= ends[0][0] <= ends[0][1] <= ends[1][1] <= ends[2][1]

    @given(st.integers(0, 10_000), st.floats(0.01, 100))
    @settings(max_examples=25, deadline=None)
    def test_scales_with_the_unit(self, seed: int, unit: float) -> None:
        y, scores = regression(30, seed)
        plain = bootstrap(metric("mae"), y, scores, confidence=0.9, resamples=50, seed=1)
        scaled = bootstrap(metric("mae"), y * unit, scores * unit, confidence=0.9, resamples=50, seed=1)
        assert scaled == pytest.approx((plain[0] * unit, plain[1] * unit), rel=1e-9)

    def test_the_same_seed_gives_the_same_interval_and_another_one_another(self) -> None:
        y, scores = regression(50, 0)
        first, again, other = (bootstrap(metric("mae"), y, scores, confidence=0.9, resamples=100, seed=s) for s in (1, 1, 2))
        assert first == again != other
