"""Fairness gaps: by brute force group by group, as fairlearn defines them, and undefined where a group has nothing to measure."""

from __future__ import annotations

import numpy as np
import pytest

from homeostat.evaluation.fairness import GAPS, RATES, fairness
from homeostat.stats.resample import Resampling


def rows(count: int = 2_000, seed: int = 0):
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c"], count, p=[0.5, 0.3, 0.2])
    p = np.clip(rng.beta(2, 3, count) + 0.15 * (group == "b"), 0, 1)
    y = (rng.random(count) < p).astype(np.float64)
    return y, p, (p >= 0.4).astype(np.float64), group.tolist()


def test_rates_and_gaps_by_brute_force() -> None:
    y, p, decided, group = rows()
    (found,) = fairness(y, p, decided, {"g": group}, Resampling(resamples=300))
    by_hand = {}
    for label in ("a", "b", "c"):
        mine = np.array(group) == label
        acted = decided[mine] == 1
        by_hand[label] = (
            acted.mean(),
            acted[y[mine] == 1].mean(),
            acted[y[mine] == 0].mean(),
            y[mine][acted].mean(),
            p[mine].mean() - y[mine].mean(),
        )
    assert [each.label for each in found.groups] == ["a", "b", "c"]
    for each in found.groups:
        assert [one.name for one in each.rates] == list(RATES)
        assert [one.value for one in each.rates] == pytest.approx(by_hand[each.label])
        assert all(one.low < one.value < one.high for one in each.rates)
        assert each.base_rate == pytest.approx(y[np.array(group) == each.label].mean())
    table = np.array(list(by_hand.values())).T
    apart = table.max(axis=1) - table.min(axis=1)
    gaps = {each.name: each for each in found.gaps}
    assert list(gaps) == list(GAPS)
    assert gaps["demographic_parity_difference"].value == pytest.approx(apart[0])
    assert gaps["demographic_parity_ratio"].value == pytest.approx(table[0].min() / table[0].max())
    assert gaps["equalized_odds_difference"].value == pytest.approx(max(apart[1], apart[2]))
    assert gaps["predictive_parity_difference"].value == pytest.approx(apart[3])
    assert gaps["demographic_parity_difference"].low < apart[0] < gaps["demographic_parity_difference"].high
    assert gaps["demographic_parity_difference"].low > 0.05  # b is selected more often, surely


def test_the_interval_of_a_rate_covers_the_truth() -> None:
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        decided = (rng.random(400) < 0.3).astype(np.float64)
        y = (rng.random(400) < 0.5).astype(np.float64)
        (found,) = fairness(y, np.full(400, 0.5), decided, {"g": ["a"] * 200 + ["b"] * 200}, Resampling(0.9, 400, seed))
        covered += found.groups[0].rates[0].low <= 0.3 <= found.groups[0].rates[0].high
    assert 48 <= covered <= 60  # of 60, 54 are expected


def test_what_a_group_cannot_show_is_none() -> None:
    y, p, decided, group = rows(300)
    decided[np.array(group) == "a"] = 0.0  # no positive decision: no precision
    (found,) = fairness(y, p, decided, {"g": group}, Resampling(resamples=50))
    rates = {one.name: one.value for one in found.groups[0].rates}
    assert rates["precision"] is None
    assert rates["selection_rate"] == 0
    gaps = {each.name: each.value for each in found.gaps}
    assert gaps["predictive_parity_difference"] is None
    assert gaps["demographic_parity_ratio"] == 0


def test_one_group_is_no_gap() -> None:
    y, p, decided, _ = rows(300)
    assert fairness(y, p, decided, {"g": ["a"] * 300, "few": ["x"] * 290 + ["y"] * 10}, Resampling(resamples=10)) == ()
