"""Inferred contracts: they accept the data they come from, and say what a person would."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import homeostat
from homeostat.core.sections import Data, Task
from homeostat.dataops.check import check
from homeostat.dataops.contract import ColumnRule, dump_contract, infer_contract, parse_contract
from homeostat.errors import DataError
from homeostat.infra.sources import read

BIKE = Path(homeostat.__file__).parent / "data" / "bike_hourly.csv"
BANK = Path(__file__).resolve().parents[2] / "examples/bank-marketing/data/bank_marketing.parquet"


@pytest.mark.parametrize(
    ("path", "task", "rows"),
    [
        (BIKE, Task(type="regression", target="cnt", time="dteday", leave_out=("instant", "casual", "registered")), 17_379),
        (BANK, Task(type="binary", target="y", positive="yes", time="contact_month", leave_out=("duration",)), 41_188),
    ],
    ids=["bike", "bank"],
)
def test_the_real_data_pass_their_own_contract(path: Path, task: Task, rows: int) -> None:
    frame = read(path, Data(source=path.name)).frame
    contract = infer_contract(frame, task, "real")
    assert parse_contract(dump_contract(contract), "c") == contract
    report = check(frame, contract)
    assert (report.good.height, report.quarantined.height, report.failures) == (rows, 0, {})
    assert report.good.columns == frame.columns
    assert report.good.equals(frame)


def test_each_kind_of_column() -> None:
    n = 60
    frame = pl.DataFrame(
        {
            "when": ["2024-01-01"] * n,
            "id": range(1000, 1000 + n),
            "share": [i / n for i in range(n)],
            "temp": [-10.0 + i for i in range(n)],
            "count": range(n),
            "code": [1, 2, 3] * (n // 3),
            "flag": [0, 1] * (n // 2),
            "same": [7.0] * n,
            "holes": [None, *range(100, 99 + n)],
            "nan": [float("nan"), *(float(i) for i in range(1, n))],
            "text": ["a", "b"] * (n // 2),
            "yes": [True, False] * (n // 2),
            "empty": [None] * n,
            "mostly": ["oops", *(str(i) + ".5" for i in range(1, n))],
            "zip": [f"0{i:03d}" for i in range(n)],
            "leak": range(n),
            "y": ["no", "yes"] * (n // 2),
        },
        schema_overrides={"empty": pl.Null},
    ).with_columns(pl.col("when").str.to_date())
    task = Task(type="binary", target="y", time="when", entity=("id",), leave_out=("leak",))
    rules = {rule.name: rule for rule in infer_contract(frame, task).columns}
    assert rules == {
        "when": ColumnRule("when", "date", required=True),
        "id": ColumnRule("id", "integer", required=True),
        "share": ColumnRule("share", "number", required=True, minimum=0.0, maximum=1.0),
        "temp": ColumnRule("temp", "number", required=True, minimum=-40.0, maximum=79.0),
        "count": ColumnRule("count", "integer", required=True, minimum=0, maximum=89),
        "code": ColumnRule("code", "integer", required=True),
        "flag": ColumnRule("flag", "integer", required=True, minimum=0, maximum=1),
        "same": ColumnRule("same", "number", required=True),
        "holes": ColumnRule("holes", "integer", minimum=71, maximum=187),
        "nan": ColumnRule("nan", "number", minimum=0.0, maximum=88.0),
        "text": ColumnRule("text", "string", required=True),
        "yes": ColumnRule("yes", "boolean", required=True),
        "empty": ColumnRule("empty", "string"),
        "mostly": ColumnRule("mostly", "number", required=True, minimum=0.0, maximum=88.5),
        "zip": ColumnRule("zip", "string", required=True),
        "leak": ColumnRule("leak", "integer", optional=True),
        "y": ColumnRule("y", "string", required=True, allowed=("no", "yes")),
    }


def test_a_growing_target_has_no_upper_limit() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0], "y": [0.0, 5.0]})
    assert infer_contract(frame, Task(type="regression", target="y")).columns[1] == ColumnRule("y", "number", required=True, minimum=0)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.none(), st.floats(width=64)), min_size=1, max_size=40))
def test_any_numbers_pass_but_infinity(values: list[float | None]) -> None:
    frame = pl.DataFrame({"x": values, "y": [1.0] * len(values)}, schema={"x": pl.Float64, "y": pl.Float64})
    report = check(frame, infer_contract(frame, Task(type="regression", target="y")))
    infinite = sum(value in (float("inf"), float("-inf")) for value in values if value is not None)
    assert report.quarantined.height == infinite


def test_refusals() -> None:
    with pytest.raises(DataError, match="HS204"):
        infer_contract(pl.DataFrame({"x": [1]}), Task(type="regression", target="y"))
    with pytest.raises(DataError, match=r"HS209.*'x'.*List"):
        infer_contract(pl.DataFrame({"x": [[1]], "y": [1.0]}), Task(type="regression", target="y"))
