"""A neural network for tables, of PyTorch (extra ``torch``), and its conversion to nodes.

It learns in float32. What it has come to answers in float64, by the library as by the plan.

Source: Gorishniy et al., "Revisiting deep learning models for tabular data" (NeurIPS 2021); Holzmueller, Grinsztajn and Steinwart,
"Better by default: strong pre-tuned MLPs and boosted trees on tabular data" (NeurIPS 2024).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.learning.learner import Fitted, Rows, unwatched
from homeostat.learning.learners import boosting, extras
from homeostat.learning.learners.network import Layers, Network, Steps, nodes_of, said
from homeostat.stats.metrics import METRICS, error_of

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats
    from homeostat.learning.learner import Flavour, Goal, Params, Suggest, Watch
    from homeostat.stats.metrics import Metric

flavour: Flavour = "linear"
defaults: Params = MappingProxyType({"width": 128, "depth": 3, "steps": 24, "learning_rate": 3e-3, "dropout": 0.1, "weight_decay": 0.02})
_OTHERS: tuple[Params, ...] = (  # wide and finely stepped for much signal, held back for noise
    {**defaults, "width": 256, "steps": 48, "dropout": 0.0},
    {**defaults, "width": 96, "steps": 6, "learning_rate": 1e-3, "dropout": 0.35, "weight_decay": 0.2},
)
MOST_ROUNDS, UNTOLD_ROUNDS, PATIENCE = 100, 30, 12
"""Rounds at most; of a fit that has neither validation rows nor a round count; without a better error until learning stops."""
GPU_FROM = 20_000_000
"""Values (rows times features) from which a graphics card, where there is one, is worth its way."""
ROWS_AT_ONCE = 8_192
_STOP_BY = ("mae", "rmse", "auc", "average_precision", "log_loss")
"""Metrics that a fit stops by; instead of one that looks at decisions or at few rows the log loss, or the rmse."""
_ABSENT = -1e4
"""The raw score of a class without training rows: its softmax is exactly 0 beside any other."""


def portfolio(goal: Goal) -> tuple[Params, ...]:
    """For much signal and for noise; of amounts each also as counts that are multiplied and not added."""
    return boosting.with_losses(defaults, _OTHERS, goal)


def space(trial: Suggest, goal: Goal) -> Params:
    """The size of the network, how finely numbers are seen, the speed of learning, two brakes; of amounts the loss."""
    return boosting.ask_loss(trial, goal) | {
        "width": trial.suggest_int("width", 32, 384, log=True),
        "depth": trial.suggest_int("depth", 1, 3),
        "steps": trial.suggest_int("steps", 4, 64, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "weight_decay": trial.suggest_float("weight_decay", 1e-3, 1.0, log=True),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """What a network learns to say: ``y`` (n,) at a mean of 0 and a spread of 1, or classes.

    A raw score is ``centre`` (k,) plus ``spread`` times what the network says.
    """

    y: Floats
    weights: Floats
    centre: Floats
    spread: float = 1.0


def fit(rows: Rows, goal: Goal, params: Params, seed: int, valid: Rows | None = None, watch: Watch = unwatched) -> Fitted:
    """Learn. With ``valid`` until its error stops falling, and the best round counts; without, for ``params["rounds"]``.

    Raises:
        LearningError: HS310, PyTorch is not installed.
    """
    torch = extras.library("neural")
    torch.set_num_threads(1)  # of small matrices more of them only wait, and sums would come in another order
    loss = boosting.loss_of(params)
    if goal.classes:
        rows, valid = rows.known(), None if valid is None else valid.known()
    target = _target(rows, goal, loss)
    steps = Steps.of(rows.features, int(params["steps"]))
    widths = [int(params["width"])] * int(params["depth"]) + [len(target.centre)]
    brakes = (float(params["learning_rate"]), float(params["dropout"]), float(params["weight_decay"]))
    device = _device(torch, rows.features.size)
    network = Network(torch, steps, widths, brakes, device, seed)
    features = torch.tensor(rows.features, dtype=torch.float32, device=device)
    measured = _loss(torch, goal, loss, target, device)

    def answer(layers: Layers, x: Floats) -> Floats:
        raw = [said(torch, steps, layers, torch.from_numpy(x[at : at + ROWS_AT_ONCE])) for at in range(0, max(1, len(x)), ROWS_AT_ONCE)]
        return _scores(torch, torch.cat(raw) * target.spread + torch.from_numpy(target.centre), goal, loss)

    found, best = 0, float("inf")
    layers = network.answering()
    for done in range(1, (int(params.get("rounds", UNTOLD_ROUNDS)) if valid is None else MOST_ROUNDS) + 1):
        network.learn(features, measured)
        if valid is None:
            found = done
            continue
        now = network.answering()
        error = _error(goal, valid, answer(now, valid.features))
        if error < best:
            found, best, layers = done, error, now
        if watch(float(done), best) or done - found >= PATIENCE:
            break
    if valid is None:
        layers = network.answering()
    if not found or not all(bool(torch.isfinite(each).all()) for pair in layers for each in pair):
        raise ValueError("learning ran away: the error of the validation rows, or a weight, is no number; learn more slowly")
    plain = [(weights.numpy().T, bias.numpy()) for weights, bias in layers]
    plain[-1] = (plain[-1][0] * target.spread, plain[-1][1] * target.spread + target.centre)
    nodes = (*nodes_of(steps, plain, goal.source, "raw score"), *boosting.behind("raw score", goal, loss))
    return Fitted(nodes, lambda x: answer(layers, x), {**params, "rounds": found})


def _device(torch: Any, values: int) -> Any:
    return torch.device("cuda" if values >= GPU_FROM and torch.cuda.is_available() else "cpu")


def _target(rows: Rows, goal: Goal, loss: boosting.Loss) -> _Target:
    weights = np.ones(len(rows.target)) if rows.weights is None else rows.weights / rows.weights.mean()
    if goal.classes:
        counts = np.array([weights[rows.target == index].sum() for index in range(len(goal.classes))])
        logs = np.where(counts > 0, np.log(np.where(counts > 0, counts, 1.0) / counts.sum()), _ABSENT)
        return _Target(rows.target, weights, logs if goal.task == "multiclass" else np.diff(np.log(counts + 0.5)))
    y = boosting.learned(rows.target, loss)
    mean = float(np.average(y, weights=weights))
    if loss == "poisson":
        mean = mean if mean > 0 else 1.0
        return _Target(y / mean, weights, np.log([mean]))
    spread = float(np.sqrt(np.average((y - mean) ** 2, weights=weights))) or 1.0
    return _Target((y - mean) / spread, weights, np.array([mean]), spread)


def _loss(torch: Any, goal: Goal, loss: boosting.Loss, target: _Target, device: Any) -> Callable[[Any, Any], Any]:
    """From what the network says of some rows, and which ones these are, to their mean weighted loss."""
    single = {"dtype": torch.float32, "device": device}
    y, weights, centre = (torch.tensor(each, **single) for each in (target.y, target.weights, target.centre))
    use = torch.nn.functional
    if goal.task == "multiclass":
        whole = y.long()
        return lambda said, at: (use.cross_entropy(said + centre, whole[at], reduction="none") * weights[at]).mean()
    each: Callable[[Any, Any], Any]
    if goal.task == "binary":
        each = lambda said, y: use.binary_cross_entropy_with_logits(said + centre, y, reduction="none")  # noqa: E731
    elif loss == "poisson":
        each = lambda said, y: torch.exp(said) - y * said  # noqa: E731
    elif loss == "metric" and goal.metric.name == "mae":
        each = lambda said, y: (said - y).abs()  # noqa: E731
    else:
        each = lambda said, y: (said - y) ** 2  # noqa: E731
    return lambda said, at: (each(said[:, 0], y[at]) * weights[at]).mean()


def _scores(torch: Any, raw: Any, goal: Goal, loss: boosting.Loss) -> Floats:
    """Raw scores as scores (n, k)."""
    if goal.task == "multiclass":
        return np.asarray(torch.softmax(raw, dim=1).numpy())
    if goal.task == "binary":
        p = torch.sigmoid(raw)
        return np.asarray(torch.hstack([1.0 - p, p]).numpy())
    return boosting.answered((torch.exp(raw) if loss == "poisson" else raw).numpy(), loss)


def _error(goal: Goal, valid: Rows, scores: Floats) -> float:
    """Of the validation rows, weighed as they are."""
    measured: Metric = goal.metric if goal.metric.name in _STOP_BY else METRICS["log_loss" if goal.classes else "rmse"]
    weights = np.ones(len(valid.target)) if valid.weights is None else valid.weights
    return error_of(measured, float(measured.prepare(valid.target, scores)(weights[None])[0]))
