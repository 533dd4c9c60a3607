"""ONNX graphs that others wrote, as an ``Enclosed`` node holds them: one block of numbers in, one out, in operators our graph may have.

They come from a library's converter or from an estimator's own ``to_onnx``. What a plan cannot hold is refused with its reason.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.onnx_writer import IR_VERSION, ML_OPSET, OPSET

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from homeostat.graph.plan import Floats

_OUTDATED = ("TreeEnsembleRegressor", "TreeEnsembleClassifier")  # gone in ai.onnx.ml 5
_BEFORE, _AFTER = "homeostat_rows", "homeostat_scores"


def enclosed(content: bytes, width: int) -> NDArray[np.uint8]:
    """A model as the bytes an ``Enclosed`` node holds: it reads ``(n, p)`` float64 and gives ``(n, width)`` float64.

    Of several outputs the last counts, which is where converters put the probabilities.

    Args:
        content: a serialised model with one input of float64 or float32.
        width: numbers in a row of its answers.

    Raises:
        ValueError: it is no such model, or has operators that a plan cannot hold.
    """
    import onnx
    from onnx import inliner, utils

    model = inliner.inline_local_functions(onnx.load_model_from_string(content))
    given = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in given]
    if len(inputs) != 1 or not model.graph.output:
        raise ValueError(f"the graph has {len(inputs)} inputs and {len(model.graph.output)} outputs; allowed: one input, and an output")
    if not model.graph.output[-1].type.HasField("tensor_type"):
        raise ValueError("the graph's last output is no tensor")
    if len(model.graph.output) > 1:
        model = utils.Extractor(model).extract_model([inputs[0].name], [model.graph.output[-1].name])
    model = _at_our_opset(model)
    strange = sorted({f"{node.domain or 'ai.onnx'}.{node.op_type}" for node in model.graph.node if not _allowed(node)})
    if strange:
        raise ValueError(f"the graph has operators that a plan cannot hold: {', '.join(strange)}")
    _wrap(model.graph, width)
    del model.metadata_props[:], model.graph.value_info[:]
    model.graph.doc_string = model.doc_string = model.producer_name = model.producer_version = model.domain = ""
    model.graph.name, model.ir_version, model.model_version = "enclosed", IR_VERSION, 0
    onnx.checker.check_model(model, full_check=True)
    return np.frombuffer(model.SerializeToString(deterministic=True), dtype=np.uint8)


def run_enclosed(graph: NDArray[np.uint8], x: Floats) -> Floats:
    """What a graph of ``enclosed`` says of rows x (n, p)."""
    return np.asarray(_session(graph.tobytes()).run(None, {_BEFORE: np.ascontiguousarray(x, dtype=np.float64)})[0])


@lru_cache(maxsize=8)
def _session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _at_our_opset(model: Any) -> Any:
    from onnx import version_converter

    opsets = {each.domain: each.version for each in model.opset_import}
    if opsets.get("", OPSET) != OPSET:
        model = version_converter.convert_version(model, OPSET)
    if opsets.get("ai.onnx.ml", ML_OPSET) > ML_OPSET:
        raise ValueError(f"the graph is of ai.onnx.ml {opsets['ai.onnx.ml']}; allowed: up to {ML_OPSET}")
    del model.opset_import[:]
    for domain, version in (("", OPSET), ("ai.onnx.ml", ML_OPSET)):
        model.opset_import.add(domain=domain, version=version)
    return model


def _allowed(node: Any) -> bool:
    inner = [graph for each in node.attribute for graph in (each.g, *each.graphs)]
    own = node.domain in ("", "ai.onnx", "ai.onnx.ml") and node.op_type not in _OUTDATED
    return own and all(_allowed(each) for graph in inner for each in graph.node)


def _wrap(graph: Any, width: int) -> None:
    """Make the graph read and give float64, a row of ``width`` numbers each."""
    from onnx import TensorProto, helper, numpy_helper

    given = {each.name for each in graph.initializer}
    (rows,) = [each for each in graph.input if each.name not in given]
    read, columns, said = rows.type.tensor_type.elem_type, rows.type.tensor_type.shape.dim[1:2], graph.output[0].name
    if read not in (TensorProto.DOUBLE, TensorProto.FLOAT) or len(columns) != 1:
        raise ValueError("the graph's input is no table of numbers, of float64 or float32")
    first = helper.make_node("Cast", [_BEFORE], [rows.name], name=f"{_BEFORE}.Cast", to=read)
    shape = numpy_helper.from_array(np.array([-1, width], dtype=np.int64), f"{_AFTER}.shape")
    last = [
        helper.make_node("Reshape", [said, shape.name], [f"{_AFTER}.rows"], name=f"{_AFTER}.Reshape"),
        helper.make_node("Cast", [f"{_AFTER}.rows"], [_AFTER], name=f"{_AFTER}.Cast", to=TensorProto.DOUBLE),
    ]
    nodes = [first, *graph.node, *last]
    constants = list(graph.initializer)
    wide = columns[0].dim_value or None
    for kept in (graph.node, graph.input, graph.output, graph.initializer):
        del kept[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*constants, shape])
    graph.input.append(helper.make_tensor_value_info(_BEFORE, TensorProto.DOUBLE, ["N", wide]))
    graph.output.append(helper.make_tensor_value_info(_AFTER, TensorProto.DOUBLE, ["N", width]))
