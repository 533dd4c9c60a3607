"""Where the error of a way to learn comes from: from what it cannot learn (bias), or from which rows it happened to see (variance).

The same choice of learner and params is fitted on bootstrap resamples of the training rows; its answers on the same judged rows are taken
apart so that bias and variance add up to the mean loss exactly. Noise in the target cannot be told apart from bias without repeated
measurements of the same row, and is counted in it.

Source: Domingos, "A unified bias-variance decomposition" (ICML 2000), for 0-1 and squared loss; Heskes, "Bias/variance decompositions for
likelihood-based estimators" (Neural Computation 1998), for log loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from homeostat.stats.kernels import Floats

_FLOOR = 1e-15


@dataclass(frozen=True, slots=True)
class Decomposition:
    """``loss = bias + variance``, means over the rows; ``single`` is the loss of each refit. Bias holds the noise.

    Squared: squared error. Zero-one: ``variance`` is net, what variance adds on rows where the main answer is right less what it saves on
    the others; it can be below 0. Log: bias is the loss of the refits' geometric mean.
    """

    loss: str
    refits: int
    rows: int
    mean: float
    bias: float
    variance: float
    single: tuple[float, ...]


def decompose(y: Floats, answers: Floats, decisions: Floats | None = None) -> tuple[Decomposition, ...]:
    """Squared loss of a regression; log loss and 0-1 loss of classes.

    Args:
        y: what came ``(n,)``: values or class indices; rows of unknown classes (-1) are left out.
        answers: scores of each refit ``(b, n, k)``.
        decisions: the classes each refit decides ``(b, n)``; None for a regression.
    """
    if decisions is None:
        return (_squared(y, answers[:, :, 0]),)
    known = y >= 0
    return (_log(y[known], answers[:, known]), _zero_one(y[known], decisions[:, known], answers.shape[2]))


def _squared(y: Floats, answers: Floats) -> Decomposition:
    main = answers.mean(axis=0)
    losses = np.square(answers - y)
    return _told("squared", losses, float(np.square(main - y).mean()), float(np.square(answers - main).mean()))


def _zero_one(y: Floats, decisions: Floats, classes: int) -> Decomposition:
    votes = np.stack([(decisions == at).sum(axis=0) for at in range(classes)])
    main = votes.argmax(axis=0)  # the first of equals
    wrong = (main != y).astype(np.float64)
    losses = (decisions != y).astype(np.float64)
    return _told("zero-one", losses, float(wrong.mean()), float((losses.mean(axis=0) - wrong).mean()))


def _log(y: Floats, answers: Floats) -> Decomposition:
    logs = np.log(np.maximum(answers, _FLOOR))
    index = y.astype(np.int64)
    losses = -np.take_along_axis(logs, index[None, :, None], axis=2)[:, :, 0]
    main = logs.mean(axis=0)
    size = np.log(np.exp(main - main.max(axis=1, keepdims=True)).sum(axis=1)) + main.max(axis=1)  # of the geometric mean
    bias = -(np.take_along_axis(main, index[:, None], axis=1)[:, 0] - size)
    return _told("log", losses, float(bias.mean()), float(-size.mean()))


def _told(name: str, losses: Floats, bias: float, variance: float) -> Decomposition:
    single = tuple(float(each) for each in losses.mean(axis=1))
    return Decomposition(name, losses.shape[0], losses.shape[1], float(losses.mean()), bias, variance, single)
