"""How each node of a plan is written in ONNX operators: the same formulas as ``interpret``, float64 throughout."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from itertools import groupby
from typing import Any

import numpy as np

from homeostat.graph.calendar import calendar_part
from homeostat.graph.foreign import inlined
from homeostat.graph.onnx_writer import ML, Tensor, Writer, double
from homeostat.graph.plan import (
    Activation,
    Clip,
    Concat,
    Constant,
    Cycle,
    DatePart,
    Enclosed,
    Foreign,
    Impute,
    Indicator,
    Interpolate,
    Linear,
    Link,
    Log,
    Lookup,
    Numbers,
    Pick,
    Power,
    Prior,
    Scale,
    Single,
    Tfidf,
    Trees,
)

NARROW = 4
_FLOAT, _INT64, _DOUBLE = 1, 7, 11  # TensorProto
_SUM, _NONE, _LESS_OR_EQUAL = 1, 0, 0  # TreeEnsemble: aggregate_function, post_transform, BRANCH_LEQ


@singledispatch
def write(node: object, graph: Writer) -> Tensor:
    """Write one node's operators and return the tensor of its block, (n_rows, width) float64.

    For one row an operator's call costs more than what it computes, so a formula of few operators is a fast one.

    Raises:
        TypeError: not a node of ``plan``.
    """
    raise TypeError(f"{type(node).__name__} is no node")


@write.register
def _numbers(node: Numbers, graph: Writer) -> Tensor:
    return graph.op("Gather", graph["numbers"], graph.index(*node.columns), axis=1)


@write.register
def _pick(node: Pick, graph: Writer) -> Tensor:
    return graph.op("Gather", graph[node.source], graph.array(np.array(node.columns, dtype=np.int64), "columns"), axis=1)


@write.register
def _lookup(node: Lookup, graph: Writer) -> Tensor:
    code = graph.op("Gather", graph["codes"], graph.array(np.int64(node.column), "column"), axis=1)
    return graph.op("Gather", graph.array(double(node.table), "table"), code, axis=0)


def _looked_up(nodes: Sequence[Lookup], graph: Writer) -> list[Tensor]:
    """Lookups side by side in three operators: number by number, out of all columns of all tables one behind the other.

    That costs more for each number, so wide ones are looked up row by row, each by itself.
    """
    tables = [double(node.table) for node in nodes]
    widths = [table.shape[1] for table in tables]
    if len(nodes) == 1 or sum(widths) > NARROW * len(nodes):
        return [_alone(node, graph) for node in nodes]
    columns = np.repeat(np.array([node.column for node in nodes], dtype=np.int64), widths)
    heights = np.repeat(np.array([len(table) for table in tables], dtype=np.int64), widths)
    starts = np.cumsum(heights) - heights
    values = np.concatenate([table.T.ravel() for table in tables])
    of = nodes[0].out
    codes = graph.op("Gather", graph["codes"], graph.array(columns, f"columns of {of}"), axis=1)
    return [graph.op("Gather", graph.array(values, f"values of {of}"), codes + graph.array(starts, f"starts of {of}"), axis=0)]


def _alone(node: Lookup, graph: Writer) -> Tensor:
    """A lookup that waited, written under its own name, once however many blocks it stands in."""
    if node.out not in graph.known:
        block, graph.block = graph.block, node.out
        graph.known[node.out] = _lookup(node, graph)
        graph.block = block
    return graph[node.out]


@write.register
def _date_part(node: DatePart, graph: Writer) -> Tensor:
    return calendar_part(node.part, graph[node.source], lambda x: graph.op("Floor", x))


@write.register
def _cycle(node: Cycle, graph: Writer) -> Tensor:
    angle = graph[node.source] * (2.0 * np.pi / node.period)
    return graph.op("Concat", graph.op("Sin", angle), graph.op("Cos", angle), axis=1)


@write.register
def _impute(node: Impute, graph: Writer) -> Tensor:
    x = graph[node.source]
    return graph.op("Where", graph.op("IsNaN", x), graph.array(double(node.values), "values"), x)


@write.register
def _indicator(node: Indicator, graph: Writer) -> Tensor:
    return graph.op("Cast", graph.op("IsNaN", graph[node.source]), to=_DOUBLE)


@write.register
def _scale(node: Scale, graph: Writer) -> Tensor:
    return (graph[node.source] - graph.array(double(node.offset), "offset")) / graph.array(double(node.divisor), "divisor")


@write.register
def _clip(node: Clip, graph: Writer) -> Tensor:
    x, low, high = graph[node.source], graph.array(double(node.low), "low"), graph.array(double(node.high), "high")
    raised = graph.op("Where", graph.op("Less", x, low), low, x)  # not Min and Max: a comparison with NaN is false, so NaN stays
    return graph.op("Where", graph.op("Greater", raised, high), high, raised)


@write.register
def _power(node: Power, graph: Writer) -> Tensor:
    x, lambdas, zero, one = graph[node.source], double(node.lambdas), graph.number(0.0), graph.number(1.0)
    positive = graph.op("GreaterOrEqual", x, zero)
    base = graph.op("Abs", x) + one
    power = graph.op("Where", positive, graph.array(lambdas, "lambdas"), graph.array(2.0 - lambdas, "others"))
    none = graph.op("Equal", power, zero)
    safe = graph.op("Where", none, one, power)
    grown = graph.op("Where", none, graph.op("Log", base), (graph.op("Pow", base, safe) - one) / safe)
    return graph.op("Where", positive, grown, graph.op("Neg", grown))


@write.register
def _tfidf(node: Tfidf, graph: Writer) -> Tensor:
    x, zero, one = graph[node.source], graph.number(0.0), graph.number(1.0)
    there = graph.op("Greater", x, zero)  # false for NaN
    frequency = graph.op("Where", there, graph.op("Log", graph.op("Where", there, x, one)) + one, zero)
    weights = frequency * graph.array(double(node.idf), "idf")
    norm = graph.op("Sqrt", graph.op("ReduceSum", weights * weights, graph.index(1), keepdims=1))
    return weights / graph.op("Where", graph.op("Greater", norm, zero), norm, one)


@write.register
def _single(node: Single, graph: Writer) -> Tensor:
    return graph.op("Cast", graph.op("Cast", graph[node.source], to=_FLOAT), to=_DOUBLE)


@write.register
def _concat(node: Concat, graph: Writer) -> Tensor:
    parts: list[Tensor] = []
    for lookups, sources in groupby(node.sources, key=lambda source: source in graph.later):
        if lookups:
            parts.extend(_looked_up([graph.later[source] for source in sources], graph))
        else:
            parts.extend(graph[source] for source in sources)
    return graph.op("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


@write.register
def _linear(node: Linear, graph: Writer) -> Tensor:
    return graph.op("MatMul", graph[node.source], graph.array(double(node.weights), "weights")) + graph.array(double(node.bias), "bias")


@write.register
def _activation(node: Activation, graph: Writer) -> Tensor:
    x = graph[node.source]
    return graph.op("Relu", x) if node.kind == "relu" else x * graph.op("Sigmoid", x)


@write.register
def _constant(node: Constant, graph: Writer) -> Tensor:
    return _repeated(graph, graph.array(double(node.values), "values"), len(node.values))


@write.register
def _trees(node: Trees, graph: Writer) -> Tensor:
    """The whole forest in one operator. A tree that is one leaf has no split to start from, so it goes into the bias."""
    bias = double(node.bias).copy()
    lone = -node.roots[node.roots < 0] - 1
    np.add.at(bias, node.leaf_target[lone], node.leaf_value[lone])
    constant, roots = graph.array(bias, "bias"), node.roots[node.roots >= 0]
    if not len(roots):
        return _repeated(graph, constant, len(bias))
    return graph.op("TreeEnsemble", graph[node.source], domain=ML, **_forest(node, roots)) + constant


def _forest(node: Trees, roots: Any) -> dict[str, Any]:
    """The attributes of TreeEnsemble (ai.onnx.ml 5): a child is an index among splits or among leaves, told by a flag."""
    from onnx import numpy_helper

    def child(children: Any) -> tuple[list[int], list[int]]:
        leaf = children < 0
        return np.where(leaf, -children - 1, children).tolist(), leaf.astype(np.int64).tolist()

    true_id, true_leaf = child(node.true_child)
    false_id, false_leaf = child(node.false_child)
    return {
        "n_targets": len(node.bias),
        "aggregate_function": _SUM,
        "post_transform": _NONE,
        "tree_roots": roots.tolist(),
        "nodes_featureids": node.feature.tolist(),
        "nodes_splits": numpy_helper.from_array(double(node.threshold), "splits"),
        "nodes_modes": numpy_helper.from_array(np.full(len(node.feature), _LESS_OR_EQUAL, dtype=np.uint8), "modes"),
        "nodes_truenodeids": true_id,
        "nodes_trueleafs": true_leaf,
        "nodes_falsenodeids": false_id,
        "nodes_falseleafs": false_leaf,
        "nodes_missing_value_tracks_true": node.nan_true.astype(np.int64).tolist(),
        "leaf_targetids": node.leaf_target.tolist(),
        "leaf_weights": numpy_helper.from_array(double(node.leaf_value), "weights"),
    }


@write.register
def _foreign(node: Foreign, graph: Writer) -> Tensor:
    return inlined(node, graph)


@write.register
def _link(node: Link, graph: Writer) -> Tensor:
    x = graph[node.source]
    if node.kind == "exp":
        return graph.op("Exp", x)
    if node.kind == "softmax":
        return graph.op("Softmax", x, axis=1)
    if node.kind == "sigmoid":
        p = graph.op("Sigmoid", x)
        return graph.op("Concat", graph.number(1.0) - p, p, axis=1)
    return x


@write.register
def _log(node: Log, graph: Writer) -> Tensor:
    x, floor = graph[node.source], graph.number(node.floor)
    return graph.op("Log", graph.op("Where", graph.op("Less", x, floor), floor, x))


@write.register
def _interpolate(node: Interpolate, graph: Writer) -> Tensor:
    x, points, y = graph[node.source], double(node.x), double(node.y)
    first, last = graph.number(points[0]), graph.number(points[-1])
    above = graph.op("Where", graph.op("Greater", x, last), last, x)
    inside = graph.op("Where", graph.op("Less", x, first), first, above)
    passed = graph.op("GreaterOrEqual", graph.op("Unsqueeze", inside, graph.index(-1)), graph.array(points[1:], "points"))
    at = graph.op("ReduceSum", graph.op("Cast", passed, to=_INT64), graph.index(-1), keepdims=0)
    slopes = np.append(np.diff(y) / np.diff(points), 0.0)
    tables = {"x": points, "y": y, "slopes": slopes}
    here, start, slope = (graph.op("Gather", graph.array(values, name), at) for name, values in tables.items())
    return start + slope * (inside - here)


@write.register
def _enclosed(node: Enclosed, graph: Writer) -> Tensor:
    return graph.inline(node.graph.tobytes(), graph[node.source])


@write.register
def _prior(node: Prior, graph: Writer) -> Tensor:
    weighed = graph[node.source] * graph.array(double(node.factors), "factors")
    return weighed / graph.op("ReduceSum", weighed, graph.index(1), keepdims=1)


def _repeated(graph: Writer, values: Tensor, width: int) -> Tensor:
    """``values`` in as many rows as the request has."""
    source = next(graph[name] for name in ("numbers", "codes", "terms") if name in graph.known)
    rows = graph.op("Shape", source, start=0, end=1)
    return graph.op("Expand", values, graph.op("Concat", rows, graph.index(width), axis=0))
