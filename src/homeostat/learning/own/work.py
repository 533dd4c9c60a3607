"""What is done with an estimator of the team's own where it runs: made, fitted, asked, and turned into nodes that say what it says."""

from __future__ import annotations

import inspect
import pickle
import random
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.interpret import run
from homeostat.graph.plan import Input, Numbers, Plan
from homeostat.learning.converting import ways
from homeostat.learning.own.learner import Learned

if TYPE_CHECKING:
    from homeostat.graph.plan import Floats, Node
    from homeostat.learning.learner import Goal, Params, Rows
    from homeostat.learning.own.learner import Task

Make = Callable[..., Any]
TOLERANCE, SINGLE_TOLERANCE = 1e-7, 1e-6
"""Of DESIGN's rule of parity: estimators that compute in float64, and those that compute in float32."""
MOST_STRESSED = 200
"""Features that are asked as null and as extreme, one by one."""
SUMS = 1e-4
"""By how much the probabilities of a row may miss a sum of 1: those of float32 do by a little."""


class Unfit(Exception):
    """What is wrong with an estimator, in words that need no more."""


def learn(make: Make, task: Task) -> Learned:
    """Fit an estimator and say what came of it.

    Raises:
        Unfit: it is no estimator, answers what is no answer, or cannot be kept or converted.
    """
    rows = task.rows.known() if task.goal.classes else task.rows
    estimator = _fitted(_made(make, task.params, task.seed), rows, task.goal)
    started = time.perf_counter()
    scores, single = answers(estimator, task.judged, task.goal)
    row_us = (time.perf_counter() - started) / len(task.judged) * 1e6
    bad = int((~np.isfinite(scores)).any(axis=1).sum())
    if bad:
        raise Unfit(f"its predictions are NaN or infinite for {bad} of {len(scores)} rows")
    asked = np.vstack([task.judged, _stressed(rows.features, nulls=task.estimator.flavour == "tree")])
    nodes = _converted(estimator, task.goal, asked)
    return Learned(nodes, _kept(estimator), scores, row_us, single)


def answers(estimator: Any, features: Floats, goal: Goal) -> tuple[Floats, bool]:
    """Scores (n, k) by the estimator's own predict, and whether it computes in float32.

    Raises:
        Unfit: these are no answers for the rows.
    """
    how = "predict_proba" if goal.classes else "predict"
    if not callable(getattr(estimator, how, None)):
        raise Unfit(f"{type(estimator).__name__} has no {how}, which a {goal.task} task needs")
    raw = np.asarray(getattr(estimator, how)(features))
    if raw.dtype.kind not in "fiub":
        raise Unfit(f"{how} gave {raw.dtype} and no numbers")
    said = raw.astype(np.float64)
    present = present_classes(estimator, goal)
    wanted = (len(features), len(present)) if goal.classes else (len(features),)
    if not goal.classes and said.shape == (len(features), 1):
        said = said[:, 0]
    if said.shape != wanted:
        raise Unfit(f"{how} gave an array of shape {raw.shape} for {len(features)} rows; expected {wanted}")
    if not goal.classes:
        return said[:, None], raw.dtype == np.float32
    if np.abs(said.sum(axis=1) - 1.0).max(initial=0.0) > SUMS or said.min(initial=0.0) < -SUMS:
        raise Unfit(f"{how} gave rows that are no probabilities: they are below 0, or do not sum to 1")
    scores = np.zeros((len(features), len(goal.classes)))
    scores[:, present] = said
    return scores, raw.dtype == np.float32


def present_classes(estimator: Any, goal: Goal) -> list[int]:
    """The classes that an estimator has learned, by index; [0] for numbers."""
    if not goal.classes:
        return [0]
    known = getattr(estimator, "classes_", None)
    return list(range(len(goal.classes))) if known is None else [int(each) for each in known]


def _made(make: Make, params: Params, seed: int) -> Any:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    estimator = make(**params)
    for name in ("fit", "predict"):
        if not callable(getattr(estimator, name, None)):
            raise Unfit(f"what was made, {_kind(estimator)}, has no method {name}; return an estimator as scikit-learn has them")
    has = getattr(estimator, "get_params", None)
    if callable(has) and (given := has(deep=False)).get("random_state", 0) is None and "random_state" in given:
        estimator.set_params(random_state=seed)
    return estimator


def _kind(value: Any) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"


def _fitted(estimator: Any, rows: Rows, goal: Goal) -> Any:
    target = rows.target.astype(np.int64) if goal.classes else rows.target
    weighed = {}
    if rows.weights is not None:
        if "sample_weight" not in inspect.signature(estimator.fit).parameters:
            raise Unfit(
                "the training rows have weights (a decaying window, weak labels or balanced classes), and fit takes no sample_weight"
            )
        weighed = {"sample_weight": rows.weights}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(rows.features, target, **weighed)
    return estimator


def _stressed(features: Floats, *, nulls: bool) -> Floats:
    """Rows that training may not have had: each feature far off, and null where nulls come as they are; the last one null altogether."""
    width = min(features.shape[1], MOST_STRESSED)
    few = features[:1_000]
    row = features[0] if nulls else np.median(np.where(np.isnan(few), 0.0, few), axis=0)
    values = [1e6, -1e6, *([np.nan] if nulls else [])]
    made = np.tile(row, (len(values) * width + 1, 1))
    for at, value in enumerate(values):
        made[np.arange(at * width, (at + 1) * width), np.arange(width)] = value
    if nulls:
        made[-1] = np.nan
    return made


def _converted(estimator: Any, goal: Goal, asked: Floats) -> tuple[Node, ...]:
    """Nodes that say what the estimator says, on the rows asked.

    Raises:
        Unfit: no way to convert it gives such nodes, or it has no answer for a row that can come.
    """
    try:
        wanted, single = answers(estimator, asked, goal)
    except (ValueError, TypeError, Unfit) as error:
        raise Unfit(f"it has no answer for a row with nulls or extreme numbers, which can come when it serves: {error}") from error
    allowed = SINGLE_TOLERANCE if single else TOLERANCE
    reasons = []
    for way, convert in ways(estimator, goal, present_classes(estimator, goal), asked.shape[1]):
        try:
            nodes = convert()
            off = _off(nodes, goal, asked, wanted)
        except Exception as error:  # noqa: BLE001 - whatever a converter raises is why this way does not work
            reasons.append(f"{way}: {type(error).__name__}: {error}")
            continue
        if off <= allowed:
            return nodes
        reasons.append(f"{way}: scores differ by {off:.1e} from its own predict, allowed: {allowed:g}")
    raise Unfit(f"{type(estimator).__name__} cannot be converted to a graph ({'; '.join(reasons) or 'no way is known'})")


def _off(nodes: tuple[Node, ...], goal: Goal, asked: Floats, wanted: Floats) -> float:
    """The largest difference between what nodes say and what is wanted; infinite where a decision differs."""
    inputs = tuple(Input(str(at), "number") for at in range(asked.shape[1]))
    plan = Plan(goal.task, "target", inputs, (Numbers(goal.source, tuple(range(asked.shape[1]))), *nodes), goal.classes)
    said = run(plan, asked, np.zeros((len(asked), 0), dtype=np.int64))
    if said.shape != wanted.shape:
        return float("inf")
    if goal.classes and (np.take_along_axis(wanted, said.argmax(axis=1)[:, None], axis=1)[:, 0] < wanted.max(axis=1) - TOLERANCE).any():
        return float("inf")
    same = (said == wanted) | (np.isnan(said) & np.isnan(wanted))
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.where(same, 0.0, np.abs(said - wanted) / np.maximum(1.0, np.abs(wanted)))
    return float(np.nan_to_num(off, nan=np.inf).max(initial=0.0))


def _kept(estimator: Any) -> bytes:
    try:
        return pickle.dumps(estimator)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise Unfit(f"the fitted estimator cannot be kept, since it cannot be pickled: {error}") from error
