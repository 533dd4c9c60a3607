from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from homeostat.core import sections
from homeostat.errors import CharterError
from homeostat.preparation.window import select

TASK = sections.Task(type="regression", target="y", time="at")
FRAME = pl.DataFrame({"at": [date(2020, 1, 1) + timedelta(days=i) for i in range(60)], "y": [1.0] * 60})


def window(kind: str, days: int | None = None) -> sections.Window:
    return sections.Window.model_validate({"kind": kind, "length": None if days is None else timedelta(days=days)})


def test_all_is_every_row_without_weights() -> None:
    rows, weights = select(FRAME, TASK, window("all"))
    assert rows.equals(FRAME)
    assert weights is None


def test_recent_goes_back_from_the_newest_row_wherever_it_stands() -> None:
    rows, weights = select(FRAME.sample(fraction=1.0, shuffle=True, seed=1), TASK, window("recent", 10))
    assert weights is None
    assert sorted(rows["at"].to_list()) == FRAME["at"].tail(10).to_list()


def test_decay_halves_with_each_half_life() -> None:
    rows, weights = select(FRAME, TASK, window("decay", 15))
    assert rows.equals(FRAME)
    assert weights is not None
    np.testing.assert_allclose(weights[::-1][[0, 15, 30, 45]], [1.0, 0.5, 0.25, 0.125], rtol=1e-12)
    assert (np.diff(weights) > 0).all()


def test_rows_without_a_time_count_for_nothing() -> None:
    frame = FRAME.with_columns(at=pl.when(pl.col("at") == date(2020, 2, 29)).then(None).otherwise(pl.col("at")))
    rows, _ = select(frame, TASK, window("recent", 10))
    assert rows["at"].null_count() == 0
    _, weights = select(frame, TASK, window("decay", 10))
    assert weights is not None
    assert weights[-1] == 0.0
    assert weights[-2] == 1.0


def test_no_rows_stay_no_rows() -> None:
    assert select(FRAME.clear(), TASK, window("recent", 10))[0].height == 0


def test_a_window_of_time_needs_a_time_column_and_a_length() -> None:
    with pytest.raises(CharterError, match=r"HS106.*task.time"):
        select(FRAME, sections.Task(type="regression", target="y"), window("decay", 3))
    with pytest.raises(CharterError, match=r"HS106.*length"):
        select(FRAME, TASK, window("recent"))
