"""A foreign graph inside a plan's: how it is written into our graph, and what it means when it runs alone.

Its operators are taken as they are, under names of their own; what leads to no answer (a label, a list of maps) is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.errors import LearningError
from homeostat.graph.onnx_writer import IR_VERSION, Tensor, Writer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from homeostat.graph.plan import Feed, Floats, Foreign, Ints

OLDEST_OPSET = 12
"""The first version of ONNX's operators in which all that we write around a foreign graph has its present meaning."""
KNOWN_DOMAINS = ("", "ai.onnx.ml", "com.microsoft")
ELEMENTS = {"float": 1, "int8": 3, "int16": 5, "int32": 6, "int64": 7, "string": 8, "bool": 9, "float16": 10, "double": 11}
"""Element types that an input may have, and their numbers in ``TensorProto``."""
FLOATING = ("float", "double", "float16")


def parse(content: bytes) -> Any:
    """The ``ModelProto`` behind the bytes, with functions of its own written out.

    Raises:
        LearningError: HS375, no ONNX model; HS376, its operators are too old or of a domain that ONNX Runtime does not have.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError) as error:
        raise LearningError("HS375", "the file is no ONNX model, or is cut off", next_step="export the model again") from error
    if not model.graph.node or not model.graph.output:
        raise LearningError("HS375", "the file is no ONNX model, or is cut off: it has no operators", next_step="export the model again")
    if model.functions:
        from onnx.inliner import inline_local_functions

        model = inline_local_functions(model)
    if model.graph.sparse_initializer:
        raise LearningError("HS376", "it keeps sparse tensors, which cannot be taken over", next_step="export it with dense ones")
    opsets = opsets_of(model)
    unknown = sorted({each.domain for each in model.graph.node} - {"ai.onnx", *KNOWN_DOMAINS})
    if unknown:
        custom = sorted({each.op_type for each in model.graph.node if each.domain in unknown})
        raise LearningError(
            "HS376",
            f"it has operators of {', '.join(unknown)} ({', '.join(custom[:5])}); ONNX Runtime knows those of ONNX and ai.onnx.ml",
            next_step="export the model without custom operators",
        )
    changed = _changed_since(model, opsets.get("", OLDEST_OPSET))
    if changed:
        raise LearningError(
            "HS376",
            f"its operators are of ONNX opset {opsets['']}, and {', '.join(changed[:5])} changed since; allowed: {OLDEST_OPSET} and later",
            next_step="export the model again, or convert it with onnx.version_converter",
        )
    return model


def _changed_since(model: Any, opset: int) -> list[str]:
    """ONNX's own operators in the graph that mean another thing in ``OLDEST_OPSET`` than in an earlier opset."""
    from onnx.defs import get_schema

    if opset >= OLDEST_OPSET:
        return []
    kinds = sorted({node.op_type for node in _all(model.graph) if node.domain in ("", "ai.onnx")})
    return [each for each in kinds if get_schema(each, opset, "").since_version != get_schema(each, OLDEST_OPSET, "").since_version]


def _all(graph: Any) -> Iterable[Any]:
    """Every operator of a graph, and of the graphs inside it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _all(inner)


def opsets_of(model: Any) -> dict[str, int]:
    """The versions of the operators, by domain; ONNX's own domain is the empty text."""
    return {"" if each.domain == "ai.onnx" else each.domain: each.version for each in model.opset_import}


def inlined(node: Foreign, graph: Writer) -> Tensor:
    """Write the foreign graph's operators into ours and return the block of its answers, (n, width) float64."""
    from onnx.compose import add_prefix

    prefix = f"{node.out}/"
    model = add_prefix(parse(node.model.tobytes()), prefix)
    graph.opsets = {domain: version for domain, version in opsets_of(model).items() if domain in KNOWN_DOMAINS}
    graph.opsets[""] = max(OLDEST_OPSET, graph.opsets.get("", 0))
    nulls = [found for each in node.feeds if (found := _fed(each, prefix, graph)) is not None]
    wanted = _leading_to(model.graph, f"{prefix}{node.output}")
    graph.operators.extend(each for at, each in enumerate(model.graph.node) if at in wanted)
    read = {name for at in wanted for name in _reads(model.graph.node[at])} | {f"{prefix}{node.output}"}
    graph.constants.update((each.name, each) for each in model.graph.initializer if each.name in read)
    flat = graph.op("Reshape", Tensor(f"{prefix}{node.output}", graph), graph.index(-1, node.width))
    answers = graph.op("Cast", flat, to=ELEMENTS["double"])
    for at, (columns, count) in enumerate(nulls):  # times 0: nothing is added, but NaN stays NaN
        answers = answers + graph.op("MatMul", columns, graph.array(np.zeros((count, node.width)), f"no answer {at}"))
    return answers


def _fed(feed: Feed, prefix: str, graph: Writer) -> tuple[Tensor, int] | None:
    """Write what one input is given; returns the columns whose nulls leave a row without an answer and their number, if there are such."""
    given, whole = (_texts(feed, graph), None) if feed.type == "string" else _numbers(feed, graph)
    if feed.flat:
        given = graph.op("Reshape", given, graph.index(-1))
    graph.op("Identity", given, name=f"{prefix}{feed.name}")
    return None if whole is None else (whole, len(feed.columns))


def _texts(feed: Feed, graph: Writer) -> Tensor:
    parts = []
    for column, texts in zip(feed.columns, feed.texts, strict=True):
        table = graph.array(np.array(texts, dtype=object), f"texts {feed.name} {column}")
        parts.append(graph.op("Gather", table, graph.op("Gather", graph["codes"], graph.index(column), axis=1), axis=0))
    return parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=1)


def _numbers(feed: Feed, graph: Writer) -> tuple[Tensor, Tensor | None]:
    taken = graph.op("Gather", graph["numbers"], graph.index(*feed.columns), axis=1)
    if feed.fill:
        filled = graph.op("Where", graph.op("IsNaN", taken), graph.array(np.array(feed.fill), f"fill {feed.name}"), taken)
        return graph.op("Cast", filled, to=ELEMENTS[feed.type]), None
    if feed.type in FLOATING:
        return graph.op("Cast", taken, to=ELEMENTS[feed.type]), None
    there = graph.op("Where", graph.op("IsNaN", taken), graph.number(0.0), taken)
    return graph.op("Cast", there, to=ELEMENTS[feed.type]), taken


def _leading_to(graph: Any, tensor: str) -> set[int]:
    """Which operators, by their place, a tensor depends on.

    Raises:
        LearningError: HS378, no operator gives this tensor.
    """
    maker = {name: at for at, node in enumerate(graph.node) for name in node.output if name}
    known = {each.name for each in (*graph.initializer, *graph.input)}
    if tensor not in maker and tensor not in known:
        raise LearningError("HS378", f"the graph has no tensor {tensor!r}")
    found: set[int] = set()
    asked = [tensor]
    while asked:
        at = maker.get(asked.pop())
        if at is not None and at not in found:
            found.add(at)
            asked.extend(_reads(graph.node[at]))
    return found


def _reads(node: Any) -> Iterable[str]:
    """Every tensor that a node reads, in the graphs inside it (branches, loops) too."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            for each in inner.node:
                yield from _reads(each)
            yield from (each.name for each in inner.output)


def run_foreign(node: Foreign, numbers: Floats, codes: Ints) -> Floats:
    """The answers of decoded rows, (n, width): the foreign graph alone, in ONNX Runtime."""
    import onnxruntime
    from onnx import TensorProto, helper

    graph = Writer(block=node.out)
    wide = {name: block.shape[1] for name, block in (("numbers", numbers), ("codes", codes)) if block.shape[1]}
    graph.known = {name: Tensor(name, graph) for name in wide}
    answers = inlined(node, graph)
    types = {"numbers": TensorProto.DOUBLE, "codes": TensorProto.INT64}
    inputs = [helper.make_tensor_value_info(name, types[name], ["N", width]) for name, width in wide.items()]
    outputs = [helper.make_tensor_value_info(answers.name, TensorProto.DOUBLE, ["N", node.width])]
    body = helper.make_graph(graph.operators, "foreign", inputs, outputs, list(graph.constants.values()))
    opsets = [helper.make_opsetid(domain, version) for domain, version in graph.opsets.items()]
    model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    read = {each.name for each in session.get_inputs()}
    given = {"numbers": numbers, "codes": codes}
    found: Floats = session.run(None, {name: given[name] for name in read})[0]
    return found
