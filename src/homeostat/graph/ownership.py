"""Whose the columns of each block of a plan are: which raw column they are made of, and which blocks are sums over raw columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.graph.plan import (
    Concat,
    Constant,
    Cycle,
    Enclosed,
    Foreign,
    Linear,
    Link,
    Lookup,
    Numbers,
    Pick,
    Prior,
    Scale,
    Tfidf,
    Trees,
    category_inputs,
    number_inputs,
    text_inputs,
)

if TYPE_CHECKING:
    from homeostat.graph.plan import Ints, Node, Plan

NOBODY, MIXED = -1, -2
"""Whose a column of a block is that is the same in every row, or made of several raw columns."""


class Ownership:
    """The nodes of a plan by the block they give, and ``whose`` each column of each block is: the place of an input, NOBODY, or MIXED."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.nodes: dict[str, Node] = {node.out: node for node in plan.nodes}
        places = {each.name: at for at, each in enumerate(plan.inputs)}
        self._codes = [places[each.name] for each in category_inputs(plan.inputs)]
        self.whose: dict[str, Ints] = {
            "numbers": np.array([places[each.name] for each in number_inputs(plan.inputs)], dtype=np.int64),
            "terms": np.array([places[each.name] for each in text_inputs(plan.inputs) for _ in each.vocabulary], dtype=np.int64),
        }
        for node in plan.nodes:
            self.whose[node.out] = self._owners(node)

    def apart(self, block: str) -> bool:
        """Whether each column of a block is made of one raw column."""
        return bool((self.whose[block] != MIXED).all())

    def additive(self, block: str) -> bool:
        """Whether the block's values are sums over raw columns, or trees over features of one raw column each, or sums of those."""
        node = self.nodes.get(block)
        if self.apart(block) or node is None:
            return self.apart(block)
        if isinstance(node, Trees):
            return self.apart(node.source)
        sums = isinstance(node, Linear | Pick | Scale | Concat) or (isinstance(node, Link) and node.kind == "identity")
        return sums and all(self.additive(each) for each in sources_of(node))

    def ground(self, block: str) -> list[str]:
        """The blocks that an additive one is a sum of: those made of single raw columns, and trees."""
        node = self.nodes.get(block)
        if node is None or self.apart(block) or isinstance(node, Trees):
            return [block]
        return list(dict.fromkeys(name for each in sources_of(node) for name in self.ground(each)))

    def _owners(self, node: Node) -> Ints:
        if isinstance(node, Lookup):
            return np.full(node.table.shape[1], self._codes[node.column])
        if isinstance(node, Constant):
            return np.full(len(node.values), NOBODY)
        if isinstance(node, Numbers):
            return self.whose["numbers"][list(node.columns)]
        if isinstance(node, Foreign):
            return np.full(node.width, MIXED)
        owners = np.concatenate([self.whose[each] for each in sources_of(node)])
        return owners[list(node.columns)] if isinstance(node, Pick) else _made_of(node, owners)


def sources_of(node: Node) -> tuple[str, ...]:
    """The named blocks that a node reads."""
    return node.sources if isinstance(node, Concat) else (str(getattr(node, "source", "")),)


def _made_of(node: Node, owners: Ints) -> Ints:
    """Whose the columns are that a node makes of columns with these owners."""
    if isinstance(node, Linear):
        return np.array([_one(owners[weights != 0]) for weights in node.weights.T], dtype=np.int64)
    if isinstance(node, Trees):
        return np.full(len(node.bias), _one(owners[node.feature]))
    if isinstance(node, Enclosed):
        return np.full(node.width, _one(owners))
    if isinstance(node, Tfidf | Prior) or (isinstance(node, Link) and node.kind == "softmax"):
        return np.full(len(owners), _one(owners))
    doubles = isinstance(node, Cycle) or (isinstance(node, Link) and node.kind == "sigmoid")
    return np.tile(owners, 2) if doubles else owners


def _one(owners: Ints) -> int:
    """Whose something made of columns of these owners is."""
    known = set(owners[owners != NOBODY].tolist())
    if MIXED in known or len(known) > 1:
        return MIXED
    return int(known.pop()) if known else NOBODY
