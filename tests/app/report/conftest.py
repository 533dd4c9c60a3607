"""Profiles of frames that no project holds, for the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from homeostat.core import sections
from homeostat.core.records import Decision
from homeostat.flow.profile import Profiled
from homeostat.preparation.analysis.analyse import Evidence, Known, analyse
from homeostat.preparation.analysis.records import Importance, RowCounts, Suspicion

if TYPE_CHECKING:
    import polars as pl

Profile = Callable[..., Profiled]


@pytest.fixture
def profiled() -> Profile:
    """``profiled(frame, target, kind, **task)``: all rows are training rows; the first column is a suspect and the one that matters."""

    def run(frame: pl.DataFrame, target: str, kind: str = "regression", **task: object) -> Profiled:
        counts = RowCounts(frame.height, frame.height, 0, 0)
        first = frame.columns[0]
        known = Known(
            decisions=tuple(Decision(name, None, drop=True, reason=f"for {name}") for name in frame.columns if name != target),
            suspects=(Suspicion((first,), "leak", 0.9, f"{first} gives the target away"),),
            importance=Importance("mae", 1.0, 10, ((first, 0.5, 0.1),)),
        )
        asked = sections.Task.model_validate({"type": kind, "target": target, **task})
        found = analyse(Evidence(frame, frame, counts), asked, sections.Preparation(), known, seed=0)
        at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
        return Profiled("shop", "dataset-1", 3, "0123456789abcdef", at, at, found)

    return run
