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
POOL = 10
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
    are spread alone. The most telling half, at most ten rows for each place, is put into as many clusters as there are places, each
    row with the weight of what it tells, and each cluster gives its most telling row. Of near-duplicates one row competes. A tenth
    of the places is drawn at random from the rest.

    Args:
        frame: rows without a label; columns whose name starts with ``_`` are not looked at.
        labelled: rows with a label and the same columns.
        scores: the model's, in the order of the frame; None without a model.
        size: places in the queue.
        seed: of the clusters and the draw.

    Source: Settles, Active Learning Literature Survey (2009), section 3.1 (margin sampling); Zhdanov, Diverse mini-batch Active
    Learning, arXiv:1901.05954 (2019), section 4 (the most informative rows in weighted clusters).
    """
    rng = np.random.default_rng(seed)
    size = min(size, frame.height)
    blind = min(max(1, round(size * RANDOM_SHARE)), size) if size else 0
    points = embed(frame, labelled)
    telling, words = _telling(points, frame.height, scores, rng)
    order = np.argsort(-telling, kind="stable") if scores is not None else rng.permutation(frame.height)
    distinct = _distinct(points[order])
    telling_half = len(distinct) if scores is None else max(size, (len(distinct) + 1) // 2)
    pool = distinct[: min(POOL * size, telling_half)]
    picked = _one_per_cluster(points[: frame.height], telling, order[pool], size - blind, seed)
    rest = np.setdiff1d(np.arange(frame.height), picked)
    drawn = np.sort(rng.choice(rest, min(blind, len(rest)), replace=False))
    told = [words(place) for place in picked.tolist()] + ["random: one of all rows without a label"] * len(drawn)
    return Chosen(np.concatenate([picked, drawn]).astype(np.int64), tuple(told))


def embed(frame: pl.DataFrame, labelled: pl.DataFrame) -> Floats:
    """Rows of both frames, one after the other, as points (n, p): numbers in standard deviations, texts one-hot where they are few.

    Nulls are the mean of numbers and no text; another text is as far away as one standard deviation.
    Dates count as numbers; texts of more than 20 values are left out, as are columns without a plain type.
    """
    import polars as pl

    names = [name for name in frame.columns if not name.startswith("_")]
    both = pl.concat([frame.select(names), labelled.select(names)], how="vertical_relaxed")
    blocks = [np.zeros((both.height, 0))]
    for column in both.iter_columns():
        kind = logical_type(column.dtype)
        if kind in ("number", "integer", "date", "timestamp"):
            values = column.to_physical().cast(pl.Float64).replace([float("inf"), -float("inf"), float("nan")], None)
            spread = values.std() or 1.0
            blocks.append(((values - (values.mean() or 0.0)) / spread).fill_null(0.0).to_numpy()[:, None])
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


def _distinct(points: Floats) -> Ints:
    """Places of points of which no earlier one is the same to a tenth of a standard deviation in every column."""
    import polars as pl

    if not points.shape[1]:
        return np.arange(min(1, len(points)))
    cells = pl.DataFrame(np.round(points, 1) + 0.0).with_row_index("_place")  # + 0.0 makes -0.0 the same as 0.0
    first = cells.unique(cells.columns[1:], keep="first", maintain_order=True)["_place"]
    return first.cast(pl.Int64).to_numpy()


def _one_per_cluster(points: Floats, telling: Floats, rows: Ints, places: int, seed: int) -> Ints:
    """The most telling of these rows in each of as many clusters as there are places, the most telling first."""
    from sklearn.cluster import KMeans

    if places <= 0:
        return np.zeros(0, dtype=np.int64)
    if len(rows) > places:
        distinct = points[rows]
        weights = telling[rows] - telling[rows].min()
        weights = weights / weights.max() + 1e-3 if weights.any() else None
        groups = KMeans(places, n_init=1, random_state=seed).fit(distinct, sample_weight=weights)
        centred = -np.linalg.norm(distinct - groups.cluster_centers_[groups.labels_], axis=1)
        best = np.lexsort((-centred, -telling[rows]))  # the most telling, of equal ones the nearest to the middle
        _, at = np.unique(groups.labels_[best], return_index=True)
        rows = rows[best[np.sort(at)]]
    return rows[np.argsort(-telling[rows], kind="stable")]
