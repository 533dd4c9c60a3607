"""The model as the peers hold it: the scikit-learn pipeline, or our bundle's graph in ONNX Runtime, from the folder ``SERVING_MODEL``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.rows import CATEGORIES, NAMES, NUMBERS, Row


def folder() -> Path:
    """Where the model lies."""
    return Path(os.environ["SERVING_MODEL"])


class ByPipeline:
    """Answers with the pipeline, through the data frame it was fitted on."""

    def __init__(self) -> None:
        import joblib
        import pandas

        self._frame = pandas.DataFrame
        self._pipeline = joblib.load(folder() / "pipeline.joblib")

    def rows(self, rows: Sequence[Row]) -> list[float]:
        """The probability of each row of named fields."""
        return self._said(self._frame(rows, columns=list(NAMES)))

    def packed(self, numbers: Sequence[Sequence[Any]], texts: Sequence[Sequence[Any]]) -> list[float]:
        """The probability of each row, given as its numbers and its texts."""
        return self._said(self._frame([[*some, *others] for some, others in zip(numbers, texts, strict=True)], columns=list(NAMES)))

    def _said(self, frame: Any) -> list[float]:
        return self._pipeline.predict_proba(frame)[:, 1].tolist()  # type: ignore[no-any-return]


class ByGraph:
    """Answers with the graph, through the two arrays it takes."""

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder() / "model.onnx"), options, providers=["CPUExecutionProvider"])
        vocabularies = json.loads((folder() / "vocabularies.json").read_text())
        self._codes = [{None: 0, **{text: code for code, text in enumerate(vocabularies[name], start=1)}} for name in CATEGORIES]
        self._unseen = [len(vocabularies[name]) + 1 for name in CATEGORIES]

    def rows(self, rows: Sequence[Row]) -> list[float]:
        """The probability of each row of named fields."""
        return self.packed([[row[name] for name in NUMBERS] for row in rows], [[row[name] for name in CATEGORIES] for row in rows])

    def packed(self, numbers: Sequence[Sequence[Any]], texts: Sequence[Sequence[Any]]) -> list[float]:
        """The probability of each row, given as its numbers and its texts."""
        codes = [[known.get(text, unseen) for known, text, unseen in zip(self._codes, row, self._unseen, strict=True)] for row in texts]
        fed = {"numbers": np.array(numbers, dtype=np.float64), "codes": np.array(codes, dtype=np.int64)}
        return self._session.run(["score"], fed)[0][:, 1].tolist()  # type: ignore[no-any-return]


HOLDERS: dict[str, type[ByPipeline] | type[ByGraph]] = {"pipeline": ByPipeline, "graph": ByGraph}
