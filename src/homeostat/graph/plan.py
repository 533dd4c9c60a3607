"""The fitted plan: raw inputs, a list of typed nodes in the order they run, and the decision.

A node reads named blocks and writes one. A block is a float64 array ``(n_rows, width)``; NaN is null. Three blocks come from the
decoder: ``numbers`` (one column per number, boolean or timestamp input; timestamps are seconds since 1970-01-01 UTC),
``codes`` (one int64 column per category input: 0 is null, 1..K the vocabulary in order, K+1 never seen), and ``terms`` (for each
text input one column per term of its vocabulary: how often the text holds it, NaN in all of them for a null).
What each node means is defined once, in ``interpret``; ``onnx`` compiles the same meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.core.sections import Kind, TaskType

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Part = Literal["hour", "weekday", "day", "month", "yearday"]


@dataclass(frozen=True, slots=True)
class Input:
    """A raw column as callers name it.

    ``vocabulary`` is for categories the texts seen in training, in code order, and for texts the terms that are counted.
    """

    name: str
    kind: Kind
    vocabulary: tuple[str, ...] = ()


class Decoded(NamedTuple):
    """Decoded rows, as a plan reads them: ``numbers`` (n, p) float64, ``codes`` (n, q) int64, ``terms`` (n, t) float64."""

    numbers: Floats
    codes: Ints
    terms: Floats

    def take(self, rows: Ints | slice) -> Decoded:
        """Some of the rows."""
        return Decoded(self.numbers[rows], self.codes[rows], self.terms[rows])


def number_inputs(inputs: Sequence[Input]) -> tuple[Input, ...]:
    """The inputs behind the columns of ``numbers``, in column order."""
    return tuple(each for each in inputs if each.kind not in ("category", "text"))


def category_inputs(inputs: Sequence[Input]) -> tuple[Input, ...]:
    """The inputs behind the columns of ``codes``, in column order."""
    return tuple(each for each in inputs if each.kind == "category")


def text_inputs(inputs: Sequence[Input]) -> tuple[Input, ...]:
    """The inputs behind the columns of ``terms``, in order; each has as many columns as terms in its vocabulary."""
    return tuple(each for each in inputs if each.kind == "text")


def widths(inputs: Sequence[Input]) -> dict[str, int]:
    """How many columns each block of the decoder has."""
    terms = sum(len(each.vocabulary) for each in text_inputs(inputs))
    return {"numbers": len(number_inputs(inputs)), "codes": len(category_inputs(inputs)), "terms": terms}


def block_columns(inputs: Sequence[Input]) -> dict[str, tuple[str, slice]]:
    """For each input, in their order, the decoder's block that holds it and its columns there."""
    at = dict.fromkeys(("numbers", "codes", "terms"), 0)
    found = {}
    for each in inputs:
        block, width = {"category": ("codes", 1), "text": ("terms", len(each.vocabulary))}.get(each.kind, ("numbers", 1))
        found[each.name] = (block, slice(at[block], at[block] + width))
        at[block] += width
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Columns of the ``numbers`` input, in the given order: width = len(columns)."""

    out: str
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Pick:
    """Columns of a block, in the given order: width = len(columns)."""

    out: str
    source: str
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """Row ``code`` of a table, for one column of ``codes``: one-hot, ordinal, frequency and target encodings alike.

    ``table`` is (K + 2, width): null first, then the vocabulary, then never seen.
    """

    out: str
    column: int
    table: Floats


@dataclass(frozen=True, slots=True, eq=False)
class DatePart:
    """A calendar part of timestamps: hour 0-23 with fraction dropped, weekday 0 = Monday, day 1-31, month 1-12, yearday 1-366."""

    out: str
    source: str
    part: Part


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """Sine, then cosine, of 2 pi x / period: width doubles (all sines, then all cosines)."""

    out: str
    source: str
    period: float


@dataclass(frozen=True, slots=True, eq=False)
class Impute:
    """NaN replaced by a value per column."""

    out: str
    source: str
    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Indicator:
    """1.0 where the source is NaN, else 0.0."""

    out: str
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """(x - offset) / divisor, per column."""

    out: str
    source: str
    offset: Floats
    divisor: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """x limited to [low, high], per column; NaN stays NaN."""

    out: str
    source: str
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Power:
    """The Yeo-Johnson transform with a lambda per column; NaN stays NaN.

    With b = 1 + abs(x), and p = lambda for x >= 0, else 2 - lambda: (b ** p - 1) / p, and ln(b) where p is 0, with the sign of x.
    Lambda 0 is ln(1 + x) for x >= 0, and lambda 1 leaves x as it is.

    Source: Yeo and Johnson, "A new family of power transformations to improve normality or symmetry" (Biometrika 2000), equation 2.1.
    """

    out: str
    source: str
    lambdas: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Tfidf:
    """Counts of terms as weights of length 1: (1 + ln count) * idf per term counted, divided by the row's Euclidean norm.

    A term that does not occur weighs 0, NaN counts as 0, and a row without any term stays 0.

    Source: Manning, Raghavan and Schuetze, "Introduction to Information Retrieval" (2008), section 6.4 (scheme lt, cosine).
    """

    out: str
    source: str
    idf: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Single:
    """Each number as the nearest float32: what scikit-learn's trees, XGBoost and neural networks see of their features.

    Beyond the range of float32 it is infinite, with the number's sign; NaN stays NaN.
    """

    out: str
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class Concat:
    """Blocks side by side."""

    out: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """x @ weights + bias: weights (width, k), bias (k,). The source must hold no NaN."""

    out: str
    source: str
    weights: Floats
    bias: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Activation:
    """What bends a neural network between two of its linear layers, number by number. The source must hold no NaN.

    ``relu``: x where it is above 0, else 0. ``silu``: x / (1 + e to the -x).

    Source: Hendrycks and Gimpel, "Gaussian error linear units" (2016), section 2, for silu.
    """

    out: str
    source: str
    kind: Literal["relu", "silu"]


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """A sum of regression trees plus a bias; k = len(bias) outputs.

    Split node i goes to its *true* child when ``x[feature[i]] <= threshold[i]``, or when x is NaN and ``nan_true[i]``.
    A child c is a split node when ``c >= 0`` and leaf ``-c - 1`` otherwise; the same holds for ``roots``. Leaf j adds
    ``leaf_value[j]`` to output ``leaf_target[j]``.
    """

    out: str
    source: str
    roots: Ints
    feature: Ints
    threshold: Floats
    nan_true: NDArray[np.bool_]
    true_child: Ints
    false_child: Ints
    leaf_value: Floats
    leaf_target: Ints
    bias: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """The same values in every row: width = len(values)."""

    out: str
    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """From raw scores to the scale of answers.

    ``sigmoid``: width 1 becomes (1 - p, p). ``softmax``: rows sum to 1. ``exp``: e to the x. ``identity``: unchanged.
    """

    out: str
    source: str
    kind: Literal["identity", "sigmoid", "softmax", "exp"]


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Class probabilities moved to other class shares: each column times its factor, then rows divided by their sum.

    Source: Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities" (2002), equation 2.4;
    for two classes Elkan, "The Foundations of Cost-Sensitive Learning" (IJCAI 2001), theorem 2.
    """

    out: str
    source: str
    factors: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """The natural logarithm of each number, of ``floor`` where the number is less; NaN stays NaN."""

    out: str
    source: str
    floor: float


@dataclass(frozen=True, slots=True, eq=False)
class Interpolate:
    """Each number by a line through known points: straight between two of them, flat beyond the ends. NaN stays NaN.

    ``x`` (m,) rises strictly, ``y`` (m,) holds the values there; m is at least 1.
    """

    out: str
    source: str
    x: Floats
    y: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Enclosed:
    """What an ONNX graph of another program says of a block: ``graph`` holds its bytes, as ``enclosed`` gives them; ``width`` outputs."""

    out: str
    source: str
    graph: NDArray[np.uint8]
    width: int


@dataclass(frozen=True, slots=True)
class Feed:
    """What one input of a foreign graph is given, of the element type ``type`` as ONNX calls it (``float``, ``int64``, ``string``).

    ``columns`` are of ``numbers``; for texts of ``codes``, and ``texts`` then has for each of them the text of each code: null first,
    then the vocabulary, then never seen. ``flat``: the input is (n,), else (n, len(columns)). ``fill`` is what nulls of numbers become,
    column by column; empty: they stay.
    """

    name: str
    type: str
    columns: tuple[int, ...]
    texts: tuple[tuple[str, ...], ...] = ()
    flat: bool = False
    fill: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Foreign:
    """Another program's ONNX graph, byte for byte as it came, and which of its tensors holds the answers: (n, width) or, of width 1, (n,).

    Where the graph wants whole numbers or booleans and a row has a null, the row's answers are NaN.
    """

    out: str
    model: NDArray[np.uint8]
    feeds: tuple[Feed, ...]
    output: str
    width: int


Node = (
    Numbers | Pick | Lookup | DatePart | Cycle | Impute | Indicator | Scale | Clip | Power | Tfidf | Single | Concat  # what prepares
    | Linear | Activation | Trees | Constant | Link | Prior | Log | Interpolate | Enclosed | Foreign  # what predicts
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Preparation:
    """The front half of a plan: from raw inputs to one block of features, named column by column."""

    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    features: tuple[str, ...]

    @property
    def out(self) -> str:
        """The block that holds the features: the last node's."""
        return self.nodes[-1].out


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """A range beside the score of a regression: nodes that read the scores' block and the decoder's, and end in (lower, upper).

    ``coverage`` is the share of rows whose truth should lie inside, ends included; ``method`` names how it was made.
    """

    coverage: float
    method: str
    nodes: tuple[Node, ...]

    @property
    def out(self) -> str:
        """The block that holds the ends, (n_rows, 2): the last node's."""
        return self.nodes[-1].out


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A whole model: raw inputs in, scores out, and for classes the decision.

    Scores are the last node's block: (n_rows, 1) for regression; (n_rows, n_classes) for classes, rows sum to 1, columns in the
    order of ``classes``. Binary: ``classes`` is (negative, positive) and the decision is positive when its score is
    at least ``threshold``. Multiclass: the decision is the first largest score, or with ``costs`` (k, k), what deciding one class
    costs when another is true (actual by predicted), the first class of least expected cost. A regression may have an ``interval``.
    """

    task: TaskType
    target: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    classes: tuple[str, ...] = ()
    threshold: float = 0.5
    costs: Floats | None = None
    interval: Interval | None = None

    @property
    def out(self) -> str:
        """The block that holds the scores: the last node's."""
        return self.nodes[-1].out
