"""Prediction intervals for a regression: how far around a score the truth lies, learned from rows that the model did not learn from.

Split conformal prediction: of rows that are exchangeable with the judged ones, at least the asked share lies inside, whatever the model
and the noise are like. Where an interval becomes as wide as rows of like scores ask, one half of the rows says how wide those are and the
other how many times that is needed, so that the promise stays the same.

Source: Papadopoulos et al., "Inductive confidence machines for regression" (ECML 2002), absolute residuals; Papadopoulos, Gammerman and
Vovk, "Normalized nonconformity measures for regression conformal prediction" (AIA 2008), and Lei et al., "Distribution-free predictive
inference for regression" (JASA 2018), section 5.2, scaled ones; the scales are quantiles of both signs, after Romano, Patterson and Candes,
"Conformalized quantile regression" (NeurIPS 2019); groups after Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World"
(2005), section 4.5, Mondrian predictors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from homeostat.errors import LearningError
from homeostat.graph.interpret import bounds, interpolated
from homeostat.graph.plan import (
    Concat,
    Constant,
    Impute,
    Interpolate,
    Interval,
    Linear,
    Link,
    Lookup,
    Numbers,
    block_columns,
)
from homeostat.stats.coverage import conformal_quantile, fewest_rows, interval_score

if TYPE_CHECKING:
    from homeostat.core.sections import Intervals
    from homeostat.graph.plan import Decoded, Floats, Ints, Node, Plan

Method = Literal["absolute", "scaled"]
HALVES = 6
LEAST_GAIN = 0.002
"""Share of the interval score that widths which differ from row to row must save on rows they were not learned from."""
SCALED_FROM = 200
"""Rows below which the scale of errors along the scores follows chance."""
BIN_ROWS, MOST_BINS = 50, 12
SMALLEST_SCALE = 0.05
"""Of the quantile of all errors: no bin is taken for surer than that."""
NEAR = 1e-4
"""Share of the range of all scores up to which two are all but the same."""
GROUP_ROWS = 50
"""Categories of fewer rows are one group, numbers are put together with their neighbours."""
MOST_GROUPS = 50
"""Groups that the numbers of a column are put in."""
_TINY = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """Judged rows whose truth is known: scores (n,), what came (n,), the group of each (n,), and the decoded rows."""

    scores: Floats
    y: Floats
    groups: Floats
    rows: Decoded

    def take(self, rows: Ints) -> _Judged:
        """Some of the rows."""
        return _Judged(self.scores[rows], self.y[rows], self.groups[rows], self.rows.take(rows))


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    """How far the truth lies below and above a score, as logarithms at a few scores (m,)."""

    x: Floats
    below: Floats
    above: Floats

    def errors(self, judged: _Judged) -> Floats:
        """By how many times its scale each row's truth is off, on its side: (n,), never below 0."""
        off = judged.scores - judged.y
        below, above = (np.exp(interpolated(judged.scores, self.x, logs)) for logs in (self.below, self.above))
        return np.maximum(off / below, -off / above)


EVEN = _Scale(np.zeros(1), np.zeros(1), np.zeros(1))
"""A scale of 1 everywhere."""


def conformal(plan: Plan, scores: Floats, y: Floats, rows: Decoded, asked: Intervals, seed: int) -> Interval:
    """The interval that a plan's scores get.

    Args:
        plan: of a regression.
        scores: (n, 1) of rows that the model did not learn from.
        y: (n,) what came; rows of which nothing is known (NaN) are passed over.
        rows: the same rows as the plan reads them.
        asked: coverage, method and grouping.
        seed: of the halves.

    Raises:
        LearningError: HS351, the column to group by is no input, or cannot group; HS352, too few rows for the coverage.
    """
    known = np.flatnonzero(np.isfinite(y) & np.isfinite(scores[:, 0]))
    judged = _Judged(scores[known, 0], y[known], _groups(plan, rows, asked.by)[known], rows.take(known))
    methods: tuple[Method, ...] = ("absolute", "scaled") if asked.method == "auto" else (asked.method,)
    least = fewest_rows(asked.coverage) * (2 if methods == ("scaled",) else 1)
    if len(known) < least:
        raise LearningError(
            "HS352",
            f"intervals of {asked.coverage:g} need at least {least} validation rows whose truth is known; got {len(known)}",
            place="learning.intervals.coverage",
            next_step="give more rows, a larger preparation.validation, or ask for less coverage",
        )
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(known))
    if len(methods) > 1:
        halves = [np.array_split(draw.permutation(len(known)), 2) for _ in range(HALVES)]
        tried = len(known) >= max(SCALED_FROM, 4 * fewest_rows(asked.coverage))
        methods = (_better(plan, judged, asked, halves),) if tried else ("absolute",)
    return _fitted(plan, judged, asked, methods[0], order)


def _better(plan: Plan, judged: _Judged, asked: Intervals, halves: list[list[Ints]]) -> Method:
    """The method whose interval score is less on the half of the rows that it was not fitted on, on average over several cuts."""

    def cost(method: Method) -> float:
        told = []
        for half, other in halves:
            there = judged.take(other)
            tried = _fitted(plan, judged.take(half), asked, method, np.arange(len(half)))  # a random half is in random order
            ends = bounds(tried, plan.out, there.scores[:, None], there.rows)
            told.append(float(interval_score(there.y, ends, asked.coverage).mean()))
        return float(np.mean(told))

    return "scaled" if cost("scaled") < (1 - LEAST_GAIN) * cost("absolute") else "absolute"


def _fitted(plan: Plan, judged: _Judged, asked: Intervals, method: Method, order: Ints) -> Interval:
    scale, rest = EVEN, judged
    if method == "scaled":
        first, second = np.array_split(order, 2)
        scale, rest = _scale(judged.take(first), asked.coverage), judged.take(second)
    errors = scale.errors(rest)
    own = _own(errors, rest.groups, asked.coverage, numbers=_kind(plan, asked.by) != "category")
    others = errors[~np.isin(rest.groups, list(own))] if _kind(plan, asked.by) == "category" else errors[np.isnan(rest.groups)]
    enough = len(others) >= fewest_rows(asked.coverage)
    reach = conformal_quantile(others if enough else errors, asked.coverage)
    return Interval(asked.coverage, method, _nodes(plan, scale, reach, own, asked.by))


def _own(errors: Floats, groups: Floats, coverage: float, *, numbers: bool) -> dict[float, float]:
    """How many times its scale each group needs: by code, or at the least and the largest number of each group of neighbours."""
    known = np.flatnonzero(np.isfinite(groups))
    order = known[np.argsort(groups[known], kind="stable")]
    least = max(GROUP_ROWS, fewest_rows(coverage))
    if len(order) < least:
        return {}
    size = max(least, math.ceil(len(order) / MOST_GROUPS)) if numbers else 1
    parts = [order[a:b] for a, b in _cuts(groups[order], size, 0.0)]
    reaches = [(part, conformal_quantile(errors[part], coverage)) for part in parts if len(part) >= least]
    return {float(groups[at]): reach for part, reach in reaches for at in (part[0], part[-1])}


def _scale(judged: _Judged, coverage: float) -> _Scale:
    """Quantiles of how far the truth lies below and above, in bins of neighbouring scores."""
    order = np.argsort(judged.scores, kind="stable")
    scores, off = judged.scores[order], (judged.scores - judged.y)[order]
    level = (1 + coverage) / 2
    floor = max(SMALLEST_SCALE * float(np.quantile(np.abs(off), coverage)), _TINY)
    cuts = _cuts(scores, max(BIN_ROWS, math.ceil(len(scores) / MOST_BINS)), NEAR * (scores[-1] - scores[0]))
    below, above = ([max(float(np.quantile(side[a:b], level)), floor) for a, b in cuts] for side in (off, -off))
    return _Scale(np.array([scores[a:b].mean() for a, b in cuts]), np.log(below), np.log(above))


def _cuts(values: Floats, size: int, near: float) -> list[tuple[int, int]]:
    """Rising values (n,) cut into bins of at least ``size`` (one of all, where there are fewer), never between two that are ``near``."""
    apart = np.append(np.flatnonzero(np.diff(values) > near) + 1, len(values))
    found, start = [], 0
    while start < len(values):
        later = apart[apart >= min(start + size, len(values))]
        end = int(later[0]) if len(values) - later[0] >= size else len(values)
        found.append((start, end))
        start = end
    return found


def _groups(plan: Plan, rows: Decoded, by: str | None) -> Floats:
    """The group of each row (n,): a category's code or a number; NaN is none.

    Raises:
        LearningError: HS351.
    """
    if by is None:
        return np.full(len(rows.numbers), np.nan)
    kind = _kind(plan, by)
    if kind not in {"category", "number", "boolean"}:
        got = f"is a {kind}" if kind else f"is no input of the model, which has {', '.join(each.name for each in plan.inputs)}"
        raise LearningError(
            "HS351",
            f"{by!r} {got}; allowed: a category, a number or a boolean that is an input",
            place="learning.intervals.by",
            next_step="name another column, or drop the clause",
        )
    block, columns = block_columns(plan.inputs)[by]
    return np.asarray(getattr(rows, block)[:, columns.start], dtype=np.float64)


def _kind(plan: Plan, by: str | None) -> str:
    return next((each.kind for each in plan.inputs if each.name == by), "")


def _nodes(plan: Plan, scale: _Scale, reach: float, own: dict[float, float], by: str | None) -> tuple[Node, ...]:
    """Sizes below and above the score, then the ends. Sizes are sums of logarithms: of the scale, and of how many times it is needed."""
    name = "interval"
    while any(node.out.startswith(name) for node in plan.nodes):  # a column may be called like this
        name += "'"
    logs: list[Node] = []
    if scale is not EVEN:
        logs += [
            Interpolate(f"{name}: below", plan.out, scale.x, scale.below),
            Interpolate(f"{name}: above", plan.out, scale.x, scale.above),
        ]
    sides = len(logs)
    steps = list(logs)
    if own and by is not None:
        group = _group_nodes(plan, by, reach, own, name)
        steps += group
        logs.append(group[-1])
    sizes = f"{name}: sizes"
    if logs:
        weights = np.vstack([np.eye(2)[:sides], np.ones((len(logs) - sides, 2))])
        bias = np.full(2, 0.0 if len(logs) > sides else _log(reach))
        steps += [
            Concat(f"{name}: parts", tuple(each.out for each in logs)),
            Linear(f"{name}: log sizes", f"{name}: parts", weights, bias),
            Link(sizes, f"{name}: log sizes", "exp"),
        ]
    else:
        steps.append(Constant(sizes, np.full(2, reach)))
    ends = np.array([[1.0, 1.0], [-1.0, 0.0], [0.0, 1.0]])
    return (*steps, Concat(f"{name}: score and sizes", (plan.out, sizes)), Linear(name, f"{name}: score and sizes", ends, np.zeros(2)))


def _group_nodes(plan: Plan, by: str, reach: float, own: dict[float, float], name: str) -> list[Node]:
    """The logarithm of what each group needs, of all rows where a group is unknown or small; between two known numbers in between."""
    block, columns = block_columns(plan.inputs)[by]
    if block == "codes":
        vocabulary = next(each.vocabulary for each in plan.inputs if each.name == by)
        table = np.array([[_log(own.get(float(code), reach))] for code in range(len(vocabulary) + 2)])
        return [Lookup(f"{name}: group", columns.start, table)]
    x = np.array(sorted(own))
    return [
        Numbers(f"{name}: by", (columns.start,)),
        Interpolate(f"{name}: by number", f"{name}: by", x, np.array([_log(own[each]) for each in x.tolist()])),
        Impute(f"{name}: group", f"{name}: by number", np.array([_log(reach)])),
    ]


def _log(size: float) -> float:
    return math.log(max(size, _TINY))
