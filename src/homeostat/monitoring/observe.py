"""What a window shows that the reference does not.

A drift alarm needs both: significance (Holm over every test of the window, so that ``significance`` is the chance of any false
alarm in a window whose rows are independent) and an effect of at least ``min_effect``. Rows that depend on each other (hours of
one day) make p-values too small; then the effect is what keeps an alarm honest.

A month against half a year differs by season: that is a covariate shift, it is reported, and by default nothing is done about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from homeostat.core.records import Finding, FindingKind
from homeostat.monitoring.columns import CategoryColumn, Column, NumberColumn
from homeostat.stats.distance import chi_squared, holm, ks_p_value, ks_statistic, total_variation, two_proportions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from homeostat.core.sections import Monitor
    from homeostat.monitoring.profile import Profile

NULL_RISE = 0.05  # points by which the share of nulls (or infinities) must rise
UNSEEN_RISE = 0.02  # points by which the share of never-seen texts must exceed what the reference leads one to expect
VARIED = 10  # a reference column with more filled bins than this is expected to vary


@dataclass(frozen=True, slots=True)
class Breaches:
    """What the contract check said of a window: rows that came in, rows refused, refused rows per rule, and each rule's column.

    A rule that ``columns`` does not list is of the column before its last dot: ``temp.range``.
    """

    rows: int = 0
    broken: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """The share of refused rows; 0 when none came in."""
        return self.broken / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class _Test:
    """One member of the family: a p-value, whether the effect is large enough, and the finding it would become."""

    finding: Finding
    p_value: float
    matters: bool


def observe(current: Profile, reference: Profile, section: Monitor, breaches: Breaches | None = None) -> tuple[Finding, ...]:
    """The findings of one window, broken rows first, then in the order of the columns.

    With fewer than ``min_rows`` rows nothing is judged; refused rows are judged when that many came in, even if few were left.

    Args:
        current: the window, profiled on the reference.
        reference: the profile the champion was accepted with.
        section: thresholds.
        breaches: the contract check of the same window.
    """
    found = list(_broken_rows(breaches, section)) if breaches and breaches.rows >= section.min_rows else []
    if current.rows < section.min_rows:
        return tuple(found)
    tests: list[_Test] = []
    for name, expected in reference.columns.items():
        column = current.columns[name]
        damage = _damage(name, column, expected, current.rows)
        if damage is not None:
            found.append(damage)
        else:
            tests += _column_tests(name, "input_drift", column, expected, section)
    pairs: tuple[tuple[str, FindingKind, Column | None, Column | None], ...] = (
        ("prediction", "prediction_drift", current.prediction, reference.prediction),
        ("target", "target_drift", current.target, reference.target),
    )
    for name, kind, extra, expected_extra in pairs:
        # A null prediction is a fault and counts; a null label is one that has not come yet.
        judged = 0 if extra is None else extra.values if kind == "target_drift" else extra.rows
        if extra and expected_extra and judged >= section.min_rows:
            tests += _column_tests(name, kind, extra, expected_extra, section)
    adjusted = holm([test.p_value for test in tests])
    found += [test.finding for test, p in zip(tests, adjusted, strict=True) if test.matters and p <= section.significance]
    return tuple(found)


def _broken_rows(breaches: Breaches, section: Monitor) -> Iterator[Finding]:
    """One finding per column whose rules fail too often; when no single one does, one for the rows as a whole."""
    if breaches.share <= section.max_broken:
        return
    worst: dict[str, tuple[int, str]] = {}
    for rule, count in breaches.failures.items():
        column = breaches.columns.get(rule, rule.rpartition(".")[0])
        worst[column] = max(worst.get(column, (0, "")), (count, rule))
    guilty = {column: top for column, top in worst.items() if top[0] / breaches.rows > section.max_broken}
    total = f"{breaches.broken:,} of {breaches.rows:,} rows ({breaches.share:.1%}) break the contract; {section.max_broken:.1%} are allowed"
    if not guilty:
        rules = ", ".join(f"{rule}: {count:,}" for rule, count in sorted(breaches.failures.items(), key=lambda item: -item[1])[:3])
        yield Finding("broken_rows", "", "broken_share", breaches.share, None, f"{total} ({rules})" if rules else total)
    for column, (count, rule) in sorted(guilty.items()):
        yield Finding("broken_rows", column, "broken_share", count / breaches.rows, None, f"{total}; rule {rule} fails in {count:,}")


def _damage(name: str, column: Column, expected: Column, rows: int) -> Finding | None:
    """What no change of the world explains: a column that is gone, stuck at one value, or on another scale."""
    if column.rows < rows and expected.rows:
        missing = rows - column.rows
        return Finding("broken_rows", name, "missing", missing / rows, None, f"{name} is missing in {missing:,} of {rows:,} rows")
    varied = expected.filled > VARIED
    # A value may rightly stay for long (the month, in a monthly window): stuck is longer than twice what the reference ever showed.
    if varied and column.constant and column.values > max(1, 2 * expected.longest_run):
        value = column.low if isinstance(column, NumberColumn) else column.texts[column.counts.index(column.values)]
        detail = (
            f"{name} is {value} in all {column.values:,} rows; in the reference it never stayed longer than {expected.longest_run:,} rows"
        )
        return Finding("broken_rows", name, "constant", 1.0, None, detail)
    if varied and isinstance(column, NumberColumn) and isinstance(expected, NumberColumn) and column.values:
        assert expected.low is not None and expected.high is not None  # noqa: S101, PT018  filled bins have a lowest and a highest value
        width = expected.high - expected.low
        outside = (column.counts[0] + column.counts[-1]) / column.values
        if outside > 0.5 and not expected.low - width <= column.mean <= expected.high + width:
            detail = (
                f"{outside:.1%} of {name} lie outside the reference's range {expected.low:.6g} to {expected.high:.6g}"
                f" and their mean is {column.mean:.6g}: a changed unit or scale"
            )
            return Finding("broken_rows", name, "out_of_range", outside, None, detail)
    return None


def _column_tests(name: str, kind: FindingKind, column: Column, expected: Column, section: Monitor) -> Iterator[_Test]:
    """The tests of one column: its distribution, its nulls, infinities or never-seen texts."""
    if isinstance(column, NumberColumn) and isinstance(expected, NumberColumn):
        effect = ks_statistic(expected.counts, column.counts)
        p_value, statistic = ks_p_value(effect, expected.values, column.values), "ks"
        mean = "mean length" if expected.measure == "length" else "mean"
        change = f"{mean} {expected.mean:.4g} -> {column.mean:.4g}"
        yield from _rate_test(name, "infinite_rate", (expected.infinite, expected.rows), (column.infinite, column.rows))
    elif isinstance(column, CategoryColumn) and isinstance(expected, CategoryColumn):
        effect = total_variation(expected.cells, column.cells)
        p_value, statistic = chi_squared(expected.cells, column.cells)[1], "total_variation"
        change = _largest_move(column, expected)
        yield from _unseen_test(name, kind, column, expected)
    else:
        raise TypeError(f"{name}: a {type(column).__name__} cannot be compared with a {type(expected).__name__}")
    if expected.values and column.values:
        detail = f"{name}: {statistic} {effect:.3f} (alarm from {section.min_effect:g}), p {p_value:.2g}, {change}, {column.values:,} rows"
        yield _Test(Finding(kind, name, statistic, effect, p_value, detail), p_value, effect >= section.min_effect)
    if kind != "target_drift":
        yield from _rate_test(name, "null_rate", (expected.nulls, expected.rows), (column.nulls, column.rows))


def _rate_test(name: str, statistic: str, before: tuple[int, int], after: tuple[int, int]) -> Iterator[_Test]:
    """Whether a share of bad values rose. With none on either side no alarm can come, so the test is not in the family.

    Source: Tarone 1990, for leaving out tests that cannot reject.
    """
    if (before[0] == 0 and after[0] == 0) or not before[1] or not after[1]:
        return
    p_value = two_proportions(*before, *after)
    rise = after[0] / after[1] - before[0] / before[1]
    change = f"{before[0] / before[1]:.1%} to {after[0] / after[1]:.1%}"
    detail = f"{name}: {statistic} rose from {change} ({after[0]:,} of {after[1]:,} rows), p {p_value:.2g}"
    yield _Test(Finding("null_rate", name, statistic, rise, p_value, detail), p_value, rise >= NULL_RISE)


def _unseen_test(name: str, kind: FindingKind, column: CategoryColumn, expected: CategoryColumn) -> Iterator[_Test]:
    """Whether more texts are new than a fresh sample of the reference would bring.

    Source: Good 1953, "The population frequencies of species", eq. 9: the share of texts seen once.
    """
    if column.unseen == 0 or not expected.values:
        return
    p_value = two_proportions(round(expected.surprise * expected.values), expected.values, column.unseen, column.values)
    share = column.unseen / column.values
    rise = share - expected.surprise
    news = f"{share:.1%} of the rows ({column.unseen:,}) hold a value never seen before"
    detail = f"{name}: {news}; {expected.surprise:.1%} were expected, p {p_value:.2g}"
    yield _Test(Finding(kind, name, "unseen_rate", rise, p_value, detail), p_value, rise >= UNSEEN_RISE)


def _largest_move(column: CategoryColumn, expected: CategoryColumn) -> str:
    """The text whose share moved most, in words."""
    if not column.values or not expected.values:
        return "no values"
    moves = [
        (now / column.values - before / expected.values, text)
        for text, now, before in zip((*expected.texts, "other values", "unseen values"), column.cells, expected.cells, strict=True)
    ]
    move, text = max(moves, key=lambda item: abs(item[0]))
    return f"{text} moved by {100 * move:+.1f} points"
