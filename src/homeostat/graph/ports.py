"""What a foreign ONNX graph says of itself: its inputs and outputs, the classes it names, the texts that it knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeostat.errors import LearningError
from homeostat.graph.foreign import ELEMENTS, parse

if TYPE_CHECKING:
    from collections.abc import Iterator


_COMPARED = ("cats_strings", "keys_strings", "keys_tensor", "pool_strings", "string_vocabulary")
"""Attributes that hold texts which an operator compares its input with."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output. ``type`` is an element type (``float``), or ``maps`` for a list of maps from class to probability.

    ``shape`` has None where the graph leaves a size open, rows first; it is None where the graph says nothing of its shape.
    """

    name: str
    type: str
    shape: tuple[int | None, ...] | None

    @property
    def width(self) -> int | None:
        """Columns: 1 of a flat one, None where the graph does not say."""
        if self.shape is None:
            return None
        return 1 if len(self.shape) == 1 else self.shape[1]

    def told(self) -> str:
        """The port in words: ``X: float[N, 4]``."""
        shape = "" if self.shape is None else f"[{', '.join('N' if size is None else str(size) for size in self.shape)}]"
        return f"{self.name}: {self.type}{shape}"


@dataclass(frozen=True, slots=True, eq=False)
class Ports:
    """Inputs and outputs in the graph's order.

    ``maps`` tells of each output that is a list of maps the tensor (n, k) behind it and the classes of its columns. ``classes`` are the
    lists of classes that operators of the graph name. ``texts`` has for each input of texts those the graph compares with.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    maps: dict[str, tuple[str, tuple[str, ...]]]
    classes: tuple[tuple[str, ...], ...]
    texts: dict[str, tuple[str, ...]]


def ports_of(content: bytes) -> Ports:
    """The ports of a serialised ONNX model.

    Raises:
        LearningError: HS375, no ONNX model; HS376, an input or output of a kind that cannot be wrapped, or see ``foreign.parse``.
    """
    graph = parse(content).graph
    own = {each.name for each in graph.initializer}  # older graphs list what they hold among their inputs
    inputs = tuple(_port(each) for each in graph.input if each.name not in own)
    outputs = tuple(_port(each) for each in graph.output)
    if not inputs:
        raise LearningError("HS376", "the graph has no inputs, so there is nothing that it could answer about")
    for each in inputs:
        if each.type not in ELEMENTS or (each.shape is not None and len(each.shape) not in (1, 2)):
            allowed = f"(n, width) or (n,) tensors of {', '.join(ELEMENTS)}"
            raise LearningError("HS376", f"got the input {each.told()}; allowed: {allowed}", place=each.name)
    zipped = {node.output[0]: node for node in graph.node if node.op_type == "ZipMap"}
    maps = {each.name: (zipped[each.name].input[0], _named(zipped[each.name])) for each in outputs if each.name in zipped}
    lost = [each.told() for each in outputs if each.type == "maps" and each.name not in maps]
    if lost:
        raise LearningError("HS376", f"got the output {lost[0]}, which no ZipMap operator makes", place=lost[0])
    classes = tuple(dict.fromkeys(names for node in graph.node if (names := _named(node)) and node.op_type != "LabelEncoder"))
    return Ports(inputs, outputs, maps, classes, {each.name: _texts_behind(graph, each.name) for each in inputs if each.type == "string"})


def _port(value: Any) -> Port:
    kind = value.type.WhichOneof("value")
    if kind == "sequence_type":
        return Port(value.name, "maps", None)
    if kind != "tensor_type":
        return Port(value.name, str(kind), None)
    tensor = value.type.tensor_type
    names = {number: name for name, number in ELEMENTS.items()}
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(size.dim_value if size.HasField("dim_value") and size.dim_value > 0 else None for size in tensor.shape.dim)
    return Port(value.name, names.get(tensor.elem_type, f"element type {tensor.elem_type}"), shape)


def _named(node: Any) -> tuple[str, ...]:
    """The classes that an operator's attributes name, as texts."""
    for attribute in node.attribute:
        if attribute.name in ("classlabels_strings", "classlabels_int64s", "classlabels_ints"):
            found = tuple(each.decode() for each in attribute.strings) or tuple(str(each) for each in attribute.ints)
            if found:
                return found
    return ()


def _texts_behind(graph: Any, name: str) -> tuple[str, ...]:
    """Every text that the operators behind an input hold, in sorted order: more than it compares with does no harm."""
    from onnx import TensorProto, numpy_helper

    held = {each.name: each for each in graph.initializer if each.data_type == TensorProto.STRING}
    reached, found = {name}, set[str]()
    for node in graph.node:  # in an order in which each operator comes after what it reads
        if reached.isdisjoint(node.input):
            continue
        reached.update(node.output)
        tensors = [held[each] for each in node.input if each in held]
        for attribute in node.attribute:
            if attribute.name not in _COMPARED:
                continue
            found.update(each.decode() for each in attribute.strings)
            tensors += [each for each in _tensors(attribute) if each.data_type == TensorProto.STRING]
        for tensor in tensors:
            found.update(_text(each) for each in numpy_helper.to_array(tensor).ravel().tolist())
    return tuple(sorted(found))


def _tensors(attribute: Any) -> Iterator[Any]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
