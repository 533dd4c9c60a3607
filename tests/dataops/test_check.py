"""A contract on rows: none is lost, none is changed, and each rule means what it says."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.dataops.check import check, check_values
from homeostat.dataops.contract import ColumnRule, Contract
from homeostat.dataops.quarantine import broken_lines, quarantine_rows
from homeostat.errors import DataError

CELLS = st.one_of(
    st.none(),
    st.floats(-20, 120).map(str),
    st.integers(-20, 120).map(str),
    st.sampled_from(["", "abc", "nan", "inf", " 7 ", "1e2", "2024-01-31"]),
)
CONTRACT = Contract(
    "random",
    "1",
    (
        ColumnRule("n", "number", required=True, minimum=0, maximum=100),
        ColumnRule("i", "integer", minimum=-10, unique=True),
        ColumnRule("s", "string", allowed=("abc", "7", "")),
        ColumnRule("d", "date"),
    ),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), max_size=30))
def test_rows_in_are_rows_out_and_no_value_is_lost(rows: list[tuple[str | None, ...]]) -> None:
    schema = dict.fromkeys(["n", "i", "s", "d"], pl.String)
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.lit("f.csv").alias("_source"), pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias("_line")
    )
    report = check(frame, CONTRACT)
    assert report.rows == len(rows)
    assert report.good.schema == {"n": pl.Float64, "i": pl.Int64, "s": pl.String, "d": pl.Date, "_source": pl.String, "_line": pl.Int64}
    kept = quarantine_rows(report, "delivery", "data")
    seen = {row["_line"]: row for row in kept.to_dicts()}
    assert sorted([*report.good["_line"].to_list(), *seen]) == list(range(2, len(rows) + 2))
    for line, row in seen.items():
        assert tuple(json.loads(row["_row"]).values()) == rows[line - 2]  # the originals, letter by letter
        assert row["_rules"]
        assert row["_reasons"]
    for row in report.good.to_dicts():
        n, i, s, d = rows[row["_line"] - 2]
        assert (s, str(row["d"]) if row["d"] else None) == (row["s"], d)
        assert 0 <= row["n"] <= 100
        assert row["n"] == float(n or "nan")
        assert row["i"] == (None if i is None or i == "nan" else float(i))
    assert sum(report.failures.values()) == sum(len(row["_rules"]) for row in seen.values())


def _one(rule: ColumnRule, values: Any, dtype: Any = None) -> tuple[list[Any], dict[str, int]]:
    report = check(pl.DataFrame({rule.name: pl.Series(values, dtype=dtype, strict=False)}), Contract("c", "1", (rule,)))
    return report.good[rule.name].to_list(), dict(report.failures)


@pytest.mark.parametrize(
    ("rule", "values", "good", "failures"),
    [
        (ColumnRule("x", "number", minimum=0), [1, None, -1], [1.0, None], {"x.range": 1}),
        (ColumnRule("x", "number", required=True), [1.0, None, math.nan, math.inf], [1.0], {"x.required": 2, "x.type": 1}),
        (ColumnRule("x", "number", maximum=5), [1.0, math.inf, -math.inf], [1.0], {"x.type": 2}),
        (ColumnRule("x", "number", allowed=("1", "2.5")), [1, 3], [1.0], {"x.allowed": 1}),
        (ColumnRule("x", "number"), [True], [], {"x.type": 1}),
        (ColumnRule("x", "number"), [date(2024, 1, 1)], [], {"x.type": 1}),
        (ColumnRule("x", "integer"), [1.0, 1.5, math.nan, 1e30], [1, None], {"x.type": 2}),
        (ColumnRule("x", "integer"), ["1", "1.0", "1.5", "9223372036854775807"], [1, 1, 2**63 - 1], {"x.type": 1}),
        (ColumnRule("x", "integer", unique=True), [1, 1, None, None, 1, 2], [1, None, None, 2], {"x.unique": 2}),
        (ColumnRule("x", "integer", allowed=(str(2**63 - 1),)), [2**63 - 1, 2**63 - 2], [2**63 - 1], {"x.allowed": 1}),
        (ColumnRule("x", "string"), [1.0, 2.5, math.nan], ["1", "2.5", None], {}),
        (ColumnRule("x", "string", required=True, allowed=("a",)), ["a", "b", None], ["a"], {"x.allowed": 1, "x.required": 1}),
        (ColumnRule("x", "boolean"), ["True", "0", "maybe", None], [True, False, None], {"x.type": 1}),
        (ColumnRule("x", "boolean"), [0, 1, 2], [False, True], {"x.type": 1}),
        (ColumnRule("x", "date"), [datetime(2024, 1, 1), datetime(2024, 1, 1, 3)], [date(2024, 1, 1)], {"x.type": 1}),
        (
            ColumnRule("x", "date", minimum="2024-01-02"),
            ["2024-01-01", "2024-01-02", "01/03/2024"],
            [date(2024, 1, 2)],
            {"x.range": 1, "x.type": 1},
        ),
        (
            ColumnRule("x", "timestamp", maximum="2024-01-01T12:00:00"),
            ["2024-01-01", "2024-01-01T11:00:00Z", "2024-01-01 12:00:01", "2024-01-01T12:30:00+02:00"],
            [datetime(2024, 1, 1), datetime(2024, 1, 1, 11), datetime(2024, 1, 1, 10, 30)],
            {"x.range": 1},
        ),
        (ColumnRule("x", "string"), [[1], None], [None], {"x.type": 1}),
    ],
)
def test_what_a_rule_means(rule: ColumnRule, values: list[Any], good: list[Any], failures: dict[str, int]) -> None:
    assert _one(rule, values) == (good, failures)


def test_a_null_column_breaks_only_required() -> None:
    assert _one(ColumnRule("x", "number", minimum=0), [None, None]) == ([None, None], {})
    assert _one(ColumnRule("x", "number", required=True, minimum=0, unique=True, allowed=("1",)), [None, None]) == ([], {"x.required": 2})


def test_reasons_say_got_and_allowed() -> None:
    contract = Contract(
        "c", "1", (ColumnRule("a", "number", minimum=0, maximum=9), ColumnRule("b", "string", required=True, allowed=("x",)))
    )
    frame = pl.DataFrame({"a": ["12", "q"], "b": [None, "z"], "more": [1, 2]})
    report = check(frame, contract)
    assert report.quarantined.to_dicts() == [
        {
            "a": "12",
            "b": None,
            "more": 1,
            "_rules": ["a.range", "b.required"],
            "_reasons": "a: got '12', allowed: 0 to 9; b: got nothing, allowed: a value",
        },
        {
            "a": "q",
            "b": "z",
            "more": 2,
            "_rules": ["a.type", "b.allowed"],
            "_reasons": "a: got 'q', allowed: a finite number; b: got 'z', allowed: one of x",
        },
    ]
    assert report.broken_share == 1.0


def test_columns_absent_and_unknown() -> None:
    contract = Contract("c", "1", (ColumnRule("a", "number"), ColumnRule("b", "date", optional=True)))
    report = check(pl.DataFrame({"more": ["x"], "a": [1]}), contract)
    assert report.good.equals(pl.DataFrame({"a": [1.0], "b": [None]}, schema={"a": pl.Float64, "b": pl.Date}))
    with pytest.raises(DataError) as caught:
        check(pl.DataFrame({"b": ["x"]}), contract)
    assert caught.value.code == "HS203"
    assert "missing: a" in caught.value.message


@pytest.mark.parametrize("rows", [0, 1])
def test_empty_and_single_row_deliveries(rows: int) -> None:
    contract = Contract("c", "1", (ColumnRule("a", "number", maximum=0), ColumnRule("b", "string")))
    report = check(pl.DataFrame({"a": [1.5] * rows, "b": ["x"] * rows}, schema={"a": pl.Float64, "b": pl.String}), contract)
    assert (report.good.height, report.quarantined.height) == (0, rows)
    assert quarantine_rows(report, "d", "data").height == rows


def test_check_values_judges_only_what_is_served() -> None:
    contract = Contract("c", "1", (ColumnRule("a", "number", unique=True, minimum=0), ColumnRule("y", "number", required=True)))
    frame = pl.DataFrame({"a": ["1", "1", "-1", "x"], "y": [None] * 4, "_score": [0.1, 0.2, 0.3, 0.4]})
    report = check_values(frame, contract, ["a", "elsewhere"])
    assert report.good.to_dicts() == [{"a": 1.0, "y": None, "_score": 0.1}, {"a": 1.0, "y": None, "_score": 0.2}]
    assert report.failures == {"a.range": 1, "a.type": 1}
    untouched = check_values(frame, contract, [])
    assert untouched.good.equals(frame)
    assert untouched.quarantined.columns == [*frame.columns, "_rules", "_reasons"]


def test_quarantine_keeps_what_json_cannot_say() -> None:
    contract = Contract("c", "1", (ColumnRule("a", "number", maximum=0),))
    frame = pl.DataFrame(
        {
            "a": [math.inf, 2.0],
            "nan": [math.nan, 0.1],
            "when": [datetime(2024, 1, 1, 3), None],
            "day": [date(2024, 1, 1), None],
            "raw": [b"\x00\xff", None],
            "many": [["x"], []],
            "big": pl.Series([2**64 - 1, 0], dtype=pl.UInt64),
        }
    )
    kept = quarantine_rows(check(frame, contract), "d-1", "data")
    assert kept.columns == ["_table", "_source", "_line", "_rules", "_reasons", "_row", "_delivery", "_final"]
    assert [json.loads(row) for row in kept["_row"]] == [
        {
            "a": "inf",
            "nan": "NaN",
            "when": "2024-01-01 03:00:00.000000",
            "day": "2024-01-01",
            "raw": "00ff",
            "many": ["x"],
            "big": 2**64 - 1,
        },
        {"a": "2.0", "nan": "0.1", "when": None, "day": None, "raw": None, "many": [], "big": 0},
    ]
    assert kept["_delivery"].to_list() == ["d-1", "d-1"]


def test_broken_lines_fit_the_same_table() -> None:
    broken = pl.DataFrame({"_line": [7], "_text": ['1,"x'], "_reason": ["a quote is opened and never closed"]})
    kept = broken_lines(broken, "f.csv", "d", "data")
    report = check(pl.DataFrame({"a": [1]}), Contract("c", "1", (ColumnRule("a", "number"),)))
    assert kept.schema == quarantine_rows(report, "d", "data").schema
    assert kept.row(0) == ("data", "f.csv", 7, ["line"], "a quote is opened and never closed", '{"_text":"1,\\"x"}', "d", False)
