from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest

from homeostat.core import sections
from homeostat.errors import LearningError
from homeostat.preparation.kinds import choose_columns

TASK = sections.Task(type="regression", target="y", entity=("shop",), leave_out=("leak",))


def test_each_type_has_its_kind() -> None:
    frame = pl.DataFrame(
        {
            "y": [1.0, 2.0, 3.0],
            "shop": ["a", "b", "b"],
            "size": [1, 2, 3],
            "share": [0.1, None, 0.3],
            "price": [Decimal("1.5"), Decimal("2.5"), None],
            "open": [True, False, None],
            "day": [date(2020, 1, d) for d in (1, 2, 3)],
            "seen": [datetime(2020, 1, d) for d in (1, 2, 3)],
            "texted": ["2020-01-01", None, "2020-01-02T08:00:00+01:00"],
            "like a date": ["2020-01-01", "2020-01-01 maybe", "2020-13-45"],
            "grade": pl.Series(["low", "high", "low"], dtype=pl.Enum(["low", "high"])),
            "sort": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
        }
    )
    assert dict(choose_columns(frame, TASK, sections.Preparation()).kinds) == {
        "shop": "category",
        "size": "number",
        "share": "number",
        "price": "number",
        "open": "boolean",
        "day": "timestamp",
        "seen": "timestamp",
        "texted": "timestamp",
        "like a date": "category",
        "grade": "category",
        "sort": "category",
    }


def test_the_charter_overrides_a_kind() -> None:
    frame = pl.DataFrame({"y": [1.0, 2.0], "zone": [7, 8]})
    assert choose_columns(frame, TASK, sections.Preparation(types={"zone": "category"})).kinds["zone"] == "category"


def test_what_tells_nothing_is_dropped_and_why_is_recorded() -> None:
    count = 60
    frame = pl.DataFrame(
        {
            "y": [float(i) for i in range(count)],
            "leak": range(count),
            "_source": ["a.csv"] * count,
            "same": [3] * count,
            "empty": [None] * count,
            "nan": [float("nan")] * count,
            "id": [f"id {i}" for i in range(count)],
            "sometimes": [1 if i % 3 else None for i in range(count)],
            "number": range(count),
            "shop": [f"s{i % 3}" for i in range(count)],
        }
    )
    found = choose_columns(frame, TASK, sections.Preparation())
    assert list(found.kinds) == ["sometimes", "number", "shop"], "nulls beside one value tell something"
    assert found.dropped == {
        "y": "the target",
        "leak": "named in task.leave_out",
        "_source": "where the row came from",
        "same": "the same value in every row",
        "empty": "no value in any row",
        "nan": "no value in any row",
        "id": "a different text in every row",
    }


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("odd", [[1], [2]]),
        pl.Series("odd", [{"a": 1}, {"a": 2}]),
        pl.Series("odd", [b"a", b"b"]),
        pl.Series("odd", [time(1), time(2)]),
        pl.Series("odd", [timedelta(1), timedelta(2)]),
    ],
    ids=lambda s: str(s.dtype),
)
def test_a_type_that_cannot_be_prepared_names_its_column(column: pl.Series) -> None:
    frame = pl.DataFrame([pl.Series("y", [1.0, 2.0]), column])
    with pytest.raises(LearningError, match=r"HS304.*column 'odd'.*task.leave_out"):
        choose_columns(frame, TASK, sections.Preparation())
    with pytest.raises(LearningError, match="HS304"):
        choose_columns(frame, TASK, sections.Preparation(types={"odd": "category"}))


def test_nothing_left_is_an_error_that_says_why() -> None:
    with pytest.raises(LearningError, match=r"HS304.*leak: named in task.leave_out"):
        choose_columns(pl.DataFrame({"y": [1.0, 2.0], "leak": [1, 2]}), TASK, sections.Preparation())
