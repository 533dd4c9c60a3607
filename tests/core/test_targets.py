"""What a target can be: a regression on texts is told as what it is."""

from __future__ import annotations

import polars as pl
import pytest

from homeostat.core.sections import Task
from homeostat.core.targets import classes_of
from homeostat.errors import LearningError

TASK = Task(type="regression", target="y")


def test_texts_are_no_quantities() -> None:
    with pytest.raises(LearningError, match="got 'much'; a regression task needs numbers") as caught:
        classes_of(pl.Series("y", ["1", None, "much"]), TASK)
    assert caught.value.code == "HS308"


@pytest.mark.parametrize("values", [["1", "2.5", None], [1, 2, None], [True, False]])
def test_what_can_be_read_as_numbers_is_one(values: list[object]) -> None:
    assert classes_of(pl.Series("y", values), TASK) == ()
