"""Several plans in one: their inputs joined, their nodes side by side, and their scores as the columns of one block.

Each plan keeps its meaning, so a merged plan gives each row what the single plans give it, bit by bit. What two plans do alike to the
same columns, such as a preparation they share, is done once. An interval is of a whole model: those of the single plans are left behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.plan import Concat, Input, Linear, Lookup, Node, Numbers, Pick, Plan, category_inputs, number_inputs, text_inputs

if TYPE_CHECKING:
    from homeostat.graph.plan import Ints

MEMBERS, SCORE = "members", "score"


def weighted_sum(plans: Mapping[str, Plan], weights: Mapping[str, float], target: str) -> Plan:
    """A regression plan whose score is the sum of weight x score over the plans; of a binary plan the positive class's probability counts.

    Args:
        plans: regressions and binary plans, by a name that each one's blocks are called after.
        weights: one for each of these names.
        target: what the sum is called.

    Raises:
        ValueError: two plans read one column as values of different kinds, or a plan is of several classes.
    """
    joined = _Joined(joined_inputs([plan.inputs for plan in plans.values()]))
    picked = []
    for name, plan in plans.items():
        if plan.task == "multiclass":
            raise ValueError(f"the scores of {name} are one per class; a sum needs one number per row")
        picked.append(joined.add(Pick(f"{name}: member", joined.take(plan, name), (len(plan.classes[1:]),))))
    nodes = (*joined.nodes, Concat(MEMBERS, tuple(picked)), _sum([weights[name] for name in plans]))
    return Plan("regression", target, joined.inputs, nodes)


def averaged(plans: Mapping[str, Plan], weights: Mapping[str, float]) -> Plan:
    """A plan whose scores are the weighted mean of the plans', which are about the same target and classes.

    Args:
        plans: by a name that each one's blocks are called after.
        weights: one for each of these names; they are made to sum to 1.

    Raises:
        ValueError: two plans read one column as values of different kinds, or are about different things.
    """
    first = next(iter(plans.values()))
    if any((plan.task, plan.target, plan.classes) != (first.task, first.target, first.classes) for plan in plans.values()):
        raise ValueError("only plans of one target and the same classes have a mean")
    joined = _Joined(joined_inputs([plan.inputs for plan in plans.values()]))
    blocks = tuple(joined.take(plan, name) for name, plan in plans.items())
    shares = np.array([weights[name] for name in plans], dtype=np.float64)
    width = len(first.classes) or 1
    matrix = np.vstack([share * np.eye(width) for share in shares / shares.sum()])
    nodes = (*joined.nodes, Concat(MEMBERS, blocks), Linear(SCORE, MEMBERS, matrix, np.zeros(width)))
    return Plan(first.task, first.target, joined.inputs, nodes, first.classes)


def reweighted(plan: Plan, weights: Sequence[float]) -> Plan:
    """A plan of ``weighted_sum`` with other weights, in the order of its members. An interval was of the sum before, and goes."""
    return replace(plan, nodes=(*plan.nodes[:-1], _sum(weights)), interval=None)


def _sum(weights: Sequence[float]) -> Linear:
    return Linear(SCORE, MEMBERS, np.array(weights, dtype=np.float64)[:, None], np.zeros(1))


def members_of(plan: Plan) -> Plan:
    """The plan whose scores (n, k) are what each member of a ``weighted_sum`` says, in their order."""
    return replace(plan, nodes=plan.nodes[:-1], interval=None)


def joined_inputs(every: Sequence[Sequence[Input]]) -> tuple[Input, ...]:
    """Each input once, in the order of first sight; a vocabulary is what any of them knows, in the same order.

    Raises:
        ValueError: one column is an input of two kinds.
    """
    found: dict[str, Input] = {}
    for each in (each for inputs in every for each in inputs):
        known = found.setdefault(each.name, each)
        if known.kind != each.kind:
            raise ValueError(f"{each.name} is read as {known.kind} and as {each.kind}")
        found[each.name] = replace(known, vocabulary=tuple(dict.fromkeys((*known.vocabulary, *each.vocabulary))))
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the columns of a plan's own decoded blocks lie in those of the joined inputs.

    ``rows`` holds for each column of ``codes`` which row of the plan's own tables a code of the joined vocabulary reads.
    """

    numbers: tuple[int, ...]
    codes: tuple[int, ...]
    rows: tuple[Ints, ...]
    terms: tuple[int, ...]


def _places_of(own: Sequence[Input], joined: Sequence[Input]) -> _Places:
    numbers = {each.name: at for at, each in enumerate(number_inputs(joined))}
    categories = {each.name: (at, each) for at, each in enumerate(category_inputs(joined))}
    words = [(each.name, term) for each in text_inputs(joined) for term in each.vocabulary]
    terms = {word: at for at, word in enumerate(words)}
    mine = category_inputs(own)
    return _Places(
        tuple(numbers[each.name] for each in number_inputs(own)),
        tuple(categories[each.name][0] for each in mine),
        tuple(_rows(each.vocabulary, categories[each.name][1].vocabulary) for each in mine),
        tuple(terms[each.name, term] for each in text_inputs(own) for term in each.vocabulary),
    )


def _rows(own: Sequence[str], joined: Sequence[str]) -> Ints:
    """For null, each word of the joined vocabulary, and a word never seen: its code in the plan's own vocabulary."""
    codes = {word: code for code, word in enumerate(own, start=1)}
    never = len(own) + 1
    return np.array([0, *(codes.get(word, never) for word in joined), never], dtype=np.int64)


@dataclass(slots=True)
class _Joined:
    """The nodes of several plans over the same inputs, each different one once."""

    inputs: tuple[Input, ...]
    nodes: list[Node] = field(default_factory=list)
    known: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def take(self, plan: Plan, name: str) -> str:
        """Add a plan's nodes, reading the joined inputs; returns the block that holds its scores."""
        places = _places_of(plan.inputs, self.inputs)
        blocks = {"terms": "terms"}
        if any(getattr(node, "source", None) == "numbers" for node in plan.nodes):  # the decoder's own block, or one of that name
            blocks["numbers"] = self.add(Numbers(f"{name}: all numbers", places.numbers))
        for node in plan.nodes:
            here = _reading(_placed(node, places), blocks)
            blocks[node.out] = self.add(replace(here, out=f"{name}: {node.out}"))
        return blocks[plan.out]

    def add(self, node: Node) -> str:
        """Add a node unless one that does the same is there; returns the block that holds what it gives."""
        same = (type(node).__name__, *(_content(getattr(node, each.name)) for each in fields(node) if each.name != "out"))
        if same not in self.known:
            self.known[same] = node.out
            self.nodes.append(node)
        return self.known[same]


def _reading(node: Node, blocks: Mapping[str, str]) -> Node:
    """The node with the blocks it reads called as they are in the joined plan."""
    changes: dict[str, Any] = {}
    if isinstance(node, Concat):
        changes["sources"] = tuple(blocks[each] for each in node.sources)
    elif (source := getattr(node, "source", None)) is not None:
        changes["source"] = blocks[source]
    return replace(node, **changes)


def _content(value: Any) -> Any:
    """A field's value as something that can be compared: arrays by type, shape and bytes."""
    return (value.dtype.str, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value


def _placed(node: Node, places: _Places) -> Node:
    if isinstance(node, Numbers):
        return replace(node, columns=tuple(places.numbers[column] for column in node.columns))
    if isinstance(node, Lookup):
        return replace(node, column=places.codes[node.column], table=node.table[places.rows[node.column]])
    if isinstance(node, Pick) and node.source == "terms":
        return replace(node, columns=tuple(places.terms[column] for column in node.columns))
    return node
