"""Sums without rounding, so that the sum of two parts is the sum of the whole, to the last bit."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 1e150  # beyond it a square leaves the range of float64; profiles count such values as infinite
_CHUNK = 1 << 24  # rows per pass: 2**27 (a half of a mantissa) times 2**24 rows stays exact in float64


def exact_sum(values: NDArray[np.float64]) -> Fraction:
    """The sum of finite float64 values ``(n,)`` as an exact fraction; 0 for none.

    Each value is mantissa x 2**exponent; mantissas are split in two halves and added per exponent, where float64 is exact.

    >>> exact_sum(np.array([1e100, 1.0, -1e100]))
    Fraction(1, 1)
    """
    total = Fraction(0)
    for start in range(0, len(values), _CHUNK):
        mantissa, exponent = np.frexp(values[start : start + _CHUNK])
        whole = np.ldexp(mantissa, 53).astype(np.int64)
        high = whole >> 26
        low = whole - (high << 26)
        lowest = int(exponent.min(initial=0))
        slot = (exponent - lowest).astype(np.int64)
        highs, lows = np.bincount(slot, weights=high), np.bincount(slot, weights=low)
        for index in np.flatnonzero((highs != 0) | (lows != 0)):
            units = (int(highs[index]) << 26) + int(lows[index])
            power = int(index) + lowest - 53
            total += Fraction(units << power) if power >= 0 else Fraction(units, 1 << -power)
    return total
