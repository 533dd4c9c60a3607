"""Writes ONNX operators one by one: tensors with arithmetic, so that a formula reads the same as in NumPy.

Names are made of the block being written and a running number, so the same plan gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats, Lookup

ML = "ai.onnx.ml"
OPSET, ML_OPSET, IR_VERSION = 21, 5, 10


@dataclass(slots=True)
class Writer:
    """The operators and constants written so far; ``block`` is the name that new tensors start with.

    ``known`` maps the plan's block names to the tensors that hold them, ``later`` those of lookups that wait for their neighbours.
    ``opsets`` are the versions of the operators, by domain; a graph of another program brings its own.
    """

    block: str = ""
    opsets: dict[str, int] = field(default_factory=lambda: {"": OPSET, ML: ML_OPSET})
    known: dict[str, Tensor] = field(default_factory=dict)
    later: dict[str, Lookup] = field(default_factory=dict)
    operators: list[Any] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    plain: dict[tuple[str, ...], Tensor] = field(default_factory=dict)
    written: int = 0

    def op(self, kind: str, *inputs: Tensor, name: str | None = None, domain: str = "", **attributes: Any) -> Tensor:
        """Append one operator; its only output is returned, named ``name`` if given.

        An operator without attributes that is there already is not written again: date parts share most of their steps.
        """
        from onnx import helper

        same = (kind, *(each.name for each in inputs))
        if name is None:
            if not attributes and same in self.plain:
                return self.plain[same]
            self.written += 1
            name = f"{self.block}/{self.written}"
        node = helper.make_node(kind, [each.name for each in inputs], [name], name=f"{name}.{kind}", domain=domain, **attributes)
        self.operators.append(node)
        if not attributes:
            self.plain[same] = Tensor(name, self)
        return Tensor(name, self)

    def inline(self, content: bytes, source: Tensor) -> Tensor:
        """Append the operators of a serialised model with one input, which becomes ``source``; its only output is returned."""
        import onnx
        from onnx.compose import add_prefix_graph

        model = onnx.load_model_from_string(content)
        inner = add_prefix_graph(model.graph, f"{self.block}|")
        self.op("Identity", source, name=inner.input[0].name)
        self.operators.extend(inner.node)
        self.constants |= {each.name: each for each in inner.initializer}
        return Tensor(inner.output[0].name, self)

    def array(self, values: Any, name: str) -> Tensor:
        """A constant of the present block; float64 and int64 arrays keep their type."""
        from onnx import numpy_helper

        full = f"{self.block}.{name}"
        self.constants[full] = numpy_helper.from_array(np.asarray(values), full)  # not ascontiguousarray: it makes a scalar a row
        return Tensor(full, self)

    def number(self, value: float) -> Tensor:
        """A float64 constant without dimensions, stored once however often it is used."""
        from onnx import numpy_helper

        name = f"number {float(value)!r}"
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.array(value, dtype=np.float64), name)
        return Tensor(name, self)

    def index(self, *values: int) -> Tensor:
        """An int64 constant with one dimension, stored once however often it is used."""
        from onnx import numpy_helper

        name = f"index {values!r}"
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.array(values, dtype=np.int64), name)
        return Tensor(name, self)

    def __getitem__(self, block: str) -> Tensor:
        return self.known[block]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named value of the graph being written; + - * / with tensors, float64 arrays and numbers write operators."""

    name: str
    writer: Writer

    def __add__(self, other: Tensor | float) -> Tensor:
        return self.writer.op("Add", self, self._tensor(other))

    def __sub__(self, other: Tensor | float) -> Tensor:
        return self.writer.op("Sub", self, self._tensor(other))

    def __rsub__(self, other: float) -> Tensor:
        return self.writer.op("Sub", self._tensor(other), self)

    def __mul__(self, other: Tensor | float) -> Tensor:
        return self.writer.op("Mul", self, self._tensor(other))

    def __truediv__(self, other: Tensor | float) -> Tensor:
        return self.writer.op("Div", self, self._tensor(other))

    def _tensor(self, other: Tensor | float) -> Tensor:
        return other if isinstance(other, Tensor) else self.writer.number(other)


def double(values: Floats) -> Floats:
    """The values as a plain float64 array, whatever integers or float32 a caller put in a node."""
    return np.ascontiguousarray(values, dtype=np.float64)
