"""Terms of a text column: which become features, and how much each weighs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from homeostat.graph.terms import terms_of

if TYPE_CHECKING:
    import polars as pl

    from homeostat.graph.plan import Floats

FEWEST_ROWS = 2
"""A term of one row says which row it was."""


def terms_in(series: pl.Series, most: int) -> tuple[str, ...]:
    """The terms that stand in most rows, at most ``most``, sorted; of equally frequent ones the first by name.

    Empty when none stands in two rows.
    """
    import polars as pl

    rows: Counter[str] = Counter()
    for text in series.cast(pl.String).drop_nulls().to_list():
        rows.update(set(terms_of(text)))
    kept = sorted((term for term, count in rows.items() if count >= FEWEST_ROWS), key=lambda term: (-rows[term], term))
    return tuple(sorted(kept[:most]))


def inverse_document_frequency(counts: Floats) -> Floats:
    """ln((1 + n) / (1 + df)) + 1 per column of counts (n, t): n rows, null ones left out, of which df hold the term.

    Source: scikit-learn's smoothed form of Spaerck Jones, "A statistical interpretation of term specificity" (1972).
    """
    known = counts[~np.isnan(counts[:, 0])]
    return np.asarray(np.log((1 + len(known)) / (1 + (known > 0).sum(axis=0))) + 1.0)
