"""Our distances and tests against SciPy's, and the laws they keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance as peer

from homeostat.stats.distance import (
    chi_squared,
    holm,
    jensen_shannon,
    ks_p_value,
    ks_statistic,
    lump,
    psi,
    total_variation,
    two_proportions,
)

pairs = st.integers(1, 12).flatmap(
    lambda size: st.tuples(
        st.lists(st.integers(0, 500), min_size=size, max_size=size), st.lists(st.integers(0, 500), min_size=size, max_size=size)
    )
)


@pytest.mark.parametrize("seed", range(5))
def test_ks_is_scipys_when_each_bin_is_one_value(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 40, 900), rng.integers(0, 44, 350)
    ours = np.bincount(a, minlength=44), np.bincount(b, minlength=44)
    theirs = stats.ks_2samp(a, b, method="asymp")
    statistic = ks_statistic(*ours)
    assert statistic == pytest.approx(theirs.statistic, abs=1e-12)
    assert ks_p_value(statistic, 900, 350) == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("statistic", "n", "m"), [(0.0, 100, 100), (1.0, 5000, 10), (0.05, 17379, 720), (0.3, 1, 1)])
def test_ks_p_value_is_a_probability(statistic: float, n: int, m: int) -> None:
    assert 0 <= ks_p_value(statistic, n, m) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_chi_squared_is_the_contingency_test(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(20, 200, (2, 7))
    peers = stats.chi2_contingency(table, correction=False)
    statistic, p_value = chi_squared(table[0], table[1])
    assert statistic == pytest.approx(peers.statistic, rel=1e-12)
    assert p_value == pytest.approx(peers.pvalue, rel=1e-12, abs=1e-14)


def test_sparse_cells_are_lumped() -> None:
    reference, current = [500, 400, 3, 2, 0, 1], [90, 80, 1, 0, 0, 0]
    table = lump(reference, current)
    # Three rare texts expect 1.1 rows together in the window: less than five, so the rarer of the common ones joins them.
    assert table.tolist() == [[500, 406], [90, 81]]
    assert chi_squared(reference, current)[0] == pytest.approx(stats.chi2_contingency(table, correction=False).statistic, rel=1e-12)
    assert lump([50, 50, 20, 10, 0], [50, 50, 3, 2, 0]).tolist() == [[50, 50, 20, 10], [50, 50, 3, 2]]


def test_the_reference_is_a_sample_too() -> None:
    """Equal laws, equal sizes: about 5% of the tests reject at 0.05; treating the reference as exact would reject far more."""
    rng = np.random.default_rng(1)
    rejected = np.mean([chi_squared(*rng.multinomial(500, [0.5, 0.3, 0.15, 0.05], size=2))[1] <= 0.05 for _ in range(2_000)])
    assert 0.03 <= rejected <= 0.07


@pytest.mark.parametrize("base", [2.0, np.e])
def test_jensen_shannon_is_scipys(base: float) -> None:
    a, b = np.array([10.0, 0, 5, 85]), np.array([1.0, 3, 0, 6])
    assert jensen_shannon(a, b, base) == pytest.approx(peer.jensenshannon(a, b, base), rel=1e-12)


def test_psi_by_hand() -> None:
    assert psi([50, 50], [80, 20]) == pytest.approx(0.3 * np.log(0.8 / 0.5) - 0.3 * np.log(0.2 / 0.5), rel=1e-12)
    assert psi([100, 0], [90, 10]) == pytest.approx(-0.1 * np.log(0.9) + (0.1 - 1e-4) * np.log(0.1 / 1e-4), rel=1e-12)


@pytest.mark.parametrize(("k1", "n1", "k2", "n2"), [(50, 1000, 80, 900), (400, 1000, 400, 1000), (10, 200, 30, 150)])
def test_two_proportions_is_the_contingency_test(k1: int, n1: int, k2: int, n2: int) -> None:
    peers = stats.chi2_contingency([[k1, n1 - k1], [k2, n2 - k2]], correction=False)
    assert two_proportions(k1, n1, k2, n2) == pytest.approx(peers.pvalue, rel=1e-9)


def test_two_proportions_is_fishers_when_rows_are_few() -> None:
    assert two_proportions(0, 10_000, 2, 100) == pytest.approx(stats.fisher_exact([[0, 10_000], [2, 98]]).pvalue, rel=1e-9)
    assert two_proportions(0, 10, 0, 20) == two_proportions(10, 10, 20, 20) == two_proportions(0, 0, 3, 9) == 1.0


def test_holm_by_hand() -> None:
    assert holm([]) == []
    assert holm([0.04, 0.01, 0.03, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]


@given(pairs)
def test_distances_are_symmetric_and_bounded(pair: tuple[list[int], list[int]]) -> None:
    for measure in (ks_statistic, total_variation, jensen_shannon):
        value = measure(*pair)
        assert 0 <= value <= 1 + 1e-12
        assert value == pytest.approx(measure(*reversed(pair)), abs=1e-12)
        assert measure(pair[0], pair[0]) == 0
    assert ks_statistic(*pair) <= total_variation(*pair) + 1e-12
    assert psi(*pair) >= 0
    assert 0 <= chi_squared(*pair)[1] <= 1


def test_an_empty_side_says_nothing() -> None:
    for measure in (ks_statistic, total_variation, jensen_shannon, psi):
        assert measure([0, 0], [3, 4]) == measure([], []) == 0
    assert chi_squared([0, 0], [3, 4]) == (0.0, 1.0)
    assert ks_p_value(0.5, 0, 10) == 1.0


@pytest.mark.parametrize("bad", [([1, 2], [1]), ([[1]], [[1]]), ([-1, 2], [1, 1]), ([np.nan, 1], [1, 1])])
def test_bad_counts_are_refused(bad: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match="counts"):
        total_variation(*bad)
