"""A foreign ONNX graph as a plan: our inputs in front of it, our scores behind it, and how the graph itself would answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.errors import LearningError
from homeostat.graph.foreign import FLOATING
from homeostat.graph.plan import Foreign, Linear, Node, Pick, Plan
from homeostat.graph.ports import Ports, ports_of
from homeostat.serving.foreign_inputs import Wired, wire
from homeostat.serving.foreign_session import ForeignSession, unanswerable

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core.sections import TaskType
    from homeostat.graph.plan import Floats

PROBABILITIES = ("probabilities", "output_probability", "probability")
"""What converters call the output with probabilities, where there are several."""
SUM_TOLERANCE = 1e-4
AGREES = 0.9
"""Of the rows, on which a graph's own labels must be the likeliest class, so that its columns are taken to be named rightly."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the model is to answer, and what a person said of it.

    ``columns`` may be inputs. ``classes`` are the target's, for two (negative, positive); none where no reference row has a label.
    ``said`` maps inputs to columns, ``output`` names a tensor, ``named`` are the classes of its columns in their order; all may be empty.
    """

    task: TaskType
    target: str
    columns: tuple[str, ...]
    classes: tuple[str, ...] = ()
    positive: str = ""
    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    output: str = ""
    named: tuple[str, ...] = ()
    fill: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Wrapped:
    """The plan; how the graph by itself answers rows of a frame, as scores (n, k) in the plan's order; and which columns it was given."""

    plan: Plan
    oracle: Callable[[pl.DataFrame], Floats]
    columns: Mapping[str, tuple[str, ...]]


def wrap(content: bytes, frame: pl.DataFrame, asked: Asked) -> Wrapped:
    """Wrap a serialised ONNX model; the reference rows decide what cannot be read from it, and must all be answered.

    Raises:
        LearningError: HS375, no ONNX model; HS376, it cannot be wrapped; HS377, its inputs do not fit the columns; HS378, its outputs do
            not fit the target; HS379, its answers on the reference rows cannot be used.
    """
    ports = ports_of(content)
    wired = wire(ports, frame, asked.columns, asked.said, fill=asked.fill)
    session = ForeignSession(content)
    output = _output(ports, asked)
    tensor, named = ports.maps.get(output, (output, ()))

    def answers(rows: pl.DataFrame) -> Floats:
        return _plain(session.run(output, wired.columns, wired.feeds, rows), named, unanswerable(wired.feeds, wired.columns, rows))

    seen = answers(frame)
    _require_finite(seen, frame, wired)
    foreign = Foreign("foreign", np.frombuffer(content, dtype=np.uint8), wired.feeds, tensor, seen.shape[1])
    if asked.task == "regression":
        if seen.shape[1] != 1:
            raise LearningError(
                "HS378", f"the output {output!r} has {seen.shape[1]} columns; a regression answers with one", place="--output"
            )
        return Wrapped(Plan("regression", asked.target, wired.inputs, (foreign,)), answers, wired.columns)
    scores = _two(seen)
    _require_probabilities(scores, output)
    if seen.shape[1] == 1:  # the probability of the positive class, which is the target's
        have = asked.named or asked.classes
    else:
        have = asked.named or named or _classes(ports, session, wired, frame, scores, asked.classes)
    classes, order = ordered_classes(have, scores.shape[1], asked)
    nodes = _scored(foreign, order)
    plan = Plan(asked.task, asked.target, wired.inputs, nodes, classes)
    return Wrapped(plan, lambda rows: _two(answers(rows))[:, list(order)], wired.columns)


def _output(ports: Ports, asked: Asked) -> str:
    """The output that holds the answers."""
    told = ", ".join(each.told() for each in ports.outputs)
    if asked.output:
        if asked.output not in [each.name for each in ports.outputs]:
            raise LearningError("HS378", f"got {asked.output!r}; the graph's outputs are {told}", place="--output")
        return asked.output
    able = [each.name for each in ports.outputs if each.type in FLOATING or each.name in ports.maps]
    if len(able) > 1:
        able = [name for name in able if name in PROBABILITIES] or able
    if len(able) != 1:
        what = "none holds numbers with a fraction" if not able else "several could hold the answers"
        raise LearningError("HS378", f"{what}; the graph's outputs are {told}", next_step="say which with --output NAME")
    return able[0]


def _plain(found: Any, named: Sequence[str], without: Any) -> Floats:
    """An output's value as (n, k) float64; rows that cannot be answered are NaN."""
    if isinstance(found, list):
        rows = [{str(name): value for name, value in row.items()} for row in found]
        made = np.array([[row[name] for name in named] for row in rows], dtype=np.float64).reshape(len(rows), len(named))
    else:
        array = np.asarray(found, dtype=np.float64)
        if array.ndim > 2 and array.size:
            raise LearningError("HS378", f"the output has the shape {array.shape}; allowed: (n, k) and (n,)")
        made = array.reshape(len(without), -1)
    return np.where(without[:, None], np.nan, made)


def _require_finite(scores: Floats, frame: pl.DataFrame, wired: Wired) -> None:
    import polars as pl

    bad = (~np.isfinite(scores)).sum(axis=1) > 0
    if not bad.any():
        return
    used = sorted({name for names in wired.columns.values() for name in names})
    nulls = frame.select(pl.any_horizontal(pl.col(name).is_null() for name in used)).to_series().to_numpy()
    step = "with --fill-nulls it is given the reference's medians instead" if (bad & nulls).all() else "look at the model, or at these rows"
    raise LearningError(
        "HS379",
        f"it answers {int(bad.sum())} of {len(bad)} reference rows with NaN or infinity; {int((bad & nulls).sum())} of these have a null",
        place=f"row {int(np.argmax(bad)) + 1}",
        next_step=step,
    )


def _require_probabilities(scores: Floats, output: str) -> None:
    off = (scores < -SUM_TOLERANCE).any(axis=1) | (np.abs(scores.sum(axis=1) - 1.0) > SUM_TOLERANCE)
    if off.any():
        shown = ", ".join(f"{value:.4g}" for value in scores[np.argmax(off)][:6])
        raise LearningError(
            "HS379",
            f"the output {output!r} holds no probabilities: row {int(np.argmax(off)) + 1} has {shown}",
            next_step="name the output with probabilities with --output, or end the graph with a sigmoid or softmax",
        )


def _two(scores: Floats) -> Floats:
    """Scores with a column for each class: of one column, the probability of the positive class, two are made."""
    return np.column_stack([1.0 - scores[:, 0], scores[:, 0]]) if scores.shape[1] == 1 else scores


def _classes(
    ports: Ports, session: ForeignSession, wired: Wired, frame: pl.DataFrame, scores: Floats, known: Sequence[str]
) -> tuple[str, ...]:
    """The classes of the columns: as an operator names them, else as the graph's own labels tell; empty where neither does."""
    named = [each for each in ports.classes if len(each) == scores.shape[1]]
    labels = next((each for each in ports.outputs if each.type in ("int64", "int32", "string")), None)
    if labels is None:
        return named[0] if len(named) == 1 else ()
    said = [str(each) for each in np.asarray(session.run(labels.name, wired.columns, wired.feeds, frame)).ravel().tolist()]
    likeliest = scores.argmax(axis=1)
    for each in named:
        if np.mean([each[at] == label for at, label in zip(likeliest, said, strict=True)]) >= AGREES:
            return each
    seen = [_common(label for at, label in zip(likeliest, said, strict=True) if at == column) for column in range(scores.shape[1])]
    left = [each for each in known if each not in seen]
    if seen.count("") == 1 == len(left):  # a class that no row is given: the one that is left
        seen[seen.index("")] = left[0]
    return tuple(seen) if "" not in seen and len(set(seen)) == len(seen) else ()


def _common(labels: Any) -> str:
    """The most frequent label; empty for none."""
    counts: dict[str, int] = {}
    for each in labels:
        counts[each] = counts.get(each, 0) + 1
    return max(counts, key=lambda name: counts[name], default="")


def ordered_classes(have: tuple[str, ...], width: int, asked: Asked) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The plan's classes and, for each of them, the column of the scores.

    Args:
        have: the classes of the columns, as far as they are known.
        width: columns.
        asked: the target's classes.

    Raises:
        LearningError: HS378, the classes are not known, or not the target's.
    """
    wanted = asked.classes
    if len(have) != width:
        got = f"{len(have)} classes are known of it ({', '.join(have)})" if have else "nothing says which classes its columns are"
        step = "name them in the order of the columns: --classes NAME,NAME,..."
        raise LearningError("HS378", f"its answer has {width} columns, and {got}", next_step=step)
    booleans = {"0": "false", "1": "true"}
    if set(wanted) == set(booleans.values()) and set(have) <= set(booleans):
        have = tuple(booleans[each] for each in have)
    if not wanted:
        wanted = tuple(sorted(have, key=lambda name: (name == asked.positive, name))) if asked.task == "binary" else tuple(sorted(have))
    strange = [name for name in wanted if name not in have]
    if strange or (asked.task == "binary" and width != 2):
        raise LearningError(
            "HS378",
            f"it answers with the classes {', '.join(have)}; the target has {', '.join(wanted)}",
            place=f"column {asked.target!r}",
            next_step="name its columns in their order with --classes, in the target's words",
        )
    classes = wanted if set(wanted) == set(have) else tuple(sorted(have))
    return classes, tuple(have.index(name) for name in classes)


def _scored(foreign: Foreign, order: tuple[int, ...]) -> tuple[Node, ...]:
    """What follows the foreign graph: the other class of two, and the plan's order of classes."""
    if foreign.width == 1:
        weights = np.array([[-1.0, 1.0]]) if order == (0, 1) else np.array([[1.0, -1.0]])
        bias = np.array([1.0, 0.0]) if order == (0, 1) else np.array([0.0, 1.0])
        return foreign, Linear("score", foreign.out, weights, bias)
    if order == tuple(range(foreign.width)):
        return (foreign,)
    return foreign, Pick("score", foreign.out, order)
