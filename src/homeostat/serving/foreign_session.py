"""A foreign ONNX graph run by itself, as its maker would: what a bundle made of it is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from homeostat.core.targets import texts
from homeostat.errors import LearningError
from homeostat.graph.foreign import FLOATING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from homeostat.graph.plan import Feed, Floats

DTYPES = {"float": "float32", "double": "float64", "float16": "float16", "bool": "bool"}
NULL = ""
"""The text that stands for a null in a column of texts: ONNX has no null text."""


class ForeignSession:
    """The graph in ONNX Runtime, fed from frames.

    Raises:
        LearningError: HS376, ONNX Runtime does not take it.
    """

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except faults() as error:
            raise LearningError("HS376", f"ONNX Runtime does not take it: {_short(error)}") from error

    def run(self, output: str, columns: Mapping[str, Sequence[str]], feeds: Sequence[Feed], frame: pl.DataFrame) -> Any:
        """What one output says of the rows of a frame.

        Raises:
            LearningError: HS379, it cannot be run on these rows.
        """
        given = {each.name: fed(each, [frame[name] for name in columns[each.name]]) for each in feeds}
        try:
            return self._session.run([output], given)[0]
        except faults() as error:
            raise LearningError("HS379", f"it cannot be run on the reference rows: {_short(error)}", place=output) from error


def fed(feed: Feed, columns: Sequence[pl.Series]) -> NDArray[Any]:
    """The tensor that an input is given for some columns, as a program beside it would make it."""
    if feed.type == "string":
        fills = [told[0] for told in feed.texts]
        made = np.array([texts(each).fill_null(fill).to_list() for each, fill in zip(columns, fills, strict=True)], dtype=object).T
    else:
        made = np.column_stack([numbers(each) for each in columns])
        if feed.fill:
            made = np.where(np.isnan(made), np.array(feed.fill), made)
        elif feed.type not in FLOATING:
            made = np.where(np.isnan(made), 0.0, made)
        with np.errstate(over="ignore", invalid="ignore"):
            made = made.astype(DTYPES.get(feed.type, feed.type))
    return np.ascontiguousarray(made[:, 0] if feed.flat else made)


def unanswerable(feeds: Sequence[Feed], columns: Mapping[str, Sequence[str]], frame: pl.DataFrame) -> NDArray[np.bool_]:
    """Which rows have a null where the graph wants a whole number or a boolean, (n,)."""
    names = [name for each in feeds if each.type not in (*FLOATING, "string") and not each.fill for name in columns[each.name]]
    found = np.zeros(frame.height, dtype=np.bool_)
    for name in names:
        found |= np.isnan(numbers(frame[name]))
    return found


def numbers(series: pl.Series) -> Floats:
    """A column of numbers or booleans as float64; null is NaN."""
    import polars as pl

    found: Floats = series.cast(pl.Float64).to_numpy()
    return found


def faults() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises for a graph or for rows that it cannot take."""
    from onnxruntime.capi import onnxruntime_pybind11_state as kinds

    own = (kinds.Fail, kinds.InvalidArgument, kinds.InvalidGraph, kinds.InvalidProtobuf, kinds.NotImplemented, kinds.RuntimeException)
    return (*own, kinds.NoSuchFile, kinds.EPFail, ValueError, RuntimeError)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
