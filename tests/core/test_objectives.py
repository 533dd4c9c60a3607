"""The combined target: a weighted sum, unknown where one of its objectives is."""

from __future__ import annotations

import polars as pl
import pytest

from homeostat.core.objectives import with_combined
from homeostat.core.sections import Objective
from homeostat.errors import DataError

STAY = Objective(name="stay", target="days", metric="mae", weight=2)
BUY = Objective(name="buy", target="bought", type="binary", positive=1, metric="auc", weight=-10)


def test_numbers_and_positives_are_added_up_by_weight() -> None:
    rows = pl.DataFrame({"days": [1.5, 2.0, None, 4.0, float("nan")], "bought": ["1", "0", "1", None, "1"]})
    made = with_combined(rows, "worth", (STAY, BUY))
    assert made["worth"].to_list() == [-7.0, 4.0, None, None, None]
    assert made.drop("worth").equals(rows)


def test_labels_come_as_texts() -> None:
    rows = pl.DataFrame({"days": ["1.5", "many"], "bought": [1.0, 1.0]})
    assert with_combined(rows, "worth", (STAY, BUY))["worth"].to_list() == [-7.0, None]


def test_without_objectives_nothing_is_added() -> None:
    rows = pl.DataFrame({"days": [1]})
    assert with_combined(rows, "worth", ()) is rows


def test_a_column_that_is_missing_or_in_the_way_is_told() -> None:
    with pytest.raises(DataError, match=r"HS204.*bought.*objective buy"):
        with_combined(pl.DataFrame({"days": [1]}), "worth", (STAY, BUY))
    with pytest.raises(DataError, match=r"HS203.*worth.*the data has such a column.*give task.target a name"):
        with_combined(pl.DataFrame({"days": [1], "bought": [1], "worth": [1]}), "worth", (STAY, BUY))
