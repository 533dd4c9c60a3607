"""What to know before training, the gravest first, each with its number and the clause of the charter it concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeostat.preparation.analysis.records import Remark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from homeostat.core import sections
    from homeostat.preparation.analysis.records import Analysis, ColumnProfile, Outliers, RowCounts, Severity

ORDER: dict[Severity, int] = {"high": 0, "medium": 1, "low": 2}
GIVES_AWAY = {"leak", "combination", "missing"}
MUCH_MISSING, SOME_MISSING = 0.5, 0.05
RARE_CLASS, RARE_ROWS = 0.05, 50
MANY_DUPLICATES = 0.01
MANY_CONTRADICTIONS = 0.05
MUCH_DRIFT, TARGET_DRIFT, CERTAIN = 0.3, 0.1, 0.001
SKEWED = 3.0
FEW_OUTLIERS = 0.05  # beyond that share it is the shape of the distribution, not outliers
WELL_BEYOND = 2.0  # times the distance from the middle to the limit
SAME = 0.98
MOST_NAMED = 4


def remarks(found: Analysis, task: sections.Task, section: sections.Preparation, problems: tuple[Remark, ...]) -> tuple[Remark, ...]:
    """All remarks, by severity and then by their numbers; ``problems`` are those found before the analysis."""
    used = tuple(each for each in found.columns if each.name not in {found.target, *task.leave_out})
    names = {each.name for each in used}
    told = [
        *problems,
        *_suspects(found, names),
        *_classes(found),
        *_missing(found, used),
        *_repeats(found),
        *_over_time(found, names),
        *_columns(used, section),
        *_outliers(found, names),
        *_same(found, used),
    ]
    return tuple(sorted(told, key=lambda each: (ORDER[each.severity], -min(each.number, 1.0))))


def verdict(rows: RowCounts, told: Sequence[Remark]) -> str:
    """One sentence."""
    if not rows.seen:
        return "There is no row to look at."
    grave, notable = (sum(each.severity == severity for each in told) for severity in ("high", "medium"))
    if grave:
        things = "One thing to settle before training" if grave == 1 else f"{grave} things to settle before training, the first"
        return f"{things}: {told[0].message}."
    if notable:
        things = "one thing to keep in mind" if notable == 1 else f"{notable} things to keep in mind, the first"
        return f"Nothing stands in the way of training; {things}: {told[0].message}."
    return "Nothing stands in the way of training."


def _suspects(found: Analysis, names: set[str]) -> Iterator[Remark]:
    for each in found.suspects:
        if names & set(each.columns):
            message = f"{', '.join(each.columns)}: {each.reason}"
            yield Remark("high" if each.kind in GIVES_AWAY else "medium", "task.leave_out", message, each.number, each.columns)


def _classes(found: Analysis) -> Iterator[Remark]:
    total = sum(rows for _, rows in found.classes)
    for name, rows in found.classes:
        if len(found.classes) > 1 and (rows < RARE_CLASS * total or rows < RARE_ROWS):
            message = f"class {name} has {rows:,} training rows, {rows / total:.2%} of them"
            yield Remark("high" if rows < RARE_ROWS else "medium", "preparation.imbalance", message, rows / total, (found.target,))
    if found.rows.unlabelled:
        share = found.rows.unlabelled / (found.rows.unlabelled + found.rows.seen + found.rows.holdout)
        yield Remark(
            "low", "task.target", f"{found.rows.unlabelled:,} rows have no {found.target} and teach nothing", share, (found.target,)
        )


def _missing(found: Analysis, used: Sequence[ColumnProfile]) -> Iterator[Remark]:
    shares = {each.name: each.nulls / each.rows for each in used if each.rows and not each.constant}
    for severity, low, high in (("medium", MUCH_MISSING, 1.0), ("low", SOME_MISSING, MUCH_MISSING)):
        empty = _largest({name: share for name, share in shares.items() if low <= share < high})
        if empty:
            message = f"empty in many rows: {_listed(empty, '{:.1%}')}"
            yield Remark("medium" if severity == "medium" else "low", "preparation.columns", message, max(empty.values()), tuple(empty))
    infinite = _largest({each.name: each.infinite / max(found.rows.seen, 1) for each in used if each.infinite})
    if infinite:
        message = f"infinite values count as missing: {_listed(infinite, '{:.1%}')}"
        yield Remark("medium", "data.contract", message, max(infinite.values()), tuple(infinite))


def _repeats(found: Analysis) -> Iterator[Remark]:
    twice = found.duplicates
    if twice.exact_share >= MANY_DUPLICATES:
        message = f"{twice.exact:,} rows repeat an earlier row in every column, {twice.exact_share:.1%}"
        yield Remark("medium", "data.contract", message, twice.exact_share)
    if twice.contradicting_share >= MANY_CONTRADICTIONS and found.task != "regression":
        share, inputs = twice.contradicting_share, twice.inputs[0] if len(twice.inputs) == 1 else f"all {len(twice.inputs)} inputs"
        message = (
            f"no model can be right in more than {1 - share:.1%} of the training rows: rows that agree in {inputs} differ in {found.target}"
        )
        yield Remark("medium", "success.threshold", message, share, twice.inputs)


def _over_time(found: Analysis, names: set[str]) -> Iterator[Remark]:
    if found.over_time is None:
        return
    if found.over_time.target_drift >= TARGET_DRIFT and found.over_time.target_p_value <= CERTAIN:
        drift = found.over_time.target_drift
        message = f"the target {found.target} differs between the first and the last third of the training rows (distance {drift:.2f})"
        yield Remark("medium", "learning.windows", message, drift, (found.target,))
    times = {each.name for each in found.columns if each.shape == "timestamp"}
    certain = [each for each in found.over_time.columns if each.p_value <= CERTAIN and each.column in names - times]
    moved = _largest({each.column: each.drift for each in certain if each.drift >= MUCH_DRIFT})
    if moved:
        message = f"different between the first and the last third of the rows: {_listed(moved, 'distance {:.2f}')}"
        yield Remark("medium", "learning.windows", message, max(moved.values()), tuple(moved))


def _columns(used: Sequence[ColumnProfile], section: sections.Preparation) -> Iterator[Remark]:
    constant = [each.name for each in used if each.constant and each.rows > 1]
    if constant:
        message = f"one value in every row, or none: {_listed(dict.fromkeys(constant, 1.0), '')}"
        yield Remark("low", "data.contract", message, len(constant) / len(used), tuple(constant))
    many = [each for each in used if each.shape == "category" and each.distinct > section.max_categories]
    rare = _largest({each.name: 1 - sum(count for _, count in each.top or ()) / max(each.rows - each.nulls, 1) for each in many})
    if rare:
        message = f"more than {section.max_categories} values; beyond the ten commonest lie: {_listed(rare, '{:.0%} of the rows')}"
        yield Remark("low", "preparation.max_categories", message, max(rare.values()), tuple(rare))
    skew = {each.name: each.bins.skew for each in used if each.bins and each.bins.skew and each.shape == "number" and each.distinct > 2}
    skewed = _largest({name: value for name, value in skew.items() if abs(value) >= SKEWED})
    if skewed:
        highest = max(abs(value) for value in skewed.values())
        message = f"far from symmetric: {_listed(skewed, 'skewness {:.1f}')}"
        yield Remark("low", "preparation.columns", message, highest / (1 + highest), tuple(skewed))


def _outliers(found: Analysis, names: set[str]) -> Iterator[Remark]:
    far = {each.column: each.share for each in found.outliers if each.column in names and each.share <= FEW_OUTLIERS and _far(each)}
    if far:
        message = f"a few values far from the rest: {_listed(_largest(far), '{:.2%} of them')}"
        yield Remark("low", "preparation.columns", message, max(far.values()), tuple(far))


def _far(found: Outliers) -> bool:
    """Whether the farthest value is well beyond the limits: of many normal values a few always are a little beyond."""
    middle = found.low / 2 + found.high / 2
    return abs(found.examples[0][0] - middle) >= WELL_BEYOND * (found.high - middle)


def _same(found: Analysis, used: Sequence[ColumnProfile]) -> Iterator[Remark]:
    """Numbers that say the same; and what follows from a category: the number, or the category with fewer values."""
    values_of = {each.name: each.distinct for each in used}
    follows: dict[str, dict[str, float]] = {}
    matrix = found.correlations
    for i, one in enumerate(matrix.names):
        for j, two in enumerate(matrix.names[:i]):
            value = matrix.values[i][j]
            if value is None or abs(value) < SAME or not {one, two} <= set(values_of):
                continue
            numbers = [each for each, at in ((one, i), (two, j)) if matrix.shapes[at] in ("number", "timestamp")]
            if len(numbers) == 2:
                message = f"{two} and {one} say nearly the same (rank correlation {value:.3f})"
                yield Remark("low", "preparation.columns", message, abs(value), (two, one))
                continue
            source = max({one, two} - set(numbers), key=lambda name: values_of[name])
            follows.setdefault(source, {})[one if source == two else two] = value
    for source, each in follows.items():
        yield Remark(
            "low",
            "preparation.columns",
            f"{source} nearly settles {_listed(_largest(each), '{:.3f}')}",
            max(each.values()),
            (source, *each),
        )


def _largest(numbers: dict[str, float]) -> dict[str, float]:
    return dict(sorted(numbers.items(), key=lambda item: -abs(item[1])))


def _listed(numbers: dict[str, float], form: str) -> str:
    told = [f"{name} ({form.format(number)})" if form else name for name, number in list(numbers.items())[:MOST_NAMED]]
    more = len(numbers) - MOST_NAMED
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")
