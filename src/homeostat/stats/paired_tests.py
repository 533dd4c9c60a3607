"""Paired tests of "our error is below (1 - margin) x the reference's error", and which of them is right for a metric and its rows.

| test             | for                                                     | rows        | carries a margin |
|------------------|---------------------------------------------------------|-------------|------------------|
| mcnemar          | accuracy                                                | independent | no               |
| delong           | auc                                                     | independent | yes              |
| diebold_mariano  | metrics that are the mean of a loss per row, and rmse   | in order    | yes              |
| bootstrap        | every metric                                            | both        | yes              |

DeLong and Diebold-Mariano know the saving a = theirs - ours and the reference's error b with their covariance. The margin m is tested by
the contrast a - m b, whose variance follows; the ends of the saved share a / b are the margins at which the test would just not say
"better" (Fieller 1954, "Some problems in interval estimation").
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from homeostat.stats.decisions import wrong_rows
from homeostat.stats.metrics import Metric, error_of
from homeostat.stats.paired import Paired, paired_bootstrap, share_saved
from homeostat.stats.resample import usable_block

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeostat.stats.kernels import Floats

TestName = Literal["bootstrap", "mcnemar", "delong", "diebold_mariano"]
TESTS: dict[str, str] = {
    "bootstrap": "paired bootstrap",
    "mcnemar": "McNemar's test",
    "delong": "DeLong's test",
    "diebold_mariano": "Diebold-Mariano test",
}
FEWEST_OF_A_CLASS = 20
"""With fewer rows of a class the normal law of DeLong's test is no good."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A test, and why it is not the one that was asked for; empty where it is."""

    test: TestName
    instead: str = ""


def fits(test: str, metric: Metric) -> bool:
    """Whether a test can compare models by this metric.

    >>> from homeostat.stats.metrics import METRICS
    >>> fits("delong", METRICS["auc"]), fits("delong", METRICS["mae"]), fits("diebold_mariano", METRICS["mae"])
    (True, False, True)
    """
    wanted = {"mcnemar": metric.name == "accuracy", "delong": metric.name == "auc", "diebold_mariano": metric.row_loss is not None}
    return wanted.get(test, True)


def right_test(metric: Metric, y: Floats, *, asked: str = "auto", margin: float = 0.0, block: int = 1) -> Chosen:
    """The test that is used: the one asked for where it can be, else the one that is right for the metric and the rows.

    Args:
        metric: what is compared.
        y: what came, ``(n,)``.
        asked: a name of ``TESTS``, or auto.
        margin: the share of the reference's error to save.
        block: rows that depend on each other; 1: none do.
    """
    if asked == "auto":
        return _right(metric, y, margin, usable_block(len(y), block))
    if not fits(asked, metric):
        return Chosen("bootstrap", f"{TESTS[asked]} does not compare by {metric.name}")
    if asked == "mcnemar" and margin > 0:
        return Chosen("bootstrap", f"{TESTS[asked]} carries no margin")
    return Chosen(asked)  # type: ignore[arg-type]  # one of TESTS, by the charter's schema


def _right(metric: Metric, y: Floats, margin: float, block: int) -> Chosen:
    if block > 1:
        return Chosen("diebold_mariano" if metric.row_loss is not None else "bootstrap")
    if metric.name == "accuracy" and margin == 0:
        return Chosen("mcnemar")
    positive = int((y == 1).sum())
    if metric.name == "auc" and min(positive, len(y) - positive) >= FEWEST_OF_A_CLASS:
        return Chosen("delong")
    return Chosen("bootstrap")


def compare(  # noqa: PLR0913 - how to test is said in full by keyword
    chosen: Chosen,
    metric: Metric,
    y: Floats,
    ours: Floats,
    theirs: Floats,
    *,
    margin: float = 0.0,
    confidence: float = 0.95,
    seed: int = 0,
    block: int = 1,
) -> Paired:
    """Test by the chosen test; arguments and answer as of ``paired_bootstrap``. Same input and seed, same answer.

    What cannot be measured (no rows, a non-finite score, one class for auc) is NaN and not better, whatever the test.
    """
    if chosen.test == "bootstrap":
        return paired_bootstrap(metric, y, ours, theirs, margin=margin, confidence=confidence, seed=seed, block=block)
    values = metric.score(y, ours), metric.score(y, theirs)
    if len(y) < 2 or not all(math.isfinite(value) for value in values):
        gain = share_saved(*(np.array([error_of(metric, value)]) for value in values))[0]
        return Paired(*values, float(gain), math.nan, math.nan, math.nan, better=False)
    if chosen.test == "mcnemar":
        return mcnemar(y, ours, theirs, confidence=confidence)
    if chosen.test == "delong":
        return delong(y, ours, theirs, margin=margin, confidence=confidence)
    return diebold_mariano(metric, y, ours, theirs, margin=margin, confidence=confidence, block=block)


def mcnemar(y: Floats, ours: Floats, theirs: Floats, *, confidence: float = 0.95) -> Paired:
    """Exact test, with the mid-p correction, that we are right more often: of the rows that only one of the two gets right.

    There is no margin and no interval: ``low`` and ``high`` are NaN. No row on which they differ: a p-value of 1.
    Source: McNemar 1947; the mid-p: Fagerland, Lydersen & Laake 2013, "The McNemar test for binary matched-pairs data", equation 6.
    """
    from scipy.special import bdtr, bdtrc

    we_err, they_err = wrong_rows(y, ours) > 0, wrong_rows(y, theirs) > 0
    won, lost = int((they_err & ~we_err).sum()), int((we_err & ~they_err).sum())
    apart = won + lost
    # P(X > won) + P(X = won) / 2 of a fair coin
    p_value = float((bdtrc(won, apart, 0.5) + (bdtrc(won - 1, apart, 0.5) if won else bdtr(apart, apart, 0.5))) / 2) if apart else 1.0
    errors = np.array([we_err.mean()]), np.array([they_err.mean()])
    gain, better = float(share_saved(*errors)[0]), bool(p_value < 1 - confidence)
    return Paired(float(1 - errors[0][0]), float(1 - errors[1][0]), gain, math.nan, math.nan, p_value, better=better)


def delong(y: Floats, ours: Floats, theirs: Floats, *, margin: float = 0.0, confidence: float = 0.95) -> Paired:
    """Test of two correlated areas under the ROC curve, by the placements of each class among the other; ties count half.

    Source: DeLong, DeLong & Clarke-Pearson 1988, "Comparing the areas under two or more correlated receiver operating characteristic
    curves", equations 4 to 6, in the sorted form of Sun & Xu 2014.
    """
    from scipy.special import ndtr, ndtri

    positive, other = np.flatnonzero(y == 1), np.flatnonzero(y != 1)
    above = [_placed(said[positive, 1], said[other, 1]) for said in (ours, theirs)]
    below = [1 - _placed(said[other, 1], said[positive, 1]) for said in (ours, theirs)]
    areas = [float(each.mean()) for each in above]
    covariance = sum(np.cov(np.stack([mine - his, 1 - his])) / len(his) for mine, his in (above, below))
    found = _contrast(
        areas[0] - areas[1], 1 - areas[1], np.asarray(covariance), margin, float(ndtri(confidence)), lambda t: float(ndtr(-t))
    )
    return replace(found, ours=areas[0], theirs=areas[1])


def _placed(these: Floats, among: Floats) -> Floats:
    """For each of these, the share of the others that lie below it; ties count half."""
    ordered = np.sort(among)
    return np.asarray((np.searchsorted(ordered, these, "left") + np.searchsorted(ordered, these, "right")) / (2 * len(among)))


def diebold_mariano(  # noqa: PLR0913 - how to test is said in full by keyword
    metric: Metric, y: Floats, ours: Floats, theirs: Floats, *, margin: float = 0.0, confidence: float = 0.95, block: int = 1
) -> Paired:
    """Test of the mean difference of two losses per row, in the order of the rows; neighbours up to a block apart may depend on each other.

    The long-run covariance is Newey & West's, whose weights keep it positive; the statistic is corrected and compared with a t law as by
    Harvey, Leybourne & Newbold. rmse is tested on its squares, with the margin that means the same there.
    Source: Diebold & Mariano 1995, "Comparing predictive accuracy"; Harvey, Leybourne & Newbold 1997, equations 8 and 9; Newey & West 1987.
    """
    from scipy.special import stdtr, stdtrit

    if metric.row_loss is None:
        raise ValueError(f"{metric.name} is not the mean of a loss per row")
    we, they = metric.row_loss(y, ours), metric.row_loss(y, theirs)
    rows, lags = len(y), usable_block(len(y), block) - 1
    horizon = lags + 1
    correction = (rows + 1 - 2 * horizon + horizon * lags / rows) / rows
    covariance = _long_run(np.stack([they - we, they]), lags) / rows / correction
    squares = metric.name == "rmse"
    asked = 1 - (1 - margin) ** 2 if squares else margin
    critical = float(stdtrit(rows - 1, confidence))
    found = _contrast(float((they - we).mean()), float(they.mean()), covariance, asked, critical, lambda t: float(stdtr(rows - 1, -t)))
    if squares:
        found = replace(found, difference=_of_roots(found.difference), low=_of_roots(found.low), high=_of_roots(found.high))
    return replace(found, ours=metric.score(y, ours), theirs=metric.score(y, theirs))


def _of_roots(saved: float) -> float:
    """The share of a root mean square that is saved with this share of the mean square."""
    return 1 - math.sqrt(max(1 - saved, 0.0)) if math.isfinite(saved) else saved


def _long_run(series: Floats, lags: int) -> Floats:
    """Long-run covariance ``(k, k)`` of k series ``(k, n)``: covariances up to so many lags apart, with weights that fall to 0."""
    centred = series - series.mean(axis=1, keepdims=True)
    rows = series.shape[1]
    total = centred @ centred.T / rows
    for lag in range(1, lags + 1):
        apart = centred[:, lag:] @ centred[:, :-lag].T / rows
        total = total + (1 - lag / (lags + 1)) * (apart + apart.T)
    return np.asarray(total)


def _contrast(saved: float, error: float, covariance: Floats, margin: float, critical: float, tail: Callable[[float], float]) -> Paired:
    """The test of ``saved - margin x error > 0`` when both are estimates with this covariance; the metric's values are left at 0."""
    difference = float(share_saved(np.array([error - saved]), np.array([error]))[0])
    (own, both), (_, of_error) = covariance.tolist()
    variance = own - 2 * margin * both + margin**2 * of_error
    distance = saved - margin * error
    # What is left of a covariance that cancels is rounding: then there is no spread, and what was measured is certain.
    if variance <= 1e-24 * (own + of_error) or variance <= 0:
        return Paired(0, 0, difference, difference, difference, 0.0 if distance > 0 else 1.0, better=distance > 0)
    statistic = distance / math.sqrt(variance)
    low, high = _fieller(saved, error, covariance, critical)
    return Paired(0, 0, difference, low, high, tail(statistic), better=statistic > critical)


def _fieller(saved: float, error: float, covariance: Floats, critical: float) -> tuple[float, float]:
    """Ends of saved / error: the margins at which the contrast lies ``critical`` spreads from 0; infinite where the error may be 0."""
    (own, both), (_, of_error) = covariance.tolist()
    square = critical**2
    a, b, c = error**2 - square * of_error, saved * error - square * both, saved**2 - square * own
    inside = b**2 - a * c
    if a <= 0 or inside < 0:
        return -math.inf, math.inf
    return (b - math.sqrt(inside)) / a, (b + math.sqrt(inside)) / a
