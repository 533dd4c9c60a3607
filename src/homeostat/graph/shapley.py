"""Exact Shapley values of a ``Trees`` node: what each player, a feature or a raw column, adds to a row's raw score.

A leaf is reached when all players on its path agree. A player that is not asked agrees with the share of the reference rows that went
the leaf's way, so what the leaf pays for a set of players is a product, and the Shapley value of a product of d factors is the integral
over [0, 1] of a polynomial of degree d - 1: a quadrature of ceil(d / 2) points has it exactly. Which players of a leaf agree is a
pattern of d bits; the values of all patterns of a leaf are computed once, and each row then looks its own up.

Source: Lundberg et al., "From local explanations to global understanding with explainable AI for trees" (Nature Machine Intelligence
2020), algorithm 1, defines the game; Owen, "Multilinear extensions of games" (Management Science 1972), the integral; Yang, "Fast
TreeSHAP" (2021), section 3.2, tables of patterns.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from homeostat.graph.plan import Floats, Ints, Trees

    Bools = NDArray[np.bool_]
    Codes = NDArray[np.uint16]

ROWS_AT_ONCE = 16_384
MOST_BITS = 12
"""Players of a leaf up to which all patterns are tabled, where there are rows enough to look them up."""


def covers_of(node: Trees, x: Floats) -> Ints:
    """How many of the reference rows x (n, p) reach each leaf: (n_leaves,)."""
    counts = np.zeros(len(node.leaf_value), dtype=np.int64)
    columns, every = np.ascontiguousarray(x.T), np.arange(len(x))
    open_ = [(int(root), every) for root in node.roots]
    while open_:
        at, rows = open_.pop()
        if at < 0:
            counts[-at - 1] += len(rows)
            continue
        yes = _goes_true(node, at, columns[node.feature[at]][rows])
        open_ += [(int(node.true_child[at]), rows[yes]), (int(node.false_child[at]), rows[~yes])]
    return counts


def _goes_true(node: Trees, at: int, x: Floats) -> Bools:
    yes = x <= node.threshold[at]
    return np.asarray(yes | np.isnan(x)) if node.nan_true[at] else yes


def tree_values(node: Trees, x: Floats, covers: Ints, players: Ints | None = None, *, threads: int = 1) -> tuple[Floats, Floats]:
    """What each player adds to each output, and the scores expected of a row of which nothing is known.

    Rows of ``values`` and ``base`` sum to the node's scores. Where no reference row reached a split, its ways count alike.

    Args:
        node: the forest; NaN goes where the node sends it.
        x: rows (n, p).
        covers: reference rows in each leaf, as ``covers_of`` counts them.
        players: of each feature (p,) who plays it: features of one player come and go together. None: each its own.
        threads: how many work at once; the answer does not depend on it.

    Returns:
        values (n, n_players, k) and base (k,).
    """
    whose = np.arange(x.shape[1]) if players is None else players
    forest = _Forest(node, whose, shares_of(node, covers))
    trees = [(int(root), list(forest.leaves(int(root)))) for root in node.roots]
    values = np.zeros((int(whose.max(initial=-1)) + 1, len(node.bias), len(x)))
    base = node.bias.copy()
    for leaf in (leaf for _, leaves in trees for leaf in leaves):
        base[node.leaf_target[leaf.number]] += node.leaf_value[leaf.number] * np.prod(leaf.shares)
    size = max(1, min(ROWS_AT_ONCE, -(-len(x) // threads)))
    columns = np.ascontiguousarray(x.T)

    def work(start: int) -> None:
        part = slice(start, start + size)
        for root, leaves in trees:
            forest.add(root, _tables(node, leaves, size), columns[:, part], values[:, :, part])

    with ThreadPoolExecutor(max_workers=threads) as pool:
        list(pool.map(work, range(0, len(x), size)))
    return values.transpose(2, 0, 1), base


def _put(items: tuple[Any, ...], place: int, item: Any) -> tuple[Any, ...]:
    """The items with one more, or another one in its place."""
    return (*items[:place], item, *items[place + 1 :])


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A leaf as a product: for each player on its path the share of reference rows that go the leaf's way where the player is asked."""

    number: int
    players: tuple[int, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Forest:
    """A forest to walk: ``whose`` (p,) plays each feature, and the share of a split's rows that its true child has, (n_splits,)."""

    node: Trees
    whose: Ints
    true_share: Floats

    def leaves(self, root: int) -> Iterator[_Leaf]:
        """The leaves of a tree."""
        open_: list[tuple[int, tuple[int, ...], tuple[float, ...]]] = [(root, (), ())]
        while open_:
            at, players, shares = open_.pop()
            if at < 0:
                yield _Leaf(-at - 1, players, shares)
                continue
            player, share = int(self.whose[self.node.feature[at]]), float(self.true_share[at])
            for child, part in ((self.node.true_child[at], share), (self.node.false_child[at], 1.0 - share)):
                place = players.index(player) if player in players else len(players)
                whole = shares[place] * part if place < len(players) else part
                open_.append((int(child), _put(players, place, player), _put(shares, place, whole)))

    def add(self, root: int, tables: dict[int, tuple[_Leaf, Floats | None]], columns: Floats, values: Floats) -> None:
        """Add what a tree says of rows, given as columns (p, n), to ``values`` (n_players, k, n)."""
        node = self.node
        none = np.zeros(columns.shape[1], dtype=np.uint16)
        open_: list[tuple[int, tuple[int, ...], tuple[Bools, ...], Codes]] = [(root, (), (), none)]
        while open_:
            at, players, agree, code = open_.pop()
            if at < 0:
                leaf, table = tables[-at - 1]
                own = values[:, node.leaf_target[leaf.number]]
                if table is not None:
                    pattern = code.astype(np.intp)
                    for player, pays in zip(players, table, strict=True):
                        own[player] += pays.take(pattern)
                elif players:
                    value = node.leaf_value[[leaf.number]]
                    own[list(players)] += paid(np.array([leaf.shares]), value, np.array([agree]))[0]
                continue
            player, yes = int(self.whose[node.feature[at]]), _goes_true(node, at, columns[node.feature[at]])
            place = players.index(player) if player in players else len(players)
            for child, here in ((node.true_child[at], yes), (node.false_child[at], ~yes)):
                both = agree[place] & here if place < len(players) else here
                bit = np.uint16(1 << place) if place < MOST_BITS else np.uint16(0)
                marked = (code & ~bit) | both * bit
                open_.append((int(child), _put(players, place, player), _put(agree, place, both), marked))


def shares_of(node: Trees, covers: Ints) -> Floats:
    """Of the reference rows at each split, the share that its true child has; one half where there are none."""
    at = np.zeros(len(node.feature), dtype=np.float64)
    true = np.zeros_like(at)

    def count(child: int) -> float:
        return float(covers[-child - 1]) if child < 0 else float(at[child])

    for split in _children_first(node):
        true[split] = count(int(node.true_child[split]))
        at[split] = true[split] + count(int(node.false_child[split]))
    return np.divide(true, at, out=np.full_like(at, 0.5), where=at > 0)


def _children_first(node: Trees) -> list[int]:
    found, open_ = [], [int(root) for root in node.roots if root >= 0]
    while open_:
        split = open_.pop()
        found.append(split)
        open_ += [int(child) for child in (node.true_child[split], node.false_child[split]) if child >= 0]
    return found[::-1]


def _tables(node: Trees, leaves: Sequence[_Leaf], rows: int) -> dict[int, tuple[_Leaf, Floats | None]]:
    """For each leaf what it pays its players in each pattern, (d, 2 ** d); None where the rows are better worked out one by one."""
    found: dict[int, tuple[_Leaf, Floats | None]] = {leaf.number: (leaf, None) for leaf in leaves}
    for players in {len(leaf.shares) for leaf in leaves}:
        if 0 < players <= MOST_BITS and 1 << players <= rows:
            alike = [leaf for leaf in leaves if len(leaf.shares) == players]
            shares = np.array([leaf.shares for leaf in alike])
            tables = _paid_in_patterns(shares, node.leaf_value[[leaf.number for leaf in alike]])
            found |= {leaf.number: (leaf, table) for leaf, table in zip(alike, tables, strict=True)}
    return found


def _paid_in_patterns(shares: Floats, value: Floats) -> Floats:
    """What leaves (m,) of equal width, with the shares (m, d), pay in each pattern: (m, d, 2 ** d)."""
    points, weights = _quadrature(shares.shape[1])
    agreed, asked = points + (1.0 - points) * shares[..., None], (1.0 - points) * shares[..., None]  # (m, d, q)
    product = np.ones((len(shares), len(points), 1))
    for place in range(shares.shape[1]):
        product = np.concatenate([product * asked[:, place, :, None], product * agreed[:, place, :, None]], axis=2)
    return _split(shares, agreed, weights * value[:, None], points, product, _patterns(shares.shape[1]))


def paid(shares: Floats, value: Floats, agree: Bools) -> Floats:
    """What leaves (m,) of equal width, with the shares (m, d), pay the players of rows who agree or not, (m, d, n)."""
    points, weights = _quadrature(shares.shape[1])
    agreed, asked = points + (1.0 - points) * shares[..., None], (1.0 - points) * shares[..., None]  # (m, d, q)
    product = np.ones((len(shares), len(points), agree.shape[2]))
    for place in range(shares.shape[1]):
        product *= np.where(agree[:, None, place], agreed[:, place, :, None], asked[:, place, :, None])
    return _split(shares, agreed, weights * value[:, None], points, product, agree)


def _split(shares: Floats, agreed: Floats, weights: Floats, points: Floats, product: Floats, agree: Bools) -> Floats:
    """The integral for each player of the product (m, q, n) without its own factor, times what its agreeing changes: (m, d, n).

    A player who agrees has the factor t + (1 - t) z and changes 1 - z; one who does not has (1 - t) z and changes -z, so that its part is
    the same whoever it is, and zero where z is.
    """
    absent = np.broadcast_to(-1.0 / (1.0 - points), (len(shares), 1, len(points)))
    factors = np.concatenate([(1.0 - shares)[..., None] / agreed, absent], axis=1) * weights[:, None, :]
    sums = factors @ product
    return np.where(agree, sums[:, :-1], sums[:, -1:])


@cache
def _quadrature(players: int) -> tuple[Floats, Floats]:
    """Points and weights of Gauss and Legendre on [0, 1] that have a polynomial of degree players - 1 exactly."""
    points, weights = np.polynomial.legendre.leggauss((players + 1) // 2)
    return (points + 1.0) / 2.0, weights / 2.0


@cache
def _patterns(players: int) -> Bools:
    """Who agrees in each pattern: (d, 2 ** d)."""
    return (np.arange(1 << players) >> np.arange(players)[:, None] & 1).astype(np.bool_)
