"""What the quick model's skill hangs on: single columns that carry most of it, and rows that stand on both sides of the split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.charter.evidence import Carried
from homeostat.errors import LearningError, Refusal
from homeostat.flow.quick import Bench, fit_on, set_aside, without

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

MOST_ROWS = 2_000
MOST_TRIED = 40
MOST_TOGETHER = 2
ASKED = 0.15
"""Share of the skill lost when a column is shuffled, from which it is measured what would be left without it."""
MOST_LEFT = 0.5
"""A column carries most of the skill when less than this share of it is left without the column."""
BY_CHANCE = 0.01
"""Expected number of training rows that equal a row by chance, above which equal rows prove nothing."""


def carried(bench: Bench) -> Carried | None:
    """The column, or the two columns, without which less than half of the skill is left; None when there is none.

    Columns that the charter says are known (time, entity, segments) are not asked about. Which ones to try is told by shuffling
    each in the judged rows: Breiman 2001, "Random forests", section 10. What is left is told by fitting without them.
    """
    saving = _saving(bench, bench.quick.scores)
    if not saving > 0:
        return None
    charter = bench.charter
    known = {charter.task.time, *charter.task.entity, *charter.success.segments}
    losses = sorted(((loss, name) for name, loss in _losses(bench) if name not in known), reverse=True)
    dropped: list[str] = []
    for loss, name in losses[:MOST_TOGETHER]:
        if loss < ASKED * saving:
            break
        dropped.append(name)
        left = _saving_without(bench, tuple(dropped))
        if left < MOST_LEFT * saving:
            return Carried(tuple(dropped), saving, left)
    return None


def _saving(bench: Bench, scores: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """The share of the naive baseline's error that these scores save."""
    from homeostat.stats.metrics import error_of

    y = bench.quick.y
    ours, theirs = (error_of(bench.metric, bench.metric.score(y, one)) for one in (scores, bench.naive))
    return float(np.nan_to_num(1 - ours / theirs)) if theirs else 0.0


def _losses(bench: Bench) -> Iterator[tuple[str, float]]:
    """Each input with the saving that is lost when its values are shuffled among (at most 2,000) judged rows."""
    from homeostat.stats.metrics import error_of

    rng = np.random.default_rng(bench.seed)
    chosen = np.arange(len(bench.quick.y))[:: max(1, len(bench.quick.y) // MOST_ROWS)]
    rows, y = bench.parts.validation[chosen], bench.quick.y[chosen]
    whole = error_of(bench.metric, bench.metric.score(y, bench.quick.scores[chosen]))
    naive = error_of(bench.metric, bench.metric.score(y, bench.naive[chosen]))
    for name in _most_telling(bench):
        shuffled = rows.with_columns(rows[name][rng.permutation(rows.height)])
        error = error_of(bench.metric, bench.metric.score(y, bench.quick.answer(shuffled)))
        yield name, float(np.nan_to_num((error - whole) / naive)) if naive else 0.0


def _most_telling(bench: Bench) -> list[str]:
    """The inputs, at most 40: those that predict the target best by themselves. What carries the skill of a model is among them."""
    from homeostat.charter.probes import codes_of, skill, target_of

    names = [each.name for each in bench.quick.candidate.plan.inputs]
    if len(names) <= MOST_TRIED:
        return names
    rows = bench.parts.train.tail(MOST_ROWS)
    target = target_of(rows[bench.charter.task.target], bench.charter.task.type)
    alone = {name: float(np.nan_to_num(skill(codes_of(rows[name]), target)[0])) for name in names}
    return sorted(names, key=lambda name: -alone[name])[:MOST_TRIED]


def _saving_without(bench: Bench, columns: tuple[str, ...]) -> float:
    """The saving of a quick model fitted without these columns; 0 when nothing is left to fit on."""
    try:
        fitted = fit_on(
            without(bench.charter, columns),
            set_aside(bench.parts.train),
            bench.parts.validation,
            bench.quick.candidate.learner,
            bench.classes,
        )
    except (LearningError, Refusal):
        return 0.0
    return _saving(bench, fitted.scores)


def repeated(bench: Bench) -> float | None:
    """Share of the judged rows that stand among the training rows as well: equal in inputs and target, but for case, spaces and roundings.

    None where that may be chance: when so few different rows are possible that equal ones need not be copies.
    """
    inputs = [each.name for each in bench.quick.candidate.plan.inputs if each.kind != "timestamp"]
    if not inputs:
        return None
    seen, asked = (_plain(frame, [*inputs, bench.charter.task.target]) for frame in (bench.parts.train, bench.parts.validation))
    same = [float(((seen[name].value_counts()["count"] / seen.height) ** 2).sum()) for name in seen.columns]
    if seen.height * float(np.prod(same)) > BY_CHANCE:
        return None
    return asked.join(seen.unique(), on=seen.columns, how="semi", nulls_equal=True).height / max(asked.height, 1)


def _plain(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Texts in lower case with single spaces, numbers with four significant digits."""
    import polars as pl
    import polars.selectors as cs

    return frame.select(names).with_columns(
        cs.by_dtype(pl.String).str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars(), cs.float().round_sig_figs(4)
    )
