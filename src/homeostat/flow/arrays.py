"""Named float64 arrays as one blob: an npz file without pickle."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def dump_arrays(arrays: Mapping[str, NDArray[np.float64]]) -> bytes:
    """The arrays as bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def load_arrays(content: bytes) -> dict[str, NDArray[np.float64]]:
    """What ``dump_arrays`` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
