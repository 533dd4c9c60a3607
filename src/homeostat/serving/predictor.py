"""The predictor: a bundle's graph in ONNX Runtime behind the decoder. It answers from any thread and keeps no state."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from homeostat.errors import BundleError, RequestError
from homeostat.graph.decode import LISTED, RowDecoder, decode_frame
from homeostat.graph.json_rows import JsonRows
from homeostat.graph.plan import widths
from homeostat.serving.answers import Answer, answer_columns, answers
from homeostat.serving.bundle import INTERFACE_KEY
from homeostat.serving.manifest import ENDS, interface_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from homeostat.graph.decode import Read
    from homeostat.graph.plan import Decoded, Floats, Ints
    from homeostat.serving.bundle import Bundle

# Bound the memory of a batch: the graph holds all its blocks for the rows of one call, and texts are decoded to a column per term.
FRAME_ROWS_AT_ONCE, FRAME_TERMS_AT_ONCE = 65_536, 16_777_216
LEAST_PART = 256
"""Rows of a frame below which a second core costs more than it saves."""


class Said(NamedTuple):
    """What a graph says of rows: scores (n, k), decisions (n,), and the ends (n, 2) of their intervals, None without intervals."""

    scores: Floats
    decisions: Ints
    ends: Floats | None


class Predictor:
    """Scores rows, columns or frames with one bundle.

    One thread per request: a server's parallelism is over requests, and one small graph gains nothing from more. A frame is cut
    between the cores.

    Raises:
        BundleError: HS401, the graph cannot be loaded or belongs to another manifest.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.manifest = bundle.manifest
        self.plan = bundle.plan  # as ``graph.encode`` writes it: what an explanation asks
        self._inputs = bundle.inputs()
        self._decoder = RowDecoder(self._inputs, bundle.manifest.ignored)
        self.read_rows = self._decoder.read
        self.read_json = JsonRows(self._inputs, bundle.manifest.ignored).read
        self._session = _session(bundle)
        self._feeds = {each.name for each in self._session.get_inputs()}
        self._outputs = ["score", *(("decision",) if bundle.manifest.classes else ()), *(ENDS if bundle.manifest.intervals else ())]

    def score_rows(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Floats, Ints]:
        """Scores (n, k) and decisions (n,) of rows of named fields; decisions of a regression are zeros.

        Raises:
            RequestError: HS502, bad fields, or rows whose score would not be finite.
        """
        return self.say_rows(rows)[:2]

    def say_rows(self, rows: Sequence[Mapping[str, Any]]) -> Said:
        """All that the graph says of rows of named fields; see ``score_rows``."""
        return _finite(self._run(self._decoder.rows(rows)))

    def say_read(self, read: Sequence[Read]) -> Said:
        """All that the graph says of rows that ``read_rows`` or ``read_json`` gave; scores may be infinite or NaN, see ``endless``."""
        return self._run(self._decoder.stack(read))

    def score_columns(self, columns: Mapping[str, Sequence[Any]]) -> tuple[Floats, Ints]:
        """As ``score_rows``, of named columns of equal length."""
        return _finite(self._run(self._decoder.columns(columns)))[:2]

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """One answer per row; see ``score_rows``."""
        return answers(self.manifest, *self.say_rows(rows))

    def predict_columns(self, columns: Mapping[str, Sequence[Any]]) -> list[Answer]:
        """One answer per row of the columns; see ``score_columns``."""
        return answers(self.manifest, *_finite(self._run(self._decoder.columns(columns))))

    def predict_one(self, row: Mapping[str, Any]) -> Answer:
        """The answer to one row."""
        return self.predict_rows([row])[0]

    def predict_frame(self, frame: pl.DataFrame) -> Floats:
        """Scores (n, k) of a frame; columns that are no inputs are not read.

        Raises:
            DataError: HS203, an input is missing; HS205, a column has a value of the wrong kind.
        """
        return self.decide_frame(frame)[0]

    def score_decoded(self, rows: Decoded) -> Floats:
        """Scores (n, k) of rows that are decoded already."""
        return self._run(rows).scores

    def say_decoded(self, rows: Decoded, at_once: int) -> Said:
        """All that the graph says of rows that are decoded already, so many in each of its runs, in this thread."""
        count = len(rows.numbers)
        return _together([self._run(rows.take(slice(at, at + at_once))) for at in range(0, max(count, 1), at_once)])

    @property
    def rows_at_once(self) -> int:
        """Rows of a frame that may be decoded together, so that texts do not fill the memory."""
        terms = widths(self._inputs)["terms"]
        return max(1, min(FRAME_ROWS_AT_ONCE, FRAME_TERMS_AT_ONCE // terms)) if terms else FRAME_ROWS_AT_ONCE

    def decide_frame(self, frame: pl.DataFrame) -> tuple[Floats, Ints]:
        """Scores (n, k) and the graph's own decisions (n,) of a frame."""
        return self.say_frame(frame)[:2]

    def say_frame(self, frame: pl.DataFrame) -> Said:
        """All that the graph says of a frame; see ``predict_frame``."""
        most = self.rows_at_once
        parts = (frame[at : at + most] for at in range(0, max(frame.height, 1), most))
        return _together([said for part in parts for said in self._at_once(decode_frame(self._inputs, part))])

    def _at_once(self, rows: Decoded) -> list[Said]:
        """What the graph says of rows, cut between the cores."""
        count = len(rows.numbers)
        size = max(LEAST_PART, math.ceil(count / cores()))
        if count <= size:
            return [self._run(rows)]
        with ThreadPoolExecutor(cores()) as pool:
            return list(pool.map(self._run, (rows.take(slice(at, at + size)) for at in range(0, count, size))))

    def answers(self, scores: Floats, ends: Floats | None = None) -> dict[str, list[float] | list[str]]:
        """Scores (n, k) as answer columns: ``prediction``, ``probability`` or ``probability_<class>`` for classes, and ends (n, 2)."""
        return answer_columns(self.manifest, scores, ends)

    def _run(self, decoded: Decoded) -> Said:
        given = decoded._asdict()
        found = self._session.run(self._outputs, {name: given[name] for name in self._feeds})
        scores: Floats = found[0]
        if self.manifest.classes:
            return Said(scores, found[1], None)
        return Said(scores, np.zeros(len(scores), dtype=np.int64), np.column_stack(found[1:]) if self.manifest.intervals else None)


def endless(said: Said) -> list[int]:
    """The rows that have a score or an end that is not finite.

    Numbers near the end of float64 can overflow inside a model; JSON cannot say infinity, and no caller could use it.
    """
    finite = np.isfinite(said.scores).all(axis=1)
    if said.ends is not None:
        finite &= np.isfinite(said.ends).all(axis=1)
    return [] if finite.all() else np.flatnonzero(~finite).tolist()


def refuse_endless(rows: Sequence[int]) -> RequestError:
    """What is said of rows, by their places in the request, whose score is not finite."""
    listed = tuple(
        {"row": row, "field": "", "got": "a row whose score is not finite", "allowed": "numbers of a size the model can compute with"}
        for row in rows[:LISTED]
    )
    message = f"{len(rows)} row(s) have no finite score; their numbers are too large for the model"
    return RequestError("HS502", message, status=422, fields=listed, place=f"row {rows[0]}")


def _finite(said: Said) -> Said:
    if bad := endless(said):
        raise refuse_endless(bad)
    return said


def _together(found: Sequence[Said]) -> Said:
    """What was said of rows part by part, as of all."""
    if len(found) == 1:
        return found[0]
    ends = [each.ends for each in found if each.ends is not None]
    scores, decisions = (np.concatenate(blocks) for blocks in zip(*(each[:2] for each in found), strict=True))
    return Said(scores, decisions, np.concatenate(ends) if ends else None)


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _session(bundle: Bundle) -> Any:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as kinds

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors come as exceptions; nothing is printed on a server's stderr behind its back
    faults = (kinds.Fail, kinds.InvalidArgument, kinds.InvalidGraph, kinds.InvalidProtobuf, kinds.NotImplemented, kinds.RuntimeException)
    try:
        session = onnxruntime.InferenceSession(bundle.graph, options, providers=["CPUExecutionProvider"])
    except faults as fault:
        raise BundleError("HS401", f"the graph cannot be loaded: {fault}", place="model.onnx") from fault
    said = session.get_modelmeta().custom_metadata_map.get(INTERFACE_KEY)
    if said != interface_digest(bundle.manifest):
        raise BundleError(
            "HS401", "the graph was compiled for other inputs, classes or another threshold than the manifest says", place="manifest.json"
        )
    return session
