"""Quick models: each of our learners' defaults, their rounds found on rows set aside, fitted again on all training rows.

A learner that does not beat the naive one on the rows set aside answers as the naive one does. The best on the judged rows is *the* quick
model, as in a search; what is said of it allows for the choice (``Bench.after_choice``), so that it is honest also about showing nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core import sections
from homeostat.core.records import Split

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import polars as pl

    from homeostat.charter.schema import Charter
    from homeostat.learning.candidate import Candidate
    from homeostat.stats.kernels import Floats
    from homeostat.stats.metrics import Metric

FIRST_ROUND = sections.Budget(seconds=None, trials=1)
MOST_ROWS, MOST_CELLS = 60_000, 3_000_000
"""Of more rows, or more values (rows times columns), every k-th row is used, for training and judging alike."""
BLOCKS, SET_ASIDE = 25, 5
"""Of 25 spans of neighbouring training rows every fifth is set aside: near enough in time to be like the rest, and not beside it."""
FEWEST_ROWS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Quick:
    """A quick model and what it answered: ``y`` (n,) and ``scores`` (n, k) of the judged rows; ``seconds`` is the time of its trial.

    ``answer`` gives the scores of any rows, in the order of all classes.
    """

    candidate: Candidate
    answer: Callable[[pl.DataFrame], Floats]
    y: Floats
    scores: Floats
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What each measurement is given: the charter, one of ``every`` rows, the classes, the quick models and what they are compared with.

    ``tried`` has a quick model per learner, ``quick`` is the best of them on the judged rows. ``naive`` and ``baseline`` are scores of
    these rows: the best constant, and the charter's baseline (the same where it is the naive one, or none). ``block`` is how many
    judged rows are resampled together.
    """

    charter: Charter
    metric: Metric
    parts: Split
    every: int
    classes: tuple[str, ...]
    block: int
    tried: tuple[Quick, ...]
    quick: Quick
    naive: Floats
    baseline: Floats

    @property
    def confidence(self) -> float:
        """Of the charter's tests."""
        return self.charter.success.confidence

    @property
    def after_choice(self) -> float:
        """The confidence at which an end must be taken to hold at the charter's, whichever model was chosen (Bonferroni)."""
        return 1 - (1 - self.confidence) / len(self.tried)

    @property
    def seed(self) -> int:
        """Of all resampling and fitting."""
        return self.charter.learning.seed


def open_bench(charter: Charter, parts: Split) -> Bench:
    """The quick model and the naive answers on a split, at most so many rows of it as ``thinned`` leaves.

    Raises:
        LearningError: nothing can be learned from these columns or rows.
    """
    from homeostat.core.targets import classes_of, encode_target
    from homeostat.flow.baseline import baseline_scores, naive_scores
    from homeostat.flow.blocks import judged_block
    from homeostat.flow.measure import success_metric
    from homeostat.stats.metrics import error_of

    task = charter.task
    used, every = thinned(parts)
    classes = classes_of(used.train[task.target], task)
    measured = success_metric(charter, classes)
    cut = set_aside(used.train)
    own = charter.learning.estimators  # of which a single fit may take minutes
    ours: list[str] = [name for name in charter.learning.learners if name != "naive" and name not in own]
    learners = ours or (["linear", "lightgbm"] if own else ["naive"])
    tried = tuple(fit_on(charter, cut, used.validation, learner, classes) for learner in learners)
    values = [error_of(measured, measured.score(each.y, each.scores)) for each in tried]
    quick = tried[int(np.argmin(np.nan_to_num(values, nan=np.inf)))]
    naive = naive_scores(charter, classes, encode_target(used.train[task.target], classes), len(quick.y))
    theirs = baseline_scores(charter, classes, parts.train, parts.validation)[::every]  # a season before may lie in any row
    block = judged_block(charter, used.validation)
    return Bench(charter, measured, used, every, classes, block, tried, quick, naive, theirs)


def thinned(parts: Split) -> tuple[Split, int]:
    """Every k-th row of each part, with k so that at most ``MOST_ROWS`` and ``MOST_CELLS`` are left for training and judging; and k."""
    rows = parts.train.height + parts.validation.height
    every = max(-(-rows // MOST_ROWS), -(-rows * parts.train.width // MOST_CELLS))
    if every <= 1:
        return parts, 1
    return Split(parts.train.gather_every(every), parts.validation.gather_every(every), parts.holdout), every


def set_aside(train: pl.DataFrame) -> Split:
    """Training rows cut into those to fit on and those to choose on (as ``validation``); the holdout is empty."""
    import polars as pl

    block = np.arange(train.height) * BLOCKS // max(train.height, 1)
    aside = pl.Series(block % SET_ASIDE == SET_ASIDE - 1)
    return Split(train=train.filter(~aside), validation=train.filter(aside), holdout=train.clear())


def without(charter: Charter, columns: Collection[str]) -> Charter:
    """The charter with these columns left out as well."""
    task = charter.task.model_copy(update={"leave_out": (*charter.task.leave_out, *columns)})
    return charter.model_copy(update={"task": task})


def fit_on(charter: Charter, rows: Split, judged: pl.DataFrame, learner: str, classes: tuple[str, ...], *, refit: bool = True) -> Quick:
    """A learner's defaults on ``rows.train``, its rounds found on ``rows.validation``, or the naive learner where that is better there.

    Args:
        charter: task, preparation, metric.
        rows: as ``set_aside`` cuts them.
        judged: rows to answer.
        learner: its name.
        classes: the order of the scores; a class that ``rows.train`` lacks gets 0.
        refit: fit again on both parts of ``rows`` together.

    Raises:
        LearningError: nothing can be learned from these columns or rows.
    """
    from homeostat.core.targets import classes_of, encode_target
    from homeostat.flow.amounts import amounts
    from homeostat.flow.evaluate import aligned
    from homeostat.flow.measure import success_metric
    from homeostat.flow.preparing import stages_of
    from homeostat.learning.search import search
    from homeostat.learning.threshold import with_decision

    task = charter.task
    known = classes_of(rows.train[task.target], task)
    learners = tuple(dict.fromkeys(("naive", learner)))
    found = search(
        rows,
        task,
        charter.learning.model_copy(
            update={"learners": learners, "budget": FIRST_ROUND, "windows": charter.learning.windows[:1], "at_once": 1, "ensemble": False}
        ),
        success_metric(charter, known),
        stages_of(charter, rows),
        clock=time.monotonic,
        refit=refit,
    )
    y = encode_target(rows.validation[task.target], known)
    found = replace(found, plan=with_decision(found.plan, charter.value, y, found.judged, amounts(charter, rows.validation)))

    def answer(frame: pl.DataFrame) -> Floats:
        return aligned(found.oracle(frame), known, classes) if classes else found.oracle(frame)

    return Quick(found, answer, encode_target(judged[task.target], classes), answer(judged), found.trials[-1].seconds)
