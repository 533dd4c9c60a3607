"""A plan as straight steps, for targets that run it without an ONNX runtime: the nodes that matter and how wide each block is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.targets import text_of
from homeostat.errors import BundleError
from homeostat.graph.interpret import blocks_of
from homeostat.graph.plan import Enclosed, Foreign, Trees, widths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from homeostat.graph.plan import Node, Plan


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """``scores`` end in the plan's scores; ``ends``, after them, in the interval's (empty without one). ``widths`` are of all blocks.

    Every tree starts with a split.
    """

    scores: tuple[Node, ...]
    ends: tuple[Node, ...]
    widths: Mapping[str, int]


def steps_of(plan: Plan, target: str) -> Steps:
    """The nodes that the answers depend on, in the order they run.

    Args:
        plan: any plan.
        target: what they are compiled to, for the error's words.

    Raises:
        BundleError: HS410, a node is another program's ONNX graph.
    """
    after = () if plan.interval is None else plan.interval.nodes
    for node in (*plan.nodes, *after):
        if isinstance(node, Enclosed | Foreign):
            raise BundleError(
                "HS410",
                f"the model holds a {type(node).__name__} node, another program's ONNX graph, which cannot be written as {target}",
                place=f"block {node.out!r}",
                next_step="export it to onnx, ort or web, which run the graph itself",
            )
    wanted = {plan.out} if plan.interval is None else {plan.out, plan.interval.out}
    live = _live((*plan.nodes, *after), wanted)
    given = widths(plan.inputs)
    nothing = (np.zeros((0, given["numbers"])), np.zeros((0, given["codes"]), dtype=np.int64), np.zeros((0, given["terms"])))
    blocks = blocks_of(replace(plan, nodes=(*plan.nodes, *after)), *nothing)  # the meaning of no rows has the width of any
    return Steps(
        tuple(_plain(node) for node in plan.nodes if node.out in live),
        tuple(_plain(node) for node in after if node.out in live),
        {name: block.shape[1] for name, block in blocks.items()},
    )


def _plain(node: Node) -> Node:
    """Trees that are one leaf have no split to start from, so they go into the bias, as in the ONNX graph."""
    if not isinstance(node, Trees):
        return node
    bias = np.asarray(node.bias, dtype=np.float64).copy()
    lone = -node.roots[node.roots < 0] - 1
    np.add.at(bias, node.leaf_target[lone], node.leaf_value[lone])
    return replace(node, roots=node.roots[node.roots >= 0], bias=bias)


def _live(nodes: Sequence[Node], wanted: set[str]) -> set[str]:
    """The blocks that the wanted ones depend on, themselves included."""
    found = set(wanted)
    for node in reversed(nodes):
        if node.out in found:
            found.update(sources_of(node))
    return found


def sources_of(node: Node) -> Iterable[str]:
    """The blocks a node reads; those it takes from the decoder by column are not among them."""
    source = getattr(node, "source", None)
    return getattr(node, "sources", ()) if source is None else (source,)


def amounts_of(vocabulary: Iterable[str]) -> list[float | None]:
    """For each known category the number that has its text, as a caller may send it; None where no number has.

    The text of a number is that of ``core.targets.text_of``, so a target that cannot spell numbers in this way compares numbers instead.

    >>> amounts_of(("Oslo", "1", "01", "1e-07", "inf"))
    [None, 1.0, None, 1e-07, None]
    """
    return [_amount(text) for text in vocabulary]


def _amount(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    whole = number.is_integer() and str(int(number)) == text  # beyond 1e15 an integer has another text than a float
    return number if math.isfinite(number) and (whole or text_of(number) == text) else None
