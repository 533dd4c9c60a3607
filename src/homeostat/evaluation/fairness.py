"""Fairness gaps of a binary decision between the segments of a column: rates group by group, and how far apart they are.

A gap says that groups are treated differently, not that this is wrong: where base rates differ, not all gaps can be closed at once
(Kleinberg, Mullainathan & Raghavan 2017). With few rows in a group a gap is mostly chance, hence the intervals.

Source: Hardt, Price & Srebro, "Equality of opportunity in supervised learning" (NeurIPS 2016); definitions as in fairlearn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.evaluation.segments import judged_segments
from homeostat.stats.intervals import draw, percentile_interval
from homeostat.stats.kernels import Sums, share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from homeostat.stats.kernels import Floats, Weighted
    from homeostat.stats.resample import Resampling

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "calibration_gap")
"""Of a group: share decided positive; of its positives, of its negatives; share of its positive decisions that is right; mean probability
less share of positives."""
GAPS = ("demographic_parity_difference", "demographic_parity_ratio", "equalized_odds_difference", "predictive_parity_difference")
"""Between groups: largest less smallest selection rate; smallest by largest; the larger of the differences of true and of false positive
rates; largest less smallest precision."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A number with its bootstrap interval; None where it is undefined."""

    name: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Group:
    """One segment: its rows, the share of positives among them, and its ``RATES``."""

    label: str
    rows: int
    base_rate: float
    rates: tuple[Measured, ...]


@dataclass(frozen=True, slots=True)
class Fairness:
    """The segments of one column and the ``GAPS`` between them."""

    column: str
    groups: tuple[Group, ...]
    gaps: tuple[Measured, ...]


def fairness(y: Floats, said: Floats, decided: Floats, segments: Mapping[str, Sequence[str]], how: Resampling) -> tuple[Fairness, ...]:
    """The gaps of each column that has at least two judged segments. A gap of resamples is never below 0: its interval leans upwards.

    Args:
        y: what came ``(n,)``, 1 is positive.
        said: probability of the positive class ``(n,)``.
        decided: the served decisions ``(n,)``, 1 is positive.
        segments: a label per row for each column.
        how: of the resampling.
    """
    found = []
    for column, labels in segments.items():
        groups = judged_segments(labels)
        if len(groups) < 2:
            continue
        prepared = _prepared(y, said, decided, list(groups.values()))
        values = [float(one(np.ones((1, len(y))))[0]) for one in prepared]
        draws = draw(prepared, len(y), how)
        numbers = [_measured(value, row, how.confidence) for value, row in zip(values, draws, strict=True)]
        at = len(GAPS)
        found.append(
            Fairness(
                column,
                tuple(
                    Group(label, len(rows), float((y[rows] == 1).mean()), _named(RATES, numbers[at + place * len(RATES) :]))
                    for place, (label, rows) in enumerate(groups.items())
                ),
                _named(GAPS, numbers),
            )
        )
    return tuple(found)


def _named(names: Sequence[str], numbers: Sequence[tuple[float | None, float | None, float | None]]) -> tuple[Measured, ...]:
    return tuple(Measured(name, *number) for name, number in zip(names, numbers, strict=False))


def _measured(value: float, draws: Floats, confidence: float) -> tuple[float | None, float | None, float | None]:
    ends = percentile_interval(draws, confidence)
    low, high = (float(end) if np.isfinite(end) else None for end in ends)
    return (value if np.isfinite(value) else None, low, high)


def _prepared(y: Floats, said: Floats, decided: Floats, groups: Sequence[NDArray[np.intp]]) -> list[Weighted]:
    """The gaps, then each group's rates, as functions of row weights: all follow from the same sums, made once for each weighting."""
    came, acted = y == 1, decided == 1
    columns = [np.ones(len(y)), came, acted, came & acted, said]
    cells = np.zeros((len(y), len(groups) * len(columns)))
    for at, rows in enumerate(groups):
        for place, column in enumerate(columns):
            cells[rows, at * len(columns) + place] = column[rows]
    shape = (len(groups), len(columns))

    def gap(place: int) -> Sums:
        return Sums(cells, lambda sums: _gaps(_rates(sums, shape))[place])

    def rate(group: int, place: int) -> Sums:
        return Sums(cells, lambda sums: _rates(sums, shape)[place][:, group])

    gaps = [gap(place) for place in range(len(GAPS))]
    return [*gaps, *(rate(group, place) for group in range(len(groups)) for place in range(len(RATES)))]


def _rates(sums: Floats, shape: tuple[int, int]) -> list[Floats]:
    """The rates of all groups, each ``(b, groups)``, from the sums ``(b, groups x columns)``."""
    rows, came, acted, both, said = np.moveaxis(sums.reshape(len(sums), *shape), 2, 0)
    return [share(acted, rows), share(both, came), share(acted - both, rows - came), share(both, acted), share(said - came, rows)]


def _gaps(rates: Sequence[Floats]) -> list[Floats]:
    """The gaps ``(b,)`` of rates ``(b, groups)``; a rate that is undefined in any group makes its gap so."""
    selection, true, false, precision, _ = rates
    apart = [each.max(axis=1) - each.min(axis=1) for each in (selection, true, false, precision)]
    ratio = share(selection.min(axis=1), selection.max(axis=1))
    return [apart[0], ratio, np.maximum(apart[1], apart[2]), apart[3]]
