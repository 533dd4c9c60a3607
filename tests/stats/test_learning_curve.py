"""The inverse power law: exact where the errors follow it, inside its interval where they nearly do, untrusted where they don't."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from homeostat.stats.learning_curve import RATES, LearningCurve, fit_law, learning_curve

if TYPE_CHECKING:
    from homeostat.stats.kernels import Floats

SIZES = [100] * 3 + [200] * 3 + [400] * 2 + [800] * 2 + [1600, 3200]
AHEAD = (6400.0, 12800.0)


def law(rows: float) -> float:
    return 0.2 + 3 * rows**-0.5


def measured(seed: int, noise: float = 0.3) -> tuple[Floats, Floats]:
    """Errors around the law, and draws: what the judged rows add is common to all models, what the training rows add is not."""
    rng = np.random.default_rng(seed)
    errors = np.array([law(n) + rng.normal() * noise / np.sqrt(n) for n in SIZES])
    return errors, errors + rng.normal(size=(300, 1)) * 0.005 + rng.normal(size=(300, len(SIZES))) * 0.003


def curve(seed: int, noise: float = 0.3) -> LearningCurve:
    errors, draws = measured(seed, noise)
    found = learning_curve(SIZES, errors, draws, seed=seed)
    assert found is not None
    return found


@given(st.floats(0, 5), st.floats(0.01, 50), st.sampled_from(list(RATES)))
def test_a_law_is_found_again(floor: float, scale: float, rate: float) -> None:
    sizes = np.array([50.0, 100, 200, 400, 800])
    errors = floor + scale * sizes**-rate
    floors, scales, rates = fit_law(sizes, errors[None])
    assert floors[0] + scales[0] * sizes ** -rates[0] == pytest.approx(errors, abs=1e-6 * max(1.0, errors.max()))


def test_the_fit_is_the_weighted_least_squares_of_scipy() -> None:
    errors, _ = measured(3)
    x = np.array(SIZES, dtype=float)
    floor, scale, rate = (float(one[0]) for one in fit_law(x, errors[None]))
    fitted, _ = curve_fit(lambda n, a, b, c: a + b * n**-c, x, errors, p0=(0.1, 1, 0.5), sigma=1 / np.sqrt(x), bounds=(0, (9, 99, 2)))

    def lost(a: float, b: float, c: float) -> float:
        return float(x @ (errors - a - b * x**-c) ** 2)

    assert lost(floor, scale, rate) == pytest.approx(lost(*fitted), rel=0.01)  # the grid of rates costs next to nothing


def test_what_is_forecast_holds() -> None:
    inside = np.array([[one.low <= law(one.rows) <= one.high for one in curve(seed).forecasts[:2]] for seed in range(60)])
    assert inside.mean(axis=0).min() >= 0.75
    found = curve(0)
    assert [one.rows for one in found.forecasts[:2]] == list(AHEAD)
    assert found.trustworthy
    assert found.forecasts[1].saving == pytest.approx(1 - law(12800) / law(3200), abs=0.03)
    assert found.forecasts[2].error <= found.forecasts[1].error <= found.forecasts[0].error


def test_errors_that_do_not_fall_are_not_followed() -> None:
    rng = np.random.default_rng(0)
    flat = 0.3 + 0.01 * rng.normal(size=len(SIZES))
    found = learning_curve(SIZES, flat, flat + 0.01 * rng.normal(size=(300, len(SIZES))))
    assert found is not None
    assert not found.trustworthy
    assert found.errors[0] == pytest.approx(flat[:3].mean())
    rising = learning_curve(SIZES, np.log(SIZES), np.tile(np.log(SIZES), (50, 1)))
    assert rising is not None
    assert (rising.falls, rising.scale) == (False, 0.0)


def test_edges() -> None:
    errors, draws = measured(0)
    assert learning_curve(SIZES[:8], errors[:8], draws[:, :8]) is None  # three sizes
    assert learning_curve(SIZES, np.where(errors > 0.4, np.nan, errors), draws) is None
    assert learning_curve(SIZES, errors, draws[:0]) is None
    perfect = learning_curve(SIZES, np.zeros(len(SIZES)), np.zeros((20, len(SIZES))))
    assert perfect is not None
    assert [one.saving for one in perfect.forecasts] == [0.0, 0.0, 0.0]
