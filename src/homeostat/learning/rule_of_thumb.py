"""The best rule of thumb: what a person could apply without a computer, and a model must beat to be worth its keep.

Two kinds are tried: at most two questions about the features (a tree of two or three leaves), and the usual answer for each value of
one column (a lookup). Cross-validation on the training rows chooses, so the judged rows say honestly how good the chosen one is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.graph.calendar import calendar_part
from homeostat.graph.decode import decode_frame
from homeostat.graph.plan import category_inputs, number_inputs
from homeostat.learning.learners.naive import fit_constant
from homeostat.stats.metrics import error_of

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.graph.plan import Floats, Input, Part
    from homeostat.learning.learner import Goal

PARTS: tuple[Part, ...] = ("hour", "weekday", "month")
MOST_VALUES = 50
"""Values of one column that a lookup may have."""
MOST_ONE_HOT = 12
LARGEST = 1e30
"""Trees compare and add in float32; a number beyond this one is on the same side of any threshold that is told."""
FOLDS = 4
MOST_LEAVES = 3
MOST_ROWS = 20_000
"""Rules are fitted on this many rows, evenly spaced: a threshold between three leaves needs no more."""
LEAST_SHARE = 0.01
LEAST_ROWS = 10
"""An answer rests on at least so many rows, and so large a share of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows as a rule sees them: ``features`` (n, p) with their names, and columns of few values as codes (n,) below ``sizes``."""

    features: Floats
    names: tuple[str, ...]
    codes: Mapping[str, NDArray[np.int64]]
    sizes: Mapping[str, int]

    def rows(self, chosen: NDArray[np.intp]) -> Table:
        """Some of the rows."""
        return Table(self.features[chosen], self.names, {name: codes[chosen] for name, codes in self.codes.items()}, self.sizes)


def tabulate(inputs: Sequence[Input], frame: pl.DataFrame, values: Mapping[str, Floats]) -> Table:
    """The rows of a frame as rules see them; texts of many words are left out.

    Features are numbers as they are, the calendar parts of timestamps, and a column of zeros and ones for each text of a category
    that has few. Codes are those of categories, and the place of a number among the ``values`` that ``few_values`` found for it.
    """
    plain = [each for each in inputs if each.kind in ("number", "boolean", "timestamp", "category")]
    numbers, codes, *_ = decode_frame(plain, frame)
    features: dict[str, Floats] = {}
    coded: dict[str, NDArray[np.int64]] = {}
    sizes: dict[str, int] = {}
    for column, each in zip(numbers.T, number_inputs(plain), strict=True):
        if each.kind == "timestamp":
            features |= {f"{part} of {each.name}": calendar_part(part, column, np.floor) for part in PARTS}
        else:
            features[each.name] = column
        if each.name in values:
            coded[each.name], sizes[each.name] = _places(column, values[each.name])
    for found, each in zip(codes.T, category_inputs(plain), strict=True):
        if len(each.vocabulary) <= MOST_VALUES:
            coded[each.name], sizes[each.name] = found, len(each.vocabulary) + 2
        if len(each.vocabulary) <= MOST_ONE_HOT:
            features |= {f"{each.name}={text}": (found == at).astype(float) for at, text in enumerate(each.vocabulary, start=1)}
    columns = np.column_stack([*features.values()]) if features else np.empty((frame.height, 0))
    return Table(np.clip(columns, -LARGEST, LARGEST), tuple(features), coded, sizes)


def few_values(inputs: Sequence[Input], frame: pl.DataFrame) -> dict[str, Floats]:
    """The values, in order, of each number that has few enough for a lookup."""
    found = {}
    for each in inputs:
        if each.kind == "number" and 2 <= frame[each.name].n_unique() <= MOST_VALUES:
            values = np.unique(decode_frame((each,), frame)[0])
            found[each.name] = values[~np.isnan(values)]
    return found


def _places(column: Floats, values: Floats) -> tuple[NDArray[np.int64], int]:
    """1, 2, ... for a known value, 0 for any other; and how many such codes there are."""
    at = np.minimum(np.searchsorted(values, column), len(values) - 1)
    return np.where(values[at] == column, at + 1, 0).astype(np.int64), len(values) + 1


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule in words, and what it answers: a table to scores (n, k)."""

    words: str
    predict: Callable[[Table], Floats]


def rule_of_thumb(table: Table, y: Floats, goal: Goal) -> Rule | None:
    """The rule with the least error over four folds of neighbouring rows, fitted on all rows; None when none beats a constant there.

    Args:
        table: training rows, in their order.
        y: values or class indices, -1 for a class that is not known (not learned from).
        goal: the task and the metric that judges.
    """
    chosen = np.flatnonzero(np.isfinite(y) & (y >= 0 if goal.classes else True))
    chosen = chosen[:: max(1, len(chosen) // MOST_ROWS)]
    table, y = table.rows(chosen), y[chosen]
    makers: list[Callable[[Table, Floats], Rule]] = [
        *(_tree_maker(leaves, goal) for leaves in range(2, MOST_LEAVES + 1) if table.features.shape[1]),
        *(_lookup_maker(name, goal) for name in table.codes),
    ]
    if not makers or len(y) < FOLDS * LEAST_ROWS:
        return None
    fold = np.arange(len(y)) * FOLDS // len(y)
    errors = [_cross_validated(maker, table, y, (fold, goal)) for maker in makers]
    if min(errors) >= _cross_validated(_constant_maker(goal), table, y, (fold, goal)):
        return None
    return makers[int(np.argmin(errors))](table, y)


def _cross_validated(maker: Callable[[Table, Floats], Rule], table: Table, y: Floats, how: tuple[NDArray[np.intp], Goal]) -> float:
    """The error of the joined answers to all folds; infinite when it cannot be measured."""
    fold, goal = how
    answers = []
    for one in range(FOLDS):
        rule = maker(table.rows(np.flatnonzero(fold != one)), y[fold != one])
        answers.append(rule.predict(table.rows(np.flatnonzero(fold == one))))
    error = error_of(goal.metric, goal.metric.score(y, np.concatenate(answers)))
    return float(np.nan_to_num(error, nan=np.inf))


def _constant_maker(goal: Goal) -> Callable[[Table, Floats], Rule]:
    def make(table: Table, y: Floats) -> Rule:
        answer = fit_constant(y, goal.classes, goal.metric)
        return Rule(_answer(answer, goal), lambda asked: np.tile(answer, (len(asked.features), 1)))

    return make


def _tree_maker(leaves: int, goal: Goal) -> Callable[[Table, Floats], Rule]:
    def make(table: Table, y: Floats) -> Rule:
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        kind = DecisionTreeClassifier if goal.classes else DecisionTreeRegressor
        least = max(LEAST_ROWS, int(LEAST_SHARE * len(y)))
        tree = kind(max_leaf_nodes=leaves, min_samples_leaf=least, random_state=0).fit(table.features, y)
        at = tree.apply(table.features)
        answers = {int(leaf): fit_constant(y[at == leaf], goal.classes, goal.metric) for leaf in np.unique(at)}
        scores = np.zeros((tree.tree_.node_count, len(next(iter(answers.values())))))
        for leaf, values in answers.items():
            scores[leaf] = values
        return Rule(_questions(tree.tree_, table.names, answers, goal), lambda asked: scores[tree.apply(asked.features)])

    return make


def _questions(tree: Any, names: tuple[str, ...], answers: Mapping[int, Floats], goal: Goal, node: int = 0) -> str:
    """``12 if temp <= 0.3, else 40 if hr <= 6.5, else 300``: the branch that ends first is asked first."""
    if tree.children_left[node] < 0:
        return _answer(answers[node], goal)
    left, right, limit = int(tree.children_left[node]), int(tree.children_right[node]), float(tree.threshold[node])
    name, sign = names[int(tree.feature[node])], "<="
    if tree.children_left[left] >= 0:
        left, right, sign = right, left, ">"
    first = f"{_answer(answers[left], goal)} if {_condition(name, sign, limit)}"
    return f"{first}, else {_questions(tree, names, answers, goal, right)}"


def _condition(name: str, sign: str, limit: float) -> str:
    """A feature that is 1 for one value of a column reads as that value: ``contact is cellular``."""
    column, is_value, value = name.partition("=")
    if is_value and 0 < limit < 1:
        return f"{column} is {'not ' if sign == '<=' else ''}{value}"
    return f"{name} {sign} {limit:.4g}"


def _answer(values: Floats, goal: Goal) -> str:
    if not goal.classes:
        return f"{values[0]:.4g}"
    told = 1 if goal.task == "binary" else int(values.argmax())
    return f"{goal.classes[told]} in {values[told]:.0%}"


def _lookup_maker(name: str, goal: Goal) -> Callable[[Table, Floats], Rule]:
    def make(table: Table, y: Floats) -> Rule:
        codes, size = table.codes[name], table.sizes[name]
        usual = fit_constant(y, goal.classes, goal.metric)
        answers = np.tile(usual, (size, 1))
        counts = np.bincount(codes, minlength=size)
        for code in np.flatnonzero(counts >= LEAST_ROWS):
            answers[code] = fit_constant(y[codes == code], goal.classes, goal.metric)
        known = int((counts >= LEAST_ROWS).sum())
        return Rule(f"the usual answer for each of {known} values of {name}", lambda asked: answers[asked.codes[name]])

    return make
