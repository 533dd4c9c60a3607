"""Exact Shapley values of a ``Trees`` node for a few rows at a time, such as those of a request: its leaves are laid out once.

The same values as ``graph.shapley`` gives, which walks each tree for many rows at once and looks patterns up; for one row that walk,
leaf by leaf, costs a thousand times the arithmetic. Here all leaves of as many players are one array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.graph.shapley import paid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from homeostat.graph.plan import Floats, Ints, Trees

CELLS_AT_ONCE = 1 << 21
"""Numbers of one step: bounds the memory of rows times leaves."""


@dataclass(frozen=True, slots=True, eq=False)
class _Alike:
    """Leaves (m,) that have d players each: these (m, d), their shares (m, d), and the splits of each with the way it must go."""

    leaves: Ints
    players: Ints
    shares: Floats
    splits: Ints
    ways: NDArray[np.bool_]
    starts: Ints


class LaidOut:
    """A forest whose leaves are laid out.

    Args:
        node: the forest.
        true_share: of each split, what stands for its true child where its player is not asked: the share of reference rows that go
            there (``graph.shapley.shares_of``), or 1 and 0 as one row goes (``ways_of``).
        players: of each feature (p,) who plays it.
    """

    def __init__(self, node: Trees, true_share: Floats, players: Ints) -> None:
        self._node, self._count = node, int(players.max(initial=-1)) + 1
        self._groups = [_alike(found) for found in _by_width(node, true_share, players).values()]
        self.base = node.bias.copy()
        for group in self._groups:
            np.add.at(self.base, node.leaf_target[group.leaves], node.leaf_value[group.leaves] * group.shares.prod(axis=1))

    def values(self, x: Floats) -> Floats:
        """What each player adds to each output of rows x (n, p): (n, n_players, k); with ``base`` they sum to the node's scores."""
        node = self._node
        found = np.zeros((self._count, len(node.bias), len(x)))
        columns = x.T[node.feature]
        goes = columns <= node.threshold[:, None]
        goes |= np.isnan(columns) & node.nan_true[:, None]
        for group in self._groups:
            width = group.players.shape[1]
            step = max(1, CELLS_AT_ONCE // max(1, width * width * len(x)))
            for start in range(0, len(group.leaves) if width else 0, step):
                _add(found, node, group, slice(start, start + step), goes)
        return found.transpose(2, 0, 1)


def ways_of(node: Trees, row: Floats) -> Floats:
    """For each split 1 if a row (p,) goes its true way, else 0: what makes the row the reference."""
    at = row[node.feature]
    return np.asarray((at <= node.threshold) | (np.isnan(at) & node.nan_true), dtype=np.float64)


_Path = tuple[tuple[int, float, tuple[tuple[int, bool], ...]], ...]


def _by_width(node: Trees, true_share: Floats, players: Ints) -> dict[int, list[tuple[int, _Path]]]:
    """The leaves by how many players they have, each with these, their shares and the ways they must go."""
    whose, shares = players[node.feature].tolist(), true_share.tolist()
    true_child, false_child = node.true_child.tolist(), node.false_child.tolist()
    found: dict[int, list[tuple[int, _Path]]] = {}
    open_: list[tuple[int, _Path]] = [(int(root), ()) for root in node.roots]
    while open_:
        at, path = open_.pop()
        if at < 0:
            found.setdefault(len(path), []).append((-at - 1, path))
            continue
        player, share = whose[at], shares[at]
        place = next((place for place, each in enumerate(path) if each[0] == player), len(path))
        _, before, ways = path[place] if place < len(path) else (player, 1.0, ())
        for child, part, way in ((true_child[at], share, True), (false_child[at], 1.0 - share, False)):
            open_.append((child, (*path[:place], (player, before * part, (*ways, (at, way))), *path[place + 1 :])))
    return found


def _alike(found: list[tuple[int, _Path]]) -> _Alike:
    ways = [each for _, path in found for _, _, each in path]
    flat = [each for way in ways for each in way]
    shape = (len(found), len(found[0][1]))
    return _Alike(
        np.array([leaf for leaf, _ in found], dtype=np.int64),
        np.array([player for _, path in found for player, _, _ in path], dtype=np.int64).reshape(shape),
        np.array([share for _, path in found for _, share, _ in path], dtype=np.float64).reshape(shape),
        np.array([split for split, _ in flat], dtype=np.int64),
        np.array([way for _, way in flat], dtype=np.bool_),
        np.cumsum([0, *(len(each) for each in ways)]),
    )


def _add(found: Floats, node: Trees, group: _Alike, part: slice, goes: NDArray[np.bool_]) -> None:
    """Add what some leaves pay to ``found`` (n_players, k, n)."""
    players, shares, leaves = group.players[part], group.shares[part], group.leaves[part]
    width = players.shape[1]
    starts = group.starts[part.start * width : part.start * width + players.size + 1]
    path = slice(starts[0], starts[-1])
    right = goes[group.splits[path]] == group.ways[path, None]
    agree = np.logical_and.reduceat(right, starts[:-1] - starts[0], axis=0).reshape(*players.shape, -1)
    added = paid(shares, node.leaf_value[leaves], agree)
    np.add.at(found, (players, node.leaf_target[leaves][:, None]), added)
