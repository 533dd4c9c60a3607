"""Compiles a plan to one float64 ONNX graph.

Inputs ``numbers`` double [N, p], ``codes`` int64 [N, q] and ``terms`` double [N, t] (each absent when its width is 0); outputs ``score``
double [N, k] and, for classes, ``decision`` int64 [N], an index among the plan's classes; ``lower`` and ``upper`` double [N] where the
plan has an interval. ONNX opset 21 and ai.onnx.ml opset 5, whose TreeEnsemble compares and sums in double; older tree operators round to
float32 and flip rows. A foreign graph brings its own.
"""

from __future__ import annotations

import operator
from collections import Counter
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.errors import LearningError
from homeostat.graph.onnx_nodes import write
from homeostat.graph.onnx_writer import IR_VERSION, Tensor, Writer, double
from homeostat.graph.plan import Concat, Lookup, widths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeostat.graph.plan import Interval, Node, Plan

NO_METADATA: Mapping[str, str] = MappingProxyType({})


def compile_plan(plan: Plan, metadata: Mapping[str, str] = NO_METADATA) -> bytes:
    """The serialised graph; equal plans and metadata give equal bytes.

    Raises:
        LearningError: HS304, the plan has no inputs, so a request has no rows to count.
    """
    if not plan.inputs:
        raise LearningError("HS304", "the plan has no inputs; at least one column beside the target is needed")
    graph = Writer()
    graph.known = {name: Tensor(name, graph) for name, width in widths(plan.inputs).items() if width}
    graph.later = _neighbours(plan)
    for node in plan.nodes:
        if node.out not in graph.later:
            graph.block = node.out
            graph.known[node.out] = write(node, graph)
    graph.block = "outputs"
    score = graph.op("Identity", graph.known[plan.out], name="score")
    if plan.classes:
        _write_decision(plan, graph, score)
    if plan.interval is not None:
        _write_ends(plan.interval, graph)
    return _model(plan, graph, metadata)


def _neighbours(plan: Plan) -> dict[str, Lookup]:
    """Lookups that are read by nothing but blocks side by side: they are written there, as one."""
    read = Counter(name for node in (*plan.nodes, *(plan.interval.nodes if plan.interval else ())) for name in _sources(node))
    beside = Counter(name for node in plan.nodes if isinstance(node, Concat) for name in node.sources)
    lookups = (node for node in plan.nodes if isinstance(node, Lookup) and node.out != plan.out)
    return {node.out: node for node in lookups if 0 < beside[node.out] == read[node.out]}


def _sources(node: Node) -> tuple[str, ...]:
    return tuple(getattr(node, "sources", ())) or ((node.source,) if hasattr(node, "source") else ())


def _write_decision(plan: Plan, graph: Writer, score: Tensor) -> None:
    if plan.task == "binary":
        positive = graph.op("Gather", score, graph.array(np.int64(1), "positive"), axis=1)
        graph.op("Cast", graph.op("GreaterOrEqual", positive, graph.number(plan.threshold)), name="decision", to=_int64())
    elif plan.costs is not None:
        terms = [
            graph.op("Gather", score, graph.index(at), axis=1) * graph.array(row, f"costs {at}")
            for at, row in enumerate(double(plan.costs))
        ]
        graph.op("ArgMin", reduce(operator.add, terms), name="decision", axis=1, keepdims=0)
    else:
        graph.op("ArgMax", score, name="decision", axis=1, keepdims=0)


def _write_ends(interval: Interval, graph: Writer) -> None:
    for node in interval.nodes:
        graph.block = node.out
        graph.known[node.out] = write(node, graph)
    for at, name in enumerate(("lower", "upper")):
        graph.block = name
        graph.op("Gather", graph.known[interval.out], graph.array(np.int64(at), "column"), name=name, axis=1)


def _int64() -> int:
    from onnx import TensorProto

    return int(TensorProto.INT64)


def _model(plan: Plan, graph: Writer, metadata: Mapping[str, str]) -> bytes:
    from onnx import TensorProto, helper

    types = {"numbers": TensorProto.DOUBLE, "codes": TensorProto.INT64, "terms": TensorProto.DOUBLE}
    wide = {name: width for name, width in widths(plan.inputs).items() if width}
    inputs = [helper.make_tensor_value_info(name, types[name], ["N", width]) for name, width in wide.items()]
    outputs = [helper.make_tensor_value_info("score", TensorProto.DOUBLE, ["N", len(plan.classes) or 1])]
    if plan.classes:
        outputs.append(helper.make_tensor_value_info("decision", TensorProto.INT64, ["N"]))
    if plan.interval is not None:
        outputs += [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["N"]) for name in ("lower", "upper")]
    body = helper.make_graph(graph.operators, "plan", inputs, outputs, list(graph.constants.values()))
    opsets = [helper.make_opsetid(domain, version) for domain, version in graph.opsets.items()]
    model: Any = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="homeostat")
    helper.set_model_props(model, {key: metadata[key] for key in sorted(metadata)})
    return bytes(model.SerializeToString(deterministic=True))
