"""Single trees as arrays, and many of them as one ``Trees`` node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.plan import Trees

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from homeostat.graph.plan import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """One tree: its splits in order, children as a split's index or -1 - a leaf's, the leaves' values, and the output they add to.

    A row goes to the true child where its feature is at most the threshold, or is NaN and ``nan_true``.
    """

    feature: Ints
    threshold: Floats
    nan_true: NDArray[np.bool_]
    true_child: Ints
    false_child: Ints
    values: Floats
    output: int = 0


def tree_of(children: tuple[Any, Any], feature: Any, threshold: Any, nan_left: Any, values: Any, output: int = 0) -> Tree:
    """A tree whose nodes, splits and leaves alike, are numbered in one list; a leaf has no left child (below 0).

    Args:
        children: of each node, where the comparison holds and where not.
        feature: which feature each node compares; anything for a leaf.
        threshold: what with; anything for a leaf.
        nan_left: whether NaN goes left; anything for a leaf.
        values: what each node adds to the output; anything for a split.
        output: the output.
    """
    left, right = (np.asarray(side) for side in children)
    split = left >= 0
    place = np.where(split, np.cumsum(split) - 1, -1 * np.cumsum(~split))
    return Tree(
        feature=np.asarray(feature)[split].astype(np.int64),
        threshold=np.asarray(threshold)[split].astype(np.float64),
        nan_true=np.asarray(nan_left)[split].astype(np.bool_),
        true_child=place[left[split]],
        false_child=place[right[split]],
        values=np.asarray(values)[~split].astype(np.float64),
        output=output,
    )


def forest_of(trees: Sequence[Tree], out: str, source: str, bias: Floats) -> Trees:
    """The trees as a node: ``bias`` (k,) plus what the leaves that a row reaches add to each output."""
    splits = np.cumsum([0, *(len(each.feature) for each in trees)])
    leaves = np.cumsum([0, *(len(each.values) for each in trees)])
    placed = list(zip(trees, splits, leaves, strict=False))
    return Trees(
        out=out,
        source=source,
        roots=np.array([at if len(each.feature) else -1 - leaf for each, at, leaf in placed], dtype=np.int64),
        feature=np.concatenate([each.feature for each in trees]),
        threshold=np.concatenate([each.threshold for each in trees]),
        nan_true=np.concatenate([each.nan_true for each in trees]),
        true_child=np.concatenate([_moved(each.true_child, at, leaf) for each, at, leaf in placed]),
        false_child=np.concatenate([_moved(each.false_child, at, leaf) for each, at, leaf in placed]),
        leaf_value=np.concatenate([each.values for each in trees]),
        leaf_target=np.concatenate([np.full(len(each.values), each.output, dtype=np.int64) for each in trees]),
        bias=bias,
    )


def _moved(children: Ints, split: int, leaf: int) -> Ints:
    """The children of one tree among those of all trees."""
    return np.where(children >= 0, children + split, children - leaf)
