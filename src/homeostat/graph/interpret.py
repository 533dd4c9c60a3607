"""What every node means, in NumPy: the definition that the compilers are tested against.

A block is ``(n_rows, width)`` float64. All meanings hold for zero rows and one row alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from homeostat.graph.calendar import calendar_part
from homeostat.graph.enclosed import run_enclosed
from homeostat.graph.foreign import run_foreign
from homeostat.graph.plan import (
    Activation,
    Clip,
    Concat,
    Constant,
    Cycle,
    DatePart,
    Enclosed,
    Floats,
    Foreign,
    Impute,
    Indicator,
    Interpolate,
    Ints,
    Linear,
    Link,
    Log,
    Lookup,
    Node,
    Numbers,
    Pick,
    Plan,
    Power,
    Preparation,
    Prior,
    Scale,
    Single,
    Tfidf,
    Trees,
)
from homeostat.stats.money import least_cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.graph.plan import Decoded, Interval

ROWS_AT_ONCE = 4_096  # bounds the memory of walking all trees together: rows x trees positions
NO_TERMS = np.zeros((0, 0))
NOTHING: Mapping[str, Floats] = MappingProxyType({})


def run(plan: Plan, numbers: Floats, codes: Ints, terms: Floats = NO_TERMS) -> Floats:
    """Scores (n, k) of decoded rows: the arrays of ``Decoded``; plans without a text input need no ``terms``."""
    return _walk(plan.nodes, numbers, codes, terms)


def bounds(interval: Interval, out: str, scores: Floats, rows: Decoded) -> Floats:
    """Lower and upper ends (n, 2) beside scores (n, 1) of decoded rows; ``out`` is the block that the plan has its scores in."""
    return _blocks(interval.nodes, rows.numbers, rows.codes, rows.terms, {out: scores})[interval.out]


def transform(preparation: Preparation, numbers: Floats, codes: Ints, terms: Floats = NO_TERMS) -> Floats:
    """Features (n, len(features)) of decoded rows."""
    return _walk(preparation.nodes, numbers, codes, terms)


def decide(plan: Plan, scores: Floats) -> Ints:
    """The class index of each row: binary by the plan's threshold, multiclass the first largest score or the first least cost.

    Raises:
        ValueError: the plan is a regression and has no classes.
    """
    if not plan.classes:
        raise ValueError("a regression plan has scores and no decision")
    if plan.task == "binary":
        return np.asarray(scores[:, 1] >= plan.threshold, dtype=np.int64)
    if plan.costs is not None:
        return least_cost(scores, plan.costs)
    return np.asarray(np.argmax(scores, axis=1), dtype=np.int64)


@dataclass(slots=True)
class _Blocks:
    """The blocks computed so far, by name."""

    numbers: Floats
    codes: Ints
    named: dict[str, Floats] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Floats:
        return self.named[name]


def blocks_of(plan: Plan, numbers: Floats, codes: Ints, terms: Floats = NO_TERMS) -> dict[str, Floats]:
    """Every block of decoded rows by its name, those of the decoder included."""
    return _blocks(plan.nodes, numbers, codes, terms).named


def _walk(nodes: Sequence[Node], numbers: Floats, codes: Ints, terms: Floats) -> Floats:
    return _blocks(nodes, numbers, codes, terms)[nodes[-1].out]


def _blocks(nodes: Sequence[Node], numbers: Floats, codes: Ints, terms: Floats, known: Mapping[str, Floats] = NOTHING) -> _Blocks:
    blocks = _Blocks(numbers, codes, {"numbers": numbers, "terms": terms, **known})
    for node in nodes:
        blocks.named[node.out] = _meaning(node, blocks)
    return blocks


@singledispatch
def _meaning(node: object, blocks: _Blocks) -> Floats:
    raise TypeError(f"{type(node).__name__} is no node")


@_meaning.register
def _numbers(node: Numbers, blocks: _Blocks) -> Floats:
    return blocks.numbers[:, list(node.columns)]


@_meaning.register
def _pick(node: Pick, blocks: _Blocks) -> Floats:
    return blocks[node.source][:, list(node.columns)]


@_meaning.register
def _lookup(node: Lookup, blocks: _Blocks) -> Floats:
    return node.table[blocks.codes[:, node.column]]


@_meaning.register
def _date_part(node: DatePart, blocks: _Blocks) -> Floats:
    return calendar_part(node.part, blocks[node.source], np.floor)


@_meaning.register
def _cycle(node: Cycle, blocks: _Blocks) -> Floats:
    angle = blocks[node.source] * (2.0 * np.pi / node.period)
    return np.hstack([np.sin(angle), np.cos(angle)])


@_meaning.register
def _impute(node: Impute, blocks: _Blocks) -> Floats:
    x = blocks[node.source]
    return np.where(np.isnan(x), node.values, x)


@_meaning.register
def _indicator(node: Indicator, blocks: _Blocks) -> Floats:
    return np.isnan(blocks[node.source]).astype(np.float64)


@_meaning.register
def _scale(node: Scale, blocks: _Blocks) -> Floats:
    return (blocks[node.source] - node.offset) / node.divisor


@_meaning.register
def _clip(node: Clip, blocks: _Blocks) -> Floats:
    x = blocks[node.source]
    raised = np.where(x < node.low, node.low, x)
    return np.where(raised > node.high, node.high, raised)


@_meaning.register
def _power(node: Power, blocks: _Blocks) -> Floats:
    return powered(blocks[node.source], node.lambdas)


def powered(x: Floats, lambdas: Floats) -> Floats:
    """What ``Power`` means, for whoever fits it: x (n, w), a lambda per column."""
    positive = x >= 0
    base, power = 1.0 + np.abs(x), np.where(positive, lambdas, 2.0 - lambdas)
    none = power == 0
    safe = np.where(none, 1.0, power)
    with np.errstate(over="ignore"):  # beyond float64 it is infinite, in every target
        grown = np.where(none, np.log(base), (base**safe - 1.0) / safe)
    return np.where(positive, grown, -grown)


@_meaning.register
def _tfidf(node: Tfidf, blocks: _Blocks) -> Floats:
    x = blocks[node.source]
    there = x > 0
    weights = np.where(there, np.log(np.where(there, x, 1.0)) + 1.0, 0.0) * node.idf
    norm = np.sqrt((weights * weights).sum(axis=1, keepdims=True))
    return np.asarray(weights / np.where(norm > 0, norm, 1.0))


@_meaning.register
def _single(node: Single, blocks: _Blocks) -> Floats:
    with np.errstate(over="ignore"):  # beyond float32 it is infinite, in every target
        return blocks[node.source].astype(np.float32).astype(np.float64)


@_meaning.register
def _concat(node: Concat, blocks: _Blocks) -> Floats:
    return np.hstack([blocks[source] for source in node.sources])


@_meaning.register
def _linear(node: Linear, blocks: _Blocks) -> Floats:
    return blocks[node.source] @ node.weights + node.bias


@_meaning.register
def _foreign(node: Foreign, blocks: _Blocks) -> Floats:
    return run_foreign(node, blocks.numbers, blocks.codes)


@_meaning.register
def _activation(node: Activation, blocks: _Blocks) -> Floats:
    x = blocks[node.source]
    return np.where(x > 0, x, 0.0) if node.kind == "relu" else x * _sigmoid(x)


@_meaning.register
def _constant(node: Constant, blocks: _Blocks) -> Floats:
    return np.tile(node.values, (blocks.numbers.shape[0], 1))


@_meaning.register
def _trees(node: Trees, blocks: _Blocks) -> Floats:
    x = blocks[node.source]
    scores = np.tile(node.bias, (x.shape[0], 1))
    for start in range(0, x.shape[0], ROWS_AT_ONCE):
        leaves = _leaves(node, x[start : start + ROWS_AT_ONCE])
        for output in range(len(node.bias)):
            values = np.where(node.leaf_target == output, node.leaf_value, 0.0)
            scores[start : start + ROWS_AT_ONCE, output] += values[leaves].sum(axis=1)
    return scores


def _leaves(node: Trees, x: Floats) -> Ints:
    """The leaf each row reaches in each tree: (n_rows, n_trees)."""
    at = np.tile(node.roots, (x.shape[0], 1))
    while (open_ := at >= 0).any():  # one level deeper in every tree of every row
        split = at[open_]
        value = x[np.nonzero(open_)[0], node.feature[split]]
        goes_true = np.where(np.isnan(value), node.nan_true[split], value <= node.threshold[split])
        at[open_] = np.where(goes_true, node.true_child[split], node.false_child[split])
    return -at - 1


@_meaning.register
def _prior(node: Prior, blocks: _Blocks) -> Floats:
    return moved_prior(blocks[node.source], node.factors)


def moved_prior(scores: Floats, factors: Floats) -> Floats:
    """What ``Prior`` means, for whoever has probabilities (n, k) outside of a plan."""
    weighed = scores * factors
    return np.asarray(weighed / weighed.sum(axis=1, keepdims=True))


@_meaning.register
def _log(node: Log, blocks: _Blocks) -> Floats:
    x = blocks[node.source]
    return np.log(np.where(x < node.floor, node.floor, x))


@_meaning.register
def _interpolate(node: Interpolate, blocks: _Blocks) -> Floats:
    return interpolated(blocks[node.source], node.x, node.y)


def interpolated(values: Floats, x: Floats, y: Floats) -> Floats:
    """What ``Interpolate`` means, for whoever fits it: values of any shape."""
    inside = np.where(values < x[0], x[0], np.where(values > x[-1], x[-1], values))
    slopes = np.append(np.diff(y) / np.diff(x), 0.0)
    at = np.searchsorted(x[1:], inside, side="right")  # NaN is behind the last point, and stays NaN by what follows
    return np.asarray(y[at] + slopes[at] * (inside - x[at]))


@_meaning.register
def _enclosed(node: Enclosed, blocks: _Blocks) -> Floats:
    return run_enclosed(node.graph, blocks[node.source])


@_meaning.register
def _link(node: Link, blocks: _Blocks) -> Floats:
    x = blocks[node.source]
    with np.errstate(over="ignore"):  # exp of a large score is infinite, in every target
        if node.kind == "exp":
            return np.exp(x)
        if node.kind == "sigmoid":
            p = _sigmoid(x)
            return np.hstack([1.0 - p, p])
        if node.kind == "softmax":
            powers = np.exp(x - x.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return x


def _sigmoid(x: Floats) -> Floats:
    small = np.exp(-np.abs(x))  # never overflows
    return np.asarray(np.where(x >= 0, 1.0, small) / (1.0 + small))
