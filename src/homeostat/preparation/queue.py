"""Which rows a person should label next: those the model is least sure of, spread out, and a random share that keeps it honest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.casts import logical_type
from homeostat.core.targets import texts

if TYPE_CHECKING:
    import polars as pl

    from homeostat.graph.plan import Floats, Ints

RANDOM_SHARE = 0.1
"""Of a queue: rows drawn blindly, so that what people find there says something about all rows."""
POOL = 20
"""How many times the queue's size of the most telling rows compete for it."""
MOST_TEXTS = 20
REFERENCES = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """``rows``: places in the frame, the most telling first and the random ones last; ``why``: one sentence each."""

    rows: Ints
    why: tuple[str, ...]


def choose(frame: pl.DataFrame, labelled: pl.DataFrame, scores: Floats | None, size: int, seed: int) -> Chosen:
    """Choose at most ``size`` rows of an unlabelled frame.

    Telling is: with class scores (n, k >= 2) a small margin between the two likeliest classes; with a regression's scores (n, 1)
    the distance to the nearest labelled row, since one value does not say how sure it is; without scores nothing is, and the rows
    are spread alone. The most telling rows are put into as many clusters as there are places, and each cluster gives its most
    telling row, so that near-duplicates take one place. A tenth of the places is drawn at random from the rest.

    Args:
        frame: rows without a label; columns whose name starts with ``_`` are not looked at.
        labelled: rows with a label and the same columns.
        scores: the model's, in the order of the frame; None without a model.
        size: places in the queue.
        seed: of the clusters and the draw.

    Source: Settles, Active Learning Literature Survey (2009), sections 3.1 (margin sampling) and 5.2 (density); Xu et al.,
    Incorporating diversity and density in active learning for relevance feedback (2007), for one row per cluster.
    """
    rng = np.random.default_rng(seed)
    size = min(size, frame.height)
    blind = min(max(1, round(size * RANDOM_SHARE)), size) if size else 0
    points = embed(frame, labelled)
    telling, words = _telling(points, frame.height, scores, rng)
    order = np.argsort(-telling, kind="stable") if scores is not None else rng.permutation(frame.height)
    picked = _one_per_cluster(points[: frame.height], telling, order[: POOL * size], size - blind, seed)
    rest = np.setdiff1d(np.arange(frame.height), picked)
    drawn = np.sort(rng.choice(rest, min(blind, len(rest)), replace=False))
    told = [words(place) for place in picked.tolist()] + ["random: one of all rows without a label"] * len(drawn)
    return Chosen(np.concatenate([picked, drawn]).astype(np.int64), tuple(told))


def embed(frame: pl.DataFrame, labelled: pl.DataFrame) -> Floats:
    """Rows of both frames, one after the other, as points (n, p): numbers by their rank in 0 to 1, texts one-hot where they are few.

    Nulls are 0.5 for numbers and 0 for texts; two rows that differ in one text are as far apart as one number can make them.
    Dates count as numbers; texts of more than 20 values are left out, as are columns without a plain type.
    """
    import polars as pl

    names = [name for name in frame.columns if not name.startswith("_")]
    both = pl.concat([frame.select(names), labelled.select(names)], how="vertical_relaxed")
    blocks = [np.zeros((both.height, 0))]
    for column in both.iter_columns():
        kind = logical_type(column.dtype)
        if kind in ("number", "integer", "date", "timestamp"):
            values = column.to_physical().cast(pl.Float64).fill_nan(None)
            ranks = values.rank("average") / max(values.len() - values.null_count(), 1)
            blocks.append(ranks.fill_null(0.5).to_numpy()[:, None])
        elif kind is not None:
            given = texts(column)
            known = given.drop_nulls().unique().sort()
            if known.len() <= MOST_TEXTS:
                blocks += [(given == text).fill_null(False).to_numpy()[:, None] / np.sqrt(2.0) for text in known]
    return np.hstack(blocks)


def _telling(points: Floats, count: int, scores: Floats | None, rng: np.random.Generator) -> tuple[Floats, Callable[[int], str]]:
    """How much each row would tell, higher for more, and what to say about it."""
    if scores is None:
        return np.zeros(count), lambda _: "spread: no model yet, a row unlike the others in the queue"
    if scores.shape[1] >= 2:
        two = np.sort(scores, axis=1)[:, -2:]
        margin = two[:, 1] - two[:, 0]
        return -margin, lambda row: f"uncertain: the two likeliest classes are {margin[row]:.3f} apart"
    known = points[count:]
    if len(known) > REFERENCES:
        known = known[rng.choice(len(known), REFERENCES, replace=False)]
    far = _nearest(points[:count], known)
    return far, lambda row: f"unfamiliar: {far[row]:.3f} from the nearest labelled row"


def _nearest(points: Floats, others: Floats) -> Floats:
    from scipy.spatial import KDTree

    if not len(others) or not points.shape[1]:
        return np.zeros(len(points))
    found: Floats = KDTree(others).query(points)[0]
    return found


def _one_per_cluster(points: Floats, telling: Floats, pool: Ints, places: int, seed: int) -> Ints:
    """Places of the most telling row of each cluster of the pool, the most telling first; equal points are one."""
    from sklearn.cluster import KMeans

    if places <= 0 or not len(pool):
        return np.zeros(0, dtype=np.int64)
    distinct, first = np.unique(points[pool], axis=0, return_index=True)  # the first in the pool is the most telling of equal ones
    rows = pool[first]
    if len(rows) > places:
        groups = KMeans(places, n_init=1, random_state=seed).fit(distinct)
        centred = -np.linalg.norm(distinct - groups.cluster_centers_[groups.labels_], axis=1)
        best = np.lexsort((-centred, -telling[rows]))  # the most telling, of equal ones the nearest to the middle
        _, at = np.unique(groups.labels_[best], return_index=True)
        rows = rows[best[np.sort(at)]]
    return rows[np.argsort(-telling[rows], kind="stable")]
