"""Several plans in one: their inputs joined, their nodes side by side, and their scores as the columns of one block.

Each plan keeps its own nodes, so a merged plan gives each row what the single plans give it, bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
    inputs = joined_inputs([plan.inputs for plan in plans.values()])
    nodes: list[Node] = []
    for name, plan in plans.items():
        if plan.task == "multiclass":
            raise ValueError(f"the scores of {name} are one per class; a sum needs one number per row")
        nodes += _moved(plan, f"{name}: ", inputs)
        nodes.append(Pick(f"{name}: member", f"{name}: {plan.out}", (len(plan.classes[1:]),)))
    nodes.append(Concat(MEMBERS, tuple(f"{name}: member" for name in plans)))
    return Plan("regression", target, inputs, (*nodes, _sum([weights[name] for name in plans])))


def reweighted(plan: Plan, weights: Sequence[float]) -> Plan:
    """A plan of ``weighted_sum`` with other weights, in the order of its members; nothing else in it changes."""
    return replace(plan, nodes=(*plan.nodes[:-1], _sum(weights)))


def _sum(weights: Sequence[float]) -> Linear:
    return Linear(SCORE, MEMBERS, np.array(weights, dtype=np.float64)[:, None], np.zeros(1))


def members_of(plan: Plan) -> Plan:
    """The plan whose scores (n, k) are what each member of a ``weighted_sum`` says, in their order."""
    return replace(plan, nodes=plan.nodes[:-1])


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


def _moved(plan: Plan, prefix: str, joined: Sequence[Input]) -> list[Node]:
    """The plan's nodes with their blocks renamed, reading the joined inputs."""
    places = _places_of(plan.inputs, joined)
    return [_renamed(_placed(node, places), prefix) for node in plan.nodes]


def _placed(node: Node, places: _Places) -> Node:
    if isinstance(node, Numbers):
        return replace(node, columns=tuple(places.numbers[column] for column in node.columns))
    if isinstance(node, Lookup):
        return replace(node, column=places.codes[node.column], table=node.table[places.rows[node.column]])
    if isinstance(node, Pick) and node.source == "terms":
        return replace(node, columns=tuple(places.terms[column] for column in node.columns))
    return node


def _renamed(node: Node, prefix: str) -> Node:
    changes: dict[str, Any] = {"out": prefix + node.out}
    source = getattr(node, "source", None)
    if source is not None and source != "terms":
        changes["source"] = prefix + source
    if isinstance(node, Concat):
        changes["sources"] = tuple(prefix + each for each in node.sources)
    return replace(node, **changes)
