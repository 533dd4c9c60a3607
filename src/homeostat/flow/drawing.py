"""The rows a training with a sample uses, of a table larger than memory: an index is split and drawn from, then those rows are read.

The index has of each row where it is from, its target and time, and what else the split asks for. The table streams by twice.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.records import PROVENANCE, Split
from homeostat.flow.datasets import dataset_batches
from homeostat.flow.preparing import training_window
from homeostat.flow.training_rows import NOW, TrainingRows, split_all, usable
from homeostat.preparation.sample import DRAW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from homeostat.charter.schema import Charter
    from homeostat.core import sections
    from homeostat.core.facts import Fact
    from homeostat.flow.project import Project

AT = "_at"


def drawn(
    project: Project, dataset: Fact, learning: sections.Learning, windows: Sequence[str] | None = None, labels: int | None = NOW
) -> tuple[TrainingRows, Split]:
    """The index of all rows, and their split with the rows that judge and the rows that are drawn; ``_draw`` is their place in the queue.

    All that is drawn from this split is what would be drawn from the split of all rows. ``windows`` and ``labels`` are those of
    ``training_rows``.
    """
    use = partial(usable, project, dataset, windows=windows, labels=labels)
    index = _index(project, dataset, use)
    whole = split_all(project, index)
    kept = _kept(project.charter, learning, whole)
    found = _read(project, dataset, use, kept)
    return replace(index, undrawn=whole.development.height - kept.development.height), found


def _index(project: Project, dataset: Fact, use: Callable[[pl.DataFrame], TrainingRows]) -> TrainingRows:
    """All rows that may be used, in the order of their sources, with the columns that say which of them are."""
    import polars as pl

    parts = [_narrow(project, use(batch)) for batch in dataset_batches(project, dataset)]
    frames = [pl.concat(frames).sort(PROVENANCE, nulls_last=True) for frames in ([p.frame for p in parts], [p.weak for p in parts])]
    unlabelled, quarantined = sum(part.unlabelled for part in parts), sum(part.quarantined for part in parts)
    return replace(parts[0], frame=frames[0], weak=frames[1], unlabelled=unlabelled, quarantined=quarantined)


def _narrow(project: Project, rows: TrainingRows) -> TrainingRows:
    import polars as pl

    from homeostat.preparation.labelling import LABEL
    from homeostat.preparation.split import WORDS, content_words

    task, plan = project.charter.task, project.charter.preparation.split
    names = [name for name in dict.fromkeys((task.target, task.time, plan.group)) if name is not None and name in rows.frame.columns]

    def of(frame: pl.DataFrame) -> pl.DataFrame:
        few = frame.select(*names, pl.col(LABEL, PROVENANCE[0]).cast(pl.Categorical), PROVENANCE[1])
        return few if plan.kind in (None, "time") else few.with_columns(pl.Series(WORDS, content_words(frame, task)))

    return replace(rows, frame=of(rows.frame), weak=of(rows.weak))


def _kept(charter: Charter, learning: sections.Learning, whole: Split) -> Split:
    """The rows that judge, and those of the others that a fit on any window of any part of the split would draw."""
    import polars as pl

    from homeostat.preparation.sample import places

    section = charter.preparation.sample
    if section is None:
        return whole
    between = whole.train.clear() if whole.between is None else whole.between
    ends = np.cumsum([0, whole.train.height, between.height, whole.validation.height])
    rows = whole.development
    place = places(rows[charter.task.target], charter.task, section, charter.learning.seed, np.repeat(np.arange(3), np.diff(ends)))
    rows = rows.with_columns(pl.Series(DRAW, place)).with_row_index(AT)
    taught = [rows, rows[: whole.train.height], *(rows[chosen] for chosen, _ in whole.folds)]
    keep = np.zeros(rows.height, dtype=np.bool_)
    for judged in (np.arange(ends[2], ends[3]), *(chosen for _, chosen in whole.folds)):
        keep[judged] = True
    for part in taught:
        for used in _used(charter, learning, part):
            keep[used[AT].to_numpy()] = True
    train, between, validation = (rows[start:end].drop(AT).filter(keep[start:end]) for start, end in pairwise(ends))
    place_of = np.cumsum(keep) - 1
    folds = tuple((_moved(chosen, keep, place_of), _moved(judged, keep, place_of)) for chosen, judged in whole.folds)
    return replace(whole, train=train, validation=validation, between=None if whole.between is None else between, folds=folds)


def _used(charter: Charter, learning: sections.Learning, part: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Of a part that teaches what is drawn for each window, and the newest row, which windows are measured from."""
    from homeostat.preparation.moments import seconds_of

    time = charter.task.time
    for window in [each for each in learning.windows if time is not None or each.kind == "all"] or learning.windows:
        yield training_window(charter, part, window)[0]
    seconds = seconds_of(part, time) if time is not None else np.full(part.height, np.nan)
    if np.isfinite(seconds).any():
        yield part[int(np.nanargmax(seconds))]


def _moved(rows: NDArray[np.int64], keep: NDArray[np.bool_], place_of: NDArray[np.int64]) -> NDArray[np.int64]:
    return place_of[rows[keep[rows]]]


def _read(project: Project, dataset: Fact, use: Callable[[pl.DataFrame], TrainingRows], kept: Split) -> Split:
    """The split with whole rows."""
    import polars as pl

    parts = [part for part in (kept.train, kept.between, kept.validation, kept.holdout) if part is not None]
    source, line = PROVENANCE
    wanted = pl.concat([part.select(pl.col(source).cast(pl.String), line) for part in parts]).with_row_index(AT)
    frames = []
    for batch in dataset_batches(project, dataset):
        lines = pl.col(line).is_between(batch[line].min(), batch[line].max())
        near = wanted.filter(lines & pl.col(source).is_in(batch[source].unique().implode()))
        rows = use(batch)
        frames += [frame.join(near, on=[source, line], how="inner") for frame in (rows.frame, rows.weak)]
    found = pl.concat(frames)
    frames.clear()
    order = found.drop_in_place(AT).arg_sort()
    found = pl.DataFrame([found.drop_in_place(name).gather(order) for name in found.columns])  # one column after the other is moved
    ends = np.cumsum([0, *(part.height for part in parts)])
    whole = [
        found[start:end].with_columns(part[DRAW]) if DRAW in part.columns else found[start:end]
        for part, (start, end) in zip(parts, pairwise(ends), strict=True)
    ]
    return replace(kept, train=whole[0], between=whole[1] if kept.between is not None else None, validation=whole[-2], holdout=whole[-1])
