"""Why a plan says what it says of a row: what each raw column adds to the score, from what the score is expected to be.

Exact where the explained block is a sum over columns, or trees over features of one column each: its Shapley values follow from the
nodes. A score behind a link of one model is explained as the raw score before it (log odds). Anything else, such as a mean of several
models' probabilities, is explained as it is served, by Shapley values that are sampled (``graph.sampling``).

A column plays with all that is made of it: its one-hot columns, date parts, terms and null indicator come and go together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from homeostat.graph.interpret import blocks_of
from homeostat.graph.ownership import Ownership, sources_of
from homeostat.graph.plan import Decoded, Interpolate, Linear, Link, Log, Pick, Prior, Scale, Trees
from homeostat.graph.sampling import sampled
from homeostat.graph.shapley import covers_of, shares_of, tree_values
from homeostat.graph.shapley_rows import LaidOut, ways_of

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats, Ints, Plan

Method = Literal["exact", "sampled"]
BACKGROUND = 32
"""Reference rows that stand for columns that are not asked, where values are sampled."""
_ODDS = {"sigmoid": "log odds", "softmax": "log odds between classes", "exp": "log of the value"}


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Rows that stand for what is not known of a row: how many reach each leaf, by ``Trees`` block, means of blocks, and a few of them."""

    covers: Mapping[str, Ints]
    means: Mapping[str, Floats]
    background: Decoded

    def arrays(self) -> dict[str, Floats]:
        """All of it as named arrays, as they are kept."""
        kept = {f"covers {name}": counts.astype(np.float64) for name, counts in self.covers.items()}
        kept |= {f"means {name}": means for name, means in self.means.items()}
        return kept | {f"background {name}": np.asarray(block, dtype=np.float64) for name, block in self.background._asdict().items()}

    @staticmethod
    def of_arrays(kept: Mapping[str, Floats]) -> Reference:
        """What ``arrays`` gave; other arrays are passed over."""
        found: dict[str, dict[str, Floats]] = {"covers": {}, "means": {}, "background": {}}
        for name, values in kept.items():
            part, _, own = name.partition(" ")
            found.get(part, {})[own] = values
        rows = found["background"]
        background = Decoded(rows["numbers"], rows["codes"].astype(np.int64), rows["terms"])
        return Reference({name: counts.astype(np.int64) for name, counts in found["covers"].items()}, found["means"], background)


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """What each column adds: for each row ``base`` (k,) and its ``values`` (n, n_columns, k) sum to what is explained.

    ``outputs`` names the k scores: one per class of several, one for two classes (the positive one) and for numbers. ``scale`` says what
    they are. ``errors`` are the standard errors of sampled values, None for exact ones.
    """

    columns: tuple[str, ...]
    outputs: tuple[str, ...]
    scale: str
    method: Method
    base: Floats
    values: Floats
    errors: Floats | None = None


def reference_of(plan: Plan, rows: Decoded, seed: int) -> Reference:
    """The reference that rows the plan learned from make; at least one row."""
    blocks, owned = blocks_of(plan, *rows), Ownership(plan)
    block = explained_block(owned)
    ground = [] if block is None else owned.ground(block)
    trees = [node for node in plan.nodes if isinstance(node, Trees) and node.out in ground]
    drawn = np.random.default_rng(seed).choice(len(rows.numbers), min(BACKGROUND, len(rows.numbers)), replace=False)
    return Reference(
        covers={node.out: covers_of(node, blocks[node.source]) for node in trees},
        means={name: blocks[name].mean(axis=0) for name in ground},
        background=rows.take(np.sort(drawn)),
    )


def row_reference(plan: Plan, row: Decoded, draws: int) -> Reference:
    """One row as the reference: what is not known of another row is as in this one. ``draws`` orders of columns are sampled, if any."""
    return reference_of(plan, row.take(np.zeros(draws, dtype=np.int64)), 0)


def laid_out(plan: Plan, reference: Reference, row: Decoded | None = None) -> dict[str, LaidOut]:
    """The plan's forests made ready for explaining a few rows at a time, again and again; ``row``: the reference is this one."""
    owned, blocks = Ownership(plan), {} if row is None else blocks_of(plan, *row)
    forests = [node for node in plan.nodes if isinstance(node, Trees) and node.out in reference.covers]
    shares = {
        node.out: shares_of(node, reference.covers[node.out]) if row is None else ways_of(node, blocks[node.source][0]) for node in forests
    }
    return {node.out: LaidOut(node, shares[node.out], np.maximum(owned.whose[node.source], 0)) for node in forests}


def explain(
    plan: Plan,
    rows: Decoded,
    reference: Reference,
    score: Callable[[Decoded], Floats],
    seed: int = 0,
    forests: Mapping[str, LaidOut] | None = None,
) -> Explained:
    """What each raw column adds to the score of each row.

    Args:
        plan: the model.
        rows: decoded rows to explain.
        reference: of the same plan.
        score: the served scores (n, k) of decoded rows, asked where values have to be sampled.
        seed: of what is sampled.
        forests: what ``laid_out`` made of the plan and the reference, for few rows.
    """
    names, owned = tuple(each.name for each in plan.inputs), Ownership(plan)
    outputs = plan.classes[-1:] if len(plan.classes) == 2 else plan.classes or (plan.target,)
    block = explained_block(owned)
    kept = slice(-len(outputs), None)  # of two classes the positive one, which is the last
    if block is None:
        found = sampled(score, plan.inputs, rows, reference.background, seed)
        return Explained(names, outputs, _served(plan), "sampled", found.base[kept], found.values[:, :, kept], found.errors[:, :, kept])
    values, base = _Adding(owned, blocks_of(plan, *rows), reference, forests or {}).of(block)
    return Explained(names, outputs, scale_of(plan, block), "exact", base[kept], values[:, :, kept])


def exactly(plan: Plan) -> bool:
    """Whether the plan is explained exactly."""
    return explained_block(Ownership(plan)) is not None


def explained_block(owned: Ownership) -> str | None:
    """The block that is explained exactly: the scores, or what the one model says before its link and calibration; None: neither is."""
    block = owned.plan.out
    while not owned.additive(block):
        node = owned.nodes[block]
        if not isinstance(node, Link | Prior | Log | Interpolate | Pick | Scale | Linear) or node.source not in owned.nodes:
            return None
        block = node.source
    return block


def scale_of(plan: Plan, block: str) -> str:
    """What the values of an explained block are called."""
    if block == plan.out:
        return _served(plan)
    behind = next(node for node in plan.nodes if getattr(node, "source", None) == block)
    if not isinstance(behind, Link):
        return f"{_served(plan)} before calibration"
    return "log of one more than the value" if behind.kind == "exp" and behind.out != plan.out else _ODDS.get(behind.kind, _served(plan))


def _served(plan: Plan) -> str:
    return "probability" if plan.classes else "value"


@dataclass(frozen=True, slots=True, eq=False)
class _Adding:
    """What each raw column adds to the columns of a block, for some rows."""

    owned: Ownership
    blocks: Mapping[str, Floats]
    reference: Reference
    forests: Mapping[str, LaidOut]

    def of(self, block: str) -> tuple[Floats, Floats]:
        """Values (n, n_inputs, width) and base (width,)."""
        node = self.owned.nodes.get(block)
        if node is None or self.owned.apart(block):
            return self._own(block)
        if isinstance(node, Trees):
            return self._trees(node)
        found = [self.of(each) for each in sources_of(node)]
        values, base = np.concatenate([each for each, _ in found], axis=2), np.concatenate([each for _, each in found])
        if isinstance(node, Linear):
            return values @ node.weights, base @ node.weights + node.bias
        if isinstance(node, Pick):
            return values[:, :, list(node.columns)], base[list(node.columns)]
        return (values / node.divisor, (base - node.offset) / node.divisor) if isinstance(node, Scale) else (values, base)

    def _own(self, block: str) -> tuple[Floats, Floats]:
        """Of columns that are made of one raw column each: what they are beyond their mean."""
        x, means = self.blocks[block], self.reference.means[block]
        values = np.zeros((len(x), len(self.owned.plan.inputs), x.shape[1]))
        for at, owner in enumerate(self.owned.whose[block]):
            if owner >= 0:
                values[:, owner, at] = x[:, at] - means[at]
        return values, means

    def _trees(self, node: Trees) -> tuple[Floats, Floats]:
        players = np.maximum(self.owned.whose[node.source], 0)  # a column of nobody is the same in every row
        x, laid = self.blocks[node.source], self.forests.get(node.out)
        found, base = (laid.values(x), laid.base) if laid else tree_values(node, x, self.reference.covers[node.out], players)
        values = np.zeros((len(found), len(self.owned.plan.inputs), found.shape[2]))
        values[:, : found.shape[1]] = found
        return values, base
