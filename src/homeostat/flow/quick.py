"""A quick model: each learner's defaults, the best of them on rows set aside, fitted again on all training rows.

The rows that judge it take no part in choosing it, so what it shows on them is honest: also that it shows nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core import sections
from homeostat.core.records import Split

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

    from homeostat.charter.schema import Charter
    from homeostat.learning.search import Candidate
    from homeostat.stats.kernels import Floats
    from homeostat.stats.metrics import Metric

FIRST_ROUND = sections.Budget(seconds=None, trials=1)
MOST_ROWS = 60_000
"""Of more rows every k-th is used, for training and judging alike."""
BLOCKS, SET_ASIDE = 25, 5
"""Of 25 spans of neighbouring training rows every fifth is set aside: near enough in time to be like the rest, and not beside it."""
FEWEST_ROWS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Quick:
    """A quick model and what it answered: ``y`` (n,) and ``scores`` (n, k) of the judged rows; ``seconds`` is the time of a trial."""

    candidate: Candidate
    y: Floats
    scores: Floats
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What each measurement is given: the charter, one of ``every`` rows, the classes, the quick model and what it is compared with.

    ``naive`` and ``baseline`` are scores of the judged rows: the best constant, and the charter's baseline (the same where it is the
    naive one, or none). ``block`` is how many judged rows are resampled together.
    """

    charter: Charter
    metric: Metric
    parts: Split
    every: int
    classes: tuple[str, ...]
    block: int
    quick: Quick
    naive: Floats
    baseline: Floats

    @property
    def confidence(self) -> float:
        """Of the charter's tests."""
        return self.charter.success.confidence

    @property
    def seed(self) -> int:
        """Of all resampling and fitting."""
        return self.charter.learning.seed


def open_bench(charter: Charter, parts: Split) -> Bench:
    """The quick model and the naive answers on a split, at most ``MOST_ROWS`` rows of it.

    Raises:
        LearningError: nothing can be learned from these columns or rows.
    """
    from homeostat.core.targets import classes_of, encode_target
    from homeostat.flow.baseline import baseline_scores, naive_scores
    from homeostat.flow.blocks import block_length
    from homeostat.stats.metrics import metric

    task = charter.task
    used, every = thinned(parts)
    classes = classes_of(used.train[task.target], task)
    quick = quick_model(charter, used)
    naive = naive_scores(charter, classes, encode_target(used.train[task.target], classes), len(quick.y))
    theirs = baseline_scores(charter, classes, used.train, used.validation)
    block = block_length(charter, used.validation)
    return Bench(charter, metric(charter.success.metric), used, every, classes, block, quick, naive, theirs)


def thinned(parts: Split) -> tuple[Split, int]:
    """Every k-th row of each part, with k so that at most ``MOST_ROWS`` are left for training and judging; and k."""
    every = -(-(parts.train.height + parts.validation.height) // MOST_ROWS)
    if every <= 1:
        return parts, 1
    return Split(parts.train.gather_every(every), parts.validation.gather_every(every), parts.holdout), every


def set_aside(train: pl.DataFrame) -> Split:
    """Training rows cut into those to fit on and those to choose on (as ``validation``); the holdout is empty."""
    import polars as pl

    block = np.arange(train.height) * BLOCKS // max(train.height, 1)
    aside = pl.Series(block % SET_ASIDE == SET_ASIDE - 1)
    return Split(train=train.filter(~aside), validation=train.filter(aside), holdout=train.clear())


def quick_model(charter: Charter, parts: Split, *, without: Collection[str] = (), learners: tuple[str, ...] = ()) -> Quick:
    """The best of the learners' defaults on the training rows, judged on ``parts.validation``.

    Args:
        charter: task, preparation, metric, learners.
        parts: training rows and the rows that judge; the holdout is not looked at.
        without: further columns to leave out.
        learners: names, in place of the charter's.

    Raises:
        LearningError: nothing can be learned from these columns or rows.
    """
    task = charter.task.model_copy(update={"leave_out": (*charter.task.leave_out, *without)})
    return fit_on(charter.model_copy(update={"task": task}), set_aside(parts.train), parts.validation, learners=learners)


def fit_on(charter: Charter, rows: Split, judged: pl.DataFrame, *, learners: tuple[str, ...] = (), refit: bool = True) -> Quick:
    """As ``quick_model``, on rows already cut; without ``refit`` the model is the one of ``rows.train`` alone."""
    from homeostat.core.targets import classes_of, encode_target
    from homeostat.flow.amounts import amounts
    from homeostat.flow.preparing import stages_of
    from homeostat.learning.search import search
    from homeostat.learning.threshold import with_decision
    from homeostat.stats.metrics import metric

    task = charter.task
    classes = classes_of(rows.train[task.target], task)
    found = search(
        rows,
        task,
        charter.learning.model_copy(
            update={"learners": learners or _tried(charter), "budget": FIRST_ROUND, "windows": charter.learning.windows[:1]}
        ),
        metric(charter.success.metric),
        stages_of(charter, rows),
        clock=time.monotonic,
        refit=refit,
    )
    y = encode_target(rows.validation[task.target], classes)
    found = replace(found, plan=with_decision(found.plan, charter.value, y, found.judged, amounts(charter, rows.validation)))
    seconds = [trial.seconds for trial in found.trials if trial.learner != "naive"]
    return Quick(found, encode_target(judged[task.target], classes), found.oracle(judged), float(np.mean(seconds)) if seconds else 0.0)


def _tried(charter: Charter) -> tuple[str, ...]:
    """The charter's learners, and the naive one: where nothing beats it, that is the answer."""
    return tuple(dict.fromkeys(("naive", *charter.learning.learners)))
