"""The strata of a target: its classes, or parts of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.core.targets import coded

if TYPE_CHECKING:
    import polars as pl

    from homeostat.core import sections
    from homeostat.graph.plan import Ints

STRATA = 10
"""Parts of equal size into which the values of a regression target are cut."""


def strata_of(target: pl.Series, task: sections.Task) -> Ints:
    """The class of each row as a number, or the tenth of all values it lies in, (n,)."""
    if task.type != "regression":
        return coded(target)[1]
    values = target.cast(float).to_numpy()
    return np.searchsorted(np.quantile(values, np.arange(1, STRATA) / STRATA), values, side="right").astype(np.int64)
