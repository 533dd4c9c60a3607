"""Fits the preparation: from raw columns to features, learned on training rows only, as nodes of the plan.

| kind      | tree flavour                          | linear flavour                                             |
|-----------|---------------------------------------|------------------------------------------------------------|
| number    | as it is, NaN for null                | clipped, median for null, scaled; an indicator of nulls    |
| boolean   | 0, 1, NaN for null                    | as a number                                                |
| timestamp | calendar parts, never the time itself | sine and cosine of the calendar parts; indicator of nulls  |
| category  | one-hot up to 8 texts, else the mean  | one-hot up to 30 texts, else the scaled mean               |

The same frame gives equal nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from homeostat.core.targets import encode_target
from homeostat.errors import LearningError
from homeostat.graph.calendar import calendar_part
from homeostat.graph.decode import decode_frame
from homeostat.graph.plan import (
    Clip,
    Concat,
    Cycle,
    DatePart,
    Impute,
    Indicator,
    Input,
    Lookup,
    Node,
    Numbers,
    Preparation,
    Scale,
    category_inputs,
    number_inputs,
)
from homeostat.preparation.categories import MOST_CLASSES, one_hot, standardised, target_means, vocabulary_of
from homeostat.preparation.kinds import choose_columns
from homeostat.preparation.moments import PERIODS, seconds_of, telling_parts

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.graph.plan import Floats, Ints, Part

Flavour = Literal["tree", "linear"]

ONE_HOT_UP_TO: dict[Flavour, int] = {"tree": 8, "linear": 30}
CLIPPED_SHARE = 0.001
"""Share of a number's values beyond each clip of the linear flavour: one wild value must not move a linear score at will."""
OUT = "features"


def fit(frame: pl.DataFrame, task: sections.Task, section: sections.Preparation, flavour: Flavour, classes: tuple[str, ...]) -> Preparation:
    """The preparation fitted on these rows: inputs, nodes, and the features its last node ``features`` holds, named.

    Args:
        frame: training rows, the target included; rows of a class that is not in ``classes`` count in no class.
        task: names the target and the columns left out.
        section: overrides of kinds, and the size of vocabularies.
        flavour: ``tree`` keeps nulls as NaN; ``linear`` gives no NaN and scales.
        classes: of the target, as ``core.targets.classes_of`` orders them; empty for regression.

    Raises:
        LearningError: HS304, a column of a type that cannot be prepared, or nothing is left to learn from.
        DataError: HS205, a value that the kind of its column does not allow.
    """
    inputs = _inputs(frame, task, section)
    numbers, codes = decode_frame(inputs, frame)
    made = _Made(flavour)
    plain = number_inputs(inputs)
    _add_numbers(made, plain, numbers)
    for column, each in enumerate(plain):
        if each.kind == "timestamp":
            _add_moments(made, each.name, column, numbers[:, column])
    y = encode_target(frame[task.target], classes)
    for column, each in enumerate(category_inputs(inputs)):
        _add_category(made, each, column, codes[:, column], (y, classes))
    if not made.features:
        raise LearningError("HS304", f"no feature can be made of {', '.join(each.name for each in inputs)}", place="data")
    return Preparation(inputs, (*made.nodes, Concat(OUT, tuple(made.blocks))), tuple(made.features))


def _inputs(frame: pl.DataFrame, task: sections.Task, section: sections.Preparation) -> tuple[Input, ...]:
    found = []
    for name, kind in choose_columns(frame, task, section).kinds.items():
        if kind == "category":
            found.append(Input(name, kind, vocabulary_of(frame[name], section.max_categories)))
        elif kind != "timestamp" or _tells(seconds_of(frame, name)):
            found.append(Input(name, kind))
    return tuple(found)


def _tells(seconds: Floats) -> bool:
    """Whether timestamps give any feature; if not, callers need not send them."""
    return bool(telling_parts(seconds)) or bool(np.isnan(seconds).any())


@dataclass(slots=True)
class _Made:
    """The nodes made so far, the blocks that will be features, side by side, and the names of their columns."""

    flavour: Flavour
    nodes: list[Node] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    features: list[str] = field(default_factory=list)

    def add(self, node: Node, names: tuple[str, ...] = ()) -> str:
        """Append a node, as features when they are named; return its block."""
        self.nodes.append(node)
        if names:
            self.blocks.append(node.out)
            self.features.extend(names)
        return node.out


def _add_numbers(made: _Made, plain: tuple[Input, ...], numbers: Floats) -> None:
    columns = tuple(at for at, each in enumerate(plain) if each.kind != "timestamp")
    if not columns:
        return
    names = tuple(plain[at].name for at in columns)
    if made.flavour == "tree":
        made.add(Numbers("numbers as they are", columns), names)
        return
    x = numbers[:, list(columns)]
    raw = made.add(Numbers("numbers as they are", columns))
    low, high = np.nanquantile(x, [CLIPPED_SHARE, 1 - CLIPPED_SHARE], axis=0)
    clipped = made.add(Clip("numbers clipped", raw, low, high))
    x = np.clip(x, low, high)
    median = np.nanmedian(x, axis=0)
    filled = made.add(Impute("numbers filled", clipped, median))
    x = np.where(np.isnan(x), median, x)
    deviation = x.std(axis=0)
    made.add(Scale("numbers scaled", filled, x.mean(axis=0), np.where(deviation > 0, deviation, 1.0)), names)
    _add_indicator(made, tuple(at for at in columns if np.isnan(numbers[:, at]).any()), plain)


def _add_indicator(made: _Made, columns: tuple[int, ...], plain: tuple[Input, ...]) -> None:
    if columns:
        source = made.add(Numbers("numbers with nulls", columns))
        made.add(Indicator("nulls", source), tuple(f"{plain[at].name} is null" for at in columns))


def _add_moments(made: _Made, name: str, column: int, seconds: Floats) -> None:
    parts = telling_parts(seconds)
    nulls = bool(np.isnan(seconds).any())
    source = made.add(Numbers(f"{name} in seconds", (column,)))
    for part in parts:
        _add_part(made, f"{name} {part}", source, part, seconds)
    if nulls and (made.flavour == "linear" or not parts):
        made.add(Indicator(f"{name} is null", source), (f"{name} is null",))


def _add_part(made: _Made, name: str, source: str, part: Part, seconds: Floats) -> None:
    if made.flavour == "tree":
        made.add(DatePart(name, source, part), (name,))
        return
    block = made.add(DatePart(name, source, part))
    # Also where training had no null: a later one must still get a score.
    typical = np.nanmedian(calendar_part(part, seconds, np.floor))
    filled = made.add(Impute(f"{name} filled", block, np.array([typical])))
    made.add(Cycle(f"{name} cycle", filled, PERIODS[part]), (f"{name} sine", f"{name} cosine"))


def _add_category(made: _Made, each: Input, column: int, codes: Ints, target: tuple[Floats, tuple[str, ...]]) -> None:
    y, classes = target
    size = len(each.vocabulary)
    if size <= ONE_HOT_UP_TO[made.flavour] or len(classes) > MOST_CLASSES:
        table = one_hot(each.name, each.vocabulary, codes)
    else:
        table = target_means(each.name, size, codes, y, classes)
        if made.flavour == "linear":
            table = standardised(table, codes)
    made.add(Lookup(f"{each.name} encoded", column, table.values), table.names)
