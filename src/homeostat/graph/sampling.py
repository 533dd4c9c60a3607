"""Shapley values of any model, sampled: columns are switched from a reference row to the explained one in a random order and its reverse.

Each reference row is used once for each explained row, so values sum exactly to the score less the mean score of the reference rows.

Source: Strumbelj and Kononenko, "Explaining prediction models and individual predictions with feature contributions" (Knowledge and
Information Systems 2014), algorithm 1; the reverse order: Mitchell et al., "Sampling permutations for Shapley value estimation" (JMLR
2022), section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.graph.plan import Decoded, block_columns

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats, Input, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """``base`` (k,), ``values`` (n, n_inputs, k) and the standard error of each, over reference rows."""

    base: Floats
    values: Floats
    errors: Floats


def sampled(score: Callable[[Decoded], Floats], inputs: Sequence[Input], rows: Decoded, background: Decoded, seed: int) -> Sampled:
    """What each input adds to the scores of each row, where inputs that are not known are those of a reference row.

    Args:
        score: scores (n, k) of decoded rows.
        inputs: the columns that play.
        rows: decoded rows to explain.
        background: reference rows, at least two.
        seed: of the orders; a row has the same orders wherever it stands.
    """
    draws, players = len(background.numbers), len(inputs)
    base = score(background)
    steps = np.empty((draws, len(rows.numbers), players, base.shape[1]))
    for draw in range(draws):
        order = np.random.default_rng((seed, draw)).permutation(players)
        other = background.take(np.array([draw]))
        steps[draw] = (_walked(score, inputs, rows, other, order) + _walked(score, inputs, rows, other, order[::-1])) / 2.0
    errors = steps.std(axis=0, ddof=1) / np.sqrt(draws) if draws > 1 else np.full(steps.shape[1:], np.inf)
    return Sampled(base.mean(axis=0), steps.mean(axis=0), errors)


def _walked(score: Callable[[Decoded], Floats], inputs: Sequence[Input], rows: Decoded, other: Decoded, order: Ints) -> Floats:
    """By how much the scores of rows change when one input after the other becomes the row's own: (n, n_inputs, k)."""
    places, count, stages = block_columns(inputs), len(rows.numbers), len(order) + 1
    filled = other.take(np.zeros(stages * count, dtype=np.int64))
    for stage, player in enumerate(order, start=1):
        name, columns = places[inputs[player].name]
        block, own = getattr(filled, name), getattr(rows, name)
        block.reshape(stages, count, block.shape[1])[stage:, :, columns] = own[:, columns]
    scores = score(filled).reshape(stages, count, -1)
    steps = np.empty((count, len(inputs), scores.shape[2]))
    steps[:, order] = np.diff(scores, axis=0).transpose(1, 0, 2)
    return steps
