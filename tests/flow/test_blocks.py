"""Which rows depend on each other: those of a day, those in order; not those that a split placed by their content."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from homeostat.charter.load import load_charter
from homeostat.flow.blocks import block_length, judged_block
from homeostat.testing.charters import revised

BIKE = load_charter(Path(__file__).resolve().parents[2] / "examples" / "bike-demand" / "homeostat.yaml")
HOURS = pl.DataFrame({"dteday": [datetime(2024, 1, 1) + timedelta(hours=n) for n in range(1_000)]})


@pytest.mark.parametrize(
    ("changes", "block"),
    [
        ({}, 24),
        ({"task.time": None}, 10),  # the order of the rows is the only order there is
        ({"task.time": None, "preparation.split": {"kind": "random"}}, 1),
        ({"task.time": None, "preparation.split": {"kind": "stratified"}}, 1),
        ({"preparation.split": {"kind": "random"}}, 24),  # rows of one day depend on each other wherever they are
    ],
)
def test_rows_judged_together(changes: dict[str, Any], block: int) -> None:
    charter = revised(BIKE, {"preparation.holdout": 0.2, "preparation.validation": 0.2, **changes})
    assert judged_block(charter, HOURS) == block
    assert block_length(charter, HOURS) == max(block, 10)


def test_forecasts_hang_together_over_their_horizon() -> None:
    forecast = {"step": "1h", "horizon": 72, "season": (24,)}
    charter = revised(BIKE, {"task.forecast": forecast, "task.entity": [], "preparation.holdout": 0.2, "preparation.validation": 0.2})
    assert block_length(charter, HOURS) == 72
    twice = pl.concat([HOURS, HOURS]).sort("dteday")  # each hour from two origins
    assert block_length(charter, twice) == 144
