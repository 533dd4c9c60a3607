"""Which rows repeat a key, within a batch and of the batches before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    Marks = NDArray[Any]


class Seen:
    """The keys of the rows so far. A key with a null in it is no key: it repeats nothing and is not remembered.

    Memory: 8 bytes per key, or 16 where keys are texts or have several columns. Those are known by two 64-bit hashes, so among n of them
    two different ones are taken for one with a chance of about n^3 / 2^128: 10^-11 for a thousand million; within one batch the values
    themselves are compared.
    """

    def __init__(self) -> None:
        self._runs = (_Runs(), _Runs())
        self._last: tuple[Marks, pl.DataFrame] | None = None  # sorted in when another batch comes: a single one needs no memory

    def repeated(self, keys: pl.DataFrame) -> pl.Series | None:
        """True for each row of the next batch whose key came before; None when no row's did.

        Args:
            keys: one column per column of the key, the same types in each batch.
        """
        import polars as pl

        self._remember()
        marks = _marks(keys, 0)
        ordered = _ordered(marks)
        self._last = (ordered, keys)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        suspects = np.union1d(twice, ordered[self._runs[0].hold(ordered)])
        if not suspects.size:
            return None
        at = marks.is_in(pl.Series(suspects, dtype=marks.dtype).implode()).fill_null(value=False)
        few = keys.filter(at)
        before = self._runs[0].hold(marks.filter(at).to_numpy())
        if _hashed(keys):
            before &= self._runs[1].hold(_marks(few, 1).to_numpy())
        again = ~few.select(pl.struct(pl.all()).is_first_distinct()).to_series() | pl.Series(before)
        found = np.zeros(keys.height, dtype=np.bool_)
        found[at.arg_true().filter(again).to_numpy()] = True
        return pl.Series(found)

    def _remember(self) -> None:
        if self._last is None:
            return
        ordered, keys = self._last
        self._runs[0].add(ordered)
        if _hashed(keys):
            self._runs[1].add(_ordered(_marks(keys, 1)))


class _Runs:
    """A set of numbers as sorted arrays, each more than twice as long as the next, so that there are few."""

    def __init__(self) -> None:
        self._runs: list[Marks] = []

    def add(self, ordered: Marks) -> None:
        if ordered.size:
            self._runs.append(ordered)
        while len(self._runs) > 1 and self._runs[-2].size <= 2 * self._runs[-1].size:
            last, before = self._runs.pop(), self._runs.pop()
            self._runs.append(np.sort(np.concatenate([before, last]), kind="stable"))

    def hold(self, values: Marks) -> NDArray[np.bool_]:
        """One boolean per value."""
        found = np.zeros(values.size, dtype=np.bool_)
        for run in self._runs if values.size else ():
            if values.max() < run[0] or values.min() > run[-1]:
                continue
            found |= run[np.minimum(np.searchsorted(run, values), run.size - 1)] == values
        return found


def _hashed(keys: pl.DataFrame) -> bool:
    import polars as pl

    return keys.width > 1 or keys.dtypes[0] == pl.String


def _marks(keys: pl.DataFrame, seed: int) -> pl.Series:
    """One number per row, equal for equal keys, null where the key has a null. A key of one number or time is its own mark."""
    import polars as pl

    if _hashed(keys):
        whole = ~pl.any_horizontal(pl.all().is_null())
        mark = (pl.struct(pl.all()) if keys.width > 1 else pl.all()).hash(seed)
        return keys.select(pl.when(whole).then(mark) if sum(keys.null_count().row(0)) else mark).to_series()
    value = keys.to_series()
    if value.dtype.is_float():
        return value + 0.0  # -0.0 and 0.0 are one
    return value.cast(pl.Int8) if value.dtype == pl.Boolean else value.to_physical()


def _ordered(marks: pl.Series) -> Marks:
    """The marks in ascending order."""
    values = marks.drop_nulls().to_numpy()
    return values if bool(np.all(values[1:] > values[:-1])) else np.sort(values)
