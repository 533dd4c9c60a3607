"""Graphs of other programs as nodes: the same in NumPy, the interpreter and the compiled graph; what a plan cannot hold is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from homeostat.graph.enclosed import enclosed
from homeostat.graph.encode import dump_plan, load_plan
from homeostat.graph.explain import exactly
from homeostat.graph.interpret import run
from homeostat.graph.merge import averaged
from homeostat.graph.ownership import MIXED, Ownership
from homeostat.graph.plan import Enclosed, Input, Linear, Numbers, Plan
from homeostat.graph.size import bundle_mb

RNG = np.random.default_rng(0)
W, V = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))
X = RNG.normal(size=(50, 3))
INPUTS = tuple(Input(name, "number") for name in "abc")
NO_CODES = np.zeros((50, 0), dtype=np.int64)


def model(opset: int = 18, read: int = TensorProto.DOUBLE) -> bytes:
    """tanh(x W) V, with a label before it as converters of classifiers have; named as a program names that thinks it is alone."""
    kind = np.float64 if read == TensorProto.DOUBLE else np.float32
    constants = [numpy_helper.from_array(values.astype(kind), name) for values, name in ((W, "1"), (V, "2"))]
    nodes = [
        helper.make_node("MatMul", ["x", "1"], ["3"]),
        helper.make_node("Tanh", ["3"], ["4"]),
        helper.make_node("MatMul", ["4", "2"], ["score"]),
        helper.make_node("ArgMax", ["score"], ["label"], axis=1),
    ]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None, 1]),
        helper.make_tensor_value_info("score", read, [None, 2]),
    ]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", read, [None, 3])], outputs, constants)
    opsets = [helper.make_opsetid("", opset)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())


def plan(*names: str) -> Plan:
    graph = enclosed(model(), 2)
    nodes = tuple(Enclosed(name, "rows", graph, 2) for name in names)
    return Plan("multiclass", "y", INPUTS, (Numbers("rows", (0, 1, 2)), *nodes), ("no", "yes"))


def test_it_says_the_same_in_every_place(run_onnx: Callable[..., dict[str, np.ndarray]]) -> None:
    wanted, made = np.tanh(X @ W) @ V, plan("one", "two")
    np.testing.assert_allclose(run(made, X, NO_CODES), wanted, rtol=1e-13)
    np.testing.assert_allclose(run_onnx(made, X, NO_CODES)["score"], wanted, rtol=1e-13)
    both = averaged({"p": plan("one"), "q": made}, {"p": 1.0, "q": 3.0})
    np.testing.assert_allclose(run_onnx(both, X, NO_CODES)["score"], wanted, rtol=1e-13)
    assert sum(isinstance(node, Enclosed) for node in both.nodes) == 1, "what two members do alike is done once"


def test_a_graph_of_float32_is_read_and_answers_in_float64() -> None:
    made = Plan("multiclass", "y", INPUTS, (Numbers("rows", (0, 1, 2)), Enclosed("o", "rows", enclosed(model(read=1), 2), 2)), ("a", "b"))
    scores = run(made, X, NO_CODES)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, np.tanh(X @ W) @ V, rtol=1e-4, atol=1e-6)


def test_it_is_kept_exactly_counts_its_bytes_and_mixes_columns() -> None:
    made = plan("one")
    again = load_plan(dump_plan(made))
    assert again.nodes[1].graph.tobytes() == made.nodes[1].graph.tobytes()
    assert dump_plan(again) == dump_plan(made)
    assert bundle_mb(made.nodes) == pytest.approx(2e-6 * made.nodes[1].graph.nbytes)
    assert Ownership(made).whose["one"].tolist() == [MIXED, MIXED]
    assert not exactly(Plan("regression", "y", INPUTS, (*made.nodes, Linear("o", "one", np.ones((2, 1)), np.zeros(1)))))


def test_equal_graphs_are_equal_bytes_whoever_wrote_them() -> None:
    other = onnx.load_model_from_string(model())
    other.producer_name, other.doc_string = "someone", "else"
    assert enclosed(model(), 2).tobytes() == enclosed(other.SerializeToString(), 2).tobytes()


def test_what_a_plan_cannot_hold_is_refused_by_name() -> None:
    strange = onnx.load_model_from_string(model())
    strange.graph.node[1].op_type, strange.graph.node[1].domain = "Gelu", "com.microsoft"
    strange.opset_import.add(domain="com.microsoft", version=1)
    with pytest.raises(ValueError, match=r"com\.microsoft\.Gelu"):
        enclosed(strange.SerializeToString(), 2)
    two = onnx.load_model_from_string(model())
    two.graph.input.append(helper.make_tensor_value_info("z", TensorProto.DOUBLE, [None, 1]))
    with pytest.raises(ValueError, match="2 inputs"):
        enclosed(two.SerializeToString(), 2)
    texts = onnx.load_model_from_string(model())
    texts.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    with pytest.raises(ValueError, match="no table of numbers"):
        enclosed(texts.SerializeToString(), 2)
