"""A multilayer perceptron in PyTorch: numbers in steps, layers with a bend between them, learned round by round.

A number is seen in steps: each step goes from 0 to 1 between two neighbouring quantiles of the training rows and is flat outside, so that
a network of few layers can follow a jagged curve, and answers beyond the training rows what it answers at their edge.

Source: Gorishniy, Rubachev and Babenko, "On embeddings for numerical features in tabular deep learning" (NeurIPS 2022), equation 1, with
both ends flat; Loshchilov and Hutter, "Decoupled weight decay regularization" (ICLR 2019); Polyak and Juditsky, "Acceleration of
stochastic approximation by averaging" (1992), here with weights that fade.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.plan import Activation, Clip, Linear, Pick, Scale

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats, Ints, Node

LEAST_BATCH, MOST_BATCH, BATCHES = 32, 1_024, 64
"""Rows of a batch: about this part of the rows, within bounds."""
LEAST_BATCHES = 32
"""Batches of a round at least: of few rows a round passes through them several times."""
FADING = 0.98
"""What is left after a batch of the weight that older values have in the mean."""
MOST_STEPS = 4_096
"""Steps of all numbers together at most: of very many columns each gets fewer."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Numbers in steps: of each step its column, where it begins, and how far it goes."""

    columns: Ints
    start: Floats
    length: Floats

    @staticmethod
    def of(features: Floats, most: int) -> Steps:
        """At most so many steps for each column (n, p), between its quantiles; a column of one value has none, of two values one."""
        most = max(1, min(most, MOST_STEPS // max(1, features.shape[1])))
        quantiles = np.quantile(features, np.linspace(0.0, 1.0, most + 1), axis=0)
        ends = [np.unique(column) for column in quantiles.T]
        columns = np.repeat(np.arange(len(ends)), [len(each) - 1 for each in ends])
        return Steps(columns, np.concatenate([each[:-1] for each in ends]), np.concatenate([np.diff(each) for each in ends]))


Layers = list[tuple[Any, Any]]
"""Weights (width, width before) and bias (width,) of each layer, as tensors."""


class Network:
    """A network that learns, and the fading mean of its weights, which is what answers. Equal arguments give equal networks.

    Args:
        torch: the library.
        steps: of the numbers.
        widths: of the layers, the last one's that of what is said.
        brakes: how fast weights move, what share of a layer is left out at random, and how much weights are held back.
        device: where it learns.
        seed: of the first weights, the order of rows, and of what is left out.
    """

    def __init__(self, torch: Any, steps: Steps, widths: Sequence[int], brakes: tuple[float, float, float], device: Any, seed: int) -> None:
        rate, self._dropout, decay = brakes
        self._torch, self._steps = torch, steps
        self._draw, self._noise = torch.Generator().manual_seed(seed), torch.Generator(device).manual_seed(seed)
        self._layers: Layers = []
        before = len(steps.columns)
        for at, width in enumerate(widths, start=1):
            size = (2.0 if at < len(widths) else 0.01) / max(1, before)
            weights = (torch.randn(width, before, generator=self._draw) * size**0.5).to(device)
            self._layers.append((weights.requires_grad_(), torch.zeros(width, device=device, requires_grad=True)))
            before = width
        self._mean: Layers = [(weights.detach().clone(), bias.detach().clone()) for weights, bias in self._layers]
        held = {"params": [weights for weights, _ in self._layers], "weight_decay": decay}
        free = {"params": [bias for _, bias in self._layers], "weight_decay": 0.0}
        self._optimizer = torch.optim.AdamW([held, free], lr=rate, betas=(0.9, 0.99), fused=True)
        self._batches = 0

    def learn(self, features: Any, loss: Callable[[Any, Any], Any]) -> None:
        """One round: every row about once, and at least ``LEAST_BATCHES`` batches.

        Args:
            features: tensor (n, p) of float32.
            loss: from what the network says of some rows, and which ones these are, to a tensor of no dimension.
        """
        rows = len(features)
        size = batch_of(rows)
        for _ in range(-(-LEAST_BATCHES // (rows // size))):
            order = self._torch.randperm(rows, generator=self._draw).to(features.device)
            for start in range(0, rows - size + 1, size):
                taken = order[start : start + size]
                self._optimizer.zero_grad()
                loss(said(self._torch, self._steps, self._layers, features[taken], self._left_out), taken).backward()
                self._optimizer.step()
                self._fade()

    def _left_out(self, block: Any) -> Any:
        """The block with some of its numbers as 0 and the others larger for it."""
        if not self._dropout:
            return block
        kept = self._torch.empty_like(block).bernoulli_(1.0 - self._dropout, generator=self._noise)
        return block * kept / (1.0 - self._dropout)

    def _fade(self) -> None:
        self._batches += 1
        new = 1.0 - min(FADING, (1.0 + self._batches) / (10.0 + self._batches))  # of few batches the mean is one of the latest
        with self._torch.no_grad():
            for mean, own in zip(self._mean, self._layers, strict=True):
                for old, now in zip(mean, own, strict=True):
                    old.lerp_(now, new)

    def answering(self) -> Layers:
        """A copy of the mean weights, in float64 on the processor."""
        return [(weights.cpu().double(), bias.cpu().double()) for weights, bias in self._mean]


def batch_of(rows: int) -> int:
    """Rows of a batch: a power of two near a part of all rows, within bounds; never more than there are."""
    return min(rows, max(LEAST_BATCH, min(MOST_BATCH, int(2.0 ** round(math.log2(rows / BATCHES + 1.0))))))


def said(torch: Any, steps: Steps, layers: Layers, features: Any, between: Callable[[Any], Any] = lambda block: block) -> Any:
    """What layers say of features (n, p): (n, width of the last). All in the numbers of the layers; ``between`` changes each block."""
    like = {"dtype": layers[0][0].dtype, "device": layers[0][0].device}
    columns = torch.as_tensor(steps.columns, device=like["device"])
    start, length = torch.as_tensor(steps.start, **like), torch.as_tensor(steps.length, **like)
    block = ((features.to(**like)[:, columns] - start) / length).clamp(0.0, 1.0)
    for weights, bias in layers[:-1]:
        block = between(torch.nn.functional.silu(torch.nn.functional.linear(block, weights, bias)))
    return torch.nn.functional.linear(block, *layers[-1])


def nodes_of(steps: Steps, layers: Sequence[tuple[Floats, Floats]], source: str, out: str) -> tuple[Node, ...]:
    """The same as nodes of a plan; each layer as its weights (width before, width) and bias (width,)."""
    count = len(steps.columns)
    found: list[Node] = [
        Pick("network columns", source, tuple(steps.columns.tolist())),
        Scale("network steps", "network columns", steps.start, steps.length),
        Clip("network input", "network steps", np.zeros(count), np.ones(count)),
    ]
    for at, (weights, bias) in enumerate(layers[:-1], start=1):
        found.append(Linear(f"network layer {at}", found[-1].out, weights, bias))
        found.append(Activation(f"network block {at}", found[-1].out, "silu"))
    return (*found, Linear(out, found[-1].out, *layers[-1]))
