"""The amount of money that each row is about, where outcomes depend on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from homeostat.errors import DataError

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from homeostat.charter.schema import Charter


def amounts(charter: Charter, frame: pl.DataFrame) -> NDArray[np.float64] | None:
    """Each row's ``value.amount`` as float64 ``(n,)``, NaN where there is none; None when the charter names no such column.

    Raises:
        DataError: HS203, the column is missing.
    """
    import polars as pl

    name = charter.value.amount
    if name is None:
        return None
    if name not in frame.columns:
        raise DataError("HS203", f"got {name!r}; the data has {', '.join(frame.columns[:20])}", place="value.amount")
    return frame[name].cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
