"""One way to analyse a frame in these tests: all rows are seen, the first so many are training rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from homeostat.core import sections
from homeostat.core.records import Decision
from homeostat.preparation.analysis.analyse import Evidence, Known, analyse
from homeostat.preparation.analysis.records import Analysis, RowCounts

if TYPE_CHECKING:
    import polars as pl

Analyse = Callable[..., Analysis]


@pytest.fixture
def analysed() -> Analyse:
    """``analysed(frame, target, type=..., train=n, known=..., **task)``."""

    def run(
        frame: pl.DataFrame,
        target: str,
        kind: str = "regression",
        train: int | None = None,
        known: Known | None = None,
        section: sections.Preparation | None = None,
        **task: object,
    ) -> Analysis:
        rows = frame.height if train is None else train
        counts = RowCounts(seen=frame.height, train=rows, seen_sample=0, train_sample=0, validation=frame.height - rows)
        told = known or Known(
            tuple(Decision(name, "number") for name in frame.columns if name != target and frame[name].dtype.is_numeric())
        )
        asked = sections.Task.model_validate({"type": kind, "target": target, **task})
        return analyse(Evidence(frame, frame.head(rows), counts), asked, section or sections.Preparation(), told, seed=0)

    return run
