"""What the analysis says, as frozen records. As JSON they are what ``homeostat profile --json`` prints: field names are the keys.

Every field is JSON-able. A number that cannot be said (no values, one value, a sum beyond float64) is None; dates are ISO 8601 texts;
values of columns are cut to 120 characters. Shares, associations and drifts lie between 0 and 1, Spearman's correlation between -1 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from homeostat.core.records import Decision
    from homeostat.core.sections import Kind

Severity = Literal["high", "medium", "low"]
Floats = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class RowCounts:
    """``seen`` rows are analysed, ``train`` of them also with the target; sealed ``holdout`` rows are not looked at.

    ``validation`` rows are seen, but never with the target. ``unlabelled`` rows have no target and ``quarantined`` rows lie in a
    window closed to training: neither is seen. Plots of seen rows are drawn from ``seen_sample`` of them, what is measured with the
    target from ``train_sample``; both are equal to the whole unless the data is large.
    """

    seen: int
    train: int
    seen_sample: int
    train_sample: int
    validation: int = 0
    holdout: int = 0
    unlabelled: int = 0
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class Bins:
    """A histogram: ``counts[i]`` rows from ``edges[i]`` to below ``edges[i + 1]`` (the last bin includes its end).

    The edges leave far-off values out, which are counted in ``below`` and ``above``. ``skew`` is the moment skewness of the values and
    ``log_skew`` that of log(1 + value), None when a value is below 0. For text columns the values are lengths in characters.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    below: int = 0
    above: int = 0
    skew: float | None = None
    log_skew: float | None = None


@dataclass(frozen=True, slots=True)
class Spans:
    """Rows over time: ``counts[i]`` rows in the calendar ``unit`` that begins at ``starts[i]``; empty units are listed as 0."""

    unit: str
    starts: tuple[str, ...]
    counts: tuple[int, ...]
    below: int = 0
    above: int = 0


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column: what it holds, how it goes with the target, and what preparation will do with it.

    ``kind`` is the stored type; ``shape`` what it is analysed as. ``nulls`` counts nulls, NaN and infinity, ``infinite`` infinity alone.
    ``distinct`` counts values, without null. ``quantiles`` maps "0.05" ... "0.95" to values of number columns. ``top`` lists the ten most
    frequent values of category and text columns with their counts, most frequent first. ``bins`` is there for numbers and for
    text lengths, ``spans`` for times, ``words`` (the most frequent words and in how many rows they are) for texts. ``association``
    with the target is Spearman's rank correlation when both are numbers, else the correlation ratio eta when one is, else Cramer's V;
    ``association_kind`` names it. ``decision`` is the record of what preparation will do, ``treatment`` the same in words. A
    ``hidden`` column is one the charter keeps private: its values are nowhere.
    """

    name: str
    kind: str
    shape: Kind
    rows: int
    nulls: int
    distinct: int
    constant: bool
    infinite: int = 0
    hidden: bool = False
    minimum: float | int | str | None = None
    maximum: float | int | str | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: dict[str, float] | None = None
    top: tuple[tuple[str, int], ...] | None = None
    bins: Bins | None = None
    spans: Spans | None = None
    words: tuple[tuple[str, int], ...] | None = None
    association: float | None = None
    association_kind: str | None = None
    decision: Decision | None = None
    treatment: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """``columns``: (name, rows without a value, their share), of the columns with any, most first.

    ``patterns``: the most frequent sets of columns that are empty in the same row, with the rows. ``pairs``: two columns, the rows in
    which both are empty, and the phi coefficient of being empty (1: always together), the highest first and none below 0.1.
    """

    columns: tuple[tuple[str, int, float], ...] = ()
    patterns: tuple[tuple[tuple[str, ...], int], ...] = ()
    pairs: tuple[tuple[str, str, int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Correlations:
    """``values[i][j]`` relates ``names[i]`` and ``names[j]``; ``shapes`` says what each is. The order puts what goes together side by side.

    Two numbers: Spearman (-1 to 1). A number and a category: correlation ratio. Two categories: Cramer's V. ``left_out`` counts
    columns that did not fit or cannot be related.
    """

    names: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    values: tuple[Floats, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Outliers:
    """Values of a number beyond ``low`` or ``high`` by the ``rule``, counted in the sample; ``examples``: the farthest and their place."""

    column: str
    rule: Literal["robust z", "quartiles"]
    low: float
    high: float
    below: int
    above: int
    share: float
    examples: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Training rows with one value, or within one bin, of a column.

    Number targets: ``value`` is their mean. Binary targets: the share of the positive class. ``low`` and ``high`` bound its 95 % interval.
    More classes: ``shares`` in the order of ``Analysis.classes``.
    """

    label: str
    rows: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    shares: Floats = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """How the target changes with one column. ``by`` says what the groups are: values, equal-count bins, times or text lengths."""

    column: str
    by: Literal["value", "bin", "time", "length"]
    association: float | None
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class ColumnOverTime:
    """A column per period. ``values``: the mean of a number, or the share of a category's values that are ``of``, its most frequent one.

    Times, and names that hardly come twice, have no values here.
    ``nulls``: share of rows without a value. ``drift``: how far the last third of the rows is from the first, as the ``statistic``
    (Kolmogorov-Smirnov distance of numbers, total variation of categories, nulls counted as a value), with its p-value.
    """

    column: str
    of: str
    values: Floats
    nulls: Floats
    drift: float
    statistic: Literal["ks", "total variation"]
    p_value: float


@dataclass(frozen=True, slots=True)
class OverTime:
    """Columns by period of ``time``; when that is empty, by tenths of the order of the rows.

    ``target`` has one group of training rows a period; ``target_drift`` compares the first with the last third of them.
    """

    time: str
    unit: str
    starts: tuple[str, ...]
    rows: tuple[int, ...]
    columns: tuple[ColumnOverTime, ...]
    target: tuple[Group, ...] = ()
    target_drift: float = 0.0
    target_p_value: float = 1.0


@dataclass(frozen=True, slots=True)
class Duplicates:
    """``exact``: rows that repeat an earlier one in every column. ``same_inputs``: training rows that share their ``inputs`` with another.

    ``contradicting``: those of them whose target is not the one most frequent among the rows with the same inputs: whatever a model
    answers for these inputs, at least so many rows get a wrong answer.
    """

    exact: int = 0
    exact_share: float = 0.0
    same_inputs: int = 0
    contradicting: int = 0
    contradicting_share: float = 0.0
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Columns that should perhaps not be inputs: the kind of suspicion, the number behind it, and the reason."""

    columns: tuple[str, ...]
    kind: str
    number: float
    reason: str


@dataclass(frozen=True, slots=True)
class Importance:
    """``columns``: by how much a quick model's ``metric`` worsens when one is shuffled: (column, mean, standard deviation), most first.

    ``base`` is the metric unshuffled, on ``rows`` training rows the model was not fitted on.
    """

    metric: str
    base: float
    rows: int
    columns: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to know before training: how grave, which clause of the charter it concerns, a sentence, and the number behind it."""

    severity: Severity
    clause: str
    message: str
    number: float
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Analysis:
    """All of it. ``classes``: (class, training rows), the positive class of a binary task first; empty for number targets.

    ``columns`` are in the frame's order, ``remarks`` by gravity. ``verdict`` is a sentence.
    """

    verdict: str
    task: str
    target: str
    rows: RowCounts
    remarks: tuple[Remark, ...]
    columns: tuple[ColumnProfile, ...]
    missing: Missing
    correlations: Correlations
    outliers: tuple[Outliers, ...]
    relations: tuple[Relation, ...]
    over_time: OverTime | None
    duplicates: Duplicates
    suspects: tuple[Suspicion, ...]
    classes: tuple[tuple[str, int], ...] = ()
    importance: Importance | None = None
