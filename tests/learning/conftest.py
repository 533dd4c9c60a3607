from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import homeostat
from homeostat.core import sections

BIKE = Path(homeostat.__file__).parent / "data" / "bike_hourly.csv"
BANK = Path(__file__).resolve().parents[2] / "examples/bank-marketing/data/bank_marketing.parquet"


@pytest.fixture(scope="session")
def bike() -> pl.DataFrame:
    """January to June 2011."""
    return pl.read_csv(BIKE, try_parse_dates=True).head(4_300)


@pytest.fixture(scope="session")
def bike_task() -> sections.Task:
    return sections.Task(
        type="regression",
        target="cnt",
        time="dteday",
        entity=("dteday", "hr"),
        leave_out=("instant", "yr", "mnth", "season", "casual", "registered"),
        label_delay=timedelta(days=1),
    )


@pytest.fixture(scope="session")
def bank() -> pl.DataFrame:
    """Every fourth call, in a fixed order that has nothing to do with time: the skill is what is tested, not the crisis of 2008."""
    return pl.read_parquet(BANK).gather_every(4).sample(fraction=1.0, shuffle=True, seed=7)


@pytest.fixture(scope="session")
def bank_task() -> sections.Task:
    return sections.Task(type="binary", target="y", positive="yes", leave_out=("duration", "contact_month"))
