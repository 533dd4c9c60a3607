"""Fits the preparation: from raw columns to features, learned on training rows only, as nodes of the plan.

| kind      | tree flavour                               | linear flavour                                                        |
|-----------|--------------------------------------------|-----------------------------------------------------------------------|
| number    | as it is, NaN for null                     | clipped, straightened if skewed, nulls filled, scaled; an indicator    |
| boolean   | 0, 1, NaN for null                         | nulls filled, scaled; an indicator of nulls                           |
| timestamp | calendar parts, never the time itself      | sine and cosine of the calendar parts; indicator of nulls             |
| category  | one-hot up to 8 texts, else a target mean   | the same, the mean scaled                                             |
| text      | weights of terms, an indicator of nulls    | the same                                                              |

What a column is and what is done to it stands in its ``Decision``; the numbers it needs are fitted here. The same frame gives equal nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from homeostat.core import sections
from homeostat.core.targets import encode_target
from homeostat.errors import LearningError
from homeostat.graph.calendar import calendar_part
from homeostat.graph.decode import decode_frame
from homeostat.graph.interpret import transform
from homeostat.graph.plan import (
    Clip,
    Concat,
    Cycle,
    DatePart,
    Impute,
    Indicator,
    Input,
    Linear,
    Lookup,
    Node,
    Numbers,
    Pick,
    Power,
    Preparation,
    Scale,
    Tfidf,
    category_inputs,
    number_inputs,
    text_inputs,
)
from homeostat.preparation import categories
from homeostat.preparation.components import components
from homeostat.preparation.decide import decide
from homeostat.preparation.moments import PERIODS, seconds_of, telling_parts
from homeostat.preparation.numbers import best_power, filling, limits, straightened
from homeostat.preparation.telling import most_telling
from homeostat.preparation.terms import inverse_document_frequency, terms_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from homeostat.core.records import Decision
    from homeostat.graph.plan import Decoded, Floats, Ints, Part

Flavour = Literal["tree", "linear"]
OUT = "features"


def fit(
    frame: pl.DataFrame,
    task: sections.Task,
    section: sections.Preparation,
    flavour: Flavour,
    classes: tuple[str, ...],
    decisions: Sequence[Decision] | None = None,
) -> tuple[Preparation, Floats]:
    """The preparation fitted on these rows, and the features (n, p) of these rows that a learner trains on.

    The features are those that the preparation gives the rows, but for target means: there each row is encoded by the targets of other
    rows (``categories.cross_fitted``), while the preparation holds the means of all rows.

    Args:
        frame: training rows, the target included; rows of a class that is not in ``classes`` count in no class.
        task: names the target and the columns left out.
        section: sizes of vocabularies, feature selection, principal components, and what the charter asks for column by column.
        flavour: ``tree`` keeps nulls as NaN; ``linear`` gives no NaN and scales.
        classes: of the target, as ``core.targets.classes_of`` orders them; empty for regression.
        decisions: as ``decide`` took them; None takes them from this frame.

    Raises:
        LearningError: HS304, a column of a type that cannot be prepared, or nothing is left to learn from; HS308, see ``decide``.
        DataError: HS205, a value that the kind of its column does not allow; HS203, see ``decide``.
    """
    taken = {each.column: each for each in (decide(frame, task, section) if decisions is None else decisions) if not each.drop}
    y = encode_target(frame[task.target], classes)
    effective = {name: _effective(each, section.columns.get(name, sections.ColumnChoice()), flavour) for name, each in taken.items()}
    made, features = _build(_inputs(frame, effective, section), frame, effective, flavour, (y, classes))
    if section.select is not None and section.select < len(made.features):
        made, features = _selected(made, features, section.select, frame, effective)
    if section.pca is not None and flavour == "linear":
        made, features = _components(made, features, section.pca)
    return Preparation(made.inputs, tuple(made.nodes), tuple(made.features)), features


def _effective(decision: Decision, choice: sections.ColumnChoice, flavour: Flavour) -> Decision:
    """What the decision means for a flavour: a tree is spared what only a linear learner needs, which in turn takes no null."""
    if flavour == "linear":
        few = choice.encode is None and decision.encode == "target" and (decision.number or 0) <= categories.LINEAR_ONE_HOT_UP_TO
        filled = "mean" if decision.impute == "none" else decision.impute
        return replace(decision, impute=filled, encode="one_hot" if few else decision.encode)
    return replace(
        decision,
        impute=choice.impute or "none",
        indicator=decision.indicator if decision.kind == "text" else bool(choice.indicator),
        clip=bool(choice.clip),
        transform=choice.transform or "none",
    )


def _inputs(frame: pl.DataFrame, decisions: Mapping[str, Decision], section: sections.Preparation) -> tuple[Input, ...]:
    found = []
    for name, decision in decisions.items():
        kind = decision.kind
        if kind == "category":
            found.append(Input(name, kind, categories.vocabulary_of(frame[name], section.max_categories)))
        elif kind == "text":
            terms = terms_in(frame[name], section.text_terms)
            found += [Input(name, kind, terms)] if terms else []
        elif kind is not None and (kind != "timestamp" or _tells(seconds_of(frame, name))):
            found.append(Input(name, kind))
    return tuple(found)


def _tells(seconds: Floats) -> bool:
    """Whether timestamps give any feature; if not, callers need not send them."""
    return bool(telling_parts(seconds)) or bool(np.isnan(seconds).any())


@dataclass(slots=True)
class _Made:
    """The nodes made so far; the blocks that will be features, side by side; the name of each feature and the input it comes from.

    ``fair`` are the features of training rows that differ from what the nodes give, by the place of their first column.
    """

    inputs: tuple[Input, ...]
    flavour: Flavour
    target: tuple[Floats, tuple[str, ...]]
    nodes: list[Node] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)
    fair: dict[int, Floats] = field(default_factory=dict)

    def add(self, node: Node, features: Sequence[tuple[str, str]] = ()) -> str:
        """Append a node, as features when their (input, name) are given; return its block."""
        self.nodes.append(node)
        if features:
            self.blocks.append(node.out)
            self.owners.extend(owner for owner, _ in features)
            self.features.extend(name for _, name in features)
        return node.out


def _build(
    inputs: tuple[Input, ...],
    frame: pl.DataFrame,
    decisions: Mapping[str, Decision],
    flavour: Flavour,
    target: tuple[Floats, tuple[str, ...]],
) -> tuple[_Made, Floats]:
    decoded = decode_frame(inputs, frame)
    made = _Made(inputs, flavour, target)
    plain = number_inputs(inputs)
    _add_numbers(made, plain, decoded.numbers, decisions)
    for column, each in enumerate(plain):
        if each.kind == "timestamp":
            _add_moments(made, decisions[each.name], column, decoded.numbers[:, column])
    for column, each in enumerate(category_inputs(inputs)):
        _add_category(made, each, column, decoded.codes[:, column], decisions[each.name].encode)
    _add_texts(made, decoded, decisions)
    if not made.features:
        raise LearningError("HS304", f"no feature can be made of {', '.join(each.name for each in inputs) or 'any column'}", place="data")
    made.nodes.append(Concat(OUT, tuple(made.blocks)))
    features = transform(Preparation(inputs, tuple(made.nodes), tuple(made.features)), *decoded)
    for start, block in made.fair.items():
        features[:, start : start + block.shape[1]] = block
    return made, features


def _add_numbers(made: _Made, plain: tuple[Input, ...], numbers: Floats, decisions: Mapping[str, Decision]) -> None:
    """Columns with the same steps before them go through these side by side."""
    columns = [at for at, each in enumerate(plain) if each.kind != "timestamp"]
    chosen = {at: decisions[plain[at].name] for at in columns}
    bare = [at for at in columns if made.flavour == "tree" and not _worked(chosen[at])]
    bent = [at for at in columns if chosen[at].transform != "none"]
    rest = [at for at in columns if at not in bare and at not in bent]
    if bare:
        made.add(Numbers("numbers as they are", tuple(bare)), [(plain[at].name, plain[at].name) for at in bare])
    for label, group in (("numbers", rest), ("skewed numbers", bent)):
        if group:
            names = [plain[at].name for at in group]
            _add_chain(made, label, group, names, (numbers[:, group], [chosen[at] for at in group]))
    _add_indicator(made, [at for at in columns if chosen[at].indicator and np.isnan(numbers[:, at]).any()], plain)


def _worked(decision: Decision) -> bool:
    return decision.impute != "none" or decision.clip or decision.transform != "none"


def _add_chain(made: _Made, label: str, columns: list[int], names: list[str], found: tuple[Floats, list[Decision]]) -> None:
    """Numbers clipped, straightened, filled and scaled, as far as it was decided."""
    x, decisions = found
    steps: list[Node] = [Numbers(f"{label} raw", tuple(columns))]
    values = [column[~np.isnan(column)] for column in x.T]
    if any(each.clip for each in decisions):
        bounds = np.array([limits(known) if each.clip else (-np.inf, np.inf) for known, each in zip(values, decisions, strict=True)])
        values = [np.clip(known, *bound) for known, bound in zip(values, bounds, strict=True)]
        steps.append(Clip(f"{label} clipped", steps[-1].out, bounds[:, 0], bounds[:, 1]))
    if any(each.transform != "none" for each in decisions):
        powers = [best_power(known) if each.transform == "yeo_johnson" else 0.0 for known, each in zip(values, decisions, strict=True)]
        values = [straightened(known, "yeo_johnson", power) for known, power in zip(values, powers, strict=True)]
        steps.append(Power(f"{label} straightened", steps[-1].out, np.array(powers)))
    if any(each.impute != "none" for each in decisions):
        fills = [np.nan if each.impute == "none" else filling(known, each.impute) for known, each in zip(values, decisions, strict=True)]
        steps.append(Impute(f"{label} filled", steps[-1].out, np.array(fills)))
        if made.flavour == "linear":
            steps.append(_scale(label, steps[-1].out, values, fills, len(x)))
    for node in steps[:-1]:
        made.add(node)
    made.add(steps[-1], list(zip(names, names, strict=True)))


def _scale(label: str, source: str, values: list[Floats], fills: list[float], rows: int) -> Scale:
    """Mean 0 and standard deviation 1 over the filled rows; a constant column becomes 0."""
    filled = [np.append(known, np.full(rows - len(known), fill)) for known, fill in zip(values, fills, strict=True)]
    deviations = np.array([column.std() if len(column) else 0.0 for column in filled])
    means = np.array([column.mean() if len(column) else 0.0 for column in filled])
    return Scale(f"{label} scaled", source, means, np.where(deviations > 0, deviations, 1.0))


def _add_indicator(made: _Made, columns: list[int], plain: tuple[Input, ...]) -> None:
    if columns:
        source = made.add(Numbers("numbers with nulls", tuple(columns)))
        made.add(Indicator("nulls", source), [(plain[at].name, f"{plain[at].name} is null") for at in columns])


def _add_moments(made: _Made, decision: Decision, column: int, seconds: Floats) -> None:
    name, parts = decision.column, telling_parts(seconds)
    source = made.add(Numbers(f"{name} in seconds", (column,)))
    for part in parts:
        _add_part(made, name, source, part, seconds)
    if np.isnan(seconds).any() and (decision.indicator or not parts):
        made.add(Indicator(f"{name} is null", source), [(name, f"{name} is null")])


def _add_part(made: _Made, owner: str, source: str, part: Part, seconds: Floats) -> None:
    name = f"{owner} {part}"
    if made.flavour == "tree":
        made.add(DatePart(name, source, part), [(owner, name)])
        return
    block = made.add(DatePart(name, source, part))
    # Also where training had no null: a later one must still get a score.
    typical = np.nanmedian(calendar_part(part, seconds, np.floor))
    filled = made.add(Impute(f"{name} filled", block, np.array([typical])))
    made.add(Cycle(f"{name} cycle", filled, PERIODS[part]), [(owner, f"{name} sine"), (owner, f"{name} cosine")])


def _add_category(made: _Made, each: Input, column: int, codes: Ints, encode: str) -> None:
    (y, classes), size, name = made.target, len(each.vocabulary), each.name
    if encode == "one_hot":
        table = categories.one_hot(name, each.vocabulary, codes)
        made.add(Lookup(f"{name} encoded", column, table.values), [(name, told) for told in table.names])
        return
    fair = None
    if encode == "ordinal":
        table = categories.ordinal(name, each.vocabulary)
    elif encode == "frequency":
        table = categories.frequency(name, size, codes)
    else:
        table = categories.target_means(name, size, codes, y, classes)
        fair = categories.cross_fitted(size, codes, y, classes)
    values = table.values
    if made.flavour == "linear":
        mean, deviation = categories.scaling(table, codes)
        values = np.nan_to_num((values - mean) / deviation)  # what has no place stands in the middle
        fair = None if fair is None else (fair - mean) / deviation
    if fair is not None:
        made.fair[len(made.features)] = fair
    made.add(Lookup(f"{name} encoded", column, values), [(name, told) for told in table.names])


def _add_texts(made: _Made, decoded: Decoded, decisions: Mapping[str, Decision]) -> None:
    start = 0
    for each in text_inputs(made.inputs):
        columns = range(start, start + len(each.vocabulary))
        counts = decoded.terms[:, columns.start : columns.stop]
        source = made.add(Pick(f"{each.name} terms", "terms", tuple(columns)))
        weights = Tfidf(f"{each.name} weights", source, inverse_document_frequency(counts))
        made.add(weights, [(each.name, f"{each.name} has {term}") for term in each.vocabulary])
        if decisions[each.name].indicator and np.isnan(counts[:, 0]).any():
            first = made.add(Pick(f"{each.name} there", "terms", (start,)))
            made.add(Indicator(f"{each.name} is null", first), [(each.name, f"{each.name} is null")])
        start += len(each.vocabulary)


def _selected(made: _Made, features: Floats, keep: int, frame: pl.DataFrame, decisions: Mapping[str, Decision]) -> tuple[_Made, Floats]:
    """The same with the most telling features only, and only the inputs these come from."""
    chosen = most_telling(features, *made.target, keep)
    owners = {made.owners[at] for at in chosen}
    left = [at for at, owner in enumerate(made.owners) if owner in owners]
    inputs = tuple(each for each in made.inputs if each.name in owners)
    again, features = _build(inputs, frame, decisions, made.flavour, made.target)
    columns = tuple(left.index(at) for at in chosen)
    again.nodes.append(Pick("most telling", OUT, columns))
    again.features = [again.features[at] for at in columns]
    return again, features[:, list(columns)]


def _components(made: _Made, features: Floats, keep: int) -> tuple[_Made, Floats]:
    """The same with principal components in place of the features."""
    mean, axes = components(features, keep)
    made.nodes.append(Linear("components", made.nodes[-1].out, axes, -mean @ axes))
    made.features = [f"component {number}" for number in range(1, axes.shape[1] + 1)]
    return made, features @ axes - mean @ axes
